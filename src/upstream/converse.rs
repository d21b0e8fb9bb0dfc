//! Sends one request and waits for its answer, passing on what comes before it.

use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time;

use crate::exchange::Exchange;
use crate::upstream::breaker;
use crate::upstream::call::Call;
use crate::upstream::connection::Connection;
use crate::upstream::connection::LAST_WORDS_LIMIT;
use crate::upstream::error::Error;
use crate::upstream::error::Executed;
use crate::upstream::error::Fault;
use crate::upstream::error::Kind;
use crate::upstream::gate;
use crate::upstream::gate::Place;
use crate::upstream::incoming::Incoming;
use crate::upstream::noted::Noted;
use crate::wire::Raw;

/// Of the time that a request has, the upstream must have had this part, or it did not fail.
const FAIR: u32 = 2;

/// One request as an edge wants it sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending<'a> {
    /// What it asks for.
    pub(super) method: &'a str,
    /// For whom.
    pub(super) whom: Whom<'a>,
}

/// For whom a request is made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whom<'a> {
    /// A caller, until its deadline.
    Caller(&'a Exchange),
    /// Conflux itself; how long it waits.
    Conflux(Duration),
}

impl<'a> Whom<'a> {
    fn exchange(self) -> Option<&'a Exchange> {
        match self {
            Self::Caller(exchange) => Some(exchange),
            Self::Conflux(_) => None,
        }
    }
}

/// Sends a request whose parameters may need its number, and returns the raw result.
///
/// If the caller leaves or the time is over, the upstream is told that the answer is not wanted.
///
/// Boxed: whoever waits for something that waits moves all of it, and a dozen do so above this.
pub(super) fn converse(
    connection: &Connection,
    sending: Sending<'_>,
    params: impl FnOnce(u64) -> Option<Raw>,
) -> impl Future<Output = Result<Raw, Fault>> {
    Box::pin(in_turn(connection, sending, params))
}

async fn in_turn(
    connection: &Connection,
    sending: Sending<'_>,
    params: impl FnOnce(u64) -> Option<Raw>,
) -> Result<Raw, Fault> {
    let exchange = sending.whom.exchange();
    let mut noted = Noted::begin(connection, sending.method, exchange);
    let Some(exchange) = exchange.filter(|_| gate::guards(sending.method)) else {
        let done = carry_out(connection, sending, params, &mut noted).await;
        return noted.down(done.outcome);
    };
    let place = match connection.gate().enter(exchange.deadline()).now_or_never() {
        Some(place) => place.map_err(Fault::from),
        // Boxed, because hardly any request waits.
        None => Box::pin(turn(connection, exchange, sending.method)).await,
    };
    let place = match place {
        Ok(place) => place,
        Err(fault) => return noted.down(Err(fault)),
    };
    let done = carry_out(connection, sending, params, &mut noted).await;
    place.leave(learned(connection, &done));
    noted.down(done.outcome)
}

/// What came of a request.
struct Done {
    outcome: Result<Raw, Fault>,
    /// Whether the upstream had its time, and said nothing.
    was_silent: bool,
}

/// Tells what the outcome of a request says about the upstream.
///
/// What ended a session is seen by whoever starts another one. A request that had waited too long
/// for its turn to be answered in time says nothing, and neither does one that made progress.
fn learned(connection: &Connection, done: &Done) -> breaker::Outcome {
    use breaker::Outcome;
    let error = match &done.outcome {
        Ok(_) | Err(Fault::Answered(_)) => return Outcome::Answered,
        Err(Fault::Cancelled) => return Outcome::Unknown,
        Err(Fault::Failed(error)) => error,
    };
    match (error.kind, error.retry_after) {
        (Kind::Status(429 | 503), Some(wait)) => Outcome::Later(error.clone(), wait),
        (Kind::Status(429), None) => Outcome::Unknown,
        (Kind::Status(500..), _) => Outcome::Failed(error.clone()),
        (Kind::TimedOut, _) if done.was_silent => Outcome::Failed(error.clone()),
        (Kind::ConnectionLost, _)
            if connection.is_open() && error.executed == Executed::Unknown =>
        {
            Outcome::Failed(error.clone())
        }
        (Kind::Status(_) | Kind::TooLarge | Kind::BadAnswer, _) => Outcome::Answered,
        _ => Outcome::Unknown,
    }
}

async fn carry_out(
    connection: &Connection,
    sending: Sending<'_>,
    params: impl FnOnce(u64) -> Option<Raw>,
    noted: &mut Noted<'_>,
) -> Done {
    let exchange = sending.whom.exchange();
    let Some(mut call) = Call::begin(connection, exchange) else {
        let outcome = Err(lost(connection, Executed::No).into());
        return Done { outcome, was_silent: false };
    };
    let params = noted.sends(call.number(), params(call.number()));
    let ended = within(&mut call, sending, params.as_ref()).await;
    let executed = if call.is_sent() { Executed::Unknown } else { Executed::No };
    let mut was_silent = false;
    let outcome = match ended {
        Ended::Answer(outcome) => outcome.map_err(Fault::Answered),
        Ended::TooLarge => {
            let detail = "its answer is larger than `limits.message`";
            Err(connection.error(Kind::TooLarge, detail, executed).into())
        }
        Ended::Failed(error) => Err(error.into()),
        Ended::Closed if exchange.is_some() => Err(cut_off(connection, executed).await.into()),
        Ended::Closed => Err(lost(connection, executed).into()),
        Ended::Late => {
            let (allowed, limit) = match sending.whom {
                Whom::Caller(exchange) => {
                    (exchange.deadline().allowed(), exchange.deadline().limits().call)
                }
                Whom::Conflux(limit) => (limit, limit),
            };
            was_silent = !call.was_heard() && call.begun().elapsed() >= limit / FAIR;
            call.cancel("it took too long").await;
            let detail = format!("`{}` took longer than {allowed:?}", sending.method);
            Err(connection.error(Kind::TimedOut, &detail, executed).into())
        }
        Ended::Cancelled => {
            call.cancel("the client cancelled it").await;
            Err(Fault::Cancelled)
        }
    };
    Done { outcome, was_silent }
}

/// Waits until the upstream may be given one more request.
async fn turn(connection: &Connection, exchange: &Exchange, method: &str) -> Result<Place, Fault> {
    tokio::select! {
        biased;
        () = exchange.cancelled().cancelled() => Err(Fault::Cancelled),
        () = exchange.deadline().passed() => {
            let allowed = exchange.deadline().allowed();
            let detail = format!("`{method}` waited for its turn for {allowed:?}");
            Err(connection.error(Kind::TimedOut, &detail, Executed::No).into())
        }
        place = connection.gate().enter(exchange.deadline()) => Ok(place?),
    }
}

enum Ended {
    Answer(Result<Raw, Raw>),
    TooLarge,
    Failed(Error),
    Closed,
    Late,
    Cancelled,
}

/// Waits for the answer as long as somebody wants it. What is late already is not sent.
async fn within(call: &mut Call, sending: Sending<'_>, params: Option<&Raw>) -> Ended {
    let ended = {
        let mut answered = pin!(answer(call, sending, params));
        match sending.whom {
            Whom::Conflux(limit) => time::timeout(limit, answered).await.ok(),
            Whom::Caller(exchange) if exchange.cancelled().is_cancelled() => Some(Ended::Cancelled),
            Whom::Caller(exchange) if !exchange.deadline().allows(Duration::ZERO) => None,
            Whom::Caller(exchange) => tokio::select! {
                biased;
                // First, because most requests are woken once, by their answer.
                ended = &mut answered => Some(ended),
                () = exchange.cancelled().cancelled() => return Ended::Cancelled,
                () = exchange.deadline().passed() => None,
            },
        }
    };
    // It may be there, behind progress that its caller was too slow for.
    ended.or_else(|| call.last().and_then(last)).unwrap_or(Ended::Late)
}

async fn answer(call: &mut Call, sending: Sending<'_>, params: Option<&Raw>) -> Ended {
    if !call.send(sending.method, params).await {
        return Ended::Closed;
    }
    loop {
        match (call.next().await, sending.whom) {
            (Incoming::Progress(params), Whom::Caller(exchange)) => exchange.progress(params).await,
            (Incoming::Log(params), Whom::Caller(exchange)) => exchange.log(params).await,
            (Incoming::Other(method, params), Whom::Caller(exchange)) => {
                exchange.other(method, params).await;
            }
            (incoming, _) => {
                if let Some(ended) = last(incoming) {
                    return ended;
                }
            }
        }
    }
}

/// Returns how a request ended; nothing for what comes before that.
fn last(incoming: Incoming) -> Option<Ended> {
    match incoming {
        Incoming::Answer(outcome) => Some(Ended::Answer(outcome)),
        Incoming::TooLarge => Some(Ended::TooLarge),
        Incoming::Failed(error) => Some(Ended::Failed(error)),
        Incoming::Closed => Some(Ended::Closed),
        Incoming::Progress(_)
        | Incoming::Log(_)
        | Incoming::Other(..)
        | Incoming::Acknowledged(_) => None,
    }
}

fn lost(connection: &Connection, executed: Executed) -> Error {
    connection.error(Kind::ConnectionLost, "", executed)
}

/// Says of a call that it was lost, and how the upstream ended, which is known a moment later.
async fn cut_off(connection: &Connection, executed: Executed) -> Error {
    let error = lost(connection, executed);
    match time::timeout(LAST_WORDS_LIMIT, connection.ended().wait()).await {
        Ok(why) => Error { detail: why.detail.clone(), stderr: why.stderr.clone(), ..error },
        Err(_) => error,
    }
}
