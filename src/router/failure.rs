//! Why an upstream failed, as data.

use std::time::Duration;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::upstream;

/// Tells why an upstream failed.
pub(super) fn document(error: &upstream::Error) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut say = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
    say("error", error.to_string().into());
    say("errorKind", error.kind.as_str().into());
    say("hint", error.kind.advice().into());
    say("stderr", json!(error.stderr));
    if let Some(pause) = error.retry_after {
        say("retryAfterMs", millis(pause).into());
    }
    fields
}

/// Returns a time as reports have it, in milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
