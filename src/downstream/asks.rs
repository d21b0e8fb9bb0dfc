//! Questions to a legacy client: real requests of Conflux's own, and their answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use serde::Serialize;
use tokio::select;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::downstream::codes::Outcome;
use crate::downstream::outbox::Kind;
use crate::downstream::outbox::Outbox;
use crate::exchange::ask::Answers;
use crate::exchange::ask::Ask;
use crate::exchange::ask::Refusal;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::frame::Response;
use crate::wire::meta;
use crate::wire::method;

/// How many questions one client may have unanswered.
const OPEN_LIMIT: usize = 64;

/// The questions a client has not answered yet.
#[derive(Debug)]
pub(super) struct Questions {
    tasks: TaskTracker,
    next: AtomicU64,
    open: Mutex<Option<HashMap<u64, Open>>>,
    /// How many are open.
    count: watch::Sender<usize>,
}

/// One question that is not answered yet.
#[derive(Debug)]
struct Open {
    answer: oneshot::Sender<Outcome>,
    /// Who wants to hear how far the answer is.
    progress: Option<mpsc::Sender<Raw>>,
}

/// One question that was sent.
struct Sent {
    key: String,
    number: u64,
    answer: oneshot::Receiver<Outcome>,
}

impl Questions {
    /// Waits for answers on `tasks`.
    pub(super) fn new(tasks: TaskTracker) -> Self {
        let open = Mutex::new(Some(HashMap::new()));
        Self { tasks, next: AtomicU64::new(1), open, count: watch::Sender::default() }
    }

    /// Returns how many questions are open, now and later.
    pub(super) fn pressing(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// Sends the questions of `ask`, fitted to the client, to `outbox`, side by side; the answers
    /// go to whoever asked.
    ///
    /// Returns when they are queued. Who asks has a limit for the waiting of its own; if nobody
    /// can read the questions any more, it is told so at once.
    pub(super) async fn put(self: &Arc<Self>, ask: Ask, outbox: &Outbox) {
        let mut sent = Vec::with_capacity(ask.requests.len());
        for (key, request) in &ask.requests {
            let (number, answer) = match self.register(request.progress().cloned()) {
                Ok(registered) => registered,
                Err(refusal) => return self.give_up(ask, &sent, outbox, refusal).await,
            };
            sent.push(Sent { key: key.clone(), number, answer });
            let id = Id::number(number);
            // Every question has a number of its own, so it can be the token of its progress.
            let token = request.progress().map(|_| (meta::PROGRESS_TOKEN, id.raw().get()));
            let params = meta::edit(request.params(), token.as_slice(), &[]);
            if !outbox.ask(&id, request.method(), params.as_ref()).await {
                return self.give_up(ask, &sent, outbox, Refusal::Gone).await;
            }
        }
        let (questions, outbox) = (Arc::clone(self), outbox.clone());
        self.tasks.spawn(async move { questions.wait(ask, sent, outbox).await });
    }

    /// Takes the client's answer to a question of Conflux's own.
    pub(super) fn answered(&self, response: Response) {
        if let Some(id) = &response.id {
            self.settle(id, response.outcome.map_err(|error| error.detached()));
        }
    }

    /// Settles the question `id`, if it is one that is open.
    pub(super) fn settle(&self, id: &Id, outcome: Outcome) {
        let open = id.as_number().and_then(|number| self.remove(number));
        if let Some(open) = open {
            drop(open.answer.send(outcome));
        } else {
            tracing::debug!(%id, "the client answered a question that is not open");
        }
    }

    /// Takes the client's word on how far its answer is to whoever asked.
    ///
    /// Who has no room for it misses it.
    pub(super) fn progressed(&self, params: &Raw) {
        let token = params.member(meta::PROGRESS_TOKEN).and_then(Id::parse);
        let Some(number) = token.and_then(|token| token.as_number()) else { return };
        let open = self.lock();
        let progress = open.as_ref().and_then(|open| open.get(&number)?.progress.clone());
        drop(open);
        if let Some(progress) = progress {
            drop(progress.try_send(params.detached()));
        }
    }

    /// Gives up every question: there is no client any more.
    pub(super) fn close(&self) {
        drop(self.lock().take());
    }

    async fn wait(&self, mut ask: Ask, mut sent: Vec<Sent>, outbox: Outbox) {
        let answers = select! {
            answers = collect(&mut sent) => answers,
            () = ask.withdrawn() => return self.withdraw(&sent, &outbox).await,
        };
        ask.answer(answers.ok_or(Refusal::Gone));
    }

    async fn give_up(&self, ask: Ask, sent: &[Sent], outbox: &Outbox, refusal: Refusal) {
        self.withdraw(sent, outbox).await;
        ask.answer(Err(refusal));
    }

    /// Takes back what is still unanswered.
    async fn withdraw(&self, sent: &[Sent], outbox: &Outbox) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Cancelled {
            request_id: u64,
            reason: &'static str,
        }
        for Sent { number, .. } in sent {
            if self.remove(*number).is_some() {
                let reason = "the answer is no longer needed";
                let params = Raw::of(&Cancelled { request_id: *number, reason });
                outbox.tell(Kind::Word, method::CANCELLED, Some(&params)).await;
            }
        }
    }

    fn register(
        &self,
        progress: Option<mpsc::Sender<Raw>>,
    ) -> Result<(u64, oneshot::Receiver<Outcome>), Refusal> {
        let mut open = self.lock();
        let open = open.as_mut().ok_or(Refusal::Gone)?;
        if open.len() >= OPEN_LIMIT {
            return Err(Refusal::TooMany);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        open.insert(number, Open { answer: sender, progress });
        self.count.send_replace(open.len());
        Ok((number, answer))
    }

    fn remove(&self, number: u64) -> Option<Open> {
        let mut open = self.lock();
        let open = open.as_mut()?;
        let removed = open.remove(&number);
        self.count.send_replace(open.len());
        removed
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u64, Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for every answer; nothing if the client is gone.
async fn collect(sent: &mut [Sent]) -> Option<Answers> {
    let mut answers = Vec::with_capacity(sent.len());
    for Sent { key, answer, .. } in sent {
        answers.push((key.clone(), answer.await.ok()?));
    }
    Some(answers)
}
