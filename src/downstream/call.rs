//! One request under way: where its answer goes, and what goes before it.

use std::any::Any;
use std::future::poll_fn;
use std::panic;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::select;
use tokio::sync::oneshot;
use tokio::time;

use crate::downstream::asks::Questions;
use crate::downstream::codes;
use crate::downstream::codes::Outcome;
use crate::downstream::fit;
use crate::downstream::flights::Flight;
use crate::downstream::level::Wanted;
use crate::downstream::outbox::Kind;
use crate::downstream::outbox::Outbox;
use crate::downstream::outbox::Verdict;
use crate::downstream::question;
use crate::exchange::Back;
use crate::exchange::Exchange;
use crate::exchange::caller::Caller;
use crate::exchange::queue;
use crate::router;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::Written;
use crate::wire::era::Era;
use crate::wire::frame;
use crate::wire::method;

/// How long a request may take to end after it was cancelled.
const WIND_DOWN_LIMIT: Duration = Duration::from_millis(500);

/// Where one request is answered, and where everything goes that it says until then.
#[derive(Debug)]
pub(super) struct Reply {
    outbox: Outbox,
    /// The answer of its batch, if the request is part of one.
    batch: Option<oneshot::Sender<Written>>,
}

impl Reply {
    /// The reply to a request that came alone.
    pub(super) fn to(outbox: &Outbox) -> Self {
        Self { outbox: outbox.clone(), batch: None }
    }

    /// The reply to a request whose answer is part of that of its batch.
    pub(super) fn in_batch(outbox: &Outbox, batch: oneshot::Sender<Written>) -> Self {
        Self { outbox: outbox.clone(), batch: Some(batch) }
    }

    /// Returns whether the request is part of a batch.
    pub(super) fn is_in_batch(&self) -> bool {
        self.batch.is_some()
    }

    /// Returns where everything goes that comes before the answer.
    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Makes the answer to a request that never got under way.
    pub(super) fn at_once(self, id: &Id, outcome: &Outcome) -> Answer {
        self.say(id, outcome, Verdict::at_once(outcome))
    }

    /// Makes the answer to a request that was carried out.
    pub(super) fn answer(self, id: &Id, outcome: &Outcome) -> Answer {
        self.say(id, outcome, Verdict::of(outcome))
    }

    fn say(self, id: &Id, outcome: &Outcome, verdict: Verdict) -> Answer {
        let frame = frame::response(Some(id), outcome.as_ref());
        Answer { reply: self, frame, verdict, opens: None }
    }
}

/// An answer that is still to be sent.
#[derive(Debug)]
#[must_use = "nobody hears of it unless it is sent"]
pub(super) struct Answer {
    reply: Reply,
    frame: Written,
    verdict: Verdict,
    opens: Option<Arc<Caller>>,
}

impl Answer {
    /// Returns how the request ended.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Notes that this is the first answer to a new client.
    pub(super) fn opening(self, caller: Arc<Caller>) -> Self {
        Self { opens: Some(caller), ..self }
    }

    /// Sends it, waiting while the client's queue is full; returns the client if it is a new one.
    pub(super) async fn send(self) -> Option<Arc<Caller>> {
        if let Some(batch) = self.reply.batch {
            drop(batch.send(self.frame));
        } else {
            // A client that is gone needs none.
            let _is_read = self.reply.outbox.push(Kind::Answer(self.verdict), self.frame).await;
        }
        self.opens
    }
}

/// Where one request is answered, and where its progress and log go until then.
#[derive(Debug)]
pub(super) struct Stream {
    /// Ends when the request is answered.
    pub(super) flight: Flight,
    /// Where the answer goes, and everything else.
    pub(super) reply: Reply,
    /// The client's own token for progress, if it wants to hear of it.
    pub(super) progress_token: Option<Raw>,
    /// Which log messages it wants.
    pub(super) logs: Wanted,
}

impl Stream {
    /// Tells how far the request is, under the client's own token.
    pub(super) async fn progress(&self, params: &Raw) {
        let Some(token) = &self.progress_token else { return };
        let Ok(object) = params.object() else { return };
        let params = object.edit().set("progressToken", token.get()).apply();
        self.reply.outbox().tell(Kind::News, method::PROGRESS, Some(&params)).await;
    }

    /// Hands on a log message, if it is wanted.
    pub(super) async fn log(&self, params: &Raw) {
        if self.logs.admits(params) {
            self.reply.outbox().tell(Kind::News, method::MESSAGE, Some(params)).await;
        }
    }

    /// Hands on a notification of an extension.
    pub(super) async fn other(&self, method: &str, params: Option<&Raw>) {
        self.reply.outbox().tell(Kind::Word, method, params).await;
    }

    /// Makes the answer to the request, unless its client no longer wants one.
    pub(super) fn answered(self, outcome: &Outcome) -> Option<Answer> {
        let Self { flight, reply, .. } = self;
        let id = flight.id().clone();
        flight.land().then(|| reply.answer(&id, outcome))
    }

    /// Answers the request, unless its client no longer wants that.
    pub(super) async fn answer(self, outcome: &Outcome) {
        if let Some(answer) = self.answered(outcome) {
            answer.send().await;
        }
    }
}

/// How the work on a request ended.
pub(super) type Ended = Result<Result<Raw, router::Error>, Panicked>;

/// The work on a request panicked; the panic hook has said where.
#[derive(Debug)]
pub(super) struct Panicked(#[expect(dead_code, reason = "shown by `Debug`")] Box<dyn Any + Send>);

/// Runs `future`, and turns a panic in it into an error.
pub(super) async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| {
        // After a panic the future is dropped, never polled again.
        let poll = AssertUnwindSafe(|| future.as_mut().poll(context));
        match panic::catch_unwind(poll) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(payload) => Poll::Ready(Err(Panicked(payload))),
        }
    })
    .await
}

/// Carries out one request of a legacy client: `work` is what the router does about it.
///
/// Questions on the way become requests to the client. If the client leaves, or cancels, the
/// work is cancelled and has a moment to end.
pub(super) async fn run(
    stream: Stream,
    method: &str,
    exchange: &Exchange,
    mut way_back: queue::Receiver<Back>,
    questions: &Arc<Questions>,
    work: impl Future<Output = Result<Raw, router::Error>>,
) {
    let mut work = pin!(caught(work));
    let ended = loop {
        select! {
            biased;
            // First, because most requests are woken once, by their end.
            ended = &mut work => {
                way_back.close();
                while let Some(back) = way_back.recv().await {
                    tell(&stream, exchange, questions, back).await;
                }
                break ended;
            }
            () = exchange.cancelled().cancelled() => break wind_down(way_back, work).await,
            Some(back) = way_back.recv() => tell(&stream, exchange, questions, back).await,
        }
    };
    stream.answer(&outcome(ended, exchange, method)).await;
}

async fn tell(stream: &Stream, exchange: &Exchange, questions: &Arc<Questions>, back: Back) {
    match back {
        Back::Progress(params) => stream.progress(&params).await,
        Back::Log(params) => stream.log(&params).await,
        Back::Other(method, params) => stream.other(&method, params.as_ref()).await,
        Back::Ask(ask) => {
            if let Some(ask) = question::fit(ask, exchange.capabilities()) {
                questions.put(ask, stream.reply.outbox()).await;
            }
        }
    }
}

/// Gives cancelled work a moment to end. Nobody hears what it still has to say.
pub(super) async fn wind_down(
    mut way_back: queue::Receiver<Back>,
    work: Pin<&mut impl Future<Output = Ended>>,
) -> Ended {
    way_back.close();
    while way_back.try_recv().is_some() {}
    let ended = time::timeout(WIND_DOWN_LIMIT, work).await;
    ended.unwrap_or(Ok(Err(router::Error::Cancelled)))
}

/// Puts what came of a request into words that its caller knows.
pub(super) fn outcome(ended: Ended, exchange: &Exchange, method: &str) -> Outcome {
    let client = exchange.capabilities();
    let outcome = match ended {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => codes::outcome(&error, exchange.trace().id(), client, method),
        Err(panicked) => {
            tracing::error!(id = %exchange.trace(), ?panicked, method, "a request panicked");
            Err(codes::panicked())
        }
    };
    outcome.map(|result| match client.revision().era() {
        Era::Legacy => fit::legacy(result, client.revision(), method),
        Era::Modern => fit::modern(result, method),
    })
}
