//! Keeps the wishes of all callers alive on one session: log level, subscriptions, list changes.
//!
//! Towards a legacy upstream that is `logging/setLevel` and `resources/subscribe`, once per
//! session. Towards a modern one it is one `subscriptions/listen` for everything; a changed wish
//! opens the next before the last is cancelled, so that nothing is missed in between.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time;

use crate::upstream::Wants;
use crate::upstream::backoff::Backoff;
use crate::upstream::call::Call;
use crate::upstream::incoming::Incoming;
use crate::upstream::modern;
use crate::upstream::session::Session;
use crate::upstream::task;
use crate::wire::Raw;
use crate::wire::era::Era;
use crate::wire::method;
use crate::wire::object;

/// How long an upstream may take to answer what upkeep asks.
const LIMIT: Duration = Duration::from_secs(10);
/// The wishes of all callers on one session.
pub(super) struct Upkeep {
    session: Arc<Session>,
    wants: watch::Receiver<Wants>,
    /// The subscription that stands or is being opened.
    listening: Option<Call>,
}

/// What became of a subscription.
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
        let listening = match session.era() {
            Era::Legacy => None,
            Era::Modern => listen(&session, &now).await,
        };
        Self { session, wants, listening }
    }

    /// Follows the wishes until the session ends.
    pub(super) async fn run(self) {
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
        }
    }

    async fn run_legacy(mut self) {
        let wants = self.wants.borrow().clone();
        let mut level = None;
        for uri in &wants.resources {
            let params = super::address(uri);
            drop(self.session.ask(method::RESOURCES_SUBSCRIBE, Some(&params), LIMIT).await);
        }
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
            if self.wants.changed().await.is_err() {
                return;
            }
        }
    }

    async fn run_modern(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let ended = match self.listening.take() {
                None => match self.wants.changed().await {
                    Ok(()) => Ended::WantsChanged,
                    Err(_) => Ended::Over,
                },
                Some(call) => self.follow(call, &mut backoff).await,
            };
            match ended {
                Ended::Over => return,
                Ended::WantsChanged => {}
                Ended::Lost => time::sleep(backoff.next()).await,
            }
            let wants = self.wants.borrow_and_update().clone();
            let before = self.listening.take();
            self.listening = listen(&self.session, &wants).await;
            if let Some(before) = before {
                before.cancel("another subscription takes its place").await;
            }
            if matches!(ended, Ended::Lost) {
                // Whatever changed while nobody listened is found by listing again.
                self.session.connection.lists_changed();
            }
        }
    }

    async fn follow(&mut self, mut call: Call, backoff: &mut Backoff) -> Ended {
        loop {
            tokio::select! {
                incoming = call.next() => match incoming {
                    Incoming::Acknowledged => *backoff = Backoff::default(),
                    Incoming::Answer(Err(error)) => {
                        let upstream = self.session.connection.upstream();
                        tracing::debug!(%upstream, error = error.get(), "no subscriptions");
                        return Ended::Over;
                    }
                    Incoming::Answer(Ok(_))
                    | Incoming::TooLarge
                    | Incoming::Failed(_)
                    | Incoming::Closed => return Ended::Lost,
                    Incoming::Progress(_) | Incoming::Log(_) | Incoming::Other(..) => {}
                },
                changed = self.wants.changed() => {
                    if changed.is_err() {
                        return Ended::Over;
                    }
                    self.listening = Some(call);
                    return Ended::WantsChanged;
                }
            }
        }
    }
}

/// Opens one subscription for all that is wanted; nothing if that is nothing.
async fn listen(session: &Session, wants: &Wants) -> Option<Call> {
    let agreed = &session.agreed;
    let mut filter = serde_json::Map::new();
    let changes = [
        ("toolsListChanged", "tools"),
        ("promptsListChanged", "prompts"),
        ("resourcesListChanged", "resources"),
    ];
    for (key, capability) in changes {
        if agreed.can(&[capability, "listChanged"]) {
            filter.insert(key.to_owned(), true.into());
        }
    }
    if !wants.resources.is_empty() {
        filter.insert("resourceSubscriptions".to_owned(), wants.resources.clone().into());
    }
    let mut capabilities = object::build([]);
    if let Some((needed, tasks)) = task::watched(session, &wants.tasks) {
        filter.insert("taskIds".to_owned(), tasks.into());
        capabilities = needed;
    }
    if filter.is_empty() {
        return None;
    }
    let params = object::build([("notifications", Raw::of(&filter).get())]);
    let params = modern::with_capabilities(Some(&params), &capabilities);
    let mut call = session.connection.call(None)?;
    let sent = time::timeout(LIMIT, call.send(method::LISTEN, params.as_ref())).await;
    matches!(sent, Ok(true)).then_some(call)
}
