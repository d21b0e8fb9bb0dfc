//! One session of a client of 2025-03-26 to 2025-11-25: what it has begun, and its streams.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::downstream::http::response::Response;
use bytes::Bytes;
use tokio::time;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::downstream::Service;
use crate::downstream::connection::Connection;
use crate::downstream::http::replay::Absence;
use crate::downstream::http::replay::Position;
use crate::downstream::http::replay::Reader;
use crate::downstream::http::replay::Replay;
use crate::downstream::http::status;
use crate::downstream::http::stream;
use crate::downstream::http::stream::First;
use crate::downstream::http::stream::Source;
use crate::downstream::outbox::Outbox;
use crate::downstream::outbox::Outgoing;
use crate::exchange::caller::Reach;
use crate::exchange::principal::Principal;
use crate::router::Router;
use crate::wire::era::Revision;
use crate::wire::sse::Event;

/// How many streams of requests are remembered after they ended.
const STREAM_LIMIT: usize = 32;
/// How many bytes of them that the client was handed are.
const BYTE_LIMIT: usize = 4 * 1024 * 1024;
/// How long the last messages may take to get into their streams.
const FLUSH_LIMIT: Duration = Duration::from_millis(500);
/// How long a client should wait before it comes back for a stream.
const RETRY: Duration = Duration::from_secs(1);
/// The stream of what belongs to no request.
const STANDING: u64 = 0;

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    /// The client.
    pub(super) connection: Connection,
    standing: Arc<Replay>,
    turn: Mutex<()>,
    streams: Mutex<Streams>,
    /// What moves messages into streams.
    movers: TaskTracker,
    uses: AtomicUsize,
    used: Mutex<Instant>,
}

/// The streams of requests, by age.
#[derive(Debug, Default)]
struct Streams {
    /// How many there were.
    count: u64,
    kept: VecDeque<Arc<Replay>>,
}

/// Somebody uses a session; it does not expire meanwhile.
#[derive(Debug)]
pub(super) struct Use(Arc<Session>);

/// A stream on its way to the client.
struct Following {
    reader: Reader,
    /// Says where the stream begins, which 2025-11-25 wants to know.
    primes: bool,
    /// Nobody reads what belongs to no request once this is dropped.
    is_standing: bool,
    session: Use,
}

impl Session {
    /// Makes a session that is not open yet.
    pub(super) fn new(service: Service) -> Arc<Self> {
        let (outbox, outgoing) = Outbox::channel();
        let standing = Replay::new(STANDING, Absence::Waits);
        let movers = TaskTracker::new();
        movers.spawn(Arc::clone(&standing).follow(None, outgoing));
        Arc::new(Self {
            connection: Connection::new(service, outbox, TaskTracker::new()),
            standing,
            turn: Mutex::default(),
            streams: Mutex::default(),
            movers,
            uses: AtomicUsize::new(0),
            used: Mutex::new(Instant::now()),
        })
    }

    /// Keeps the session from expiring while the returned value is held.
    pub(super) fn hold(self: &Arc<Self>) -> Use {
        self.uses.fetch_add(1, Ordering::Relaxed);
        Use(Arc::clone(self))
    }

    /// Returns for how long nobody has used it; nothing while somebody does.
    pub(super) fn idle(&self) -> Option<Duration> {
        let is_busy =
            self.uses.load(Ordering::Relaxed) > 0 || !self.connection.shared.flights.is_empty();
        (!is_busy).then(|| self.used().elapsed())
    }

    /// Returns whether it is one of this principal, and sees what `router` sees.
    pub(super) fn belongs_to(&self, router: &Arc<Router>, principal: &Principal) -> bool {
        let service = &self.connection.shared.service;
        Arc::ptr_eq(&service.router, router) && service.principal == *principal
    }

    /// Turns what a request causes to be said into its response. Unlike with a modern request,
    /// dropping it cancels nothing.
    pub(super) async fn respond(
        self: &Arc<Self>,
        mut outgoing: Outgoing,
        session: Use,
    ) -> Option<Response> {
        let first = match stream::first(&mut outgoing).await {
            First::Answer(verdict, frame) => {
                return Some(status::answer(status::legacy(verdict), verdict, frame));
            }
            First::Nothing => return None,
            First::Other(first) => first,
        };
        let replay = self.streams().open();
        let reader = replay.read(None);
        self.movers.spawn(replay.follow(first, outgoing));
        Some(self.following(reader, session, false))
    }

    /// Returns the stream of what belongs to no request, as its response.
    pub(super) fn stand(self: &Arc<Self>, session: Use) -> Response {
        self.resume_standing(None, session)
    }

    /// Returns the rest of a stream after an event the client knows; nothing if it is forgotten.
    pub(super) fn resume(self: &Arc<Self>, from: Position, session: Use) -> Option<Response> {
        if from.stream == STANDING {
            return Some(self.resume_standing(Some(from.event), session));
        }
        let replay = self.streams().find(from.stream)?;
        Some(self.following(replay.read(Some(from.event)), session, false))
    }

    /// Ends the session: what is under way may finish until `patience` is over.
    pub(super) async fn end(&self, patience: impl Future<Output = ()>) {
        self.connection.end(patience).await;
        self.connection.shared.outbox.close();
        self.standing.end();
        self.movers.close();
        if time::timeout(FLUSH_LIMIT, self.movers.wait()).await.is_err() {
            tracing::debug!("the last messages of a session were lost");
        }
        for stream in &self.streams().kept {
            stream.end();
        }
    }

    fn resume_standing(self: &Arc<Self>, after: Option<u64>, session: Use) -> Response {
        let turn = self.turn();
        let reader = self.standing.read(after);
        self.set_reach(Reach::Anytime);
        drop(turn);
        self.following(reader, session, true)
    }

    fn following(&self, reader: Reader, session: Use, is_standing: bool) -> Response {
        let primes = self.connection.session() >= Some(Revision::V2025_11_25);
        stream::events(Following { reader, primes, is_standing, session })
    }

    fn set_reach(&self, reach: Reach) {
        if let Some(caller) = self.connection.caller() {
            caller.set_reach(reach);
        }
    }

    /// Lets readers of what belongs to no request come and go one at a time, so that whether
    /// there is one is never said in the wrong order.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> MutexGuard<'_, Instant> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams {
    fn open(&mut self) -> Arc<Replay> {
        self.count += 1;
        let replay = Replay::new(self.count, Absence::Remembers);
        self.trim();
        self.kept.push_back(Arc::clone(&replay));
        replay
    }

    fn find(&self, number: u64) -> Option<Arc<Replay>> {
        self.kept.iter().find(|stream| stream.number() == number).cloned()
    }

    /// Forgets streams that ended: first those that the client was handed, oldest first.
    fn trim(&mut self) {
        loop {
            let ended = || self.kept.iter().enumerate().filter(|(_, stream)| stream.is_over());
            let handed = || ended().filter(|(_, stream)| stream.is_handed());
            let bytes: usize = handed().map(|(_, stream)| stream.bytes()).sum();
            let is_too_much = ended().count() >= STREAM_LIMIT;
            let oldest = match handed().next() {
                Some((index, _)) if is_too_much || bytes > BYTE_LIMIT => index,
                None if is_too_much => match ended().next() {
                    Some((index, _)) => index,
                    None => return,
                },
                _ => return,
            };
            self.kept.remove(oldest);
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        *self.0.used() = Instant::now();
        self.0.uses.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Source for Following {
    async fn next(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.primes) {
            let (id, retry) = (Some(self.reader.position().to_string()), Some(RETRY));
            return Some(Event { id, retry, ..Event::default() }.write());
        }
        let (position, data) = self.reader.next().await?;
        Some(Event { id: Some(position.to_string()), data, ..Event::default() }.write())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let Use(session) = &self.session;
        if !self.is_standing {
            return;
        }
        let turn = session.turn();
        // Whoever came in the meantime is told and asked instead.
        if !self.reader.is_outdated() {
            session.set_reach(Reach::InCallsOnly);
        }
        drop(turn);
    }
}
