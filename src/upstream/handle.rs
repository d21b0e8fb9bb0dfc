//! How the rest of Conflux reaches one upstream: finds its open session, or has one opened.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time;
use tokio::time::Instant;

use crate::config;
use crate::exchange::Exchange;
use crate::exchange::caller::Capabilities;
use crate::ids::UpstreamId;
use crate::upstream;
use crate::upstream::Agreed;
use crate::upstream::Error;
use crate::upstream::Fault;
use crate::upstream::Listed;
use crate::upstream::Lists;
use crate::upstream::Need;
use crate::upstream::Status;
use crate::upstream::Surroundings;
use crate::upstream::Wants;
use crate::upstream::Watch;
use crate::upstream::actor::Actor;
use crate::upstream::error::Kind;
use crate::upstream::memory::Memory;
use crate::upstream::mirrors::Mirrors;
use crate::upstream::session::Session;
use crate::upstream::state::Next;
use crate::upstream::state::State;
use crate::upstream::task;
use crate::upstream::told::Topic;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::era::Era;
use crate::wire::era::Revision;
use crate::wire::extension;
use crate::wire::freshness::Freshness;
use crate::wire::method;
use crate::wire::object;

/// How many wishes to be started may wait; one is as good as many.
const COMMAND_CAPACITY: usize = 1;
/// How long one page of a list may take.
const LIST_LIMIT: Duration = Duration::from_secs(30);
/// How long a wish to be told of a task waits for an upstream that has to be started.
const WATCH_LIMIT: Duration = Duration::from_secs(10);

/// One upstream; cloning shares it.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Arc<config::Upstream>,
    commands: mpsc::Sender<()>,
    state: watch::Receiver<State>,
    lists: watch::Receiver<Lists>,
    wants: watch::Sender<Wants>,
    offer: watch::Sender<Raw>,
}

impl Handle {
    /// Makes an upstream that is started when it is first needed.
    pub fn new(config: Arc<config::Upstream>, around: &Surroundings) -> Self {
        let (commands, wishes) = mpsc::channel(COMMAND_CAPACITY);
        let (lists_sender, lists) = watch::channel(Lists::default());
        let (wants, wants_seen) = watch::channel(Wants::default());
        let (offer, offered) = watch::channel(object::build([]));
        let (state_sender, state) = watch::channel(State::Idle);
        let actor = Actor {
            config: Arc::clone(&config),
            around: around.clone(),
            state: state_sender,
            lists: lists_sender,
            wants: wants_seen,
            offer: offered,
            site: OnceCell::new(),
            mirrors: Mirrors::default(),
        };
        around.tasks.spawn(actor.run(wishes));
        Self(Arc::new(Inner { config, commands, state, lists, wants, offer }))
    }

    /// Returns its key.
    pub fn id(&self) -> &UpstreamId {
        &self.0.config.id
    }

    /// Returns its configuration.
    pub fn config(&self) -> &config::Upstream {
        &self.0.config
    }

    /// Says what the client in front can do; a legacy upstream that starts later is told so.
    pub fn offer(&self, capabilities: &Capabilities) {
        self.0.offer.send_replace(upstream::offer(capabilities));
    }

    /// Returns what it is doing.
    pub fn status(&self) -> Status {
        let state = self.0.state.borrow().clone();
        let word = state.word();
        match state {
            State::Ready(session) => {
                Status { word, error: None, agreed: Some(session.agreed.clone()) }
            }
            State::Failed { error, .. } | State::Stopped(error) => {
                Status { word, error: Some(error), agreed: None }
            }
            State::Idle | State::Starting => Status { word, error: None, agreed: None },
        }
    }

    /// Returns what it told a model about itself in an earlier run.
    pub async fn recalled_instructions(&self, state: &Path) -> Option<String> {
        Memory::new(state, &self.0.config).recall().await.instructions
    }

    /// Returns the extensions it declared in an earlier run.
    pub async fn recalled_extensions(&self, state: &Path) -> Option<Raw> {
        Memory::new(state, &self.0.config).recall().await.extensions
    }

    /// Carries out one request of a caller, starting the upstream if need be.
    pub async fn request(
        &self,
        method: &str,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Fault> {
        match self.try_request(method, params, exchange).await {
            // The session ended before the request was sent, so it can be sent on the next one.
            Err(Fault::Failed(error)) if error.was_never_sent() => {
                self.try_request(method, params, exchange).await
            }
            outcome => outcome,
        }
    }

    /// Carries out `tools/call`, starting the upstream if need be.
    ///
    /// The result is a task if the caller can be given one and the upstream made one of the call.
    pub async fn call(&self, params: &Raw, exchange: &Exchange, need: Need) -> Result<Raw, Fault> {
        let limit = self.0.config.timeout.call;
        match task::call(&self.opened(exchange).await?, params, exchange, limit, need).await {
            // The session ended before the request was sent, so it can be sent on the next one.
            Err(Fault::Failed(error)) if error.was_never_sent() => {
                task::call(&self.opened(exchange).await?, params, exchange, limit, need).await
            }
            outcome => outcome,
        }
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
        let session = self.opened(exchange).await?;
        let limit = self.0.config.timeout.call;
        task::request(&session, method, params, id, exchange, limit).await
    }

    /// Lists the tasks that the caller was given by this upstream, if that is running.
    pub async fn tasks(&self, exchange: &Exchange) -> Result<Vec<Raw>, Fault> {
        let state = self.0.state.borrow().clone();
        let State::Ready(session) = state else { return Ok(Vec::new()) };
        task::list(&session, exchange, LIST_LIMIT).await
    }

    /// Asks to be told of the task `id`; returns whether the upstream agreed.
    pub async fn watch_task(&self, id: &str) -> bool {
        let Ok(Ok(session)) = time::timeout(WATCH_LIMIT, self.session()).await else {
            return false;
        };
        let mut wish = TaskWish { handle: self, id, is_granted: false };
        self.0.wants.send_modify(|wants| wants.tasks.push(id.to_owned()));
        wish.is_granted = task::is_told_of(&session, id).await;
        wish.is_granted
    }

    /// No longer asks to be told of a task.
    pub fn unwatch_task(&self, id: &str) {
        self.0.wants.send_modify(|wants| {
            if let Some(index) = wants.tasks.iter().position(|watched| watched == id) {
                wants.tasks.swap_remove(index);
            }
        });
    }

    /// Has the upstream complete an argument; nothing if it completes none.
    pub async fn complete(&self, params: &Raw, exchange: &Exchange) -> Result<Option<Raw>, Fault> {
        let agreed = self.ready().await?;
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

    async fn try_request(
        &self,
        method: &str,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Fault> {
        let session = self.opened(exchange).await?;
        session.request(method, params, exchange, self.0.config.timeout.call).await
    }

    /// Returns the open session, for as long as the caller waits for it.
    async fn opened(&self, exchange: &Exchange) -> Result<Arc<Session>, Fault> {
        tokio::select! {
            session = self.session() => Ok(session?),
            () = exchange.cancelled().cancelled() => Err(Fault::Cancelled),
        }
    }

    /// Starts the upstream if need be, and returns what it said about itself.
    pub async fn ready(&self) -> Result<Agreed, Error> {
        Ok(self.session().await?.agreed.clone())
    }

    /// Lists everything the upstream declared that it has, starting it if need be.
    ///
    /// A list that is refused is left empty; one that cannot be used fails all of them, so that
    /// what was listed before stays.
    pub async fn list(&self) -> Result<Listed, Fault> {
        let session = self.session().await?;
        let wanted = [
            (method::TOOLS_LIST, "tools", &["tools"][..]),
            (method::PROMPTS_LIST, "prompts", &["prompts"]),
            (method::RESOURCES_LIST, "resources", &["resources"]),
            (method::TEMPLATES_LIST, "resourceTemplates", &["resources"]),
            (method::SKILLS_LIST, "skills", &["extensions", extension::SKILLS]),
        ];
        let mut listed = Listed::default();
        let Listed { tools, prompts, resources, templates, skills, freshness } = &mut listed;
        let places = [tools, prompts, resources, templates, skills];
        for (((method, key, capability), place), fresh) in
            wanted.into_iter().zip(places).zip(freshness)
        {
            if session.agreed.can(capability) {
                let (items, hints) = match one_list(&session, method, key).await {
                    // What an extension gets wrong costs the extension.
                    Err(Fault::Failed(error))
                        if method == method::SKILLS_LIST && error.kind == Kind::BadAnswer =>
                    {
                        tracing::warn!(upstream = %self.id(), %error, "skills are left out");
                        continue;
                    }
                    listed => listed?,
                };
                *place = items;
                *fresh = Some(hints);
            }
        }
        listed.tools = task::listed(&session, std::mem::take(&mut listed.tools));
        Ok(listed)
    }

    /// Asks to be told when the resource `uri` changes, for as long as somebody wants to know.
    pub async fn subscribe(&self, uri: &str, exchange: &Exchange) -> Result<(), Fault> {
        let session = self.session().await?;
        if session.era() == Era::Legacy {
            let params = upstream::address(uri);
            let limit = self.0.config.timeout.call;
            let method = method::RESOURCES_SUBSCRIBE;
            session.request(method, Some(&params), exchange, limit).await?;
        }
        self.0.wants.send_modify(|wants| {
            if !wants.resources.iter().any(|wanted| wanted == uri) {
                wants.resources.push(uri.to_owned());
            }
        });
        if session.era() == Era::Modern {
            // An upstream that does not agree may tell of it all the same.
            session.told.of(Topic::Resource(uri)).await;
        }
        Ok(())
    }

    /// No longer asks to be told when the resource `uri` changes.
    pub async fn unsubscribe(&self, uri: &str, exchange: &Exchange) -> Result<(), Fault> {
        self.0.wants.send_modify(|wants| wants.resources.retain(|wanted| wanted != uri));
        let state = self.0.state.borrow().clone();
        let State::Ready(session) = state else { return Ok(()) };
        if session.era() == Era::Legacy {
            let params = upstream::address(uri);
            let limit = self.0.config.timeout.call;
            let method = method::RESOURCES_UNSUBSCRIBE;
            session.request(method, Some(&params), exchange, limit).await?;
        }
        Ok(())
    }

    /// Sets the lowest level of log messages, as raw JSON, now and whenever it starts again.
    pub fn set_level(&self, level: &Raw) {
        self.0.wants.send_modify(|wants| wants.level = Some(level.clone()));
    }

    /// Passes a notification of an extension on without waiting, if the upstream is running.
    pub fn pass_on(&self, method: &str, params: Option<&Raw>) {
        if let State::Ready(session) = self.0.state.borrow().clone() {
            session.connection.pass_on(method, params);
        }
    }

    /// Passes a notification on without waiting, if the upstream is running in a legacy session.
    pub fn notify(&self, method: &str) {
        let state = self.0.state.borrow().clone();
        if let State::Ready(session) = state
            && session.era() == Era::Legacy
        {
            session.connection.notify_now(method);
        }
    }

    /// Returns what tells of changes, beginning with the present state.
    pub fn watch(&self) -> Watch {
        let mut state = self.0.state.clone();
        state.mark_changed();
        Watch::new(state, self.0.lists.clone())
    }

    async fn session(&self) -> Result<Arc<Session>, Error> {
        let mut state = self.0.state.clone();
        loop {
            let next = state.borrow_and_update().next(Instant::now());
            match next {
                Next::Use(session) => return Ok(session),
                Next::Fail(error) => return Err(error),
                // If the queue is full, somebody else had the same wish a moment ago.
                Next::Start => drop(self.0.commands.try_send(())),
                Next::Wait => {}
            }
            if state.changed().await.is_err() {
                return Err(Error::stopped(self.id()));
            }
        }
    }
}

/// A wish to be told of a task, taken back unless it is granted.
struct TaskWish<'a> {
    handle: &'a Handle,
    id: &'a str,
    is_granted: bool,
}

impl Drop for TaskWish<'_> {
    fn drop(&mut self) {
        if !self.is_granted {
            self.handle.unwatch_task(self.id);
        }
    }
}

/// One list of an upstream; a server without it has nothing in it.
async fn one_list(
    session: &Session,
    method: &str,
    key: &str,
) -> Result<(Vec<Raw>, Freshness), Fault> {
    match session.list(method, key, LIST_LIMIT).await {
        Err(Fault::Answered(error)) => {
            let errors = session.connection.errors();
            let error = errors.shown(error.get());
            tracing::warn!(upstream = %errors.upstream(), method, %error, "a list was refused");
            Ok((Vec::new(), Freshness::default()))
        }
        other => other,
    }
}

fn is_unknown_method(error: &Raw) -> bool {
    error.member("code").is_some_and(|code| code.get() == code::METHOD_NOT_FOUND.to_string())
}
