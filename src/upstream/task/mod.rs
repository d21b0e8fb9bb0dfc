//! Calls that become tasks, in both kinds: those of 2025-11-25, and those of the extension.
//!
//! Where caller and upstream know the same kind, the task passes, under an id of Conflux's own.
//! Where they do not, and the tool does nothing without a task, Conflux has the task made and
//! waits for it, so that the caller sees a call that takes its time.

/// Tasks of 2025-11-25.
mod core;
/// Tasks of the extension.
mod extension;
/// The tasks of one connection, and for whom they are.
mod registry;
/// What tasks look like.
mod shape;
/// A task that is waited for on behalf of a call.
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::exchange::Exchange;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Caller;
use crate::exchange::mailbox::Topic;
use crate::exchange::task;
use crate::exchange::task::Dialect;
use crate::upstream::Fault;
use crate::upstream::connection::Connection;
use crate::upstream::incoming::Incoming;
use crate::upstream::incoming::Meant;
use crate::upstream::session::Session;
use crate::wire::Raw;
use crate::wire::era::Era;
use crate::wire::method;
use crate::wire::object;

pub(super) use self::extension::has_passed;
pub(super) use self::extension::offer;
pub(super) use self::registry::Audience;
pub(super) use self::registry::Registry;

/// The longest that anything is done for one task: waiting for its result, or keeping its server
/// running, whatever its server or its caller would like.
pub(super) const LONGEST: Duration = Duration::from_hours(24);
/// How long a server may take to answer that a task is to be ended.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// A tool as its upstream lists it.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'a> {
    /// The name it gave.
    pub name: &'a str,
    /// Whether it can be called without a task.
    pub need: Need,
}

/// Whether a tool can be called without a task (2025-11-25, "Tool-Level Negotiation").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A call has a result, at least if no task is asked for.
    None,
    /// Every call must ask for a task.
    Task,
}

/// What a request has to do with a task.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// Its answer may be a task, and for whom that is.
    Becomes(Audience, Dialect),
    /// Its answer is the result of this task; what the task says meanwhile belongs to it.
    Serves(String),
}

impl Role {
    /// Returns the task whose result the request waits for.
    pub(super) fn served(&self) -> Option<&str> {
        match self {
            Self::Serves(id) => Some(id),
            Self::Becomes(..) => None,
        }
    }
}

/// Carries out `tools/call`.
pub(super) async fn call(
    session: &Arc<Session>,
    params: &Raw,
    exchange: &Exchange,
    need: Need,
) -> Result<Raw, Fault> {
    match session.era() {
        Era::Legacy => core::call(session, params, exchange, need).await,
        Era::Modern => extension::call(session, params, exchange).await,
    }
}

/// Carries out a request about the task `id` of this upstream, which its caller was given.
///
/// Nothing if the upstream does not know such tasks, or does so no longer.
pub(super) async fn request(
    session: &Session,
    method: &str,
    params: &Raw,
    id: &str,
    exchange: &Exchange,
) -> Result<Option<Raw>, Fault> {
    match (session.era(), exchange.wishes().tasks) {
        (Era::Legacy, Dialect::Core) if core::is_known(session) => {
            core::request(session, method, params, id, exchange).await.map(Some)
        }
        (Era::Modern, Dialect::Extension) => {
            extension::request(session, method, params, id, exchange).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// Lists the tasks that the caller was given, under the ids it knows; nothing if there are none.
pub(super) async fn list(
    session: &Session,
    exchange: &Exchange,
    limit: Duration,
) -> Result<Vec<Raw>, Fault> {
    if session.era() != Era::Legacy || !session.agreed.can(&["tasks", "list"]) {
        return Ok(Vec::new());
    }
    let connection = &session.connection;
    let caller = exchange.caller();
    let (all, _) = session.list(method::TASKS_LIST, "tasks", limit).await?;
    let own = all.iter().filter_map(|task| {
        let id = task.member("taskId")?.string()?;
        let is_own = connection.live().belongs(&id, caller.id());
        is_own.then(|| shape::renamed(task, &public(connection, caller, Dialect::Core, &id)))
    });
    Ok(own.collect())
}

/// Makes the definitions of tools say only what holds here: towards an upstream that does not
/// make tasks of calls, no tool may be called as one.
pub(super) fn listed(session: &Session, tools: Vec<Raw>) -> Vec<Raw> {
    if session.era() == Era::Legacy && core::is_known(session) {
        return tools;
    }
    tools.into_iter().map(without_support).collect()
}

fn without_support(tool: Raw) -> Raw {
    if !tool.get().contains("\"taskSupport\"") {
        return tool;
    }
    let Some(execution) = tool.member("execution") else { return tool };
    let support = execution.member("taskSupport");
    if support.is_none_or(|support| support.get() == "\"forbidden\"") {
        return tool;
    }
    let (Ok(tool_object), Ok(object)) = (tool.object(), execution.object()) else { return tool };
    let execution = object.edit().remove("taskSupport").apply();
    let is_empty = execution.object().is_ok_and(|object| object.iter().next().is_none());
    let edit = tool_object.edit();
    if is_empty {
        edit.remove("execution").apply()
    } else {
        edit.set("execution", execution.get()).apply()
    }
}

/// Notes that a request became a task, if it did.
pub(super) fn became(connection: &Connection, number: u64, role: Role, result: &Raw) {
    if let Role::Becomes(audience, dialect) = role
        && let Some(status) = shape::Status::created(result, dialect)
    {
        connection.live().begin(number, audience, &status);
        if let Some(said) = connection.live().take_early(&status.id) {
            take_status(connection, &said);
        }
    }
}

/// Finds who hears what comes under the number of a request that has its answer.
///
/// The number of a call that became a task stays the token of its progress (2025-11-25, "Task
/// Progress Notifications"). Returns the request that waits for its result, if there is one.
pub(super) fn late(
    connection: &Connection,
    number: u64,
    incoming: Incoming,
) -> Option<(u64, Incoming)> {
    let (id, audience) = connection.live().of_call(number)?;
    if let Audience::Request { .. } = audience {
        if let Some(Meant::Call { number, .. }) = connection.serving(&id) {
            return Some((number, incoming));
        }
        connection.live().hold(&id, incoming);
        return None;
    }
    let (Audience::Caller { caller, token }, Incoming::Progress(params)) = (audience, incoming)
    else {
        return None;
    };
    let (caller, token) = (caller.upgrade()?, token?);
    let public = public(connection, &caller, Dialect::Core, &id);
    let params = shape::relate_again(params, Some(&public));
    let params = params.object().ok()?.edit().set("progressToken", token.get()).apply();
    caller.mailbox().pass_on(method::PROGRESS, Some(params));
    None
}

/// Returns the task that a message of a server says it belongs to.
pub(super) fn named_by(params: Option<&Raw>) -> Option<String> {
    shape::related(params)
}

/// Finds whom a message is meant for that names the task `id`, or none.
///
/// `origin` is the request with whose answer it came, where that can be told. Nothing else tells
/// whose a task is that nobody knows: its owner may have left, and somebody else be the only one.
pub(super) fn meant(
    connection: &Connection,
    id: Option<&str>,
    origin: Option<u64>,
) -> Result<Meant, Refusal> {
    let Some(id) = id else { return connection.meant(origin) };
    if let Some(meant) = connection.serving(id) {
        return Ok(meant);
    }
    match connection.live().audience(id) {
        None => match connection.meant(origin)? {
            Meant::Call { number, exchange } if origin == Some(number) => {
                Ok(Meant::Call { number, exchange })
            }
            Meant::Call { .. } | Meant::Caller(_) => Err(Refusal::Gone),
        },
        Some((_, Audience::Caller { caller, .. })) => {
            caller.upgrade().map(Meant::Caller).ok_or(Refusal::Gone)
        }
        Some((number, Audience::Request { exchange, .. })) => Ok(Meant::Call { number, exchange }),
    }
}

/// Returns a message as `meant` may see it: under the id it knows, or belonging to no task.
pub(super) fn addressed(connection: &Connection, meant: &Meant, body: Raw) -> Raw {
    let Some(id) = shape::related(Some(&body)) else { return body };
    let caller = match meant {
        Meant::Caller(caller) => Some(caller),
        Meant::Call { exchange, .. } => {
            (exchange.wishes().tasks == Dialect::Core).then(|| exchange.caller())
        }
    };
    let caller = caller.filter(|caller| connection.live().belongs(&id, caller.id()));
    let public = caller.map(|caller| public(connection, caller, Dialect::Core, &id));
    shape::relate(&body, public.as_deref())
}

/// Returns a client's answer with the id of the task that its question named.
pub(super) fn answered(answer: Raw, id: Option<&str>) -> Raw {
    shape::relate_again(answer, id)
}

/// Takes `notifications/tasks/status` to the caller that was given the task.
pub(super) fn take_status(connection: &Connection, params: &Raw) {
    let Some(status) = shape::Status::read(params) else { return };
    let audience = connection.live().told_early(&status, params);
    if let Some(caller) = audience.and_then(|audience| audience.caller()) {
        let public = public(connection, &caller, Dialect::Core, &status.id);
        caller.mailbox().pass_on(method::TASK_STATUS, Some(shape::renamed(params, &public)));
    }
}

/// Takes `notifications/tasks` to the callers that wanted to hear of the task.
pub(super) fn take_news(connection: &Connection, params: &Raw) {
    let Some(status) = shape::Status::read(params) else { return };
    connection.live().told(&status);
    let topic = Topic::Task(status.id.clone());
    for caller in connection.callers().present() {
        if caller.mailbox().wants(connection.upstream(), &topic) {
            let public = public(connection, &caller, Dialect::Extension, &status.id);
            let news = extension::shown(connection, params, &public);
            caller.mailbox().pass_on(method::TASK_NEWS, Some(news));
        }
    }
}

/// Returns what a subscription to tasks declares; nothing if the upstream does not tell of any.
pub(super) fn watched(session: &Session) -> Option<Raw> {
    let is_told = session.era() == Era::Modern && extension::is_known(session);
    is_told.then(|| Raw::of(&json!({ "extensions": { task::EXTENSION: {} } })))
}

/// The id under which a caller knows the task `local`.
fn public(connection: &Connection, caller: &Caller, dialect: Dialect, local: &str) -> String {
    connection.live().ids().close(caller, dialect, connection.upstream(), local)
}

fn task_params(id: &str) -> Raw {
    object::build([("taskId", Raw::of(id).get())])
}
