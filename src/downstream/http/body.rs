//! Reads the body of a request: only so much of it, and only for so long.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::Body as _;
use hyper::body::Incoming;
use tokio::time;

use crate::downstream::http::status::Refusal;
use crate::wire::pieces::Pieces;
use crate::wire::pieces::TooLong;

/// Reads a whole body of at most `limit` bytes, for at most `patience`.
pub(super) async fn read(
    body: Incoming,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Refusal> {
    time::timeout(patience, collect(body, limit)).await.unwrap_or_else(|_| {
        let problem = format!("the body did not arrive within {} ms", patience.as_millis());
        Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, &problem))
    })
}

async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
    let mut pieces = Pieces::new(limit, body.size_hint().lower());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let problem = format!("the body cannot be read: {error}");
            Refusal::new(StatusCode::BAD_REQUEST, &problem)
        })?;
        // Trailers mean nothing here.
        let Ok(data) = frame.into_data() else { continue };
        pieces.add(data).map_err(|TooLong| {
            let problem = format!("the message is over {limit} bytes");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, &problem)
        })?;
    }
    Ok(pieces.into_bytes())
}
