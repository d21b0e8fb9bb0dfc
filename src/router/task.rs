//! Requests about tasks: an id leads back to the upstream whose task it is.
//!
//! Nothing is remembered of tasks here. Which methods exist depends on the kind of tasks the
//! caller knows; an id is good only with the kind it was given in.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time;

use crate::audit::record::Subject;
use crate::audit::record::What;
use crate::catalog::ResultKind;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::caller::Caller;
use crate::exchange::mailbox::Topic;
use crate::exchange::task::Dialect;
use crate::ids::UpstreamId;
use crate::router::Error;
use crate::router::Router;
use crate::router::params::named;
use crate::router::params::with;
use crate::router::snapshot::Snapshot;
use crate::router::spill::Measure;
use crate::router::spill::Promise;
use crate::wire::Raw;
use crate::wire::method;
use crate::wire::object;

/// How long a wish to be told of a task waits for an upstream that has to be started.
const WATCH_LIMIT: Duration = Duration::from_secs(10);

/// A request about a task, as records have it.
fn about(method: &str, public: &str, upstream: &UpstreamId) -> What {
    let (method, subject) = (method.into(), Some(Subject::Task(public.into())));
    What { method, subject, upstream: Some(upstream.clone()), ..What::default() }
}

impl Router {
    pub(super) async fn task(
        &self,
        method: &str,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
        let dialect = exchange.wishes().tasks;
        let exists = match method {
            method::TASKS_GET | method::TASKS_CANCEL => dialect != Dialect::None,
            method::TASKS_UPDATE => dialect == Dialect::Extension,
            _ => dialect == Dialect::Core,
        };
        if !exists {
            return Err(Error::UnknownMethod(method.to_owned()));
        }
        if method == method::TASKS_LIST {
            return self.tasks(params, exchange).await;
        }
        let (params, public) = named(params, "taskId")?;
        let snapshot = self.snapshot();
        let owner = self.shared.task_ids.open(exchange.caller(), dialect, &public);
        let (upstream, id) = owner.ok_or(Error::UnknownTask)?;
        self.proven(exchange, || about(method, &public, &upstream)).await?;
        let params = with(params, "taskId", &id)?;
        let before = snapshot.retired.iter().find(|it| *it.id() == upstream && it.knows(&id));
        let result = if let Some(retired) = before {
            retired.task(method, &params, &id, exchange).await?
        } else {
            let handle = snapshot.upstreams.get(&upstream).ok_or(Error::UnknownTask)?;
            handle.task(method, &params, &id, exchange).await?
        };
        let result = result.ok_or(Error::UnknownTask)?;
        if method == method::TASKS_RESULT || result.member("result").is_some() {
            let client = exchange.capabilities().client_name();
            self.given_of_task(exchange.caller(), client, &upstream, result.get().len());
        }
        Ok(match (method, dialect) {
            (method::TASKS_RESULT, _) => {
                let result =
                    self.returned(&snapshot, exchange, &upstream, ResultKind::Tool, &result);
                self.outcome_shortened(&snapshot, exchange.caller(), &upstream, result)
            }
            (method::TASKS_GET, Dialect::Extension) => {
                self.outcome_returned(&snapshot, exchange.caller(), &upstream, result)
            }
            _ => result,
        })
    }

    /// Returns what an upstream tells of a task under the id it has for this caller, with the
    /// addresses in its result as callers know them, and with no text in it that is too long.
    pub fn task_news(&self, caller: &Arc<Caller>, news: Raw) -> Raw {
        let id = news.member("taskId").and_then(|id| id.string()).unwrap_or_default();
        let owner = self.shared.task_ids.open(caller, Dialect::Extension, &id);
        let Some((upstream, _)) = owner else { return news };
        if news.member("result").is_some() {
            let client = caller.capabilities().client_name();
            self.given_of_task(caller, client, &upstream, news.get().len());
        }
        self.outcome_returned(&self.snapshot(), caller, &upstream, news)
    }

    /// Asks to be told of a task that this caller was given; returns whether it will be.
    pub async fn watch_task(&self, caller: &Arc<Caller>, public: &str) -> bool {
        let Some((upstream, id)) = self.own_task(caller, public) else { return false };
        let snapshot = self.snapshot();
        let Some(handle) = snapshot.upstreams.get(&upstream) else { return false };
        let topic = Topic::Task(id);
        // First, so that what is told right behind the agreement is not missed.
        let Some(claim) = caller.mailbox().claim(&upstream, &topic, Raw::of(public)) else {
            return false;
        };
        let capabilities = Arc::clone(caller.capabilities());
        let (exchange, _nobody) =
            Exchange::new(Arc::clone(caller), capabilities, Wishes::default());
        let watched = time::timeout(WATCH_LIMIT, handle.watch_topic(topic, &exchange)).await;
        let Ok(Ok(watching)) = watched else { return false };
        claim.keep(watching);
        true
    }

    /// No longer asks to be told of it.
    pub fn unwatch_task(&self, caller: &Caller, public: &str) {
        if let Some((upstream, id)) = self.own_task(caller, public) {
            caller.mailbox().give_up(&upstream, &Topic::Task(id));
        }
    }

    fn own_task(&self, caller: &Caller, public: &str) -> Option<(UpstreamId, String)> {
        self.shared.task_ids.open(caller, Dialect::Extension, public)
    }

    /// Lists the caller's tasks of all upstreams that list tasks, on one page.
    async fn tasks(&self, params: Option<&Raw>, exchange: &Exchange) -> Result<Raw, Error> {
        let cursor = params.and_then(|params| params.member("cursor"));
        if let Some(cursor) = cursor.filter(|cursor| cursor.get() != "null") {
            let problem = format!("`{}` is no cursor of this list", cursor.get());
            return Err(Error::InvalidParams(problem));
        }
        let mut asked = JoinSet::new();
        for (place, handle) in self.snapshot().upstreams.values().cloned().enumerate() {
            let exchange = exchange.clone();
            asked.spawn(async move { (place, handle.id().clone(), handle.tasks(&exchange).await) });
        }
        let mut found = Vec::new();
        loop {
            let next = tokio::select! {
                next = asked.join_next() => next,
                () = exchange.cancelled().cancelled() => return Err(Error::Cancelled),
            };
            match next {
                None => break,
                Some(Ok((place, _, Ok(tasks)))) => found.push((place, tasks)),
                Some(Ok((_, upstream, Err(fault)))) => {
                    tracing::debug!(%upstream, %fault, "its tasks cannot be listed");
                }
                Some(Err(error)) => tracing::debug!(%error, "tasks cannot be listed"),
            }
        }
        found.sort_by_key(|(place, _)| *place);
        let all: Vec<Raw> = found.into_iter().flat_map(|(_, tasks)| tasks).collect();
        Ok(object::build([("tasks", Raw::array(&all).get())]))
    }

    /// Gives the result inside a task the addresses callers know, and shortens it.
    fn outcome_returned(
        &self,
        snapshot: &Snapshot,
        caller: &Arc<Caller>,
        upstream: &UpstreamId,
        task: Raw,
    ) -> Raw {
        let Some(before) = task.member("result") else { return task };
        self.shared.mentions.note(caller, upstream, ResultKind::Tool, &before);
        let after = snapshot.catalog.rewrite_result(upstream, ResultKind::Tool, &before);
        let after = self.outcome_shortened(snapshot, caller, upstream, after);
        match task.object() {
            Ok(object) if after != before => object.edit().set("result", after.get()).apply(),
            _ => task,
        }
    }

    /// Shortens the result of a task as that of a call, but for what it says to programs: which
    /// tool it was, and what that promised, nobody remembers.
    fn outcome_shortened(
        &self,
        snapshot: &Snapshot,
        caller: &Arc<Caller>,
        upstream: &UpstreamId,
        result: Raw,
    ) -> Raw {
        // An upstream of before a reload has the limit of the one that took its place.
        let handle = snapshot.upstreams.get(upstream);
        let Some(limit) = handle.and_then(|it| it.config().results.spill) else { return result };
        let measure = Measure { limit, kind: ResultKind::Tool, promise: Promise::Unknown };
        self.shared.spills.shortened(caller, measure, result)
    }
}
