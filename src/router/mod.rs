//! The data plane: looks a name up in one snapshot, and sends the request to whom it belongs.
//!
//! Nothing here parses a public name or knows an era. A request sees one snapshot from start to
//! end; who publishes snapshots is `control`.

/// What requests wait for.
pub mod demand;
/// Why a request has no result.
pub mod error;
/// What this process is, for reports.
pub mod instance;
/// How long a list stays fresh.
pub mod lasting;
/// What is listed.
pub mod list;
/// Whether what is required can be used.
pub mod readiness;
/// What one request sees of the world.
pub mod snapshot;
/// What there is to be seen.
pub mod world;

mod admit;
mod cache;
mod call;
mod calls;
mod exposure;
mod extension;
mod failure;
mod fetch;
mod instructions;
mod mentions;
mod own;
mod params;
mod permits;
mod readings;
mod records;
mod reloads;
mod ruling;
mod sight;
mod spill;
mod status;
mod subscribe;
mod target;
mod task;
mod told;
mod view;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::iter;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio::time;

use crate::audit::Log;
use crate::catalog::Kind;
use crate::catalog::ResultKind;
use crate::catalog::name;
use crate::exchange::Exchange;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Callers;
use crate::exchange::mailbox::ListKind;
use crate::exchange::task_ids::Ids;
use crate::ids::Generation;
use crate::ids::UpstreamId;
use crate::quota::Quotas;
use crate::router::cache::Cache;
use crate::router::calls::Ending;
use crate::router::demand::Demands;
use crate::router::mentions::Mentions;
use crate::router::permits::Names;
use crate::router::reloads::Reloads;
use crate::router::spill::Spills;
use crate::router::status::Part;
use crate::router::told::Told;
use crate::router::view::Lens;
use crate::telemetry::Feed;
use crate::telemetry::Telemetry;
use crate::upstream;
use crate::wire::Raw;
use crate::wire::method;

pub use self::demand::Demand;
pub use self::demand::Settled;
pub use self::error::Error;
pub use self::instance::Instance;
pub use self::instance::Reloaded;
pub use self::lasting::Lasting;
pub use self::list::List;
pub use self::list::listed;
pub use self::own::names::definitions;
pub use self::snapshot::Snapshot;
pub use self::view::View;
pub use self::world::World;

/// How much longer than the start budget a list waits for word from `control`.
const SETTLE_MARGIN: Duration = Duration::from_secs(1);

/// How long a call waits for a first list before it asks for it again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Sends each request to the upstream that owns what it names; all that one view shows.
#[derive(Debug)]
pub struct Router {
    /// What is seen here; everything, if nothing is said.
    view: Option<View>,
    snapshot: ArcSwap<Snapshot>,
    told: Mutex<Told>,
    /// The callers that see this view.
    audience: Callers,
    shared: Arc<Shared>,
    /// The views that somebody asked for; views themselves have none.
    views: Mutex<HashMap<View, Arc<Self>>>,
}

/// What all views have in common.
#[derive(Debug)]
struct Shared {
    world: ArcSwap<World>,
    /// What things are called where everything is seen, while there is a policy.
    names: ArcSwapOption<Names>,
    published: watch::Sender<Generation>,
    /// What somebody waits for; `control` has it listed.
    demands: Demands,
    settled: watch::Sender<Settled>,
    mentions: Mentions,
    /// What callers may use up.
    quotas: Quotas,
    /// Results that are kept.
    cache: Cache,
    /// What was taken out of large results, for those who got them.
    spills: Spills,
    /// Makes and reads the ids under which callers know tasks.
    task_ids: Arc<Ids>,
    instance: Instance,
    reloads: Reloads,
    /// Whether any profile is for clients of some name.
    has_chosen: AtomicBool,
    /// What ended, for whoever follows.
    calls: Feed,
    /// Where decisions and ends are recorded; nowhere if nothing is said.
    audit: OnceLock<Log>,
    telemetry: Telemetry,
}

impl Shared {
    /// Keeps what things are called where everything is seen, if this is a look at that.
    fn name(&self, view: Option<&View>, snapshot: &Snapshot) {
        let (None, Some(permits)) = (view, &snapshot.permits) else { return };
        if self.names.load().as_ref().is_none_or(|names| !names.is_of(permits.catalog())) {
            self.names.store(Some(Arc::new(Names::of(permits.catalog()))));
        }
    }
}

impl Router {
    /// Makes a router over a first world, in which nothing may be listed yet.
    pub fn new(world: World, task_ids: Arc<Ids>, telemetry: Telemetry) -> Self {
        let has_chosen = AtomicBool::new(world.has_chosen());
        let shared = Shared {
            has_chosen,
            published: watch::Sender::new(world.generation),
            names: ArcSwapOption::empty(),
            world: ArcSwap::from_pointee(world),
            demands: Demands::default(),
            settled: watch::Sender::new(Settled::No),
            mentions: Mentions::default(),
            quotas: Quotas::default(),
            cache: Cache::default(),
            spills: Spills::default(),
            task_ids,
            instance: Instance::default(),
            reloads: Reloads::default(),
            calls: Feed::default(),
            audit: OnceLock::new(),
            telemetry,
        };
        Self::looking(None, Arc::new(shared))
    }

    fn looking(view: Option<View>, shared: Arc<Shared>) -> Self {
        let world = shared.world.load();
        let names = shared.names.load_full();
        let snapshot = Snapshot::of(&world, &Lens::of(view.as_ref(), &world), names.as_ref(), None);
        drop(world);
        shared.name(view.as_ref(), &snapshot);
        Self {
            told: Mutex::new(snapshot.told()),
            snapshot: ArcSwap::from_pointee(snapshot),
            view,
            audience: Callers::default(),
            shared,
            views: Mutex::default(),
        }
    }

    fn lens(&self, world: &World) -> Lens {
        Lens::of(self.view.as_ref(), world)
    }

    /// Returns the router of a part of what this one sees; nothing if there is no such part.
    pub fn view(&self, view: &View) -> Option<Arc<Self>> {
        if !view.is_in(&self.shared.world.load()) {
            return None;
        }
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Self::looking(Some(view.clone()), Arc::clone(&self.shared)));
        Some(Arc::clone(views.entry(view.clone()).or_insert_with(new)))
    }

    /// Returns the router of the profile that a client sees that asks for none and gives this
    /// information about itself (`clientInfo`), if there is one; never in the place of a part that
    /// was asked for.
    pub fn for_client(&self, info: Option<&Raw>) -> Option<Arc<Self>> {
        if self.view.is_some() || !self.shared.has_chosen.load(Ordering::Relaxed) {
            return None;
        }
        let name = info.and_then(|info| info.member("name")?.string());
        let profile = self.shared.world.load().profile_for(name.as_deref())?.to_owned();
        self.view(&View::Profile(profile))
    }

    /// Returns the router of a part that somebody asked for before, even if there is no such part
    /// any more: then nothing is seen there.
    pub fn known_view(&self, view: &View) -> Option<Arc<Self>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner).get(view).map(Arc::clone)
    }

    /// Returns every view that can be asked for, in the order of the file.
    pub fn views(&self) -> Vec<View> {
        let world = self.shared.world.load();
        let servers = world.upstreams.keys().map(|id| View::Server(id.as_str().to_owned()));
        let profiles = world.profiles.keys().cloned().map(View::Profile);
        servers.chain(profiles).collect()
    }

    /// Returns the names of all tools that an upstream lists, offered or not: the one it gave, and
    /// the one that makes in public where nothing is in its way. Nothing if it has not listed.
    pub fn listed_tools(&self, upstream: &UpstreamId) -> Option<Vec<(String, String)>> {
        let world = self.shared.world.load();
        let known = world.upstreams.get(upstream)?;
        let prefix = &known.handle.config().prefix;
        if known.unread.contains(&Kind::Tools) {
            return None;
        }
        let names = known.listing.tools.iter();
        let local = names.filter_map(|tool| tool.member("name")?.string());
        let both = local.map(|local| {
            let public = name::public(prefix, &local, world.max_name_length);
            (local, public)
        });
        Some(both.collect())
    }

    /// Returns everything of one kind that an upstream lists, offered or not, as it came.
    pub fn as_listed(&self, upstream: &UpstreamId, kind: Kind) -> Vec<Raw> {
        let world = self.shared.world.load();
        world.upstreams.get(upstream).map(|it| it.listing.items(kind).to_vec()).unwrap_or_default()
    }

    /// Returns the routers of all views in use, this one first.
    pub fn family(self: &Arc<Self>) -> Vec<Arc<Self>> {
        let views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        iter::once(self).chain(views.values()).map(Arc::clone).collect()
    }

    /// Returns what is told of this process in reports.
    pub fn instance(&self) -> &Instance {
        &self.shared.instance
    }

    /// Returns how everything in this view is, as data: the one document behind every door, be it
    /// a tool, a socket or an address.
    pub fn status(&self) -> serde_json::Value {
        status::document(self, None, Part::Everything)
    }

    /// Returns the callers that see this view; who is among them is told when its lists change.
    pub fn audience(&self) -> &Callers {
        &self.audience
    }

    /// Returns which lists differ from those of the last time this was asked.
    pub fn news(&self) -> Vec<ListKind> {
        let snapshot = self.snapshot();
        let now = snapshot.told();
        self.told.lock().unwrap_or_else(PoisonError::into_inner).news(now)
    }

    /// Carries out one request and returns its raw result, in the shape of either era. What
    /// [`listed`] knows is for [`Self::list`].
    pub async fn request(
        &self,
        method: &str,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
        let ending = Ending::of(self, method, params, exchange);
        let outcome = match method {
            method::TOOLS_CALL => self.call(params, exchange).await,
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
            method::TASKS_GET
            | method::TASKS_RESULT
            | method::TASKS_LIST
            | method::TASKS_UPDATE
            | method::TASKS_CANCEL => Box::pin(self.task(method, params, exchange)).await,
            _ => self.extension(method, params, exchange).await,
        };
        ending.over(&outcome);
        outcome
    }

    /// Returns where it is noted what happens.
    pub fn telemetry(&self) -> &Telemetry {
        &self.shared.telemetry
    }

    /// Returns where it is told which requests of all views end, and how.
    pub fn calls(&self) -> &Feed {
        &self.shared.calls
    }

    /// Returns the limits on what callers may use up.
    pub fn quotas(&self) -> &Quotas {
        &self.shared.quotas
    }

    /// Returns what the upstreams known so far, of which this caller sees anything, tell a model
    /// about themselves, merged and bounded.
    pub fn instructions(&self, caller: &Caller) -> Option<String> {
        self.snapshot().instructions(|id, snapshot| snapshot.is_seen(id, caller))
    }

    /// Tells every running upstream that a client's directories changed.
    pub fn roots_changed(&self) {
        for handle in self.snapshot().upstreams.values() {
            handle.notify(method::ROOTS_CHANGED);
        }
    }

    /// Returns the newest snapshot. The first request after a listing changed makes that of a view,
    /// which costs as much as merging what the view shows.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        let (world, known) = (self.shared.world.load(), self.snapshot.load());
        if known.generation >= world.generation {
            return Arc::clone(&known);
        }
        let names = self.shared.names.load_full();
        let fresh =
            Arc::new(Snapshot::of(&world, &self.lens(&world), names.as_ref(), Some(&known)));
        self.snapshot.store(Arc::clone(&fresh));
        fresh
    }

    /// Makes `world` the newest one; requests under way keep theirs.
    pub fn publish(&self, world: World) {
        // First, so that no request has to make it.
        let before = self.snapshot.load();
        let names = self.shared.names.load_full();
        let snapshot = Snapshot::of(&world, &self.lens(&world), names.as_ref(), Some(&before));
        self.shared.name(self.view.as_ref(), &snapshot);
        self.snapshot.store(Arc::new(snapshot));
        let generation = world.generation;
        self.shared.has_chosen.store(world.has_chosen(), Ordering::Relaxed);
        self.shared.world.store(Arc::new(world));
        self.shared.published.send_replace(generation);
    }

    /// Says whether there is anything to wait for before a list is shown.
    pub fn settle(&self, settled: Settled) {
        self.shared.settled.send_replace(settled);
    }

    /// Returns whether lists are shown without waiting.
    pub fn is_settled(&self) -> bool {
        *self.shared.settled.borrow() >= Settled::Enough
    }

    /// Waits until somebody wants something listed, and takes it; for `control` alone.
    pub async fn demanded(&self) -> Demand {
        self.shared.demands.next().await
    }

    /// Asks for lists, and waits until every upstream has listed, be it in an earlier run, or has
    /// failed, or until `control` finds that this was long enough.
    pub async fn settled(&self) {
        self.until(Settled::Enough).await;
    }

    /// The same, but what was listed in an earlier run does not count, and only the start budget
    /// is long enough.
    pub async fn live(&self) {
        self.until(Settled::Live).await;
    }

    async fn until(&self, least: Settled) {
        self.shared.demands.raise(|wanted| wanted.everything = true);
        let mut settled = self.shared.settled.subscribe();
        // `control` keeps the budget, so that what is listed later is announced; this is a fuse.
        let limit = self.shared.world.load().start_budget + SETTLE_MARGIN;
        drop(time::timeout(limit, settled.wait_for(|settled| *settled >= least)).await);
    }

    /// Waits until an upstream's list of one kind was had for the first time in this run; once it
    /// is ready, as long as the start budget.
    ///
    /// Returns the snapshot that has its list, or why there is none.
    async fn first_listing(
        &self,
        upstream: &UpstreamId,
        kind: Kind,
    ) -> Result<Arc<Snapshot>, upstream::Error> {
        let mut published = self.shared.published.subscribe();
        let mut snapshot = self.snapshot();
        // That it is ready does not mean that anybody asks it: it may have failed to list before.
        let ask = || self.shared.demands.raise(|all| all.upstreams.extend([upstream.clone()]));
        ask();
        if let Some(handle) = snapshot.upstreams.get(upstream) {
            handle.ready().await?;
        }
        let deadline = time::Instant::now() + self.shared.world.load().start_budget;
        while snapshot.lacks(upstream, kind) && time::Instant::now() < deadline {
            let soon = deadline.min(time::Instant::now() + ASK_AGAIN);
            match time::timeout_at(soon, published.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => break,
                // Its session may have ended before it had answered.
                Err(_) => ask(),
            }
            snapshot = self.snapshot();
        }
        Ok(snapshot)
    }
}
