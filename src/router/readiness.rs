//! Whether everything that is required can be used, and waiting until that is known.
//!
//! An upstream can be used that was started well, did not fail since, and has listed everything at
//! least once. One that was put away for want of use still can.

use std::time::Duration;

use futures_util::future;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tokio::time;
use tokio::time::Instant;

use crate::ids::UpstreamId;
use crate::router::Router;
use crate::router::Snapshot;
use crate::router::failure;
use crate::upstream;
use crate::upstream::Handle;

/// How long the first lists of an upstream that is ready may take altogether.
const LISTING_LIMIT: Duration = Duration::from_mins(1);
/// How long one is waited for that could not be listed, and is asked again.
const SECOND_CHANCE: Duration = Duration::from_secs(5);
/// How often it is looked whether somebody asks for the lists at all.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long to wait before an address is tried again if nobody says how long.
const PAUSE: Duration = Duration::from_secs(1);

/// A required upstream that cannot be used.
#[derive(Clone, Debug)]
pub struct Unready {
    /// Which.
    pub upstream: UpstreamId,
    /// The word for its state.
    pub state: &'static str,
    /// Why not.
    pub cause: Cause,
}

/// Why an upstream cannot be used.
#[derive(Clone, Debug)]
pub enum Cause {
    /// It is still starting, or has not listed anything yet.
    Waiting,
    /// It failed.
    Failed(upstream::Error),
    /// It could never be listed, or never all of it.
    Unlisted(String),
}

impl Unready {
    fn new(handle: &Handle, cause: Cause) -> Self {
        Self { upstream: handle.id().clone(), state: handle.status().word, cause }
    }

    fn report(&self) -> Value {
        let mut report = match &self.cause {
            Cause::Waiting => Map::new(),
            Cause::Failed(error) => failure::document(error),
            Cause::Unlisted(failure) => {
                Map::from_iter([("listingError".to_owned(), failure.as_str().into())])
            }
        };
        report.insert("name".to_owned(), self.upstream.as_str().into());
        report.insert("state".to_owned(), self.state.into());
        Value::Object(report)
    }
}

/// Says as data whether everything is ready, and what is not, and why.
pub fn report(unready: &[Unready]) -> Value {
    if unready.is_empty() {
        return json!({ "ready": true });
    }
    json!({ "ready": false, "upstreams": unready.iter().map(Unready::report).collect::<Vec<_>>() })
}

impl Router {
    /// Returns everything that is required and cannot be used now.
    pub fn unready(&self) -> Vec<Unready> {
        unready(&self.snapshot())
    }

    /// Starts everything that is required, and waits until all of it can be used.
    ///
    /// An upstream whose address nobody answers at is tried again for `timeout.start`; any other
    /// failure is final.
    ///
    /// # Errors
    ///
    /// All that cannot be used, after every one has had its time.
    pub async fn ready(&self) -> Result<(), Vec<Unready>> {
        let snapshot = self.snapshot();
        let required = snapshot.upstreams.values().filter(|handle| handle.config().required);
        let waiting = required.map(async |handle| {
            let cause = self.usable(handle).await.err()?;
            Some(Unready::new(handle, cause))
        });
        let unready: Vec<_> = future::join_all(waiting).await.into_iter().flatten().collect();
        if unready.is_empty() { Ok(()) } else { Err(unready) }
    }

    async fn usable(&self, handle: &Handle) -> Result<(), Cause> {
        started(handle).await.map_err(Cause::Failed)?;
        let begun = Instant::now();
        let mut published = self.shared.published.subscribe();
        loop {
            let cause = match cause(&self.snapshot(), handle) {
                None => return Ok(()),
                Some(cause @ Cause::Failed(_)) => return Err(cause),
                Some(cause) => cause,
            };
            let limit = match cause {
                Cause::Unlisted(_) => SECOND_CHANCE,
                Cause::Waiting | Cause::Failed(_) => LISTING_LIMIT,
            };
            if begun.elapsed() >= limit {
                return Err(cause);
            }
            let wanted = [handle.id().clone()];
            self.shared.demands.raise(|all| all.upstreams.extend(wanted));
            // Either way it is looked again.
            drop(time::timeout(ASK_AGAIN, published.changed()).await);
        }
    }
}

/// Starts an upstream; waits for somebody to be at its address.
async fn started(handle: &Handle) -> Result<(), upstream::Error> {
    let deadline = Instant::now() + handle.config().timeout.start;
    loop {
        let Err(error) = handle.ready().await else { return Ok(()) };
        let again = Instant::now() + error.retry_after.unwrap_or(PAUSE);
        if error.kind != upstream::error::Kind::Unreachable || again >= deadline {
            return Err(error);
        }
        time::sleep_until(again).await;
    }
}

/// Returns everything that is required and cannot be used.
pub(super) fn unready(snapshot: &Snapshot) -> Vec<Unready> {
    let required = snapshot.upstreams.values().filter(|handle| handle.config().required);
    let unready =
        required.filter_map(|handle| Some(Unready::new(handle, cause(snapshot, handle)?)));
    unready.collect()
}

/// Returns why an upstream cannot be used, unless it can.
fn cause(snapshot: &Snapshot, handle: &Handle) -> Option<Cause> {
    let status = handle.status();
    if let Some(error) = status.error {
        return Some(Cause::Failed(error));
    }
    if !status.works {
        return Some(Cause::Waiting);
    }
    // A list that was had once stays, whatever becomes of asking for it again.
    if !snapshot.unlisted.contains_key(handle.id()) {
        return None;
    }
    Some(snapshot.failures.get(handle.id()).cloned().map_or(Cause::Waiting, Cause::Unlisted))
}
