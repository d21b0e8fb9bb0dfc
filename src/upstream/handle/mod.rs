//! How the rest of Conflux reaches one upstream: finds its open session, or has one opened.

mod requests;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use tokio::sync::OnceCell;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::sync::DropGuard;

use crate::config;
use crate::exchange::Exchange;
use crate::ids::UpstreamId;
use crate::upstream::actor::Actor;
use crate::upstream::agreed::Agreed;
use crate::upstream::changes::Changes;
use crate::upstream::changes::Stamp;
use crate::upstream::error::Error;
use crate::upstream::errors::Errors;
use crate::upstream::gate::Gate;
use crate::upstream::listing;
use crate::upstream::lists::Listed;
use crate::upstream::lists::Lists;
use crate::upstream::memory::Catalog;
use crate::upstream::memory::Disk;
use crate::upstream::memory::Inventory;
use crate::upstream::memory::Keeper;
use crate::upstream::memory::Moment;
use crate::upstream::mirrors::Mirrors;
use crate::upstream::retirement::Retired;
use crate::upstream::retirement::Retirement;
use crate::upstream::retry::Budget;
use crate::upstream::session::Session;
use crate::upstream::state::Next;
use crate::upstream::state::Phase;
use crate::upstream::state::State;
use crate::upstream::state::Status;
use crate::upstream::surroundings::Surroundings;
use crate::upstream::usage::Account;
#[cfg(test)]
use crate::upstream::usage::Ledger;
use crate::upstream::wants::Wants;
use crate::upstream::watch::Watch;
use crate::wire::Raw;
use crate::wire::era::Era;

/// How many wishes to be started may wait; one is as good as many.
const COMMAND_CAPACITY: usize = 1;

/// The number of the next upstream.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// One upstream, as one configuration shows it; cloning shares it.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Arc<config::Upstream>,
    link: Arc<Link>,
}

/// The ways to the task that owns the upstream.
#[derive(Debug)]
struct Link {
    /// Tells one upstream from another one that has taken its place.
    number: u64,
    settings: watch::Sender<Arc<config::Upstream>>,
    commands: mpsc::Sender<()>,
    state: watch::Receiver<Phase>,
    lists: watch::Receiver<Lists>,
    changes: Changes,
    wants: watch::Sender<Wants>,
    mirrors: Mirrors,
    keeper: Keeper,
    account: Account,
    gate: Gate,
    budget: Mutex<Budget>,
    errors: Errors,
    retired: CancellationToken,
    /// Says that nobody is left who may ask the upstream.
    _released: DropGuard,
}

impl Handle {
    /// Makes an upstream that is started when it is first needed.
    pub fn new(config: Arc<config::Upstream>, around: &Surroundings) -> Self {
        Self::wanted(config, around, watch::Sender::default())
    }

    /// Makes the upstream that takes the place of this one: what callers have asked to be told of,
    /// they are told by that one.
    #[must_use]
    pub fn succeeded_by(&self, config: Arc<config::Upstream>, around: &Surroundings) -> Self {
        Self::wanted(config, around, self.0.link.wants.clone())
    }

    /// Returns the same upstream under another configuration, which does not make another server
    /// of it.
    #[must_use]
    pub fn adopted(&self, config: Arc<config::Upstream>) -> Self {
        let link = Arc::clone(&self.0.link);
        link.settings.send_replace(Arc::clone(&config));
        link.gate.adjust(config.concurrency);
        Self(Arc::new(Inner { config, link }))
    }

    fn wanted(
        config: Arc<config::Upstream>,
        around: &Surroundings,
        wants: watch::Sender<Wants>,
    ) -> Self {
        // It may end before the others.
        let around = Surroundings { stop: around.stop.child_token(), ..around.clone() };
        let (commands, wishes) = mpsc::channel(COMMAND_CAPACITY);
        let (lists_sender, lists) = watch::channel(Lists::default());
        let (settings, settings_seen) = watch::channel(Arc::clone(&config));
        let (state_sender, state) = watch::channel(Phase::first());
        let (mirrors, changes) = (Mirrors::default(), Changes::default());
        let errors = Errors::new(config.id.clone(), around.secrets.clone())
            .on(around.journal.pages(&config.id));
        let metrics = around.telemetry.metrics.upstream(&config.id);
        let gate = Gate::new(config.concurrency, errors.clone(), metrics);
        let (retired, released) = (CancellationToken::new(), CancellationToken::new());
        let retirement = Retirement {
            state: state.clone(),
            retired: retired.clone(),
            released: released.clone(),
            stop: around.stop.clone(),
            commands: commands.clone(),
        };
        let actor = Actor {
            config: Arc::clone(&config),
            settings: settings_seen,
            around: around.clone(),
            state: state_sender,
            lists: lists_sender,
            wants: wants.subscribe(),
            site: OnceCell::new(),
            mirrors: mirrors.clone(),
            gate: gate.clone(),
            changes: changes.clone(),
        };
        around.tasks.spawn(actor.run(wishes));
        around.tasks.spawn(retirement.oversee());
        let account = around.usage.account(Arc::clone(&config));
        let Surroundings { state: disk, tasks, stop, .. } = around;
        let keeper = Keeper::new(Arc::clone(&config), disk, tasks, stop);
        let link = Link {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            settings,
            commands,
            state,
            lists,
            changes,
            wants,
            mirrors,
            keeper,
            account,
            gate,
            budget: Mutex::new(Budget::new(Instant::now())),
            errors,
            retired,
            _released: released.drop_guard(),
        };
        Self(Arc::new(Inner { config, link: Arc::new(link) }))
    }

    /// Makes one whose sessions a test opens, when something comes through `commands`.
    #[cfg(test)]
    pub(super) fn acted(
        config: Arc<config::Upstream>,
        commands: mpsc::Sender<()>,
        state: watch::Receiver<Phase>,
        gate: Gate,
    ) -> Self {
        let errors = Errors::new(config.id.clone(), config::secrets::Secrets::default());
        let link = Link {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            settings: watch::Sender::new(Arc::clone(&config)),
            account: Ledger::default().account(Arc::clone(&config)),
            commands,
            state,
            lists: watch::channel(Lists::default()).1,
            changes: Changes::default(),
            wants: watch::Sender::new(Wants::default()),
            mirrors: Mirrors::default(),
            keeper: Keeper::nowhere(),
            gate,
            budget: Mutex::new(Budget::new(Instant::now())),
            errors,
            retired: CancellationToken::new(),
            _released: CancellationToken::new().drop_guard(),
        };
        Self(Arc::new(Inner { config, link: Arc::new(link) }))
    }

    /// Returns what tells this upstream from another one under the same key, before or after it.
    pub fn number(&self) -> u64 {
        self.0.link.number
    }

    /// Says that it is no longer part of the configuration: it ends when what is under way has
    /// ended and no handle is left, or some minutes from now at the latest.
    pub fn retire(&self) -> Retired {
        self.0.link.retired.cancel();
        Retired::new(self.id().clone(), self.0.link.state.clone(), self.limits(None))
    }

    /// Waits until it is no longer part of the configuration.
    pub async fn retired(&self) {
        self.0.link.retired.cancelled().await;
    }

    /// Returns whether it is to be started without anybody who waits for it: it is configured so,
    /// or somebody counts on being told.
    pub fn is_wanted(&self) -> bool {
        self.config().starts_by_itself() || self.0.link.wants.borrow().topics().next().is_some()
    }

    /// Returns which moment it is in the life of the upstream: what it answers from now on holds
    /// until something changes.
    pub fn stamp(&self) -> Stamp {
        self.0.link.changes.now()
    }

    /// Returns whether an answer of `then` may be another one by now, because the upstream began
    /// anew or said that something changed: an answer about this address, or about none.
    pub fn changed_since(&self, then: Stamp, uri: Option<&str>) -> bool {
        self.0.link.changes.since(then, uri)
    }

    /// Notes that a request on something of it is answered without it.
    pub fn spared(&self, exchange: &Exchange) {
        let metrics = self.0.link.gate.metrics();
        exchange.goes_to(metrics);
        metrics.spares();
    }

    /// Returns its key.
    pub fn id(&self) -> &UpstreamId {
        &self.0.config.id
    }

    /// Returns its configuration.
    pub fn config(&self) -> &Arc<config::Upstream> {
        &self.0.config
    }

    /// Returns what it is doing.
    pub fn status(&self) -> Status {
        let Phase { state, since, works } = self.0.link.state.borrow().clone();
        let session = state.session();
        let process = session.and_then(|session| session.process);
        let agreed = session.map(|session| session.agreed.clone());
        // One that runs and does not do its work is something else than one that runs.
        let trouble = self.0.link.gate.trouble().filter(|_| agreed.is_some());
        let word = if trouble.is_some() { "degraded" } else { state.word() };
        let error = trouble.or_else(|| state.error(Instant::now()));
        Status { word, since, works, error, agreed, process }
    }

    /// Returns how many requests of callers it has to do with, and how many wait for their turn.
    pub fn load(&self) -> (usize, usize) {
        self.0.link.gate.load()
    }

    /// Returns what it listed in an earlier run, and when.
    pub async fn inventory(&self, disk: &Disk) -> Option<(Inventory, Moment)> {
        Catalog::new(disk, &self.0.config).recall().await
    }

    /// Takes tools that were listed in an earlier run for its own, until it lists them anew: a call
    /// may be the first thing it is asked, and must have the headers they want.
    pub fn assume(&self, tools: &[Raw]) {
        self.0.link.mirrors.learn(tools);
    }

    /// Starts the upstream if need be, and returns what it said about itself.
    pub async fn ready(&self) -> Result<Agreed, Error> {
        Ok(self.session().await?.agreed.clone())
    }

    /// Lists everything the upstream declared that it has, starting it if need be.
    ///
    /// What could be listed is remembered for the next run.
    pub async fn list(&self) -> Result<Listed, Error> {
        let listed = listing::all(&*self.session().await?).await;
        self.0.link.keeper.learn(&listed);
        if let Ok(tools) = &listed.tools {
            self.0.link.account.listed(tools);
        }
        Ok(listed)
    }

    /// Sets the lowest level of log messages, as raw JSON, now and whenever it starts again.
    /// Without one, it is told none when it starts again; no message takes one back.
    pub fn set_level(&self, level: Option<Raw>) {
        self.0.link.wants.send_if_modified(|wants| {
            let is_new = wants.level != level;
            wants.level = level;
            is_new
        });
    }

    /// Says something about it to whoever reads what happens.
    pub fn say(&self, text: &str) {
        self.0.link.errors.say(text);
    }

    /// Passes a notification of an extension on without waiting, if the upstream is running.
    pub fn pass_on(&self, method: &str, params: Option<&Raw>) {
        if let Some(session) = self.present_session() {
            session.connection.pass_on(method, params);
        }
    }

    /// Passes a notification on without waiting, if the upstream is running in a legacy session.
    pub fn notify(&self, method: &str) {
        let session = self.present_session();
        if let Some(session) = session.filter(|session| session.era() == Era::Legacy) {
            session.connection.notify_now(method);
        }
    }

    /// Returns what tells of changes, beginning with the present state.
    pub fn watch(&self) -> Watch {
        let mut state = self.0.link.state.clone();
        state.mark_changed();
        Watch::new(state, self.0.link.lists.clone())
    }

    /// Returns the session if one is open now; none is opened.
    fn present_session(&self) -> Option<Arc<Session>> {
        self.0.link.state.borrow().state.session().cloned()
    }

    async fn session(&self) -> Result<Arc<Session>, Error> {
        let mut state = self.0.link.state.clone();
        let mut has_tried = false;
        loop {
            let next = state.borrow_and_update().state.next(Instant::now(), has_tried);
            match next {
                Next::Use(session) => return Ok(session),
                Next::Fail(error) => return Err(error),
                Next::Start => {
                    has_tried = true;
                    // If the queue is full, somebody else had the same wish a moment ago.
                    let _is_first = self.0.link.commands.try_send(()).is_ok();
                }
                Next::Wait => has_tried |= matches!(state.borrow().state, State::Starting),
            }
            if state.changed().await.is_err() {
                return Err(Error::stopped(self.id()));
            }
        }
    }
}
