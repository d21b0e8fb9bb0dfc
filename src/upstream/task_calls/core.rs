//! Tasks of 2025-11-25: a call asks to become one, and its result is fetched by a request that
//! waits.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::exchange::Exchange;
use crate::exchange::deadline::Limits;
use crate::exchange::task::Dialect;
use crate::upstream::error::Fault;
use crate::upstream::legacy;
use crate::upstream::session::Session;
use crate::upstream::task::Need;
use crate::upstream::task::registry::Audience;
use crate::upstream::task::registry::LONGEST;
use crate::upstream::task::registry::Role;
use crate::upstream::task::shape;
use crate::upstream::task::shape::Status;
use crate::upstream::task_calls::waiting::Waiting;
use crate::wire::Raw;
use crate::wire::meta;
use crate::wire::method;

/// How long a server keeps a task that Conflux waits for. It is also the longest wait.
const KEPT: Duration = Duration::from_hours(1);

/// Returns whether the upstream makes tasks of calls.
pub(super) fn is_known(session: &Session) -> bool {
    session.agreed.can(&["tasks", "requests", "tools", "call"])
}

/// Carries out `tools/call`.
pub(super) async fn call(
    session: &Arc<Session>,
    params: &Raw,
    exchange: &Exchange,
    need: Need,
) -> Result<Raw, Fault> {
    let is_asked = exchange.wishes().tasks == Dialect::Core && params.member("task").is_some();
    if (is_asked || need == Need::Task) && is_known(session) {
        return if is_asked {
            Box::pin(pass(session, params, exchange)).await
        } else {
            Box::pin(wait(session, params, exchange)).await
        };
    }
    // Who did not learn from this server that it makes tasks cannot have asked it to.
    let params = without_task(params);
    session.request(method::TOOLS_CALL, Some(&params), exchange).await
}

/// Carries out a request about the task `id`, which the caller was given.
pub(super) async fn request(
    session: &Session,
    method: &str,
    params: &Raw,
    id: &str,
    exchange: &Exchange,
) -> Result<Raw, Fault> {
    let connection = &session.connection;
    let public = connection.live().public(exchange.caller(), Dialect::Core, id);
    if method == method::TASKS_RESULT {
        let role = Role::Serves(id.to_owned());
        let exchange = exchange.within(Limits::of(LONGEST));
        let result = legacy::request_as(connection, method, Some(params), &exchange, role);
        let result = result.await;
        if matches!(result, Ok(_) | Err(Fault::Answered(_))) {
            connection.live().over(id);
        }
        return Ok(shape::relate(&result?, Some(&public)));
    }
    let result = session.request(method, Some(params), exchange).await?;
    if let Some(status) = Status::read(&result) {
        connection.live().told(&status);
    }
    Ok(shape::relate_again(shape::renamed(&result, &public), Some(&public)))
}

/// Lets the caller have the task it asked for.
async fn pass(session: &Session, params: &Raw, exchange: &Exchange) -> Result<Raw, Fault> {
    let connection = &session.connection;
    let token = params.member("_meta").and_then(|meta| meta.member(meta::PROGRESS_TOKEN));
    let audience = Audience::Caller {
        caller: Arc::downgrade(exchange.caller()),
        token: token.map(|token| token.detached()),
    };
    let role = Role::Becomes(audience, Dialect::Core);
    let method = method::TOOLS_CALL;
    let result = legacy::request_as(connection, method, Some(params), exchange, role).await?;
    let Some(task) = result.member("task") else { return Ok(result) };
    let Some(id) = task.member("taskId").and_then(|id| id.string()) else { return Ok(result) };
    let public = connection.live().public(exchange.caller(), Dialect::Core, &id);
    let result = match result.object() {
        Ok(object) => object.edit().set("task", shape::renamed(&task, &public).get()).apply(),
        Err(_) => return Ok(result),
    };
    Ok(shape::relate_again(result, Some(&public)))
}

/// Has a task made and waits for what it comes to.
async fn wait(session: &Arc<Session>, params: &Raw, exchange: &Exchange) -> Result<Raw, Fault> {
    let connection = &session.connection;
    let waiting = Waiting::new(session, exchange, Dialect::Core);
    let role = Role::Becomes(waiting.audience(), Dialect::Core);
    let kept = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
    let asking = match params.object() {
        Ok(object) => object.edit().set("task", json!({ "ttl": kept }).to_string()).apply(),
        Err(_) => params.clone(),
    };
    let method = method::TOOLS_CALL;
    let result = legacy::request_as(connection, method, Some(&asking), exchange, role).await?;
    let Some(status) = Status::created(&result, Dialect::Core) else { return Ok(result) };
    let id = status.id.clone();
    let params = shape::params(&id);
    let exchange = exchange.within(Limits::of(KEPT));
    let fetch = || {
        let role = Role::Serves(id.clone());
        let method = method::TASKS_RESULT;
        legacy::request_as(connection, method, Some(&params), &exchange, role)
    };
    let result = waiting.until(status, KEPT, fetch).await?;
    // The caller knows of no task that it could belong to.
    Ok(shape::relate(&result, None))
}

fn without_task(params: &Raw) -> Raw {
    match params.object() {
        Ok(object) if object.get("task").is_some() => object.edit().remove("task").apply(),
        _ => params.clone(),
    }
}
