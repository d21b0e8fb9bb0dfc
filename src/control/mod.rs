//! The one task that changes what requests see: it has upstreams list, merges, and publishes.
//!
//! Everything that happens reaches it as an `Event` in one queue, and it alone writes snapshots.
//! What follows from an event is decided in `plan`, without any waiting.

mod plan;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future;
use indexmap::IndexMap;
use tokio::sync::mpsc;
use tokio::time;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalog::Catalog;
use crate::catalog::Kind;
use crate::config;
use crate::control::plan::Lasts;
use crate::control::plan::Listings;
use crate::ids::Generation;
use crate::ids::UpstreamId;
use crate::router::Demand;
use crate::router::Lasting;
use crate::router::Router;
use crate::router::Settled;
use crate::router::World;
use crate::router::world::Known;
use crate::upstream;
use crate::upstream::Change;
use crate::upstream::Disk;
use crate::upstream::Handle;
use crate::upstream::Inventory;
use crate::upstream::Moment;
use crate::wire::Raw;
use crate::wire::era::Era;

/// How many events may wait; whoever has another one waits too.
const EVENT_CAPACITY: usize = 256;
/// How long changes are collected before callers are told of them.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// How much is kept of why a list could not be had, in bytes.
const FAILURE_LIMIT: usize = 500;

/// What upstreams listed in an earlier run, and when.
pub type Catalogs = IndexMap<UpstreamId, (Inventory, Moment)>;

/// Reads what upstreams listed in an earlier run of the same configuration.
pub async fn recalled(handles: &IndexMap<UpstreamId, Handle>, disk: &Disk) -> Catalogs {
    // Side by side, so that a slow disk is waited for once.
    let recalled = future::join_all(handles.values().map(|handle| handle.inventory(disk))).await;
    let all = handles.keys().zip(recalled);
    all.filter_map(|(id, recalled)| Some((id.clone(), recalled?))).collect()
}

/// Everything that can happen.
#[derive(Debug)]
enum Event {
    /// Somebody waits for lists.
    Demand(Demand),
    /// Something changed with an upstream.
    Changed(UpstreamId, Change),
    /// An upstream was asked for its lists.
    Listed(UpstreamId, Result<Box<upstream::Listed>, upstream::Error>),
    /// The time is over in which a list waits for upstreams.
    BudgetSpent,
}

/// What the control task is given.
#[derive(Debug)]
pub struct Control {
    config: Arc<config::Config>,
    handles: IndexMap<UpstreamId, Handle>,
    router: Arc<Router>,
    tasks: TaskTracker,
    stop: CancellationToken,
    listings: Listings,
    remembered: IndexMap<UpstreamId, String>,
    /// The extensions each upstream declared last, in this run or an earlier one.
    extensions: IndexMap<UpstreamId, Raw>,
    generation: Generation,
    is_budget_begun: bool,
    /// Whether something is known that was not published.
    has_news: bool,
    /// When changes are told to callers, if there are any.
    announce_at: Option<Instant>,
}

impl Control {
    /// Makes the control task of `handles`, and the router that sees what it publishes. What is not
    /// listed yet is as in `catalogs`.
    ///
    /// What upstreams said about themselves in earlier runs is recalled here, so that the first
    /// client sees it too.
    pub async fn new(
        config: Arc<config::Config>,
        handles: IndexMap<UpstreamId, Handle>,
        catalogs: Catalogs,
        around: &upstream::Surroundings,
    ) -> Self {
        let mut remembered = IndexMap::new();
        let mut extensions = IndexMap::new();
        // Side by side, so that a slow disk is waited for once.
        let recalled = handles.values().map(|handle| handle.recalled(&around.state));
        for (id, recalled) in handles.keys().zip(future::join_all(recalled).await) {
            remembered.extend(recalled.instructions.map(|text| (id.clone(), text)));
            extensions.extend(recalled.extensions.map(|declared| (id.clone(), declared)));
        }
        let mut listings = Listings::new(handles.keys().cloned());
        for (id, (inventory, from)) in catalogs {
            if let Some((handle, tools)) = handles.get(&id).zip(inventory.tools.as_ref()) {
                handle.assume(tools);
            }
            listings.recall(&id, lists(inventory), from);
        }
        let first =
            world(&config, &handles, &listings, &remembered, &extensions, Generation::default());
        let budget = config.limits.start_budget;
        let router =
            Arc::new(Router::new(first, &config.profiles, Arc::clone(&around.task_ids), budget));
        report(None, &router.snapshot().catalog);
        router.settle(listings.settled());
        Self {
            config,
            handles,
            router,
            tasks: around.tasks.clone(),
            stop: around.stop.clone(),
            listings,
            remembered,
            extensions,
            generation: Generation::default(),
            is_budget_begun: false,
            has_news: false,
            announce_at: None,
        }
    }

    /// Returns the router that sees what this task publishes.
    pub fn router(&self) -> &Arc<Router> {
        &self.router
    }

    /// Handles events until everything stops.
    pub async fn run(mut self) {
        let (events, mut queue) = mpsc::channel(EVENT_CAPACITY);
        self.watch(&events);
        let stop = self.stop.clone();
        let mut batch = Vec::new();
        loop {
            let (announce_at, due) = (self.announce_at, self.listings.next_due());
            tokio::select! {
                count = queue.recv_many(&mut batch, EVENT_CAPACITY) => {
                    if count == 0 {
                        break;
                    }
                    for event in batch.drain(..) {
                        self.handle(event, &events);
                    }
                    self.publish();
                    self.settle();
                }
                () = until(due) => for id in self.listings.take_due(Instant::now()) {
                    self.list_if_ready(&id, &events);
                },
                () = until(announce_at) => self.announce(),
                () = stop.cancelled() => break,
            }
        }
    }

    /// Starts what turns changes elsewhere into events.
    fn watch(&self, events: &mpsc::Sender<Event>) {
        for (id, handle) in &self.handles {
            let (id, mut watch) = (id.clone(), handle.watch());
            let events = events.clone();
            self.spawn(async move {
                loop {
                    let change = watch.next().await;
                    let is_last = matches!(change, Change::Gone);
                    let sent = events.send(Event::Changed(id.clone(), change)).await;
                    if is_last || sent.is_err() {
                        break;
                    }
                }
            });
        }
        let (router, events) = (Arc::clone(&self.router), events.clone());
        self.spawn(async move {
            while events.send(Event::Demand(router.demanded().await)).await.is_ok() {}
        });
    }

    /// Lets lists wait for upstreams from now on, for as long as the start budget.
    fn begin_budget(&mut self, events: &mpsc::Sender<Event>) {
        let (budget, events) = (self.config.limits.start_budget, events.clone());
        if !std::mem::replace(&mut self.is_budget_begun, true) {
            self.spawn(async move {
                time::sleep(budget).await;
                drop(events.send(Event::BudgetSpent).await);
            });
        }
    }

    fn handle(&mut self, event: Event, events: &mpsc::Sender<Event>) {
        match event {
            Event::Demand(Demand { everything, upstreams }) => {
                // A call is not put off: it waits for this very list.
                for id in upstreams {
                    if !self.listings.is_asked(&id) {
                        self.list(&id, events);
                    }
                }
                if everything {
                    self.begin_budget(events);
                    let now = Instant::now();
                    for id in self.listings.lacking(now) {
                        self.list(&id, events);
                    }
                    for id in self.listings.outdated(now) {
                        self.list_if_ready(&id, events);
                    }
                }
            }
            // Whoever is asked now had it started, and gets the lists of this very session.
            Event::Changed(id, Change::Ready) if self.listings.is_asked(&id) => {}
            Event::Changed(id, Change::Ready) => self.list_if_ready(&id, events),
            Event::Changed(id, Change::Lists) => self.listings.changed(&id, Instant::now()),
            Event::Changed(id, Change::Failed(error)) => self.failed(&id, &error),
            Event::Changed(_, Change::Gone) => {}
            Event::Listed(id, Ok(listed)) => {
                self.note_extensions(&id);
                let lists = self.lists(&id, *listed);
                let is_stale = self.listings.listed(&id, lists, Instant::now());
                self.has_news = true;
                if is_stale {
                    self.list(&id, events);
                }
            }
            Event::Listed(id, Err(error)) => {
                tracing::debug!(upstream = %id, %error, "could not be listed");
                self.listings.unasked(&id);
                self.failed(&id, &error);
                // It may be ready again already, which was not acted upon while it was asked.
                self.list_if_ready(&id, events);
            }
            Event::BudgetSpent => self.listings.give_up_waiting(),
        }
    }

    /// Shows lists without waiting once there is nobody to wait for.
    fn settle(&self) {
        let settled = self.listings.settled();
        if settled > Settled::No && !self.router.is_settled() {
            // Whoever waited sees what there is now, and need not be told.
            for router in self.router.family() {
                router.news();
            }
        }
        self.router.settle(settled);
    }

    /// Keeps what an upstream that is ready declares; what one declared that is not stays.
    fn note_extensions(&mut self, id: &UpstreamId) {
        let Some(handle) = self.handles.get(id) else { return };
        let Some(agreed) = handle.status().agreed else { return };
        match agreed.extensions() {
            Some(declared) => drop(self.extensions.insert(id.clone(), declared)),
            None => drop(self.extensions.shift_remove(id)),
        }
    }

    /// Takes every list of an upstream, with how long it may be kept from now on.
    fn lists(&self, id: &UpstreamId, listed: upstream::Listed) -> Vec<(Kind, plan::List)> {
        let agreed = self.handles.get(id).and_then(|handle| handle.status().agreed);
        let is_told = |kind: Kind| {
            let capability = match kind {
                Kind::Tools => "tools",
                Kind::Prompts => "prompts",
                Kind::Resources | Kind::Templates | Kind::Skills => "resources",
            };
            // A legacy upstream says nothing on how long a list may be kept.
            let has_hints = |agreed: &upstream::Agreed| agreed.revision.era() == Era::Modern;
            agreed
                .as_ref()
                .is_none_or(|agreed| agreed.can(&[capability, "listChanged"]) || !has_hints(agreed))
        };
        let now = Instant::now();
        let one = |(kind, list): (Kind, Result<upstream::List, upstream::Fault>)| {
            let list = list.map_err(|fault| {
                tracing::warn!(upstream = %id, %fault, "its {kind}s could not be listed");
                bounded(&self.config.secrets.mask(&fault.to_string()))
            });
            let list = list.map(|upstream::List { items, freshness }| {
                let lasting = freshness.map(|hints| Lasting::new(now, hints));
                (items, lasting.map(|lasting| Lasts { lasting, is_told: is_told(kind) }))
            });
            (kind, list)
        };
        let upstream::Listed { tools, prompts, resources, templates, skills } = listed;
        let lists = [tools, prompts, resources, templates, skills];
        Kind::ALL.into_iter().zip(lists).map(one).collect()
    }

    fn failed(&mut self, id: &UpstreamId, error: &upstream::Error) {
        self.has_news |= self.listings.failed(id, error.to_string());
    }

    /// Asks an upstream for its lists if that does not start it.
    fn list_if_ready(&mut self, id: &UpstreamId, events: &mpsc::Sender<Event>) {
        if self.handles.get(id).is_some_and(|handle| handle.status().agreed.is_some()) {
            self.list(id, events);
        }
    }

    /// Asks an upstream for its lists, unless it is being asked; then it is asked again after.
    fn list(&mut self, id: &UpstreamId, events: &mpsc::Sender<Event>) {
        let Some(handle) = self.handles.get(id).cloned() else { return };
        if !self.listings.begin(id) {
            return;
        }
        let (id, events) = (id.clone(), events.clone());
        self.spawn(async move {
            let listed = handle.list().await.map(Box::new);
            drop(events.send(Event::Listed(id, listed)).await);
        });
    }

    /// Publishes what a batch of events came to, if that differs from what was published.
    fn publish(&mut self) {
        if !std::mem::take(&mut self.has_news) {
            return;
        }
        self.generation = self.generation.next();
        let Self { config, handles, listings, remembered, extensions, generation, .. } = &*self;
        let before = self.router.snapshot();
        let next = world(config, handles, listings, remembered, extensions, *generation);
        self.router.publish(next);
        let now = self.router.snapshot();
        if !Arc::ptr_eq(&before.catalog, &now.catalog) {
            report(Some(&before.catalog), &now.catalog);
            self.announce_at.get_or_insert_with(|| Instant::now() + DEBOUNCE);
        }
    }

    /// Tells callers which lists differ from what they were last told of.
    fn announce(&mut self) {
        self.announce_at = None;
        for router in self.router.family() {
            let news = router.news();
            if news.is_empty() || !router.is_settled() {
                continue;
            }
            for caller in router.audience().present() {
                for kind in &news {
                    caller.mailbox().list_changed(*kind);
                }
            }
        }
    }

    /// Runs `task` until it ends or everything stops.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

fn lists(inventory: Inventory) -> Vec<(Kind, Vec<Raw>)> {
    let Inventory { tools, prompts, resources, templates, skills } = inventory;
    let lists = Kind::ALL.into_iter().zip([tools, prompts, resources, templates, skills]);
    lists.filter_map(|(kind, items)| Some((kind, items?))).collect()
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Cuts why a list could not be had: an upstream may have written pages about it.
fn bounded(failure: &str) -> String {
    if failure.len() <= FAILURE_LIMIT {
        return failure.to_owned();
    }
    let end = failure.floor_char_boundary(FAILURE_LIMIT);
    format!("{} …", failure.get(..end).unwrap_or_default())
}

/// Puts together what is known now.
fn world(
    config: &config::Config,
    handles: &IndexMap<UpstreamId, Handle>,
    listings: &Listings,
    remembered: &IndexMap<UpstreamId, String>,
    extensions: &IndexMap<UpstreamId, Raw>,
    generation: Generation,
) -> World {
    let mut failures = listings.failures();
    let known = |(id, handle): (&UpstreamId, &Handle)| {
        let instructions = handle.status().agreed.and_then(|agreed| agreed.instructions);
        let known = Known {
            handle: handle.clone(),
            listing: listings.get(id),
            unread: listings.unread(id),
            remembered: listings.remembered(id),
            lasting: listings.lasting(id),
            failure: failures.shift_remove(id),
            instructions: instructions.or_else(|| remembered.get(id).cloned()),
            extensions: extensions.get(id).cloned(),
        };
        (id.clone(), known)
    };
    let disabled = config.upstreams.values().filter(|upstream| upstream.disabled);
    World {
        generation,
        upstreams: handles.iter().map(known).collect(),
        disabled: disabled.map(|upstream| upstream.id.clone()).collect(),
        max_name_length: config.names.max_length,
    }
}

/// Says on stderr what is newly wrong with what upstreams list.
fn report(before: Option<&Catalog>, now: &Catalog) {
    let (defects, conflicts) = before.map(|it| (it.defects(), it.conflicts())).unwrap_or_default();
    for defect in now.defects().iter().filter(|defect| !defects.contains(defect)) {
        tracing::warn!("{defect}");
    }
    for conflict in now.conflicts().iter().filter(|conflict| !conflicts.contains(conflict)) {
        tracing::warn!("{conflict}");
    }
}
