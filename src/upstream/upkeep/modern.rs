//! Towards a modern upstream all wishes but the log level are one `subscriptions/listen`.
//!
//! A changed wish opens the next, and the last is cancelled when that stands, so that nothing is
//! missed in between.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time;

use crate::exchange::mailbox::Topic;
use crate::upstream::backoff::Backoff;
use crate::upstream::call::Call;
use crate::upstream::incoming::Incoming;
use crate::upstream::modern;
use crate::upstream::session::Session;
use crate::upstream::task_calls;
use crate::upstream::told;
use crate::upstream::upkeep::LIMIT;
use crate::upstream::upkeep::catch_up;
use crate::upstream::wants::Wants;
use crate::wire::Raw;
use crate::wire::method;
use crate::wire::object;

/// The wishes on one modern session.
#[derive(Debug)]
pub(super) struct Modern {
    session: Arc<Session>,
    wants: watch::Receiver<Wants>,
    /// The subscription that stands or is being opened.
    listening: Option<Subscription>,
    /// The one that stands until the next does.
    before: Option<Subscription>,
    /// What made the upstream refuse a whole subscription, as far as one can tell.
    aside: HashSet<Topic>,
    /// What was refused last, as it was sent.
    refused: Option<Raw>,
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
    topics: HashSet<Topic>,
    capabilities: Raw,
}

/// Why a subscription is no longer followed.
enum Ended {
    /// Another one is to take its place.
    Changed,
    /// The upstream ended it; it may be opened again.
    Lost,
    /// There is nothing more to do on this session.
    Over,
}

impl Modern {
    pub(super) async fn begin(session: Arc<Session>, wants: watch::Receiver<Wants>) -> Self {
        // What is wanted already was wanted of a session before this one.
        let is_behind = wants.borrow().topics().next().is_some();
        let (listening, before) = (None, None);
        let (aside, refused) = (HashSet::new(), None);
        let mut all = Self { session, wants, listening, before, aside, refused, is_behind };
        all.subscribe().await;
        all
    }

    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            match self.follow(&mut backoff).await {
                Ended::Over => return,
                Ended::Changed => {}
                Ended::Lost => {
                    (self.listening, self.before) = (None, None);
                    self.is_behind = true;
                    time::sleep(backoff.next()).await;
                }
            }
            self.subscribe().await;
        }
    }

    /// Asks for one subscription for all that is wanted, unless that stands, or was refused.
    async fn subscribe(&mut self) {
        let wants = self.wants.borrow_and_update().clone();
        self.aside.retain(|topic| wants.name(topic));
        let Some(filter) = Filter::of(&self.session, &wants, &self.aside) else {
            (self.listening, self.before) = (None, None);
            return;
        };
        let standing = self.listening.as_ref().map(|standing| &standing.filter.notifications);
        if [standing, self.refused.as_ref()].contains(&Some(&filter.notifications)) {
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
                        self.stand(&params);
                    }
                    Incoming::Answer(Err(error)) => {
                        let upstream = self.session.connection.upstream();
                        tracing::debug!(%upstream, error = error.get(), "no subscriptions");
                        self.step_back();
                        return Ended::Changed;
                    }
                    Incoming::Answer(Ok(_))
                    | Incoming::TooLarge
                    | Incoming::Failed(_)
                    | Incoming::Closed => return Ended::Lost,
                    Incoming::Progress(_) | Incoming::Log(_) | Incoming::Other(..) => {}
                },
                changed = self.wants.changed() => return match changed {
                    Ok(()) => Ended::Changed,
                    Err(_) => Ended::Over,
                },
            }
        }
    }

    /// The last subscription stands, as far as the upstream grants it.
    fn stand(&mut self, acknowledgement: &Raw) {
        (self.before, self.refused) = (None, None);
        self.settle(told::granted(acknowledgement));
        if std::mem::take(&mut self.is_behind) {
            catch_up(&self.session, &self.wants.borrow());
        }
    }

    /// The last subscription is refused: the one before it goes on, and what was new is put aside.
    fn step_back(&mut self) {
        let Some(refused) = self.listening.take() else { return };
        let granted = self.session.told.granted();
        self.aside.extend(refused.filter.topics.difference(&granted).cloned());
        self.refused = Some(refused.filter.notifications);
        self.listening = self.before.take();
        self.settle(granted);
    }

    /// Tells those who wait for it what the upstream has agreed to.
    fn settle(&self, granted: HashSet<Topic>) {
        let asked = self.listening.iter().flat_map(|it| &it.filter.topics).chain(&self.aside);
        self.session.told.settle(asked.cloned().collect(), granted);
    }
}

impl Subscription {
    async fn open(session: &Session, filter: Filter) -> Option<Self> {
        let params = object::build([("notifications", filter.notifications.get())]);
        let params = modern::with_capabilities(Some(&params), &filter.capabilities);
        let mut call = Call::begin(&session.connection, None)?;
        let sent = time::timeout(LIMIT, call.send(method::LISTEN, params.as_ref())).await;
        matches!(sent, Ok(true)).then_some(Self { call, filter })
    }
}

impl Filter {
    /// Names all that is wanted and not put `aside`; nothing if that is nothing.
    fn of(session: &Session, wants: &Wants, aside: &HashSet<Topic>) -> Option<Self> {
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
        let tasks = task_calls::watched(session);
        let (mut topics, mut capabilities) = (HashSet::new(), object::build([]));
        for topic in wants.topics().filter(|topic| !aside.contains(topic)) {
            let (key, name) = match (topic, &tasks) {
                (Topic::Resource(uri), _) => ("resourceSubscriptions", uri),
                (Topic::Task(id), Some(needed)) => {
                    capabilities = needed.clone();
                    ("taskIds", id)
                }
                (Topic::Task(_), None) => continue,
            };
            let named = filter.entry(key).or_insert_with(|| serde_json::json!([]));
            named.as_array_mut()?.push(name.clone().into());
            topics.insert(topic.clone());
        }
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
