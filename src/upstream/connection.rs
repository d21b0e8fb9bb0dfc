//! One connection: which requests are under way on it, and what comes back for each.
//!
//! Every request has a queue of its own. Its last place is kept free for the answer, so an answer
//! is never lost and never waits; progress and log messages give way when a caller is too slow.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::mpsc::OwnedPermit;
use tokio::sync::watch;
use tokio::time;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::exchange::Exchange;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Callers;
use crate::ids::UpstreamId;
use crate::upstream::Lists;
use crate::upstream::visits::Visits;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::frame;
use crate::wire::method;

/// How many frames may wait for an upstream that reads slowly.
pub(super) const OUTGOING_CAPACITY: usize = 256;
/// How many things may wait for one call, its answer included.
const CALL_CAPACITY: usize = 256;
/// How long one slow caller may hold up what is read for everybody, once per call.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long what an upstream wrote last may take to be read after it ended.
pub(super) const LAST_WORDS_LIMIT: Duration = Duration::from_millis(500);
/// How long a cancellation may wait for room in the outgoing queue.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

/// What comes back for a request.
#[derive(Debug)]
pub(super) enum Incoming {
    /// Parameters of a progress notification.
    Progress(Raw),
    /// Parameters of a log message.
    Log(Raw),
    /// The subscription it asked for stands.
    Acknowledged,
    /// The result, or the `error` object. Nothing follows.
    Answer(Result<Raw, Raw>),
    /// An answer over the message limit. Nothing follows.
    TooLarge,
    /// The connection ended, or the upstream ended this subscription. Nothing follows.
    Closed,
}

/// A connection; cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct Connection(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    upstream: UpstreamId,
    outgoing: mpsc::Sender<Bytes>,
    table: Mutex<Table>,
    callers: Callers,
    lists: watch::Sender<Lists>,
    tasks: TaskTracker,
    closed: CancellationToken,
    /// What is spoken, once that is agreed on.
    revision: OnceLock<Revision>,
    visits: Visits,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    calls: HashMap<u64, Pending>,
    is_closed: bool,
    /// When a caller's request last began or ended.
    used: Option<Instant>,
}

#[derive(Debug)]
struct Pending {
    events: mpsc::Sender<Incoming>,
    answer: OwnedPermit<Incoming>,
    exchange: Option<Exchange>,
    asking: Arc<AtomicUsize>,
    is_slow: bool,
}

/// What a connection needs to know about the world around it.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    /// Whom it may tell and ask outside of calls.
    pub(super) callers: Callers,
    /// Where it says that a list changed.
    pub(super) lists: watch::Sender<Lists>,
    /// Where its tasks are counted.
    pub(super) tasks: TaskTracker,
}

impl Connection {
    /// Makes a connection that writes to `outgoing`.
    pub(super) fn new(
        upstream: UpstreamId,
        outgoing: mpsc::Sender<Bytes>,
        around: &Surroundings,
    ) -> Self {
        Self(Arc::new(Shared {
            upstream,
            outgoing,
            table: Mutex::default(),
            callers: around.callers.clone(),
            lists: around.lists.clone(),
            tasks: around.tasks.clone(),
            closed: CancellationToken::new(),
            revision: OnceLock::new(),
            visits: Visits::default(),
        }))
    }

    /// Returns whose connection this is.
    pub(super) fn upstream(&self) -> &UpstreamId {
        &self.0.upstream
    }

    /// Returns whom it may tell and ask outside of calls.
    pub(super) fn callers(&self) -> &Callers {
        &self.0.callers
    }

    /// Returns which addresses its clients were asked to visit.
    pub(super) fn visits(&self) -> &Visits {
        &self.0.visits
    }

    /// Says which revision is spoken from now on.
    pub(super) fn agree_on(&self, revision: Revision) {
        // What was agreed on once holds as long as the connection.
        let _agreed_on: &Revision = self.0.revision.get_or_init(|| revision);
    }

    /// Returns which revision is spoken; the newest legacy one while that is being found out.
    pub(super) fn revision(&self) -> Revision {
        self.0.revision.get().copied().unwrap_or(Revision::LATEST_LEGACY)
    }

    /// Returns where its tasks are counted.
    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Returns the token that is cancelled when the connection has ended.
    pub(super) fn closed(&self) -> &CancellationToken {
        &self.0.closed
    }

    /// Waits until everything the upstream wrote has been read, answers among it.
    pub(super) async fn last_words(&self) {
        drop(time::timeout(LAST_WORDS_LIMIT, self.closed().cancelled()).await);
    }

    /// Says that a list changed.
    pub(super) fn list_changed(&self, change: impl FnOnce(&mut Lists)) {
        self.0.lists.send_modify(change);
    }

    /// Makes room for a request; it is sent by [`Call::send`].
    ///
    /// Returns nothing if the connection has ended.
    pub(super) fn call(&self, exchange: Option<&Exchange>) -> Option<Call> {
        let (events, incoming) = mpsc::channel(CALL_CAPACITY);
        let answer = events.clone().try_reserve_owned().ok()?;
        let asking = Arc::new(AtomicUsize::new(0));
        let mut table = self.lock();
        if table.is_closed {
            return None;
        }
        table.last += 1;
        table.used = Some(Instant::now());
        let number = table.last;
        let (exchange, shared) = (exchange.cloned(), Arc::clone(&asking));
        table
            .calls
            .insert(number, Pending { events, answer, exchange, asking: shared, is_slow: false });
        drop(table);
        Some(Call { connection: self.clone(), number, incoming, asking, sent: false })
    }

    /// Sends a notification; it is lost if the connection has ended.
    pub(super) async fn notify(&self, method: &str, params: Option<&Raw>) {
        self.send(frame::notification(method, params)).await;
    }

    /// Sends a notification without waiting; it is lost if the upstream does not read.
    pub(super) fn notify_now(&self, method: &str) {
        drop(self.0.outgoing.try_send(frame::notification(method, None)));
    }

    /// Sends an answer to a request of the upstream; it is lost if the connection has ended.
    pub(super) async fn answer(&self, id: &Id, outcome: Result<&Raw, &Raw>) {
        self.send(frame::response(Some(id), outcome)).await;
    }

    /// Sends an answer without waiting; it is lost if the upstream does not read.
    pub(super) fn answer_now(&self, id: &Id, outcome: Result<&Raw, &Raw>) {
        drop(self.0.outgoing.try_send(frame::response(Some(id), outcome)));
    }

    async fn send(&self, bytes: Bytes) {
        tokio::select! {
            sent = self.0.outgoing.send(bytes) => drop(sent),
            () = self.0.closed.cancelled() => {}
        }
    }

    /// Gives the request `number` its answer.
    pub(super) fn finish(&self, number: u64, answer: Incoming) {
        let pending = self.remove(number);
        let Some(pending) = pending else {
            tracing::debug!(upstream = %self.upstream(), number, "answer to nothing");
            return;
        };
        drop(pending.answer.send(answer));
    }

    /// Ends a subscription, which a modern server may do on stdio; no caller's request is touched.
    pub(super) fn end_subscription(&self, number: u64) {
        let is_own = |pending: &Pending| pending.exchange.is_none();
        if self.lock().calls.get(&number).is_some_and(is_own) {
            self.finish(number, Incoming::Closed);
        }
    }

    /// Returns the only request under way, if there is exactly one.
    pub(super) fn only_number(&self) -> Option<u64> {
        let table = self.lock();
        let mut numbers = table.calls.keys();
        numbers.next().copied().filter(|_| numbers.next().is_none())
    }

    /// Tells the request `number` something before its answer.
    ///
    /// A caller without room for it is waited for once, at most [`PATIENCE`]; from then on it
    /// misses what it has no room for, because everybody else would wait with it.
    pub(super) async fn tell(&self, number: u64, incoming: Incoming) {
        let pending = self.lock().calls.get(&number).map(|it| (it.events.clone(), it.is_slow));
        let Some((events, is_slow)) = pending else { return };
        let Err(mpsc::error::TrySendError::Full(incoming)) = events.try_send(incoming) else {
            return;
        };
        if !is_slow && let Ok(Ok(room)) = time::timeout(PATIENCE, events.reserve()).await {
            return room.send(incoming);
        }
        tracing::debug!(upstream = %self.upstream(), number, "a slow caller missed something");
        if let Some(pending) = self.lock().calls.get_mut(&number) {
            pending.is_slow = true;
        }
    }

    /// Finds the request whose caller a message must be meant for.
    ///
    /// The specification ties no message of a legacy server to a request. If all requests under
    /// way have one caller it is that one; otherwise nobody is guessed.
    pub(super) fn meant(&self) -> Result<Meant, Refusal> {
        let table = self.lock();
        let mut meant: Option<(u64, &Exchange, &Pending)> = None;
        for (number, pending) in &table.calls {
            let Some(exchange) = &pending.exchange else { continue };
            match meant {
                Some((_, other, _)) if other.caller().id() != exchange.caller().id() => {
                    return Err(Refusal::Ambiguous);
                }
                Some((later, _, _)) if later > *number => {}
                _ => meant = Some((*number, exchange, pending)),
            }
        }
        if let Some((number, exchange, pending)) = meant {
            let (exchange, asking) = (exchange.clone(), Arc::clone(&pending.asking));
            return Ok(Meant::Call { number, exchange, asking });
        }
        drop(table);
        self.0.callers.only().map(Meant::Caller)
    }

    /// Returns since when no caller's request is under way; nothing while one is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let table = self.lock();
        let is_busy = table.calls.values().any(|pending| pending.exchange.is_some());
        if is_busy { None } else { table.used }
    }

    fn remove(&self, number: u64) -> Option<Pending> {
        let mut table = self.lock();
        table.used = Some(Instant::now());
        table.calls.remove(&number)
    }

    /// Ends every request that is under way; no new one can begin.
    pub(super) fn close(&self) {
        let mut table = self.lock();
        table.is_closed = true;
        let calls = std::mem::take(&mut table.calls);
        drop(table);
        for pending in calls.into_values() {
            drop(pending.answer.send(Incoming::Closed));
        }
        self.0.closed.cancel();
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom a message that names nobody is meant for.
#[derive(Debug)]
pub(super) enum Meant {
    /// The caller of this request.
    Call {
        /// The request.
        number: u64,
        /// Its exchange.
        exchange: Exchange,
        /// How many questions it waits for.
        asking: Arc<AtomicUsize>,
    },
    /// The only caller there is, outside of any request.
    Caller(Arc<Caller>),
}

/// A request that is under way. Dropping it cancels it.
#[derive(Debug)]
pub(super) struct Call {
    connection: Connection,
    number: u64,
    incoming: mpsc::Receiver<Incoming>,
    asking: Arc<AtomicUsize>,
    sent: bool,
}

impl Call {
    /// Returns its number, which is its id and the token of its progress.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Sends the request. Returns whether it got into the queue; once it did, it may be executed.
    ///
    /// Waits while the upstream does not read. Cancel safe: either it is queued or it is not.
    pub(super) async fn send(&mut self, method: &str, params: Option<&Raw>) -> bool {
        let bytes = frame::request(&Id::number(self.number), method, params);
        self.sent = tokio::select! {
            sent = self.connection.0.outgoing.send(bytes) => sent.is_ok(),
            () = self.connection.closed().cancelled() => false,
        };
        self.sent
    }

    /// Returns whether the request got into the queue.
    pub(super) fn is_sent(&self) -> bool {
        self.sent
    }

    /// Returns whether the upstream waits for an answer from the caller.
    pub(super) fn is_asking(&self) -> bool {
        self.asking.load(Ordering::Relaxed) > 0
    }

    /// Waits for what comes next. Cancel safe.
    pub(super) async fn next(&mut self) -> Incoming {
        self.incoming.recv().await.unwrap_or(Incoming::Closed)
    }

    /// Tells the upstream that the answer is no longer wanted, and waits until that is queued.
    pub(super) async fn cancel(self, reason: &str) {
        let Some(bytes) = self.cancellation(reason) else { return };
        let sending = self.connection.0.outgoing.send(bytes);
        drop(time::timeout(CANCEL_LIMIT, sending).await);
    }

    /// Forgets the request, and returns what tells the upstream so if it could be at work on it.
    fn cancellation(&self, reason: &str) -> Option<Bytes> {
        let was_pending = self.connection.remove(self.number).is_some();
        if !was_pending || !self.sent {
            return None;
        }
        let params = serde_json::json!({ "requestId": self.number, "reason": reason });
        Some(frame::notification(method::CANCELLED, Some(&Raw::of(&params))))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(bytes) = self.cancellation("the client no longer waits") {
            // Without room the upstream does not read, and would not see this either.
            drop(self.connection.0.outgoing.try_send(bytes));
        }
    }
}
