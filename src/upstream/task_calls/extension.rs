//! Tasks of the extension `io.modelcontextprotocol/tasks` (SEP-2663): a server may answer a call
//! with one, and everything about it is asked for by polling.

use std::sync::Arc;

use crate::exchange::Exchange;
use crate::exchange::task;
use crate::exchange::task::Dialect;
use crate::upstream::connection::Connection;
use crate::upstream::error::Fault;
use crate::upstream::session::Session;
use crate::upstream::task::registry::Audience;
use crate::upstream::task::shape;
use crate::upstream::task::shape::Status;
use crate::upstream::task_calls::waiting::Waiting;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::method;

/// Returns whether the upstream has such tasks.
pub(super) fn is_known(session: &Session) -> bool {
    session.agreed.can(&["extensions", task::EXTENSION])
}

/// Carries out `tools/call`.
pub(super) async fn call(
    session: &Arc<Session>,
    params: &Raw,
    exchange: &Exchange,
) -> Result<Raw, Fault> {
    let method = method::TOOLS_CALL;
    match exchange.wishes().tasks {
        Dialect::Extension => {
            let result = session.request(method, Some(params), exchange).await?;
            Ok(passed(&session.connection, exchange, result))
        }
        Dialect::Core | Dialect::None => {
            let params = match params.object() {
                // It asks for what this server does not have.
                Ok(object) if exchange.wishes().tasks == Dialect::Core => {
                    object.edit().remove("task").apply()
                }
                _ => params.clone(),
            };
            match session.request(method, Some(&params), exchange).await {
                Err(Fault::Answered(error)) if is_known(session) && wants_tasks(&error) => {
                    Box::pin(wait(session, &params, exchange)).await
                }
                outcome => outcome,
            }
        }
    }
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
    let result = session.request(method, Some(params), exchange).await?;
    if let Some(status) = Status::read(&result) {
        connection.live().told(&status);
    }
    let public = connection.live().public(exchange.caller(), Dialect::Extension, id);
    let result = shape::presented(&result, &public, connection.upstream());
    match result.object() {
        // Only the answer to a call is marked as a task (SEP-2663, "Polymorphic Results").
        Ok(object) if shape::is_task(&result) => {
            Ok(object.edit().set("resultType", "\"complete\"").apply())
        }
        _ => Ok(result),
    }
}

/// Gives the caller a task that a call was answered with, or the result.
fn passed(connection: &Connection, exchange: &Exchange, result: Raw) -> Raw {
    let Some(status) = Status::created(&result, Dialect::Extension) else { return result };
    let audience = Audience::Caller { caller: Arc::downgrade(exchange.caller()), token: None };
    // No request has this number, so no progress is taken for that of the task.
    connection.live().begin(0, audience, &status);
    let public = connection.live().public(exchange.caller(), Dialect::Extension, &status.id);
    shape::renamed(&result, &public)
}

/// Has a task made, because the tool does nothing without one, and waits for its end.
async fn wait(session: &Arc<Session>, params: &Raw, exchange: &Exchange) -> Result<Raw, Fault> {
    let knowing = exchange.knowing(Dialect::Extension);
    let waiting = Waiting::new(session, exchange, Dialect::Extension);
    let result = session.request(method::TOOLS_CALL, Some(params), &knowing).await?;
    let Some(status) = Status::created(&result, Dialect::Extension) else { return Ok(result) };
    session.connection.live().begin(0, waiting.audience(), &status);
    waiting.through(status).await
}

/// Whether an error says that the request needs the extension.
fn wants_tasks(error: &Raw) -> bool {
    let is_missing = error
        .member("code")
        .is_some_and(|found| found.get() == code::MISSING_CLIENT_CAPABILITY.to_string());
    let required = || {
        let required = error.member("data")?.member("requiredCapabilities")?;
        required.member("extensions")?.member(task::EXTENSION)
    };
    is_missing && required().is_some()
}
