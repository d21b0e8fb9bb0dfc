//! When the configuration is read again, and what comes of that.
//!
//! One task decides, for one reload after the other: on a change of the files, or when it is told
//! to. What cannot be loaded is reported, and everything stays as it is.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task;
use tokio::time;

use crate::app::App;
use crate::config;
use crate::config::Config;
use crate::config::difference;
use crate::config::difference::Difference;
use crate::config::load;
use crate::config::problem::Problem;
use crate::config::problem::Problems;
use crate::config::watch::Sight;
use crate::config::watch::Writers;
use crate::control::Reloads;
use crate::downstream::local::place::Question;
use crate::policy::Policy;
use crate::quota;
use crate::router::Reloaded;
use crate::router::Router;
use crate::telemetry::metrics::Reload;

/// How long a file that does not load has to become right: it may be half written.
const SECOND_LOOK: Duration = Duration::from_millis(500);
/// How long it may take until the system tells what happened to a file.
const ECHO: Duration = Duration::from_millis(20);
/// How often it is loaded where something happens all the time.
const LOOKS: u32 = 5;
/// How many may wait to be told what a reload would do.
const ASKING_CAPACITY: usize = 8;

/// How the configuration is followed while everything runs.
pub struct Following {
    /// What was loaded at the start.
    pub options: load::Options,
    /// What the files held just before that.
    pub sight: Sight,
    /// What was found around the process then.
    pub around: config::surroundings::Surroundings,
    /// Has it loaded again, changed or not.
    pub asked: Arc<Notify>,
    /// Takes over what is none of the upstreams' business; from then on nobody new is let in until
    /// what it returns is called.
    pub renew: Renew,
}

/// Begins to take over a configuration, and returns what ends that.
pub type Renew = Box<dyn Fn(&Config) -> Box<dyn FnOnce() + Send> + Send + Sync>;

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Why the configuration is loaded again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// A file is another one now.
    Changed,
    /// Somebody wants it.
    Asked,
}

/// The task that decides.
#[derive(Debug)]
struct Reloader {
    following: Following,
    /// What is in force.
    config: Arc<Config>,
    reloads: Reloads,
    router: Arc<Router>,
    /// Who may be at work on the files.
    writers: Writers,
    /// The files to watch.
    files: watch::Sender<Vec<PathBuf>>,
    /// What was wrong the last time, as it was reported.
    wrong: Option<String>,
}

impl App {
    /// Follows the configuration until everything stops.
    pub async fn follow(&self, following: Following) {
        let changed = Arc::new(Notify::new());
        let (writers, (files, watched)) = (Writers::default(), watch::channel(Vec::new()));
        // Whatever happened since, the files hold something else then. Those that only the
        // configuration names were not seen.
        let known = Some(following.sight.clone());
        let reloader = Reloader {
            following,
            config: Arc::clone(&self.config),
            reloads: self.reloads.clone(),
            router: Arc::clone(&self.router),
            writers: writers.clone(),
            files,
            wrong: None,
        };
        reloader.watch();
        let watching = config::watch::run(watched, known, writers, Arc::clone(&changed));
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(watching));
        let (asking, questions) = mpsc::channel(ASKING_CAPACITY);
        let running = reloader.run(changed, questions);
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(running));
        if let Some(door) = self.door(Question::Reload).await {
            let answer = move || answered(asking.clone());
            self.tasks.spawn(door.serve(answer, self.stop.clone()));
        }
    }
}

/// Asks what a reload would do.
async fn answered(asking: mpsc::Sender<oneshot::Sender<Value>>) -> String {
    let (reply, answer) = oneshot::channel();
    // Without an answer everything is about to end; whoever asked sees that nothing came.
    drop(asking.send(reply).await);
    answer.await.map(|answer| answer.to_string()).unwrap_or_default()
}

impl Reloader {
    async fn run(
        mut self,
        changed: Arc<Notify>,
        mut questions: mpsc::Receiver<oneshot::Sender<Value>>,
    ) {
        let asked = Arc::clone(&self.following.asked);
        loop {
            tokio::select! {
                () = asked.notified() => self.reload(Reason::Asked).await,
                () = changed.notified() => self.reload(Reason::Changed).await,
                // Without a socket nobody asks.
                Some(reply) = questions.recv() => drop(reply.send(self.plan().await)),
            }
        }
    }

    async fn reload(&mut self, reason: Reason) {
        let mut loaded = self.load_undisturbed().await;
        if loaded.is_err() {
            time::sleep(SECOND_LOOK).await;
            loaded = self.load_undisturbed().await;
        }
        match loaded {
            Ok(config) => self.apply(config).await,
            Err(problems) => self.refuse(&problems, reason),
        }
        self.watch();
    }

    /// Loads it when nobody writes, and again if somebody did meanwhile.
    async fn load_undisturbed(&self) -> Result<Config, Problems> {
        let mut tries = 1..LOOKS;
        loop {
            self.writers.are_done().await;
            let before = self.writers.count();
            let loaded = self.load().await;
            // What the system tells comes a moment later.
            time::sleep(ECHO).await;
            if self.writers.count() == before || tries.next().is_none() {
                return loaded;
            }
        }
    }

    /// Loads it where that holds nobody up.
    async fn load(&self) -> Result<Config, Problems> {
        let (options, around) = (self.following.options.clone(), self.following.around.clone());
        let loading = task::spawn_blocking(move || load::load_again(&options, &around));
        match loading.await {
            Ok(loaded) => self.checked(loaded?).await,
            Err(error) => Err(Problem::new(format!("it could not be loaded: {error}")).into()),
        }
    }

    /// Compares the policy with what upstreams have listed, under the names they would have.
    async fn checked(&self, config: Config) -> Result<Config, Problems> {
        let router = Arc::clone(&self.router);
        let checking = task::spawn_blocking(move || {
            let policy = Policy::new(&config.policy);
            let problems = policy.map(|policy| policy.check(&router.vocabulary(&config)));
            Problems::of(problems.unwrap_or_default()).map_or(Ok(config), Err)
        });
        match checking.await {
            Ok(checked) => checked,
            Err(error) => Err(Problem::new(format!("it could not be checked: {error}")).into()),
        }
    }

    async fn apply(&mut self, config: Config) {
        // Before anything can be said about what is new.
        self.config.secrets.learn(&config.secrets);
        let config = Config { secrets: self.config.secrets.clone(), ..config };
        let difference = Difference::between(&self.config, &config);
        let is_right_again = self.wrong.take().is_some();
        if difference.is_empty() && config.files == self.config.files && !is_right_again {
            tracing::debug!("the configuration was read again, and nothing differs");
            return;
        }
        for warning in config.warnings.iter().filter(|it| !self.config.warnings.contains(it)) {
            let warning = warning.without_hint();
            tracing::warn!("{warning} (`conflux check` says what to do)");
        }
        let config = Arc::new(difference::in_force(&self.config, config));
        self.config = Arc::clone(&config);
        let instance = self.router.instance();
        instance.reads(&config.files);
        let changes = difference.changes();
        let at_restart: Vec<_> = difference.at_restart().into_iter().map(str::to_owned).collect();
        if !at_restart.is_empty() {
            let keys = at_restart.join(", ");
            tracing::warn!(keys, "what differs there needs a restart of Conflux");
        }
        let prepared = self.reloads.prepare(Arc::clone(&config), difference).await;
        // Who may come and what they may do come into force as one.
        let admit = (self.following.renew)(&config);
        self.router.quotas().apply(&config.limits.quotas, quota::Now::read());
        prepared.apply().await;
        admit();
        tracing::info!(changes = changes.join("; "), "reloaded");
        instance.reloaded(Reloaded::Applied { changes, at_restart });
        self.router.telemetry().metrics.reloaded(Reload::Applied);
    }

    /// Says what is wrong; once, unless somebody asked.
    fn refuse(&mut self, problems: &Problems, reason: Reason) {
        let wrong = problems.to_string();
        let is_known = self.wrong.as_ref() == Some(&wrong);
        if reason == Reason::Changed && is_known {
            return;
        }
        for problem in problems.iter() {
            let hint = problem.hint.as_deref();
            tracing::warn!(hint, "not reloaded: {}", problem.without_hint());
        }
        let problems = problems.iter().map(ToString::to_string).collect();
        self.router.instance().reloaded(Reloaded::Refused { problems });
        self.router.telemetry().metrics.reloaded(Reload::Refused);
        self.wrong = Some(wrong);
    }

    /// Tells what a reload would do; nothing comes of it.
    async fn plan(&self) -> Value {
        let pid = std::process::id();
        match self.load().await {
            Ok(config) => {
                let difference = Difference::between(&self.config, &config);
                json!({
                    "pid": pid,
                    "files": config.files,
                    "changes": difference.changes(),
                    "needRestart": difference.at_restart(),
                    "difference": difference.document(),
                })
            }
            Err(problems) => {
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                json!({ "pid": pid, "problems": problems })
            }
        }
    }

    /// Has all files watched that count now.
    fn watch(&self) {
        let Following { options, around, .. } = &self.following;
        let mut files = load::candidates(options, around);
        let tls = self.config.http.tls.iter();
        files.extend(tls.flat_map(|tls| [tls.cert.clone(), tls.key.clone()]));
        files.extend(self.config.policy.files());
        self.files.send_if_modified(|known| {
            let is_new = *known != files;
            *known = files;
            is_new
        });
    }
}
