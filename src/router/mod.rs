//! The data plane: looks a name up in one snapshot, and sends the request to whom it belongs.
//!
//! Nothing here parses a public name or knows an era. A request sees one snapshot from start to
//! end; who publishes snapshots is `control`.

/// Why a request has no result.
pub mod error;
/// How long a list stays fresh.
pub mod lasting;
/// What one request sees of the world.
pub mod snapshot;

mod call;
mod extension;
mod fetch;
mod list;
mod mentions;
mod own;
mod subscribe;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time;

use crate::catalog::ResultKind;
use crate::exchange::Exchange;
use crate::exchange::caller::Callers;
use crate::ids::Generation;
use crate::ids::UpstreamId;
use crate::router::mentions::Mentions;
use crate::upstream;
use crate::wire::Raw;
use crate::wire::method;

pub use self::error::Error;
pub use self::lasting::Lasting;
pub use self::own::definitions;
pub use self::snapshot::Snapshot;

/// How much longer than the start budget a list waits for word from `control`.
const SETTLE_MARGIN: Duration = Duration::from_secs(1);

/// Sends each request to the upstream that owns what it names.
#[derive(Debug)]
pub struct Router {
    snapshot: ArcSwap<Snapshot>,
    published: watch::Sender<Generation>,
    /// How often somebody wanted to see a list; `control` has upstreams list when it grows.
    demand: watch::Sender<u64>,
    /// Whether every upstream has listed, failed, or used up the start budget.
    settled: watch::Sender<bool>,
    start_budget: Duration,
    mentions: Mentions,
    callers: Callers,
}

impl Router {
    /// Makes a router over a first snapshot, in which nothing may be listed yet.
    ///
    /// A list waits at most `start_budget` for upstreams that are still starting.
    pub fn new(snapshot: Snapshot, callers: Callers, start_budget: Duration) -> Self {
        Self {
            published: watch::Sender::new(snapshot.generation),
            snapshot: ArcSwap::from_pointee(snapshot),
            demand: watch::Sender::new(0),
            settled: watch::Sender::new(false),
            start_budget,
            mentions: Mentions::default(),
            callers,
        }
    }

    /// Carries out one request and returns its raw result, in the shape of either era.
    pub async fn request(
        &self,
        method: &str,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
        match method {
            method::TOOLS_CALL => self.call(params, exchange).await,
            method::TOOLS_LIST
            | method::PROMPTS_LIST
            | method::RESOURCES_LIST
            | method::TEMPLATES_LIST
            | method::SKILLS_LIST => self.list(method, params, exchange).await,
            method::PROMPTS_GET => self.prompt(params, exchange).await,
            method::RESOURCES_READ => {
                self.read(method, ResultKind::Resource, params, exchange).await
            }
            method::SKILLS_GET => self.read(method, ResultKind::Skill, params, exchange).await,
            method::DIRECTORY_READ => {
                self.read(method, ResultKind::Directory, params, exchange).await
            }
            method::COMPLETE => self.complete(params, exchange).await,
            method::RESOURCES_SUBSCRIBE => self.subscribe(params, exchange).await,
            method::RESOURCES_UNSUBSCRIBE => self.unsubscribe(params, exchange).await,
            method::SET_LEVEL => self.set_level(params),
            _ => self.extension(method, params, exchange).await,
        }
    }

    /// Returns what the upstreams known so far tell a model about themselves, merged and bounded.
    pub fn instructions(&self) -> Option<String> {
        self.snapshot().instructions.clone()
    }

    /// Tells every running upstream that a client's directories changed.
    pub fn roots_changed(&self) {
        for handle in self.snapshot().upstreams.values() {
            handle.notify(method::ROOTS_CHANGED);
        }
    }

    /// Returns the newest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Makes `snapshot` the newest one; requests under way keep theirs.
    pub fn publish(&self, snapshot: Snapshot) {
        let generation = snapshot.generation;
        self.snapshot.store(Arc::new(snapshot));
        self.published.send_replace(generation);
    }

    /// Says whether there is anything to wait for before a list is shown.
    pub fn settle(&self, settled: bool) {
        self.settled.send_replace(settled);
    }

    /// Returns whether lists are shown without waiting.
    pub fn is_settled(&self) -> bool {
        *self.settled.borrow()
    }

    /// Returns what tells that somebody wants to see a list.
    pub fn demand(&self) -> watch::Receiver<u64> {
        self.demand.subscribe()
    }

    /// Asks for lists, and waits until every upstream has listed or failed, or until `control`
    /// finds that the start budget is spent.
    pub async fn settled(&self) {
        self.demand.send_modify(|count| *count += 1);
        let mut settled = self.settled.subscribe();
        // `control` keeps the budget, so that what is listed later is announced; this is a fuse.
        let limit = self.start_budget + SETTLE_MARGIN;
        drop(time::timeout(limit, settled.wait_for(|settled| *settled)).await);
    }

    /// Waits until an upstream that never listed before has done so.
    ///
    /// Returns the snapshot that has its list, or why there is none.
    async fn first_listing(
        &self,
        upstream: &UpstreamId,
        limit: Duration,
    ) -> Result<Arc<Snapshot>, upstream::Error> {
        let mut published = self.published.subscribe();
        let mut snapshot = self.snapshot();
        if let Some(handle) = snapshot.upstreams.get(upstream) {
            handle.ready().await?;
        }
        let deadline = time::Instant::now() + limit;
        while snapshot.unlisted.contains(upstream) {
            if !matches!(time::timeout_at(deadline, published.changed()).await, Ok(Ok(()))) {
                break;
            }
            snapshot = self.snapshot();
        }
        Ok(snapshot)
    }
}
