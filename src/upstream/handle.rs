//! How the rest of Conflux reaches one upstream: finds its open session, or has one opened.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::sync::DropGuard;

use crate::config;
use crate::exchange::Exchange;
use crate::exchange::deadline::Limits;
use crate::exchange::mailbox::Topic;
use crate::ids::UpstreamId;
use crate::upstream;
use crate::upstream::Agreed;
use crate::upstream::Error;
use crate::upstream::Fault;
use crate::upstream::Inventory;
use crate::upstream::List;
use crate::upstream::Listed;
use crate::upstream::Lists;
use crate::upstream::Moment;
use crate::upstream::Retired;
use crate::upstream::Status;
use crate::upstream::Surroundings;
use crate::upstream::Tool;
use crate::upstream::Watch;
use crate::upstream::actor::Actor;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::gate::Gate;
use crate::upstream::memory::Catalog;
use crate::upstream::memory::Disk;
use crate::upstream::memory::Keeper;
use crate::upstream::mirrors::Mirrors;
use crate::upstream::retirement::Retirement;
use crate::upstream::session::Session;
use crate::upstream::shown::Errors;
use crate::upstream::state::Next;
use crate::upstream::state::Phase;
use crate::upstream::state::State;
use crate::upstream::task;
use crate::upstream::wants::Wants;
use crate::upstream::wants::Watching;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::era::Era;
use crate::wire::era::Revision;
use crate::wire::extension;
use crate::wire::method;

/// How many wishes to be started may wait; one is as good as many.
const COMMAND_CAPACITY: usize = 1;
/// How long one page of a list may take.
const LIST_LIMIT: Duration = Duration::from_secs(30);

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
    wants: watch::Sender<Wants>,
    mirrors: Mirrors,
    keeper: Keeper,
    errors: Errors,
    gate: Gate,
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
        let (mirrors, gate) = (Mirrors::default(), Gate::new(config.concurrency));
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
        };
        around.tasks.spawn(actor.run(wishes));
        around.tasks.spawn(retirement.oversee());
        let keeper = Keeper::begin(Catalog::new(&around.state, &config), &around);
        let errors = Errors::new(config.id.clone(), around.secrets.clone());
        let link = Link {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            settings,
            commands,
            state,
            lists,
            wants,
            mirrors,
            keeper,
            errors,
            gate,
            retired,
            _released: released.drop_guard(),
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

    /// Returns its key.
    pub fn id(&self) -> &UpstreamId {
        &self.0.config.id
    }

    /// Returns its configuration.
    pub fn config(&self) -> &config::Upstream {
        &self.0.config
    }

    /// Returns what it is doing.
    pub fn status(&self) -> Status {
        let Phase { state, since, works } = self.0.link.state.borrow().clone();
        let (agreed, process) = match &state {
            State::Ready(session) => (Some(session.agreed.clone()), session.process),
            _ => (None, None),
        };
        let error = state.error(Instant::now());
        Status { word: state.word(), since, works, error, agreed, process }
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

    /// Carries out one request of a caller, starting the upstream if need be.
    pub async fn request(
        &self,
        method: &str,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Fault> {
        exchange.deadline().set(self.limits(None));
        self.with_session(exchange, |session| async move {
            session.request(method, params, exchange).await
        })
        .await
    }

    /// Carries out `tools/call`, starting the upstream if need be.
    ///
    /// The result is a task if the caller can be given one and the upstream made one of the call.
    pub async fn call(
        &self,
        params: &Raw,
        exchange: &Exchange,
        tool: Tool<'_>,
    ) -> Result<Raw, Fault> {
        exchange.deadline().set(self.limits(Some(tool.name)));
        self.with_session(exchange, |session| async move {
            task::call(&session, params, exchange, tool.need).await
        })
        .await
    }

    /// Carries out a request about the task `id`, which this upstream gave the caller.
    ///
    /// `params` name it as the upstream does. Nothing if the upstream has no such tasks any more.
    pub async fn task(
        &self,
        method: &str,
        params: &Raw,
        id: &str,
        exchange: &Exchange,
    ) -> Result<Option<Raw>, Fault> {
        exchange.deadline().set(self.limits(None));
        self.with_session(exchange, |session| async move {
            task::request(&session, method, params, id, exchange).await
        })
        .await
    }

    /// Lists the tasks that the caller was given by this upstream, if that is running.
    pub async fn tasks(&self, exchange: &Exchange) -> Result<Vec<Raw>, Fault> {
        let state = self.0.link.state.borrow().state.clone();
        let State::Ready(session) = state else { return Ok(Vec::new()) };
        task::list(&session, exchange, LIST_LIMIT).await
    }

    /// Has the upstream complete an argument; nothing if it completes none.
    pub async fn complete(&self, params: &Raw, exchange: &Exchange) -> Result<Option<Raw>, Fault> {
        exchange.deadline().set(self.limits(None));
        let agreed = &self.opened(exchange).await?.agreed;
        let declares = agreed.can(&["completions"]);
        // The oldest revision has completions, but no capability to declare them.
        if !declares && agreed.revision > Revision::V2024_11_05 {
            return Ok(None);
        }
        match self.request(method::COMPLETE, Some(params), exchange).await {
            Err(Fault::Answered(error)) if !declares && is_unknown_method(&error) => Ok(None),
            answered => answered.map(Some),
        }
    }

    /// Does something on the open session, and on the next one if that had ended before anything
    /// was sent on it.
    async fn with_session<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        exchange: &Exchange,
        work: impl Fn(Arc<Session>) -> F,
    ) -> Result<T, Fault> {
        match work(self.opened(exchange).await?).await {
            Err(Fault::Failed(error)) if error.was_never_sent() => {
                work(self.opened(exchange).await?).await
            }
            outcome => outcome,
        }
    }

    /// Returns the open session, for as long as the caller waits for it.
    async fn opened(&self, exchange: &Exchange) -> Result<Arc<Session>, Fault> {
        tokio::select! {
            session = self.session() => Ok(session?),
            () = exchange.deadline().passed() => Err(self.not_ready(exchange).into()),
            () = exchange.cancelled().cancelled() => Err(Fault::Cancelled),
        }
    }

    /// Waits for something that has to come before a request is made, at most as long as the
    /// request may take; which tool it calls is not known yet.
    pub async fn in_time<T>(
        &self,
        exchange: &Exchange,
        wait: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let limits = self.limits(None);
        let call = limits.call.max(self.0.config.overrides.longest().unwrap_or_default());
        exchange.deadline().set(Limits { call, ..limits });
        tokio::select! {
            outcome = wait => outcome,
            () = exchange.deadline().passed() => Err(self.not_ready(exchange)),
        }
    }

    /// Says of a request whose time is over that there was nobody to be asked; why, if that is
    /// known.
    fn not_ready(&self, exchange: &Exchange) -> Error {
        self.status().error.unwrap_or_else(|| {
            let detail = format!("it was not ready within {:?}", exchange.deadline().allowed());
            self.0.link.errors.error(Kind::TimedOut, &detail, Executed::No)
        })
    }

    /// Returns how long a request may take: any, or a call of this tool.
    fn limits(&self, tool: Option<&str>) -> Limits {
        let config = &self.0.config;
        let own = tool.and_then(|tool| config.overrides.timeout(tool));
        Limits { call: own.unwrap_or(config.timeout.call), progress: config.timeout.progress }
    }

    /// Starts the upstream if need be, and returns what it said about itself.
    pub async fn ready(&self) -> Result<Agreed, Error> {
        Ok(self.session().await?.agreed.clone())
    }

    /// Lists everything the upstream declared that it has, starting it if need be.
    ///
    /// The lists are asked for side by side, so that one that never comes costs [`LIST_LIMIT`] and
    /// none of the others. What could be listed is remembered for the next run.
    pub async fn list(&self) -> Result<Listed, Error> {
        let session = self.session().await?;
        let list = |method, key, capability| one_list(&session, method, key, capability);
        let (tools, prompts, resources, templates, skills) = tokio::join!(
            list(method::TOOLS_LIST, "tools", &["tools"]),
            list(method::PROMPTS_LIST, "prompts", &["prompts"]),
            list(method::RESOURCES_LIST, "resources", &["resources"]),
            list(method::TEMPLATES_LIST, "resourceTemplates", &["resources"]),
            list(method::SKILLS_LIST, "skills", &["extensions", extension::SKILLS]),
        );
        let tools = tools.map(|list| {
            let List { items, freshness } = list;
            List { items: task::listed(&session, items), freshness }
        });
        let listed = Listed { tools, prompts, resources, templates, skills };
        self.0.link.keeper.learn(&listed);
        Ok(listed)
    }

    /// Asks to be told of `topic` for as long as what is returned is held.
    ///
    /// Fails if the upstream says that it does not tell of it.
    pub async fn watch_topic(&self, topic: Topic, exchange: &Exchange) -> Result<Watching, Fault> {
        exchange.deadline().set(self.limits(None));
        // A session that begins has nothing to catch up with for this wish.
        self.opened(exchange).await?;
        let watching = Watching::begin(&self.0.link.wants, topic);
        let topic = watching.topic();
        let ask = |session: Arc<Session>| async move {
            let agreed = match (session.era(), topic) {
                (Era::Legacy, Topic::Resource(uri)) => {
                    let (method, params) = (method::RESOURCES_SUBSCRIBE, upstream::address(uri));
                    session.request(method, Some(&params), exchange).await?;
                    Some(true)
                }
                (_, Topic::Task(_)) if task::watched(&session).is_none() => Some(false),
                (_, topic) => session.told.of(topic).await,
            };
            match (agreed, topic) {
                // An upstream that says nothing may tell of a resource all the same.
                (Some(true), _) | (None, Topic::Resource(_)) => Ok(()),
                (Some(false) | None, _) => {
                    Err(session.connection.errors().error(Kind::NotTold, "", Executed::No).into())
                }
            }
        };
        self.with_session(exchange, ask).await?;
        Ok(watching)
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

    /// Passes a notification of an extension on without waiting, if the upstream is running.
    pub fn pass_on(&self, method: &str, params: Option<&Raw>) {
        if let State::Ready(session) = self.0.link.state.borrow().state.clone() {
            session.connection.pass_on(method, params);
        }
    }

    /// Passes a notification on without waiting, if the upstream is running in a legacy session.
    pub fn notify(&self, method: &str) {
        let state = self.0.link.state.borrow().state.clone();
        if let State::Ready(session) = state
            && session.era() == Era::Legacy
        {
            session.connection.notify_now(method);
        }
    }

    /// Returns what tells of changes, beginning with the present state.
    pub fn watch(&self) -> Watch {
        let mut state = self.0.link.state.clone();
        state.mark_changed();
        Watch::new(state, self.0.link.lists.clone())
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

/// One list of an upstream; a server that does not know the method has nothing in it.
async fn one_list(
    session: &Session,
    method: &str,
    key: &str,
    capability: &[&str],
) -> Result<List, Fault> {
    if !session.agreed.can(capability) {
        return Ok(List::default());
    }
    let (items, freshness) = match session.list(method, key, LIST_LIMIT).await {
        Err(Fault::Answered(error)) if is_unknown_method(&error) => Default::default(),
        listed => listed?,
    };
    Ok(List { items, freshness: Some(freshness) })
}

fn is_unknown_method(error: &Raw) -> bool {
    error.member("code").is_some_and(|code| code.get() == code::METHOD_NOT_FOUND.to_string())
}
