//! Keeps the wishes of all callers alive on one session: log level, subscriptions, list changes.
//!
//! Towards a legacy upstream that is `logging/setLevel` and `resources/subscribe`, once per
//! session. Towards a modern one it is one `subscriptions/listen` for everything; a changed wish
//! opens the next, and the last is cancelled when that stands, so that nothing is missed in
//! between.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::upstream::Wants;
use crate::upstream::backoff::Backoff;
use crate::upstream::call::Call;
use crate::upstream::incoming::Incoming;
use crate::upstream::modern;
use crate::upstream::session::Session;
use crate::upstream::task;
use crate::upstream::told::Topics;
use crate::wire::Raw;
use crate::wire::era::Era;
use crate::wire::method;
use crate::wire::object;

/// How long an upstream may take to answer what upkeep asks.
const LIMIT: Duration = Duration::from_secs(10);

/// The wishes of all callers on one session.
#[derive(Debug)]
pub(super) struct Upkeep {
    session: Arc<Session>,
    wants: watch::Receiver<Wants>,
    /// The subscription that stands or is being opened.
    listening: Option<Subscription>,
    /// The one that stands until the next does.
    before: Option<Subscription>,
    /// Whether changes may have been missed, which is told once it is listened again.
    is_behind: bool,
}

/// A subscription that was asked for.
#[derive(Debug)]
struct Subscription {
    call: Call,
    filter: Filter,
}

/// What a subscription asks for.
#[derive(Debug)]
struct Filter {
    /// As it is sent.
    notifications: Raw,
    topics: Topics,
    capabilities: Raw,
}

/// Why a subscription is no longer followed.
enum Ended {
    /// The wishes changed.
    WantsChanged,
    /// The upstream ended it; it may be opened again.
    Lost,
    /// There is nothing more to do on this session.
    Over,
}

impl Upkeep {
    /// Sends what has to be said before the session is used, without waiting for answers.
    ///
    /// The subscription is asked for before anything is listed, so that no change is missed.
    pub(super) async fn begin(session: Arc<Session>, mut wants: watch::Receiver<Wants>) -> Self {
        let now = wants.borrow_and_update().clone();
        let filter = match session.era() {
            Era::Legacy => None,
            Era::Modern => Filter::of(&session, &now),
        };
        let listening = match filter {
            Some(filter) => Subscription::open(&session, filter).await,
            None => None,
        };
        // What is wanted already was wanted of a session before this one.
        let is_behind = !now.resources.is_empty();
        Self { session, wants, listening, before: None, is_behind }
    }

    /// Follows the wishes until the session ends or is to end.
    pub(super) async fn run(self, over: CancellationToken) {
        let closed = self.session.connection.closed().clone();
        let era = self.session.era();
        let work = async move {
            match era {
                Era::Legacy => self.run_legacy().await,
                Era::Modern => self.run_modern().await,
            }
        };
        tokio::select! {
            () = work => {}
            () = closed.cancelled() => {}
            () = over.cancelled() => {}
        }
    }

    async fn run_legacy(mut self) {
        let wants = self.wants.borrow().clone();
        let mut level = None;
        for uri in &wants.resources {
            let params = super::address(uri);
            drop(self.session.ask(method::RESOURCES_SUBSCRIBE, Some(&params), LIMIT).await);
        }
        self.catch_up();
        loop {
            let wanted = self.wants.borrow_and_update().level.clone();
            if wanted != level && self.session.agreed.can(&["logging"]) {
                if let Some(wanted) = &wanted {
                    let params = object::build([("level", wanted.get())]);
                    // A server that refuses keeps its own level; nobody waits for this answer.
                    drop(self.session.ask(method::SET_LEVEL, Some(&params), LIMIT).await);
                }
                level = wanted;
            }
            tokio::select! {
                changed = self.wants.changed() => if changed.is_err() { return },
                () = self.session.connection.missed().notified() => {
                    self.is_behind = true;
                    self.catch_up();
                }
            }
        }
    }

    async fn run_modern(mut self) {
        let mut backoff = Backoff::default();
        if self.listening.is_none() {
            self.subscribe().await;
        }
        loop {
            match self.follow(&mut backoff).await {
                Ended::Over => return,
                Ended::WantsChanged => {}
                Ended::Lost => {
                    (self.listening, self.before) = (None, None);
                    self.is_behind = true;
                    time::sleep(backoff.next()).await;
                }
            }
            self.subscribe().await;
        }
    }

    /// Asks for one subscription for all that is wanted, unless that is what was asked for last.
    async fn subscribe(&mut self) {
        let wants = self.wants.borrow_and_update().clone();
        let Some(filter) = Filter::of(&self.session, &wants) else {
            (self.listening, self.before) = (None, None);
            return;
        };
        let asked = self.listening.as_ref().map(|asked| &asked.filter.notifications);
        if asked == Some(&filter.notifications) {
            return;
        }
        let next = Subscription::open(&self.session, filter).await;
        let last = std::mem::replace(&mut self.listening, next);
        if self.before.is_none() {
            self.before = last;
        }
    }

    async fn follow(&mut self, backoff: &mut Backoff) -> Ended {
        loop {
            tokio::select! {
                incoming = next(&mut self.listening) => match incoming {
                    Incoming::Acknowledged(params) => {
                        *backoff = Backoff::default();
                        self.settle(Topics::granted(&params));
                        self.before = None;
                        self.catch_up();
                    }
                    Incoming::Answer(Err(error)) => {
                        let upstream = self.session.connection.upstream();
                        tracing::debug!(%upstream, error = error.get(), "no subscriptions");
                        self.settle(Topics::default());
                        self.listening = self.before.take();
                    }
                    Incoming::Answer(Ok(_))
                    | Incoming::TooLarge
                    | Incoming::Failed(_)
                    | Incoming::Closed => return Ended::Lost,
                    Incoming::Progress(_) | Incoming::Log(_) | Incoming::Other(..) => {}
                },
                changed = self.wants.changed() => return match changed {
                    Ok(()) => Ended::WantsChanged,
                    Err(_) => Ended::Over,
                },
            }
        }
    }

    /// Tells those who wait for it what became of the last subscription.
    fn settle(&self, granted: Topics) {
        if let Some(listening) = &self.listening {
            self.session.told.settle(listening.filter.topics.clone(), granted);
        }
    }

    /// Whatever changed while nobody listened is found by looking again.
    fn catch_up(&mut self) {
        if !std::mem::take(&mut self.is_behind) {
            return;
        }
        let connection = &self.session.connection;
        connection.lists_changed();
        for uri in &self.wants.borrow().resources {
            connection.resource_updated(&Raw::of(uri.as_str()));
        }
    }
}

impl Subscription {
    async fn open(session: &Session, filter: Filter) -> Option<Self> {
        let params = object::build([("notifications", filter.notifications.get())]);
        let params = modern::with_capabilities(Some(&params), &filter.capabilities);
        let mut call = session.connection.call(None)?;
        let sent = time::timeout(LIMIT, call.send(method::LISTEN, params.as_ref())).await;
        matches!(sent, Ok(true)).then_some(Self { call, filter })
    }
}

impl Filter {
    /// Names all that is wanted; nothing if that is nothing.
    fn of(session: &Session, wants: &Wants) -> Option<Self> {
        let mut filter = serde_json::Map::new();
        let changes = [
            ("toolsListChanged", "tools"),
            ("promptsListChanged", "prompts"),
            ("resourcesListChanged", "resources"),
        ];
        for (key, capability) in changes {
            if session.agreed.can(&[capability, "listChanged"]) {
                filter.insert(key.to_owned(), true.into());
            }
        }
        if !wants.resources.is_empty() {
            filter.insert("resourceSubscriptions".to_owned(), wants.resources.clone().into());
        }
        let mut capabilities = object::build([]);
        let mut tasks = HashSet::new();
        if let Some((needed, watched)) = task::watched(session, &wants.tasks) {
            tasks = watched.iter().map(|&id| id.to_owned()).collect();
            filter.insert("taskIds".to_owned(), watched.into());
            capabilities = needed;
        }
        let topics = Topics { resources: wants.resources.iter().cloned().collect(), tasks };
        (!filter.is_empty()).then(|| Self { notifications: Raw::of(&filter), topics, capabilities })
    }
}

/// Waits for what comes for a subscription; for ever if there is none. Cancel safe.
async fn next(listening: &mut Option<Subscription>) -> Incoming {
    match listening {
        Some(listening) => listening.call.next().await,
        None => std::future::pending().await,
    }
}
