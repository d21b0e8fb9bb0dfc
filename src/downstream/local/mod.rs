//! The local sockets of a running gateway, one for each question: whoever connects gets the answer,
//! a document, or lines for as long as they follow.
//!
//! Nothing is ever read from them, so nothing has to be understood or waited for. Who may connect
//! is said by the file system: the directory and the sockets belong to one user alone; and by the
//! system, which says whose program it is that connected.

/// Asking what runs.
pub mod ask;
/// Where sockets lie.
pub mod place;

mod stream;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;
use tokio::net::UnixStream;
use tokio::select;
use tokio::sync::Semaphore;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::downstream::local::place::Error;
use crate::downstream::local::place::Place;
use crate::downstream::local::place::Question;
use crate::downstream::local::stream::Story;

/// How many may be told of one question at the same time; more wait in the queue of the system.
const CONNECTIONS: usize = 8;
/// How long one may wait for the answer and take to read it.
const VISIT_LIMIT: Duration = Duration::from_secs(9);
/// How long to wait when no connection can be taken, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that is there, and is taken away when this is dropped.
#[derive(Debug)]
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
}

impl Door {
    /// Makes the socket of this process for a question in the first of `directories` that can have
    /// it, and takes away those for the same question of processes that are gone.
    ///
    /// # Errors
    ///
    /// Why the last directory could not have it.
    pub async fn open(directories: &[PathBuf], question: Question) -> Result<Self, Error> {
        let mut outcome = Err(Error::Nowhere);
        for directory in directories {
            outcome = Self::open_in(directory, question).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    async fn open_in(directory: &Path, question: Question) -> Result<Self, Error> {
        let place = Place::make(directory)?;
        place.sweep_of(question).await;
        let path = place.socket(process::id(), question);
        let failed = |error: io::Error| Error::Unusable { path: path.clone(), error };
        // What is left now answers: a process of another machine or container that sees the same
        // disk. Its socket stays its own.
        let listener = UnixListener::bind(&path).map_err(failed)?;
        let door = Self { listener, path: path.clone() };
        // Nobody else could come before this either: the directory is closed to them.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(door)
    }

    /// Gives everybody who connects an `answer`, a document, until `stop`.
    pub async fn serve<F>(self, answer: impl Fn() -> F, stop: CancellationToken)
    where
        F: Future<Output = String> + Send + 'static,
    {
        let visit = |stream| {
            let answer = answer();
            async move {
                let told = async { tell(stream, &answer.await).await };
                if time::timeout(VISIT_LIMIT, told).await.is_err() {
                    tracing::debug!("somebody at the local socket took too long");
                }
            }
        };
        self.receive(visit, stop).await;
    }

    /// Tells everybody who connects a `story`, for as long as they take it, until `stop`.
    pub async fn relate(self, story: impl Fn() -> Story, stop: CancellationToken) {
        self.receive(|stream| stream::tell(stream, story()), stop).await;
    }

    async fn receive<F>(self, visit: impl Fn(UnixStream) -> F, stop: CancellationToken)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (places, visits) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
        loop {
            let visitor = select! {
                visitor = self.next(&places) => visitor,
                () = stop.cancelled() => break,
            };
            let (stream, place) = match visitor {
                Ok(visitor) => visitor,
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection to the local socket");
                    time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if !is_welcome(&stream) {
                continue;
            }
            let visit = visit(stream);
            visits.spawn(stop.clone().run_until_cancelled_owned(async move {
                visit.await;
                drop(place);
            }));
        }
        visits.close();
        visits.wait().await;
    }

    async fn next(
        &self,
        places: &Arc<Semaphore>,
    ) -> io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
        let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = self.listener.accept().await?;
        Ok((stream, place))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the local socket was gone already");
        }
    }
}

/// Returns whether whoever connected may be told: they are this user, or the system itself, by the
/// word of the system. The directory keeps others out; this does where somebody opened it.
fn is_welcome(stream: &UnixStream) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if is_let_in(peer.uid(), own) => true,
        Ok(peer) => {
            tracing::warn!(user = peer.uid(), "somebody else was refused at the local socket");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "nobody knows who is at the local socket, so they are refused");
            false
        }
    }
}

/// Returns whether a user may be told what runs for the user `own`.
fn is_let_in(user: u32, own: u32) -> bool {
    user == own || user == 0
}

async fn tell(mut stream: UnixStream, document: &str) {
    let told = async {
        stream.write_all(document.as_bytes()).await?;
        stream.write_all(b"\n").await?;
        stream.shutdown().await
    };
    if let Err(error) = told.await {
        tracing::debug!(%error, "somebody at the local socket left early");
    }
}
