//! Reads the body of a request: only so much of it, only for so long, and only if there is room.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::Body as _;
use hyper::body::Incoming;
use tokio::time;

use crate::downstream::http::status::Refusal;
use crate::downstream::room;
use crate::downstream::room::Room;
use crate::wire::budget::Budget;
use crate::wire::budget::Spare;
use crate::wire::intake::Intake;

/// A body that was read.
#[derive(Debug)]
pub(super) struct Received {
    /// All of it.
    pub(super) bytes: Bytes,
    /// Whether there was room for it.
    pub(super) room: Room,
    /// Held until it was seen what it is, so that only one at a time goes beyond the budget.
    pub(super) spare: Option<Spare>,
}

/// Reads a whole body of at most `limit` bytes, for at most `patience`. Within that time a large
/// one waits for room, for a moment in `budget`, then for its turn to go beyond that.
pub(super) async fn read(
    body: &mut Incoming,
    limit: usize,
    patience: Duration,
    budget: &Budget,
) -> Result<Received, Refusal> {
    time::timeout(patience, whole(body, limit, budget)).await.unwrap_or_else(|_| {
        let problem = format!("the body did not arrive within {} ms", patience.as_millis());
        Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, &problem))
    })
}

async fn whole(body: &mut Incoming, limit: usize, budget: &Budget) -> Result<Received, Refusal> {
    let mut intake = Intake::within(budget.clone(), room::LIMIT);
    let mut spare = None;
    if let Some(size) = body.size_hint().exact() {
        let size = usize::try_from(size).ok().filter(|size| *size <= limit);
        intake.expect(size.ok_or_else(|| too_long(limit))?).await;
    }
    loop {
        if intake.is_beyond() && spare.is_none() {
            spare = Some(budget.spare().await);
        }
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|error| {
            let problem = format!("the body cannot be read: {error}");
            Refusal::new(StatusCode::BAD_REQUEST, &problem)
        })?;
        // Trailers say nothing here.
        let Ok(data) = frame.into_data() else { continue };
        let size = intake.size() + data.len();
        if size > limit {
            return Err(too_long(limit));
        }
        intake.cover(size).await;
        intake.push(data);
    }
    let whole = intake.finish(Bytes::new());
    Ok(Received { bytes: whole.bytes, room: Room::of(whole.is_beyond), spare })
}

/// Reads what is left of a body that nobody wants, of at most `limit` bytes, for at most
/// `patience`; returns whether it is at its end.
///
/// Only then can the connection go on: the next request begins where this one ends. Most clients
/// send a head before its body, so whoever is refused for what the head says would otherwise be
/// answered in between, and lose the next request with the connection.
pub(super) async fn skip(body: &mut Incoming, limit: usize, patience: Duration) -> bool {
    let is_larger = |size: u64| usize::try_from(size).map_or(true, |size| size > limit);
    if body.is_end_stream() || is_larger(body.size_hint().lower()) {
        return body.is_end_stream();
    }
    let mut left = limit;
    let skipping = async {
        while let Some(frame) = body.frame().await {
            let size = frame.map(|frame| frame.data_ref().map_or(0, Bytes::len));
            match size.ok().and_then(|size| left.checked_sub(size)) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        true
    };
    time::timeout(patience, skipping).await.unwrap_or(false)
}

fn too_long(limit: usize) -> Refusal {
    let problem = format!("the message is over {limit} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, &problem)
}
