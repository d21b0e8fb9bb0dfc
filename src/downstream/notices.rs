//! Empties a caller's mailbox: what happens outside of calls, said as its era wants it.

use std::sync::Arc;

use serde::Serialize;

use crate::downstream::asks::Questions;
use crate::downstream::level::SessionLevel;
use crate::downstream::level::Wanted;
use crate::downstream::listen::Listens;
use crate::downstream::outbox::Kind;
use crate::downstream::outbox::Outbox;
use crate::downstream::question;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Capabilities;
use crate::exchange::mailbox::ListKind;
use crate::exchange::mailbox::Notice;
use crate::router::Router;
use crate::wire::Raw;
use crate::wire::method;

/// Where the notices of one caller go.
#[derive(Debug)]
pub(super) struct Notices {
    /// Whose mailbox it is.
    pub(super) caller: Arc<Caller>,
    /// The legacy session, if there is one. A modern client is told through subscriptions alone.
    pub(super) session: Option<Session>,
    /// The modern subscriptions.
    pub(super) listens: Arc<Listens>,
    /// Who knows whose tasks are told of.
    pub(super) router: Arc<Router>,
}

/// The ways to a legacy client.
#[derive(Debug)]
pub(super) struct Session {
    /// Where notifications go.
    pub(super) outbox: Outbox,
    /// Where questions go.
    pub(super) questions: Arc<Questions>,
    /// Which log messages it wants.
    pub(super) level: Arc<SessionLevel>,
}

impl Notices {
    /// Delivers one notice after the other, for as long as it is polled.
    pub(super) async fn deliver(self) {
        loop {
            if self.session.is_some() {
                // What nobody reads stays where the same news are kept once.
                self.caller.mailbox().filled().await;
                self.caller.reachable().await;
            }
            let notice = self.caller.mailbox().next().await;
            match &notice {
                Notice::ListChanged(kind) => {
                    self.listens.list_changed(*kind, changed_method(*kind)).await;
                }
                Notice::Updated(uri) => self.listens.updated(uri).await,
                Notice::Other(method, Some(news)) if method == method::TASK_NEWS => {
                    let id = news.member("taskId").and_then(|id| id.string()).unwrap_or_default();
                    let news = self.router.task_news(&self.caller, news.clone());
                    self.listens.task(&id, &news).await;
                    continue;
                }
                Notice::Log(_) | Notice::Other(..) | Notice::Ask(_) => {}
            }
            match (&self.session, notice) {
                (Some(session), notice) => {
                    session.deliver(notice, self.caller.capabilities()).await;
                }
                (None, Notice::Ask(ask)) => ask.answer(Err(Refusal::Nobody)),
                (None, _) => {}
            }
        }
    }
}

impl Session {
    async fn deliver(&self, notice: Notice, client: &Capabilities) {
        let (method, params) = match notice {
            Notice::ListChanged(kind) => (changed_method(kind).to_owned(), None),
            Notice::Updated(uri) => {
                (method::RESOURCE_UPDATED.to_owned(), Some(Raw::of(&Updated { uri: &uri })))
            }
            Notice::Log(params) => {
                if !Wanted::BySession(Arc::clone(&self.level)).admits(&params) {
                    return;
                }
                (method::MESSAGE.to_owned(), Some(params))
            }
            Notice::Other(method, params) => (method, params),
            Notice::Ask(ask) => {
                if let Some(ask) = question::fit(ask, client) {
                    self.questions.put(ask, &self.outbox).await;
                }
                return;
            }
        };
        self.outbox.tell(Kind::of(&method), &method, params.as_ref()).await;
    }
}

#[derive(Serialize)]
struct Updated<'a> {
    uri: &'a Raw,
}

fn changed_method(kind: ListKind) -> &'static str {
    match kind {
        ListKind::Tools => method::TOOLS_CHANGED,
        ListKind::Prompts => method::PROMPTS_CHANGED,
        ListKind::Resources => method::RESOURCES_CHANGED,
    }
}
