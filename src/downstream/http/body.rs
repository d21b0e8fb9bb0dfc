//! Reads the body of a request: only so much of it, and only for so long.

use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::Body as _;
use hyper::body::Incoming;
use tokio::time;

use crate::downstream::http::status::Refusal;

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

/// Most bodies come in one piece, which is left as it is.
async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
    let claimed = usize::try_from(body.size_hint().lower()).unwrap_or(limit).min(limit);
    let (mut first, mut whole, mut length) = (Bytes::new(), BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let problem = format!("the body cannot be read: {error}");
            Refusal::new(StatusCode::BAD_REQUEST, &problem)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > limit {
            let problem = format!("the message is over {limit} bytes");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, &problem));
        }
        if length == data.len() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(claimed.max(length));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}
