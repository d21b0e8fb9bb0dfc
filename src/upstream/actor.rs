//! The task that owns one upstream: starts it, watches it, ends it.

use std::process::ExitStatus;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time;
use tokio::time::Instant;

use crate::config;
use crate::config::Target;
use crate::upstream::Error;
use crate::upstream::Lists;
use crate::upstream::Surroundings;
use crate::upstream::Wants;
use crate::upstream::connection;
use crate::upstream::connection::Connection;
use crate::upstream::connection::LAST_WORDS_LIMIT;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::memory::Memory;
use crate::upstream::negotiate::Agreed;
use crate::upstream::negotiate::Verdict;
use crate::upstream::negotiate::negotiate;
use crate::upstream::reader;
use crate::upstream::reader::Noise;
use crate::upstream::reader::Reader;
use crate::upstream::session::Session;
use crate::upstream::state::State;
use crate::upstream::transport::stdio;
use crate::upstream::transport::stdio::Process;
use crate::upstream::transport::tail::Tail;
use crate::upstream::upkeep::Upkeep;
use crate::wire::Raw;
use crate::wire::era::Era;

/// How often one start may begin anew, in another era or because what was remembered was wrong.
const ATTEMPTS: usize = 3;

/// Owns one upstream.
#[derive(Debug)]
pub(super) struct Actor {
    /// What to start, and how.
    pub(super) config: Arc<config::Upstream>,
    /// What every upstream is given.
    pub(super) around: Surroundings,
    /// Where its state is published.
    pub(super) state: watch::Sender<State>,
    /// Where it says that lists changed.
    pub(super) lists: watch::Sender<Lists>,
    /// What callers want from it.
    pub(super) wants: watch::Receiver<Wants>,
    /// What the client in front can do.
    pub(super) offer: watch::Receiver<Raw>,
}

/// A process, and all that hangs on it.
struct Running {
    process: Process,
    connection: Connection,
    stderr: Tail,
    noise: Noise,
    drain: JoinHandle<()>,
}

impl Actor {
    /// Starts the upstream whenever somebody wishes so, until everything stops.
    pub(super) async fn run(self, mut wishes: mpsc::Receiver<()>) {
        let stop = self.around.stop.clone();
        loop {
            tokio::select! {
                wish = wishes.recv() => if wish.is_none() { break },
                () = stop.cancelled() => break,
            }
            if matches!(*self.state.borrow(), State::Stopped(_)) {
                continue;
            }
            self.state.send_replace(State::Starting);
            match self.start().await {
                Ok((running, agreed)) => self.serve(running, agreed, &mut wishes).await,
                Err(error) => self.fail(error),
            }
        }
        self.state.send_replace(State::Stopped(Error::stopped(&self.config.id)));
    }

    /// Lets the session be used until it ends.
    async fn serve(&self, mut running: Running, agreed: Agreed, wishes: &mut mpsc::Receiver<()>) {
        let session = Arc::new(Session { connection: running.connection.clone(), agreed });
        let upkeep = Upkeep::begin(Arc::clone(&session), self.wants.clone()).await;
        self.around.tasks.spawn(upkeep.run());
        tracing::info!(
            upstream = %self.config.id,
            revision = %session.agreed.revision,
            "ready"
        );
        self.state.send_replace(State::Ready(session));
        let connection = running.connection.clone();
        let is_idle = loop {
            tokio::select! {
                () = connection.closed().cancelled() => break false,
                () = self.around.stop.cancelled() => break false,
                status = running.process.wait() => {
                    tracing::debug!(upstream = %self.config.id, ?status, "the process ended");
                    connection.last_words().await;
                    break false;
                }
                () = self.unused(&connection) => break true,
                // It is ready, so the wish is fulfilled.
                wish = wishes.recv() => if wish.is_none() { break false },
            }
        };
        if is_idle {
            // Whoever needs it meanwhile waits until it can be started again.
            self.state.send_replace(State::Starting);
            running.end().await;
            self.state.send_replace(State::Idle);
            return;
        }
        let stderr = running.stderr.clone();
        let status = running.end().await;
        let detail = status.map_or_else(String::new, stdio::describe);
        self.fail(self.error(Kind::Exited, &detail, stderr.lines()));
    }

    /// Waits until nobody has used the session for `timeout.idle`; a subscription is a use.
    async fn unused(&self, connection: &Connection) {
        let limit = self.config.timeout.idle;
        loop {
            let now = Instant::now();
            let is_wanted = !self.wants.borrow().resources.is_empty();
            let since = connection.idle_since().filter(|_| !is_wanted).unwrap_or(now);
            if since + limit <= now {
                return;
            }
            time::sleep_until(since + limit).await;
        }
    }

    fn fail(&self, error: Error) {
        if !self.around.stop.is_cancelled() {
            tracing::warn!(upstream = %self.config.id, %error, "failed");
        }
        self.state.send_replace(State::failed(error, Instant::now()));
    }

    async fn start(&self) -> Result<(Running, Agreed), Error> {
        let memory = Memory::new(&self.around.state, &self.config);
        let remembered = memory.recall().await.era;
        let started = self.start_within(Instant::now() + self.config.timeout.start, remembered);
        match started.await {
            Ok((running, agreed)) => {
                memory.remember(&agreed).await;
                Ok((running, agreed))
            }
            Err(error) => {
                // A server that is silent in the era that was remembered may speak another now.
                if error.kind == Kind::StartTimedOut {
                    memory.forget().await;
                }
                Err(error)
            }
        }
    }

    /// Starts processes until one agrees, at most [`ATTEMPTS`], until `deadline`.
    async fn start_within(
        &self,
        deadline: Instant,
        remembered: Option<Era>,
    ) -> Result<(Running, Agreed), Error> {
        let (mut known, mut is_remembered) = (remembered, remembered.is_some());
        for _ in 0..ATTEMPTS {
            let running = self.launch()?;
            let offer = self.offer.borrow().clone();
            let limit = self.config.timeout.start;
            let verdict = tokio::select! {
                verdict = negotiate(&running.connection, &offer, known, limit) => Some(verdict),
                () = time::sleep_until(deadline) => None,
                () = self.around.stop.cancelled() => {
                    running.end().await;
                    return Err(Error::stopped(&self.config.id));
                }
            };
            if let Some(Verdict::Agreed(agreed)) = verdict {
                return Ok((running, agreed));
            }
            let (stderr, noise) = (running.stderr.clone(), running.noise.clone());
            let status = running.end().await;
            let (kind, detail) = match verdict {
                None => (Kind::StartTimedOut, format!("{limit:?} have passed")),
                Some(Verdict::StartAgain(era)) => {
                    (known, is_remembered) = (Some(era), false);
                    continue;
                }
                Some(_) if is_remembered => {
                    (known, is_remembered) = (None, false);
                    continue;
                }
                Some(Verdict::Failed(detail)) => (Kind::HandshakeFailed, detail),
                Some(Verdict::Closed | Verdict::Agreed(_)) => {
                    (Kind::Exited, status.map_or_else(String::new, stdio::describe))
                }
            };
            return Err(self.error(kind, &with_noise(detail, &noise), stderr.lines()));
        }
        let detail = "it changes its mind about the era it speaks";
        Err(self.error(Kind::HandshakeFailed, detail, Vec::new()))
    }

    /// Starts the process and the tasks that read and write its pipes.
    fn launch(&self) -> Result<Running, Error> {
        let command = match &self.config.target {
            Target::Command(command) => command,
            Target::Remote(remote) => {
                let detail = format!("`{}`: this version starts programs only", remote.shown());
                return Err(self.error(Kind::CannotStart, &detail, Vec::new()));
            }
        };
        let (process, pipes) =
            stdio::start(command, &self.around.environment).map_err(|error| {
                let detail = format!("`{}`: {}", command.program, stdio::explain(&error));
                self.error(Kind::CannotStart, &detail, Vec::new())
            })?;
        let stderr = Tail::new(self.around.secrets.clone());
        let noise = Noise::new(&stderr);
        let (outgoing, queue) = mpsc::channel(connection::OUTGOING_CAPACITY);
        let around = connection::Surroundings {
            callers: self.around.callers.clone(),
            lists: self.lists.clone(),
            tasks: self.around.tasks.clone(),
        };
        let connection = Connection::new(self.config.id.clone(), outgoing, &around);
        let tasks = &self.around.tasks;
        tasks.spawn(reader::write(connection.clone(), queue, pipes.stdin));
        let reader = Reader::new(connection.clone(), noise.clone());
        tasks.spawn(reader.run(pipes.stdout, self.around.message_limit));
        let drain = tasks.spawn(stderr.clone().drain(self.config.id.clone(), pipes.stderr));
        Ok(Running { process, connection, stderr, noise, drain })
    }

    fn error(&self, kind: Kind, detail: &str, stderr: Vec<String>) -> Error {
        Error { stderr, ..Error::new(&self.config.id, kind, detail, Executed::No) }
    }
}

impl Running {
    /// Ends the process and everything that hangs on it; returns how it ended.
    async fn end(self) -> Option<ExitStatus> {
        // The writer lets go of stdin when the connection is closed.
        self.connection.close();
        let status = self.process.stop().await;
        let mut drain = self.drain;
        if time::timeout(LAST_WORDS_LIMIT, &mut drain).await.is_err() {
            drain.abort();
        }
        status
    }
}

/// Adds what a program wrote to stdout by mistake, which is often the reason.
fn with_noise(detail: String, noise: &Noise) -> String {
    match noise.first() {
        None => detail,
        Some(line) if detail.is_empty() => {
            format!("it wrote to stdout, which is no JSON-RPC: {line}")
        }
        Some(line) => format!("{detail}; it wrote to stdout, which is no JSON-RPC: {line}"),
    }
}
