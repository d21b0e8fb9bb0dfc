//! The calls that take time, and the questions they ask.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::demo::reply::Client;
use crate::demo::tools;
use crate::demo::tools::Work;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::Written;
use crate::wire::frame;
use crate::wire::frame::Response;
use crate::wire::method;
use crate::wire::object;

/// The answer to a question: its result, or the client's error object.
type Answer = oneshot::Receiver<Result<Raw, Raw>>;

/// The calls that are under way.
pub(in crate::demo) struct Running {
    out: mpsc::Sender<Written>,
    calls: JoinSet<Id>,
    cancel: HashMap<Id, CancellationToken>,
    questions: HashMap<u64, oneshot::Sender<Result<Raw, Raw>>>,
    last_question: u64,
}

impl Running {
    /// Begins with none.
    pub(in crate::demo) fn new(out: mpsc::Sender<Written>) -> Self {
        let (cancel, questions) = (HashMap::new(), HashMap::new());
        Self { out, calls: JoinSet::new(), cancel, questions, last_question: 0 }
    }

    /// Starts a call, which answers the request `id` when it is done, unless it is cancelled.
    pub(in crate::demo) async fn start(&mut self, id: Id, client: Client, work: Work) {
        let (out, cancelled) = (self.out.clone(), CancellationToken::new());
        self.cancel.insert(id.clone(), cancelled.clone());
        match work {
            Work::Countdown(from, pause) => self.calls.spawn(async move {
                let work = countdown(&out, client.progress.as_ref(), from, pause);
                if let Some(result) = cancelled.run_until_cancelled(work).await {
                    let result = client.complete(&result);
                    drop(out.send(frame::response(Some(&id), Ok(&result))).await);
                }
                id
            }),
            Work::Ask(form) => {
                let (number, answer) = self.ask(&form).await;
                self.calls.spawn(async move {
                    let message = match cancelled.run_until_cancelled(answered(answer)).await {
                        Some(result) => frame::response(Some(&id), Ok(&result)),
                        None => withdrawal(number),
                    };
                    drop(out.send(message).await);
                    id
                })
            }
        };
    }

    /// Sends a question and returns its number and where the answer will be.
    async fn ask(&mut self, form: &Raw) -> (u64, Answer) {
        self.last_question += 1;
        let number = self.last_question;
        let (sender, answer) = oneshot::channel();
        self.questions.retain(|_, question| !question.is_closed());
        self.questions.insert(number, sender);
        let question = frame::request(&Id::number(number), method::ELICIT, Some(form));
        drop(self.out.send(question).await);
        (number, answer)
    }

    /// Hands an answer to the call that asked.
    pub(in crate::demo) fn answered(&mut self, response: Response) {
        let number = response.id.and_then(|id| id.as_number());
        if let Some(question) = number.and_then(|number| self.questions.remove(&number)) {
            // The call may have been cancelled meanwhile.
            drop(question.send(response.outcome));
        }
    }

    /// Ends the call that a notification names.
    pub(in crate::demo) fn cancel(&mut self, params: Option<&Raw>) {
        let id = params.and_then(|params| Id::parse(params.member("requestId")?));
        if let Some(cancelled) = id.and_then(|id| self.cancel.remove(&id)) {
            cancelled.cancel();
        }
    }

    /// Waits until a call has ended. Cancel safe.
    pub(in crate::demo) async fn next_ended(&mut self) {
        match self.calls.join_next().await {
            Some(Ok(id)) => drop(self.cancel.remove(&id)),
            Some(Err(error)) => tracing::error!(%error, "a call ended without an answer"),
            None => std::future::pending().await,
        }
    }

    /// Waits for the calls under way; questions have no answer any more.
    pub(in crate::demo) async fn finish(mut self) {
        self.questions.clear();
        while self.calls.join_next().await.is_some() {}
    }
}

/// Takes a question back.
fn withdrawal(number: u64) -> Written {
    frame::notification(method::CANCELLED, Some(&Raw::of(&json!({ "requestId": number }))))
}

async fn answered(answer: Answer) -> Raw {
    match answer.await {
        Ok(Ok(answer)) => tools::answered(&answer),
        Ok(Err(error)) => {
            let message = error.member("message").and_then(|message| message.string());
            tools::failed(&format!("no answer: {}", message.unwrap_or_default()))
        }
        Err(_) => tools::failed("no answer: the client is gone"),
    }
}

async fn countdown(
    out: &mpsc::Sender<Written>,
    token: Option<&Raw>,
    from: u64,
    pause: Duration,
) -> Raw {
    for done in 1..=from {
        time::sleep(pause).await;
        let Some(token) = token else { continue };
        let (step, total) = (done.to_string(), from.to_string());
        let left = Raw::of(&json!(format!("{} to go", from - done)));
        let params = object::build([
            ("progressToken", token.get()),
            ("progress", step.as_str()),
            ("total", total.as_str()),
            ("message", left.get()),
        ]);
        drop(out.send(frame::notification(method::PROGRESS, Some(&params))).await);
    }
    tools::said(&format!("Counted down from {from}."))
}
