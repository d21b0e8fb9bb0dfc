//! The one task that changes what requests see: it has upstreams list, merges, and publishes.
//!
//! Everything that happens reaches it as an `Event` in one queue, and it alone writes snapshots.
//! What follows from an event is decided in `plan`, without any waiting.

mod announcement;
mod facts;
mod patience;
mod plan;
mod reload;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time;
use tokio::time::Instant;

use crate::catalog::Catalog;
use crate::catalog::Kind;
use crate::config;
use crate::control::announcement::Announcement;
use crate::control::facts::Facts;
use crate::control::patience::Patience;
use crate::control::plan::Lasts;
use crate::ids::UpstreamId;
use crate::router::Demand;
use crate::router::Lasting;
use crate::router::Router;
use crate::router::Settled;
use crate::upstream;
use crate::upstream::Change;
use crate::upstream::Disk;
use crate::upstream::Recalled;
use crate::upstream::Recalling;
use crate::wire::era::Era;

pub use self::reload::Prepared;
pub use self::reload::Reloads;

/// How many events may wait; whoever has another one waits too.
const EVENT_CAPACITY: usize = 256;
/// How much is kept of why a list could not be had, in bytes.
const FAILURE_LIMIT: usize = 500;

/// Everything that can happen.
#[derive(Debug)]
enum Event {
    /// Somebody waits for lists.
    Demand(Demand),
    /// There is something new of an upstream.
    Of(Origin, News),
    /// Another configuration comes into force.
    Reload(Box<reload::Reload>),
}

/// Whose news they are: there may be another upstream under the same key by now.
#[derive(Clone, Debug)]
struct Origin {
    id: UpstreamId,
    number: u64,
}

/// Something new of one upstream.
#[derive(Debug)]
enum News {
    /// Something changed with it.
    Changed(Change),
    /// It was asked for its lists.
    Listed(Result<Box<upstream::Listed>, upstream::Error>),
}

/// What the control task is given.
#[derive(Debug)]
pub struct Control {
    facts: Facts,
    around: upstream::Surroundings,
    router: Arc<Router>,
    events: mpsc::Sender<Event>,
    queue: mpsc::Receiver<Event>,
    patience: Patience,
    /// Whether something is known that was not published.
    has_news: bool,
    announcement: Announcement,
}

/// A start: the upstreams there will be, and what is being read of them.
#[derive(Debug)]
pub struct Beginning {
    enabled: Vec<Arc<config::Upstream>>,
    recalling: Recalling,
}

impl Beginning {
    /// Begins to read from the disk what is known of the upstreams of `config` from earlier runs.
    pub fn new(config: &config::Config, disk: &Disk) -> Self {
        let enabled = facts::enabled(config).map(|(_, upstream)| Arc::new(upstream.clone()));
        let enabled: Vec<_> = enabled.collect();
        let recalling = Recalling::begin(enabled.iter().cloned(), disk);
        Self { enabled, recalling }
    }
}

impl Control {
    /// Makes the upstreams of `config`, the task that controls them, and the router that sees what
    /// it publishes. If it `remembers`, what is not listed yet is as in an earlier run.
    ///
    /// What upstreams said about themselves in earlier runs is recalled here, so that the first
    /// client sees it too.
    pub async fn new(
        config: Arc<config::Config>,
        beginning: Beginning,
        around: upstream::Surroundings,
        remembers: bool,
    ) -> Self {
        let Beginning { enabled, recalling } = beginning;
        let mut facts = Facts::new(Arc::clone(&config), enabled, &around);
        for (id, recalled) in recalling.finish().await {
            let inventory = recalled.inventory.filter(|_| remembers);
            facts.recall(&id, Recalled { inventory, ..recalled });
        }
        let router = Arc::new(Router::new(
            facts.world(),
            Arc::clone(&around.task_ids),
            around.telemetry.clone(),
        ));
        report(None, &router.snapshot().catalog);
        router.settle(facts.listings.settled());
        let (events, queue) = mpsc::channel(EVENT_CAPACITY);
        Self {
            facts,
            around,
            router,
            events,
            queue,
            patience: Patience::default(),
            has_news: false,
            announcement: Announcement::default(),
        }
    }

    /// Returns the router that sees what this task publishes.
    pub fn router(&self) -> &Arc<Router> {
        &self.router
    }

    /// Returns where other configurations are handed in.
    pub fn reloads(&self) -> Reloads {
        Reloads { events: self.events.clone(), disk: self.around.state.clone() }
    }

    /// Handles events until everything stops.
    pub async fn run(mut self) {
        self.watch();
        self.prepare_searches();
        let stop = self.around.stop.clone();
        let mut batch = Vec::new();
        loop {
            let (announce_at, due) = (self.announcement.due(), self.facts.listings.next_due());
            let over_at = self.patience.due();
            tokio::select! {
                _count = self.queue.recv_many(&mut batch, EVENT_CAPACITY) => {
                    for event in batch.drain(..) {
                        self.handle(event);
                    }
                    self.publish();
                    self.patience.hear(self.facts.listings.heard(), Instant::now());
                    self.settle();
                }
                () = until(over_at) => {
                    let settled = self.patience.over(Instant::now());
                    self.facts.listings.settle(settled);
                    self.settle();
                }
                () = until(due) => for id in self.facts.listings.take_due(Instant::now()) {
                    self.list_if_ready(&id);
                },
                () = until(announce_at) => self.announce(),
                () = stop.cancelled() => break,
            }
        }
    }

    /// Starts what turns changes elsewhere into events.
    fn watch(&self) {
        for id in self.facts.handles.keys() {
            self.watch_upstream(id);
        }
        let (router, events) = (Arc::clone(&self.router), self.events.clone());
        self.spawn(async move {
            while events.send(Event::Demand(router.demanded().await)).await.is_ok() {}
        });
    }

    /// Does so for one upstream, until it ends.
    fn watch_upstream(&self, id: &UpstreamId) {
        let Some(handle) = self.facts.handles.get(id) else { return };
        // A handle would keep it from its end.
        let (origin, mut watch) =
            (Origin { id: id.clone(), number: handle.number() }, handle.watch());
        let events = self.events.clone();
        self.spawn(async move {
            loop {
                let change = watch.next().await;
                let is_last = matches!(change, Change::Gone);
                // The place comes first: there are as many of these tasks as upstreams, and the
                // event would take room in each of them twice more.
                let Ok(place) = events.reserve().await else { break };
                place.send(Event::Of(origin.clone(), News::Changed(change)));
                if is_last {
                    break;
                }
            }
        });
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Demand(Demand { everything, upstreams }) => {
                // A call is not put off: it waits for this very list.
                for id in upstreams {
                    if !self.facts.listings.is_asked(&id) {
                        self.list(&id);
                    }
                }
                if everything {
                    let now = Instant::now();
                    self.patience.begin(now, self.facts.config.limits.start_budget);
                    for id in self.facts.listings.lacking(now) {
                        self.list(&id);
                    }
                    for id in self.facts.listings.outdated(now) {
                        self.list_if_ready(&id);
                    }
                }
            }
            Event::Of(origin, news) if self.is_current(&origin) => self.follow(&origin.id, news),
            // What becomes of one that is retired changes nothing.
            Event::Of(..) => {}
            Event::Reload(reload) => self.reload(*reload),
        }
    }

    fn is_current(&self, origin: &Origin) -> bool {
        let handle = self.facts.handles.get(&origin.id);
        handle.is_some_and(|handle| handle.number() == origin.number)
    }

    fn follow(&mut self, id: &UpstreamId, news: News) {
        match news {
            // Whoever is asked now had it started, and gets the lists of this very session.
            News::Changed(Change::Ready) if self.facts.listings.is_asked(id) => {}
            News::Changed(Change::Ready) => self.list_if_ready(id),
            News::Changed(Change::Lists) => self.facts.listings.changed(id, Instant::now()),
            News::Changed(Change::Failed(error)) => self.failed(id, &error),
            News::Changed(Change::Gone) => {}
            News::Listed(Ok(listed)) => {
                self.note_extensions(id);
                let lists = self.lists(id, *listed);
                let is_stale = self.facts.listings.listed(id, lists, Instant::now());
                self.announcement.heard(id);
                self.has_news = true;
                if is_stale {
                    self.list(id);
                }
            }
            News::Listed(Err(error)) => {
                tracing::debug!(upstream = %id, %error, "could not be listed");
                self.facts.listings.unasked(id);
                self.failed(id, &error);
                // It may be ready again already, which was not acted upon while it was asked.
                self.list_if_ready(id);
            }
        }
    }

    /// Shows lists without waiting once there is nobody to wait for.
    fn settle(&mut self) {
        let settled = self.facts.listings.settled();
        // Whoever is new after that is not waited for.
        if settled == Settled::Live {
            self.facts.listings.settle(Settled::Live);
        }
        let is_first = settled > Settled::No && !self.router.is_settled();
        if is_first {
            // Whoever waited sees what there is now, and need not be told.
            for router in self.router.family() {
                router.news();
            }
        }
        self.router.settle(settled);
        if is_first {
            self.prepare_searches();
        }
    }

    /// Reads lists for those who will search in them, once lists can be shown: reading thousands of
    /// definitions takes longer than a search may.
    fn prepare_searches(&self) {
        for router in self.router.family().into_iter().filter(|router| router.is_settled()) {
            let snapshot = router.snapshot();
            if snapshot.is_mostly_searched() {
                self.around.tasks.spawn_blocking(move || snapshot.catalog.prepare_search());
            }
        }
    }

    /// Keeps what an upstream that is ready declares; what one declared that is not stays.
    fn note_extensions(&mut self, id: &UpstreamId) {
        let Some(handle) = self.facts.handles.get(id) else { return };
        let Some(agreed) = handle.status().agreed else { return };
        match agreed.extensions() {
            Some(declared) => drop(self.facts.extensions.insert(id.clone(), declared)),
            None => drop(self.facts.extensions.shift_remove(id)),
        }
    }

    /// Takes every list of an upstream, with how long it may be kept from now on.
    fn lists(&self, id: &UpstreamId, listed: upstream::Listed) -> Vec<(Kind, plan::List)> {
        let agreed = self.facts.handles.get(id).and_then(|handle| handle.status().agreed);
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
                if let Some(handle) = self.facts.handles.get(id) {
                    handle.say(&format!("its {kind}s could not be listed: {fault}"));
                }
                bounded(&self.facts.config.secrets.mask(&fault.to_string()))
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
        self.announcement.heard(id);
        self.has_news |= self.facts.listings.failed(id, error.to_string());
    }

    /// Asks an upstream for its lists if that does not start it.
    fn list_if_ready(&mut self, id: &UpstreamId) {
        if self.facts.handles.get(id).is_some_and(|handle| handle.status().agreed.is_some()) {
            self.list(id);
        }
    }

    /// Asks an upstream for its lists, unless it is being asked; then it is asked again after.
    fn list(&mut self, id: &UpstreamId) {
        let Some(handle) = self.facts.handles.get(id).cloned() else { return };
        if !self.facts.listings.begin(id) {
            return;
        }
        let origin = Origin { id: id.clone(), number: handle.number() };
        let events = self.events.clone();
        self.spawn(async move {
            tokio::select! {
                listed = handle.list() => {
                    let listed = News::Listed(listed.map(Box::new));
                    drop(events.send(Event::Of(origin, listed)).await);
                }
                // Nobody wants to know any more.
                () = handle.retired() => {}
            }
        });
    }

    /// Publishes what a batch of events came to, if that differs from what was published.
    fn publish(&mut self) {
        if !std::mem::take(&mut self.has_news) {
            return;
        }
        let before = self.router.snapshot();
        let next = self.facts.next();
        self.router.publish(next);
        let now = self.router.snapshot();
        if !Arc::ptr_eq(&before.catalog, &now.catalog) {
            report(Some(&before.catalog), &now.catalog);
            self.announcement.news(Instant::now());
        }
    }

    /// Tells callers which lists differ from what they were last told of.
    fn announce(&mut self) {
        self.announcement.made();
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
        self.prepare_searches();
    }

    /// Runs `task` until it ends or everything stops.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.around.stop.clone();
        self.around.tasks.spawn(async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
        });
    }
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
