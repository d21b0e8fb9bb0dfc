//! The composition root: start order, stop order, nothing else.

mod numbers;
mod reload;
mod rules;

use std::future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Log;
use crate::audit::index;
use crate::config::Config;
use crate::config::audit::Index;
use crate::config::audit::Mode;
use crate::config::problem::Problems;
use crate::control::Beginning;
use crate::control::Control;
use crate::control::Reloads;
use crate::downstream::http::admin::Admin;
use crate::downstream::local::Door;
use crate::downstream::local::place::Question;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Callers;
use crate::exchange::caller::Capabilities;
use crate::quota;
use crate::router::Router;
use crate::telemetry::Journal;
use crate::telemetry::Metrics;
use crate::telemetry::Telemetry;
use crate::telemetry::Tracer;
use crate::upstream;
use crate::upstream::Front;
use crate::upstream::Handle;
use crate::wire::budget::Budget;

pub use self::reload::Following;
pub use self::reload::Renew;

/// How long everything together may take to stop; what is left then is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How long the socket for people on this machine may take to be opened.
const DOOR_LIMIT: Duration = Duration::from_secs(1);

/// How long after the start it is looked what need not be remembered any more.
const PRUNED_AFTER: Duration = Duration::from_secs(1);

/// How many upstreams are started at the same time: more would only get in each other's way.
const STARTS: usize = 8;

/// How many bytes large messages of all upstreams may take, from when they are read until they are
/// written: so many that no upstream waits for another one while clients read what they are told.
const ANSWERS: usize = 8 * 1024 * 1024;

/// Everything that runs, whatever is in front of it.
#[derive(Debug)]
pub struct App {
    config: Arc<Config>,
    router: Arc<Router>,
    callers: Callers,
    front: Front,
    journal: Journal,
    reloads: Reloads,
    audit: Log,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl App {
    /// Builds everything for `config`, with the catalogs of earlier runs. No upstream is started
    /// yet.
    ///
    /// `guard` is the program that keeps their processes under guard, which is this one.
    pub async fn start(config: Config, guard: Option<PathBuf>) -> Self {
        Self::build(config, guard, true).await
    }

    /// Does the same without the catalogs of earlier runs: what is listed is listed now.
    pub async fn start_afresh(config: Config, guard: Option<PathBuf>) -> Self {
        Self::build(config, guard, false).await
    }

    async fn build(config: Config, guard: Option<PathBuf>, remembers: bool) -> Self {
        let config = Arc::new(config);
        let disk = upstream::Disk::new(config.state.clone());
        let beginning = Beginning::new(&config, &disk);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let telemetry = telemetry(&config);
        let (usage, journal) = (upstream::usage::Ledger::default(), Journal::default());
        tasks.spawn(usage.clone().keep(disk.clone(), stop.clone()));
        let around = upstream::Surroundings {
            callers: Callers::default(),
            front: Front::default(),
            task_ids: Arc::new(upstream::task_ids(&config.state).await),
            environment: Arc::new(config.child_environment.clone()),
            guard,
            secrets: config.secrets.clone(),
            message_limit: config.limits.message,
            answers: Budget::new(ANSWERS),
            roots: upstream::Roots::default(),
            state: disk.clone(),
            journal: journal.clone(),
            telemetry: telemetry.clone(),
            usage: usage.clone(),
            tasks: tasks.clone(),
            starts: Arc::new(Semaphore::new(STARTS)),
            stop: stop.clone(),
        };
        let (callers, front) = (around.callers.clone(), around.front.clone());
        let control = Control::new(Arc::clone(&config), beginning, around, remembers).await;
        let stopped = stop.clone().cancelled_owned();
        tasks.spawn(async move {
            // Nobody waits for it; what is waited for reads from the same disk.
            drop(time::timeout(PRUNED_AFTER, stopped).await);
            upstream::prune(disk).await;
        });
        let (router, reloads) = (Arc::clone(control.router()), control.reloads());
        let weak = Arc::downgrade(&router);
        callers.guard(move |caller, upstream, uri| {
            weak.upgrade().is_some_and(|router| router.may_tell(caller, upstream, uri))
        });
        router.instance().reads(&config.files);
        router.instance().hides(&config.secrets);
        tasks.spawn(router.expire_spilled(stop.clone()));
        let audit = Log::start(&config.audit, &config.secrets);
        router.records_in(audit.clone());
        numbers::show(&router, &telemetry.metrics);
        if config.audit.mode != Mode::Off && config.audit.index == Index::Sqlite {
            tasks.spawn(indexed(audit.clone(), config.audit.directory.clone(), stop.clone()));
        }
        tasks.spawn(router.expire_kept(stop.clone()));
        let quotas = router.quotas().clone();
        quotas.apply(&config.limits.quotas, quota::Now::read());
        quotas.recall(&config.state).await;
        tasks.spawn(quotas.keep(config.state.clone(), stop.clone()));
        tasks.spawn(rules::watch(Arc::clone(&router), stop.clone()));
        tasks.spawn(control.run());
        Self { config, router, callers, front, journal, reloads, audit, tasks, stop }
    }

    /// Returns what it was built for.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns where the requests of clients go that ask for nothing: everything, or the profile
    /// that the configuration says.
    pub fn router(&self) -> Arc<Router> {
        self.router.for_client(None).unwrap_or_else(|| Arc::clone(&self.router))
    }

    /// Returns where all requests go, whatever part of everything they are for.
    pub fn everything(&self) -> &Arc<Router> {
        &self.router
    }

    /// Returns everything in the policy that speaks of nothing, as far as it is known what there
    /// is.
    ///
    /// # Errors
    ///
    /// All of it at once.
    pub fn check_policy(&self) -> Result<(), Problems> {
        Problems::of(self.router.policy_problems()).map_or(Ok(()), Err)
    }

    /// Returns where callers are counted as present.
    pub fn callers(&self) -> &Callers {
        &self.callers
    }

    /// Returns every upstream that is not disabled, in the order of the file.
    pub fn upstreams(&self) -> Vec<Handle> {
        self.router().snapshot().upstreams.values().cloned().collect()
    }

    /// Returns what is to be done when a client has said what it can do: upstreams that start from
    /// then on are told so, and the eager ones are started.
    pub fn on_open(&self) -> impl Fn(&Arc<Caller>) + Send + Sync + 'static {
        let (router, front) = (Arc::clone(&self.router), self.front.clone());
        let tasks = self.tasks.clone();
        move |caller| {
            front.open(caller.capabilities());
            start(&router, &tasks);
        }
    }

    /// Does the same for clients of whom nothing is known yet: upstreams are told that they may
    /// ask for everything, and what the client in question cannot answer is refused later.
    pub fn open(&self) {
        self.front.open(&Capabilities::everything());
        start(&self.router, &self.tasks);
    }

    /// Opens the local sockets at which `conflux status` asks, and others of this user follow what
    /// happens. Without them everything else works.
    pub async fn open_doors(&self) {
        let Some(door) = self.door(Question::Status).await else { return };
        let router = Arc::clone(&self.router);
        let answer = move || future::ready(router.status().to_string());
        self.tasks.spawn(door.serve(answer, self.stop.clone()));
        if let Some(door) = self.door(Question::Logs).await {
            let journal = self.journal.clone();
            self.tasks.spawn(door.relate(move || journal.open(), self.stop.clone()));
        }
        if let Some(door) = self.door(Question::Calls).await {
            let router = Arc::clone(&self.router);
            let story = move || (Vec::new(), router.calls().follow());
            self.tasks.spawn(door.relate(story, self.stop.clone()));
        }
    }

    /// Answers those who watch at `admin`, if that is anywhere, until everything stops.
    pub fn open_admin(&self, admin: Option<Admin>) {
        if let Some(admin) = admin {
            self.tasks.spawn(admin.serve(Arc::clone(&self.router), self.stop.clone()));
        }
    }

    async fn door(&self, question: Question) -> Option<Door> {
        let opened = Door::open(&self.config.runtime, question);
        match time::timeout(DOOR_LIMIT, opened).await {
            Ok(Ok(door)) => return Some(door),
            Ok(Err(error)) => tracing::info!(%error, "no other command will find this"),
            Err(_) => tracing::info!("no other command will find this: the disk is slow"),
        }
        None
    }

    /// Stops every upstream, side by side, and waits for all tasks, within bounds.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        if time::timeout(STOP_LIMIT, self.tasks.wait()).await.is_err() {
            tracing::warn!("some tasks did not stop in time");
        }
        // After all that has requests to record.
        self.audit.close().await;
        // Last, because everything before may have something to tell.
        self.router.telemetry().tracer.flush().await;
    }
}

/// Takes segments into the index of the audit when they are full, so that whoever searches has
/// less to read.
async fn indexed(audit: Log, directory: PathBuf, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = audit.rotated() => {}
            () = stop.cancelled() => return,
        }
        tokio::select! {
            updated = index::update(&directory) => if let Err(error) = updated {
                tracing::info!(%error, "the index of the audit is not up to date");
            },
            () = stop.cancelled() => return,
        }
    }
}

/// Begins to note what happens.
fn telemetry(config: &Config) -> Telemetry {
    let metrics = Metrics::default();
    if config.admin.per_tool {
        metrics.tell_tools();
    }
    let tracer = Tracer::start(config.otlp.as_ref(), &config.secrets, &metrics);
    Telemetry { metrics, tracer }
}

/// Starts what is started without anybody who waits for it.
fn start(router: &Router, tasks: &TaskTracker) {
    let snapshot = router.snapshot();
    for handle in snapshot.upstreams.values().filter(|it| it.config().starts_by_itself()) {
        let handle = handle.clone();
        tasks.spawn(async move {
            tokio::select! {
                // What comes of it is in the state of the upstream.
                outcome = handle.ready() => drop(outcome),
                () = handle.retired() => {}
            }
        });
    }
}
