//! Reads the body of a request: only so much of it, and only for so long.

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::LengthLimitError;
use http_body_util::Limited;
use tokio::time;

use crate::downstream::http::status::Refusal;

/// Reads a whole body of at most `limit` bytes, for at most `patience`.
pub(super) async fn read(body: Body, limit: usize, patience: Duration) -> Result<Bytes, Refusal> {
    let reading = Limited::new(body, limit).collect();
    match time::timeout(patience, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if is_too_long(error.as_ref()) => {
            let problem = format!("the message is over {limit} bytes");
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, &problem))
        }
        Ok(Err(error)) => {
            let problem = format!("the body cannot be read: {error}");
            Err(Refusal::new(StatusCode::BAD_REQUEST, &problem))
        }
        Err(_) => {
            let problem = format!("the body did not arrive within {} ms", patience.as_millis());
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, &problem))
        }
    }
}

fn is_too_long(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.is::<LengthLimitError>()
}
