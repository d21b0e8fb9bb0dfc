//! Sends one request and waits for its answer, passing on what comes before it.

use std::time::Duration;

use tokio::time;
use tokio::time::Instant;

use crate::exchange::Exchange;
use crate::upstream::Error;
use crate::upstream::Fault;
use crate::upstream::call::Call;
use crate::upstream::connection::Connection;
use crate::upstream::connection::LAST_WORDS_LIMIT;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::incoming::Incoming;
use crate::wire::Raw;

/// One request as an edge wants it sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending<'a> {
    /// What it asks for.
    pub(super) method: &'a str,
    /// For whom; nobody for what Conflux itself wants to know.
    pub(super) exchange: Option<&'a Exchange>,
    /// How long the upstream may take; time in which it waits for the caller does not count.
    pub(super) limit: Duration,
}

/// Sends a request whose parameters may need its number, and returns the raw result.
///
/// If the caller leaves or the limit passes, the upstream is told that the answer is not wanted.
pub(super) async fn converse(
    connection: &Connection,
    sending: Sending<'_>,
    params: impl FnOnce(u64) -> Option<Raw>,
) -> Result<Raw, Fault> {
    let Some(mut call) = connection.call(sending.exchange) else {
        return Err(lost(connection, Executed::No).into());
    };
    let params = params(call.number());
    let ended = {
        let wait = answer(&mut call, sending, params.as_ref());
        match sending.exchange {
            None => Some(wait.await),
            Some(exchange) => tokio::select! {
                ended = wait => Some(ended),
                () = exchange.cancelled().cancelled() => None,
            },
        }
    };
    let executed = if call.is_sent() { Executed::Unknown } else { Executed::No };
    match ended {
        Some(Ended::Answer(outcome)) => outcome.map_err(Fault::Answered),
        Some(Ended::TooLarge) => {
            let detail = "its answer is larger than `limits.message`";
            Err(connection.error(Kind::TooLarge, detail, executed).into())
        }
        Some(Ended::Failed(error)) => Err(error.into()),
        Some(Ended::Closed) if sending.exchange.is_some() => {
            Err(cut_off(connection, executed).await.into())
        }
        Some(Ended::Closed) => Err(lost(connection, executed).into()),
        Some(Ended::Late) => {
            call.cancel("it took too long").await;
            let detail = format!("`{}` took longer than {:?}", sending.method, sending.limit);
            Err(connection.error(Kind::TimedOut, &detail, executed).into())
        }
        None => {
            call.cancel("the client cancelled it").await;
            Err(Fault::Cancelled)
        }
    }
}

enum Ended {
    Answer(Result<Raw, Raw>),
    TooLarge,
    Failed(Error),
    Closed,
    Late,
}

async fn answer(call: &mut Call, sending: Sending<'_>, params: Option<&Raw>) -> Ended {
    let mut deadline = Instant::now() + sending.limit;
    match time::timeout_at(deadline, call.send(sending.method, params)).await {
        Ok(true) => {}
        Ok(false) => return Ended::Closed,
        Err(_) => return Ended::Late,
    }
    loop {
        let incoming = match time::timeout_at(deadline, call.next()).await {
            Ok(incoming) => incoming,
            Err(_) if call.is_asking() => {
                deadline = Instant::now() + sending.limit;
                continue;
            }
            Err(_) => return Ended::Late,
        };
        match (incoming, sending.exchange) {
            (Incoming::Answer(outcome), _) => return Ended::Answer(outcome),
            (Incoming::TooLarge, _) => return Ended::TooLarge,
            (Incoming::Failed(error), _) => return Ended::Failed(error),
            (Incoming::Closed, _) => return Ended::Closed,
            (Incoming::Progress(params), Some(exchange)) => exchange.progress(params).await,
            (Incoming::Log(params), Some(exchange)) => exchange.log(params).await,
            (Incoming::Other(method, params), Some(exchange)) => {
                exchange.other(method, params).await;
            }
            (Incoming::Progress(_) | Incoming::Log(_) | Incoming::Other(..), None)
            | (Incoming::Acknowledged(_), _) => {}
        }
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
