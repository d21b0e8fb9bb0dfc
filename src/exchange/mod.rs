//! One request on its way, and the way back to whoever sent it.
//!
//! An exchange knows no era. The downstream edge makes it from a request and empties its way back
//! onto the caller's own stream; an upstream edge tells and asks through it. What is told waits in
//! one queue, which is emptied before the result is passed on, so that everything arrives in the
//! order it was sent.

/// Questions to the caller, and their answers.
pub mod ask;
/// Who is calling, what they can answer, and who else is there.
pub mod caller;
/// How long a request may take.
pub mod deadline;
/// What a caller is told outside of any call.
pub mod mailbox;
/// On whose behalf a client calls.
pub mod principal;
/// What waits between two who work on one request.
pub mod queue;
/// Tasks: which kind a caller knows.
pub mod task;
/// Ids of tasks, which lead back to whose task it is.
pub mod task_ids;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::exchange::ask::Answers;
use crate::exchange::ask::Ask;
use crate::exchange::ask::InputRequest;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Capabilities;
use crate::exchange::deadline::Asking;
use crate::exchange::deadline::Deadline;
use crate::exchange::deadline::Limits;
use crate::exchange::principal::Grant;
use crate::ids::UpstreamId;
use crate::telemetry::Trace;
use crate::telemetry::metrics;
use crate::wire::Raw;

/// How many things may wait on the way back. A slow caller holds up its own call from there on.
/// Few, because each may be large; more can wait with the upstream, where their size counts.
const BACK_CAPACITY: usize = 4;

/// How long a caller has to answer what it is asked; people are slow, but not endless.
pub const ANSWER_LIMIT: Duration = Duration::from_mins(10);

/// What comes back before the result.
#[derive(Debug)]
pub enum Back {
    /// Parameters of a progress notification; the token in them is the upstream's.
    Progress(Raw),
    /// Parameters of a log message.
    Log(Raw),
    /// A notification of an extension: its method and its parameters.
    Other(String, Option<Raw>),
    /// A question that only the caller can answer.
    Ask(Ask),
}

/// One request on its way; cloning shares it.
#[derive(Clone, Debug)]
pub struct Exchange {
    shared: Arc<Shared>,
    /// What it wants that is not what `shared` says.
    wishes: Option<Arc<Wishes>>,
    deadline: Arc<Deadline>,
}

/// What was decided about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// Nothing, or nothing yet.
    Not,
    /// It goes on.
    Admitted,
    /// It does not.
    Refused,
}

#[derive(Debug)]
struct Shared {
    decided: AtomicU8,
    caller: Arc<Caller>,
    capabilities: Arc<Capabilities>,
    wishes: Wishes,
    grant: Grant,
    back: queue::Sender<Back>,
    cancelled: CancellationToken,
    /// Whether its upstream has said how far it is.
    has_progressed: AtomicBool,
    /// Whether anything came back before the result.
    was_told: AtomicBool,
    /// Whether the result is one that somebody got before.
    was_kept: AtomicBool,
    trace: Trace,
    /// Where the numbers are of the upstream that it went to first.
    metrics: OnceLock<Arc<metrics::Upstream>>,
}

/// What a caller wants to be told while its request is under way.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Whether it gave a progress token.
    pub progress: bool,
    /// The lowest level of log messages it wants for this request, as raw JSON.
    pub log_level: Option<Raw>,
    /// Which kind of tasks it knows, so that it can be given one instead of a result.
    pub tasks: task::Dialect,
}

impl Exchange {
    /// Makes the exchange of one request, and the end at which its way back is emptied.
    ///
    /// `capabilities` are those of this request: modern clients declare them anew each time.
    pub fn new(
        caller: Arc<Caller>,
        capabilities: Arc<Capabilities>,
        wishes: Wishes,
    ) -> (Self, queue::Receiver<Back>) {
        Self::begin(caller, capabilities, wishes, Grant::default(), Trace::default())
    }

    /// Does the same for a request whose token is good for so much and no more, and of which it is
    /// noted under `trace` what happens to it.
    pub fn begin(
        caller: Arc<Caller>,
        capabilities: Arc<Capabilities>,
        wishes: Wishes,
        grant: Grant,
        trace: Trace,
    ) -> (Self, queue::Receiver<Back>) {
        let (back, receiver) = queue::channel(BACK_CAPACITY);
        let shared = Shared {
            decided: AtomicU8::new(Decided::Not as u8),
            caller,
            capabilities,
            wishes,
            grant,
            back,
            cancelled: CancellationToken::new(),
            has_progressed: AtomicBool::default(),
            was_told: AtomicBool::default(),
            was_kept: AtomicBool::default(),
            trace,
            metrics: OnceLock::new(),
        };
        let (shared, deadline) = (Arc::new(shared), Arc::new(Deadline::open()));
        (Self { shared, wishes: None, deadline }, receiver)
    }

    /// Notes what was decided about it; the last word counts.
    pub fn note(&self, decided: Decided) {
        self.shared.decided.store(decided as u8, Ordering::Relaxed);
    }

    /// Returns what was decided about it last.
    pub fn decided(&self) -> Decided {
        match self.shared.decided.load(Ordering::Relaxed) {
            it if it == Decided::Admitted as u8 => Decided::Admitted,
            it if it == Decided::Refused as u8 => Decided::Refused,
            _ => Decided::Not,
        }
    }

    /// Returns who is calling.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.shared.caller
    }

    /// Returns what the token of the request is good for.
    pub fn grant(&self) -> &Grant {
        &self.shared.grant
    }

    /// Returns what the caller can be asked during this request.
    pub fn capabilities(&self) -> &Arc<Capabilities> {
        &self.shared.capabilities
    }

    /// Returns what the caller wants to be told.
    pub fn wishes(&self) -> &Wishes {
        self.wishes.as_deref().unwrap_or(&self.shared.wishes)
    }

    /// Returns the same exchange as if its caller knew tasks of this kind.
    #[must_use]
    pub fn knowing(&self, tasks: task::Dialect) -> Self {
        let wishes = Wishes { tasks, ..self.wishes().clone() };
        Self { wishes: Some(Arc::new(wishes)), ..self.clone() }
    }

    /// Returns the same exchange for something of its own that may take so long from now on.
    #[must_use]
    pub fn within(&self, limits: Limits) -> Self {
        Self { deadline: Arc::new(Deadline::begin(limits)), ..self.clone() }
    }

    /// Returns when it ends that the request is worked on.
    pub fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Stops the clock of the request until what is returned is dropped.
    pub fn stand_still(&self) -> Asking {
        self.deadline.asking()
    }

    /// Returns whether anybody wants to know how far the request is: its caller, or its deadline.
    pub fn wants_progress(&self) -> bool {
        self.wishes().progress || self.deadline.limits().progress.is_some()
    }

    /// Tells the caller how far its request is.
    pub async fn progress(&self, params: Raw) {
        self.deadline.progressed();
        self.shared.has_progressed.store(true, Ordering::Relaxed);
        self.tell(Back::Progress(params)).await;
    }

    /// Tells the caller that its request is being worked on, in steps that only Conflux counts;
    /// not once the upstream itself has said how far it is, because the two do not go together:
    /// progress only ever increases.
    pub async fn step(&self, params: Raw) {
        if !self.shared.has_progressed.load(Ordering::Relaxed) {
            self.tell(Back::Progress(params)).await;
        }
    }

    /// Hands the caller a log message.
    pub async fn log(&self, params: Raw) {
        self.tell(Back::Log(params)).await;
    }

    /// Hands the caller a notification of an extension.
    pub async fn other(&self, method: String, params: Option<Raw>) {
        self.tell(Back::Other(method, params)).await;
    }

    /// Asks the caller and waits for its answers, at most [`ANSWER_LIMIT`]. Meanwhile the deadline
    /// stands still.
    ///
    /// What the caller cannot answer is refused at once. When this future is dropped, the
    /// question is taken back.
    pub async fn ask(
        &self,
        from: &UpstreamId,
        requests: Vec<(String, InputRequest)>,
    ) -> Result<Answers, Refusal> {
        self.shared.capabilities.permit(requests.iter().map(|(_, request)| request))?;
        self.shared.was_told.store(true, Ordering::Relaxed);
        let _still = self.stand_still();
        let (answer, answered) = oneshot::channel();
        let ask = Ask::new(from.clone(), requests, answer);
        self.shared.back.send(Back::Ask(ask), |_| true).await.map_err(|_| Refusal::Gone)?;
        ask::wait(answered).await
    }

    /// Returns whether the caller was told or asked anything, which it would be a second time if
    /// the request were made again.
    pub fn was_told(&self) -> bool {
        self.shared.was_told.load(Ordering::Relaxed)
    }

    /// Notes that its result is one that somebody got before, so that no upstream was asked.
    pub fn answer_kept(&self) {
        self.shared.was_kept.store(true, Ordering::Relaxed);
    }

    /// Returns whether its result is one that somebody got before.
    pub fn was_kept(&self) -> bool {
        self.shared.was_kept.load(Ordering::Relaxed)
    }

    /// Returns under what it is noted what happens to it: its id stands in everything that is.
    pub fn trace(&self) -> &Trace {
        &self.shared.trace
    }

    /// Notes whose request it is, by where the numbers of that upstream are; the first word counts.
    pub fn goes_to(&self, upstream: &Arc<metrics::Upstream>) {
        self.shared.metrics.get_or_init(|| Arc::clone(upstream));
    }

    /// Returns where the numbers are of the upstream that it went to, if it went to any.
    pub fn went_to(&self) -> Option<&Arc<metrics::Upstream>> {
        self.shared.metrics.get()
    }

    /// Returns the token that is cancelled when the caller no longer wants the result.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.shared.cancelled
    }

    async fn tell(&self, back: Back) {
        self.shared.was_told.store(true, Ordering::Relaxed);
        // A caller that is gone needs no news; its call ends by `cancelled`.
        drop(self.shared.back.send(back, |_| true).await);
    }
}
