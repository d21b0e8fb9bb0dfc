//! Calls that become tasks, in both kinds: those of 2025-11-25, and those of the extension.
//!
//! Where caller and upstream know the same kind, the task passes, under an id of Conflux's own.
//! Where they do not, and the tool does nothing without a task, Conflux has the task made and
//! waits for it, so that the caller sees a call that takes its time.

/// Calls that become tasks of 2025-11-25.
mod core;
/// Calls that become tasks of the extension.
mod extension;
/// A task that is waited for on behalf of a call.
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::exchange::Exchange;
use crate::exchange::task;
use crate::exchange::task::Dialect;
use crate::upstream::error::Fault;
use crate::upstream::session::Session;
use crate::upstream::task::Need;
use crate::upstream::task::shape;
use crate::wire::Raw;
use crate::wire::era::Era;
use crate::wire::method;

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
        is_own.then(|| shape::renamed(task, &connection.live().public(caller, Dialect::Core, &id)))
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

/// Returns what a subscription to tasks declares; nothing if the upstream does not tell of any.
pub(super) fn watched(session: &Session) -> Option<Raw> {
    let is_told = session.era() == Era::Modern && extension::is_known(session);
    is_told.then(|| Raw::of(&json!({ "extensions": { task::EXTENSION: {} } })))
}
