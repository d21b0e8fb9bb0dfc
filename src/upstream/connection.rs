//! One connection: which requests are under way on it, and what comes back for each.
//!
//! Every request has a queue of its own. Its last place is kept free for the answer, so an answer
//! is never lost and never waits; progress and log messages give way when a caller is too slow.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::SetOnce;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::watch;
use tokio::time;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::exchange::Exchange;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Callers;
use crate::exchange::deadline::Asking;
use crate::exchange::queue;
use crate::exchange::task_ids::Ids;
use crate::ids::UpstreamId;
use crate::upstream::changes::Changes;
use crate::upstream::error::Error;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::errors::Errors;
use crate::upstream::gate::Gate;
use crate::upstream::incoming;
use crate::upstream::incoming::Incoming;
use crate::upstream::incoming::Meant;
use crate::upstream::lists::Lists;
use crate::upstream::mirrors::Mirrors;
use crate::upstream::table::Pending;
use crate::upstream::table::Table;
use crate::upstream::task::delivery;
use crate::upstream::task::registry::Registry;
use crate::upstream::task::registry::Role;
use crate::upstream::visits::Visits;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::frame::Message;

/// How many frames may wait for an upstream that reads slowly.
pub(super) const OUTGOING_CAPACITY: usize = 256;
/// How long one slow caller may hold up what is read for everybody, once per call.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long what an upstream wrote last may take to be read after it ended.
pub(super) const LAST_WORDS_LIMIT: Duration = Duration::from_millis(500);

/// A connection; cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct Connection(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    errors: Errors,
    outgoing: mpsc::Sender<Message>,
    table: Mutex<Table>,
    /// Which legacy revision was agreed upon.
    revision: OnceLock<Revision>,
    mirrors: Option<Mirrors>,
    callers: Callers,
    gate: Gate,
    lists: watch::Sender<Lists>,
    changes: Changes,
    live: Registry,
    tasks: TaskTracker,
    left: CancellationToken,
    closed: CancellationToken,
    visits: Visits,
    missed: Notify,
    ended: SetOnce<Error>,
}

/// What a connection needs to know about the world around it.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    /// Whom it may tell and ask outside of calls.
    pub(super) callers: Callers,
    /// Where requests of callers wait for their turn.
    pub(super) gate: Gate,
    /// Makes the ids under which callers know tasks.
    pub(super) task_ids: Arc<Ids>,
    /// Where it says that a list changed.
    pub(super) lists: watch::Sender<Lists>,
    /// Where it is noted what may be another thing since.
    pub(super) changes: Changes,
    /// Where its tasks are counted.
    pub(super) tasks: TaskTracker,
    /// Which arguments its tools want in headers; nothing where there are no headers.
    pub(super) mirrors: Option<Mirrors>,
    /// What makes its errors.
    pub(super) errors: Errors,
}

impl Connection {
    /// Makes a connection that writes to `outgoing`.
    pub(super) fn new(outgoing: mpsc::Sender<Message>, around: &Surroundings) -> Self {
        Self(Arc::new(Shared {
            errors: around.errors.clone(),
            outgoing,
            table: Mutex::default(),
            revision: OnceLock::new(),
            mirrors: around.mirrors.clone(),
            callers: around.callers.clone(),
            gate: around.gate.clone(),
            lists: around.lists.clone(),
            changes: around.changes.clone(),
            live: Registry::new(around.errors.upstream().clone(), Arc::clone(&around.task_ids)),
            tasks: around.tasks.clone(),
            left: CancellationToken::new(),
            closed: CancellationToken::new(),
            visits: Visits::default(),
            missed: Notify::new(),
            ended: SetOnce::new(),
        }))
    }

    /// Returns whose connection this is.
    pub(super) fn upstream(&self) -> &UpstreamId {
        self.0.errors.upstream()
    }

    /// Returns what makes its errors.
    pub(super) fn errors(&self) -> &Errors {
        &self.0.errors
    }

    /// Makes an error of its upstream.
    pub(super) fn error(&self, kind: Kind, detail: &str, executed: Executed) -> Error {
        self.errors().error(kind, detail, executed)
    }

    /// Returns whom it may tell and ask outside of calls.
    pub(super) fn callers(&self) -> &Callers {
        &self.0.callers
    }

    /// Returns where requests of callers wait for their turn.
    pub(super) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Returns the tasks that calls on it became.
    pub(super) fn live(&self) -> &Registry {
        &self.0.live
    }

    /// Returns which addresses its clients were asked to visit.
    pub(super) fn visits(&self) -> &Visits {
        &self.0.visits
    }

    /// Returns what tells that the upstream may have said something that nobody heard.
    pub(super) fn missed(&self) -> &Notify {
        &self.0.missed
    }

    /// Returns where its tasks are counted.
    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Returns the token that is cancelled when the connection has ended.
    pub(super) fn closed(&self) -> &CancellationToken {
        &self.0.closed
    }

    /// Returns the token that is cancelled when nothing new can begin on the connection.
    pub(super) fn left(&self) -> &CancellationToken {
        &self.0.left
    }

    /// Returns why nothing new can begin, if something made it so.
    pub(super) fn why_left(&self) -> Option<Error> {
        self.lock().left.clone()
    }

    /// Returns whether requests can begin on it.
    pub(super) fn is_open(&self) -> bool {
        !self.lock().is_closed
    }

    /// Returns which arguments the tools want in headers; nothing where there are no headers.
    pub(super) fn mirrors(&self) -> Option<&Mirrors> {
        self.0.mirrors.as_ref()
    }

    /// Says which legacy revision was agreed upon; transports may have to repeat it.
    pub(super) fn agree(&self, revision: Revision) {
        self.0.revision.get_or_init(|| revision);
    }

    /// Returns which legacy revision was agreed upon.
    pub(super) fn revision(&self) -> Option<Revision> {
        self.0.revision.get().copied()
    }

    /// Returns what is set when it is known how the upstream ended.
    pub(super) fn ended(&self) -> &SetOnce<Error> {
        &self.0.ended
    }

    /// Waits until everything the upstream wrote has been read, answers among it.
    pub(super) async fn last_words(&self) {
        drop(time::timeout(LAST_WORDS_LIMIT, self.closed().cancelled()).await);
    }

    /// Says that a list changed.
    pub(super) fn list_changed(&self, change: impl FnOnce(&mut Lists)) {
        // First, so that nobody who is told of it is given what was before.
        self.0.changes.anew();
        self.0.lists.send_modify(change);
    }

    /// Says that any list may have changed.
    pub(super) fn lists_changed(&self) {
        self.list_changed(|lists| {
            lists.tools += 1;
            lists.prompts += 1;
            lists.resources += 1;
        });
    }

    /// Says that the resource `uri` changed.
    pub(super) fn resource_updated(&self, uri: &Raw) {
        let local = uri.string().unwrap_or_default();
        let seeing = self.callers().seeing(self.upstream(), &local);
        self.0.changes.updated(local);
        for caller in seeing {
            caller.mailbox().updated(self.upstream(), uri);
        }
    }

    /// Makes room for a request; returns its number, when it began, and what comes back for it.
    ///
    /// Returns nothing if the connection has ended.
    pub(super) fn begin(
        &self,
        exchange: Option<&Exchange>,
    ) -> Option<(u64, Instant, queue::Receiver<Incoming>)> {
        self.lock().begin(exchange)
    }

    /// Sends a notification; it is lost if the connection has ended.
    pub(super) async fn notify(&self, method: &str, params: Option<&Raw>) {
        self.send(Message::notification(method, params.cloned())).await;
    }

    /// Sends a notification without waiting; it is lost if the upstream does not read.
    pub(super) fn notify_now(&self, method: &str) {
        self.send_now(Message::notification(method, None));
    }

    /// Passes a notification on without waiting; it is lost if the upstream does not read.
    pub(super) fn pass_on(&self, method: &str, params: Option<&Raw>) {
        self.send_now(Message::notification(method, params.cloned()));
    }

    /// Sends an answer to a request of the upstream; it is lost if the connection has ended.
    pub(super) async fn answer(&self, id: &Id, outcome: Result<&Raw, &Raw>) {
        self.send(Message::response(id, outcome)).await;
    }

    /// Sends an answer without waiting; it is lost if the upstream does not read.
    pub(super) fn answer_now(&self, id: &Id, outcome: Result<&Raw, &Raw>) {
        self.send_now(Message::response(id, outcome));
    }

    /// Queues a message; returns whether it got there. Cancel safe.
    pub(super) async fn send(&self, message: Message) -> bool {
        if self.0.closed.is_cancelled() {
            return false;
        }
        let message = match self.0.outgoing.try_send(message) {
            Err(TrySendError::Full(message)) => message,
            sent => return sent.is_ok(),
        };
        tokio::select! {
            sent = self.0.outgoing.send(message) => sent.is_ok(),
            () = self.0.closed.cancelled() => false,
        }
    }

    /// Queues a message without waiting; it is lost if there is no room.
    pub(super) fn send_now(&self, message: Message) {
        drop(self.0.outgoing.try_send(message));
    }

    /// Forgets the request `number`; returns whether it was under way.
    pub(super) fn forget(&self, number: u64) -> bool {
        self.remove(number).is_some()
    }

    /// Says what the request `number`, which is not sent yet, has to do with a task.
    pub(super) fn assign(&self, number: u64, role: Role) {
        let mut table = self.lock();
        let Some(pending) = table.calls.get_mut(&number) else { return };
        if let Some(id) = role.served() {
            for incoming in self.live().take_held(id) {
                // There is more room than is ever held.
                drop(pending.queue.try_send(incoming, |_| true));
            }
        }
        pending.role = Some(role);
    }

    /// Gives the request `number` its answer.
    pub(super) fn finish(&self, number: u64, answer: Incoming) {
        let Some(mut pending) = self.remove(number) else {
            tracing::debug!(upstream = %self.upstream(), number, "answer to nothing");
            return;
        };
        if let (Some(role), Incoming::Answer(Ok(result))) = (pending.role.take(), &answer) {
            // Here, so that what the task says right behind the answer finds its way.
            delivery::became(self.live(), number, role, result);
        }
        pending.queue.finish(answer);
    }

    /// Ends a subscription, which a modern server may do on stdio; no caller's request is touched.
    pub(super) fn end_subscription(&self, number: u64) {
        let is_own = |pending: &Pending| pending.exchange.is_none();
        if self.lock().calls.get(&number).is_some_and(is_own) {
            self.finish(number, Incoming::Closed);
        }
    }

    /// Returns whether the request `number` is under way.
    pub(super) fn is_under_way(&self, number: u64) -> bool {
        self.lock().calls.contains_key(&number)
    }

    /// Returns the token that is cancelled when the request `number` is no longer under way, or
    /// nothing if it is not.
    pub(super) fn gone(&self, number: u64) -> Option<CancellationToken> {
        self.lock().calls.get_mut(&number).map(|pending| pending.gone.token())
    }

    /// Returns the only request under way, if there is exactly one.
    pub(super) fn only_number(&self) -> Option<u64> {
        self.lock().only_number()
    }

    /// Tells the request `number` something before its answer.
    ///
    /// A caller without room for it is waited for once, at most [`PATIENCE`]; from then on it
    /// misses what it has no room for, because everybody else would wait with it.
    pub(super) async fn tell(&self, number: u64, incoming: Incoming) {
        let pending = |number| {
            self.lock().calls.get(&number).map(|it| (number, it.queue.clone(), it.is_slow))
        };
        let serving = |id: &str| self.lock().serving(id);
        let (incoming, found) = match pending(number) {
            Some(found) => (incoming, Some(found)),
            None => match delivery::late(self.live(), number, incoming, serving) {
                Some((number, incoming)) => (incoming, pending(number)),
                None => return,
            },
        };
        let Some((number, queue, is_slow)) = found else { return };
        let fits = incoming::fits(incoming.size());
        let was_told = match queue.try_send(incoming, &fits) {
            Ok(()) => true,
            Err(_) if is_slow => false,
            Err(incoming) => {
                time::timeout(PATIENCE, queue.send(incoming, fits)).await.is_ok_and(|it| it.is_ok())
            }
        };
        if was_told {
            return;
        }
        tracing::debug!(upstream = %self.upstream(), number, "a slow caller missed something");
        if let Some(pending) = self.lock().calls.get_mut(&number) {
            pending.is_slow = true;
        }
    }

    /// Finds whom a message must be meant for that names the task `named`, or none.
    ///
    /// `origin` is the request with whose answer it came, where that can be told.
    pub(super) fn meant(&self, named: Option<&str>, origin: Option<u64>) -> Result<Meant, Refusal> {
        let Some(id) = named else { return self.unnamed(origin) };
        let serving = self.lock().serving(id).map(Ok);
        if let Some(meant) = serving.or_else(|| delivery::meant(self.live(), id)) {
            return meant;
        }
        // Nothing else tells whose a task is that nobody knows: its owner may have left, and
        // somebody else be the only one.
        match self.unnamed(origin)? {
            Meant::Call { number, exchange } if origin == Some(number) => {
                Ok(Meant::Call { number, exchange })
            }
            Meant::Call { .. } | Meant::Caller(_) => Err(Refusal::Gone),
        }
    }

    /// Finds whom a message must be meant for that names no task.
    ///
    /// The specification ties no message of a legacy server to a request. If all requests under
    /// way have one caller it is that one; otherwise nobody is guessed.
    ///
    /// Where the message came with the answer to the request `origin`, it is that one.
    fn unnamed(&self, origin: Option<u64>) -> Result<Meant, Refusal> {
        let meant = self.lock().meant(origin)?;
        meant.map_or_else(|| self.0.callers.only(self.upstream()).map(Meant::Caller), Ok)
    }

    /// Stops the clocks of all requests of a caller until what is returned is dropped.
    pub(super) fn stand_still(&self, caller: &Caller) -> Vec<Asking> {
        self.lock().stand_still(caller)
    }

    /// Returns since when no caller's request is under way; nothing while one is, or while a task
    /// has not ended.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        if self.live().is_any_live() {
            return None;
        }
        let table = self.lock();
        if table.is_busy() { None } else { table.used }
    }

    fn remove(&self, number: u64) -> Option<Pending> {
        let mut table = self.lock();
        table.used = Some(Instant::now());
        let pending = table.calls.remove(&number);
        let is_over = table.is_closed && table.calls.is_empty();
        drop(table);
        if is_over {
            self.0.closed.cancel();
        }
        pending
    }

    /// Lets no new request begin, and closes the connection when those of callers have ended.
    ///
    /// Only the first reason counts. What Conflux itself asked ends at once.
    pub(super) fn leave(&self, error: &Error) {
        let mut table = self.lock();
        if table.is_closed {
            return;
        }
        table.is_closed = true;
        table.left = Some(error.clone());
        let own: Vec<_> =
            table.calls.extract_if(.., |_, pending| pending.exchange.is_none()).collect();
        let is_over = table.calls.is_empty();
        drop(table);
        for (_, pending) in own {
            pending.queue.finish(Incoming::Failed(error.clone()));
        }
        self.0.left.cancel();
        if is_over {
            self.0.closed.cancel();
        }
    }

    /// Ends every request that is under way; no new one can begin.
    pub(super) fn close(&self) {
        let mut table = self.lock();
        table.is_closed = true;
        let calls = std::mem::take(&mut table.calls);
        drop(table);
        for pending in calls.into_values() {
            pending.queue.finish(Incoming::Closed);
        }
        self.0.closed.cancel();
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
