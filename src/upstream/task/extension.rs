//! Tasks of the extension `io.modelcontextprotocol/tasks` (SEP-2663): a server may answer a call
//! with one, and everything about it is asked for by polling.

use std::sync::Arc;
use std::time::Duration;

use crate::exchange::Exchange;
use crate::exchange::ask::InputRequest;
use crate::exchange::deadline::Limits;
use crate::exchange::task;
use crate::exchange::task::Dialect;
use crate::upstream::Error;
use crate::upstream::Fault;
use crate::upstream::connection::Connection;
use crate::upstream::converse::Sending;
use crate::upstream::converse::Whom;
use crate::upstream::converse::converse;
use crate::upstream::error::Executed;
use crate::upstream::modern;
use crate::upstream::session::Session;
use crate::upstream::task::Audience;
use crate::upstream::task::public;
use crate::upstream::task::shape;
use crate::upstream::task::shape::Status;
use crate::upstream::task::waiting::Waiting;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::method;
use crate::wire::object;

/// Returns whether the upstream has such tasks.
pub(super) fn is_known(session: &Session) -> bool {
    session.agreed.can(&["extensions", task::EXTENSION])
}

/// Of what a request's client can do, the part that Conflux passes on to a modern upstream.
///
/// The extension is among it exactly if the caller knows it, or Conflux waits in its place.
pub(in crate::upstream) fn offer(exchange: &Exchange) -> Raw {
    let offer = crate::upstream::offer(exchange.capabilities());
    if exchange.wishes().tasks != Dialect::Extension {
        return offer;
    }
    let declared = exchange.capabilities().raw().and_then(|raw| {
        raw.member("extensions")?.member(task::EXTENSION).map(|settings| settings.detached())
    });
    let settings = declared.unwrap_or_else(|| object::build([]));
    let others = offer.member("extensions").unwrap_or_else(|| object::build([]));
    let Ok(others) = others.object() else { return offer };
    let extensions = others.edit().set(task::EXTENSION, settings.get()).apply();
    match offer.object() {
        Ok(object) => object.edit().set("extensions", extensions.get()).apply(),
        Err(_) => offer,
    }
}

/// Returns whether a result is a task that its caller can be given.
pub(in crate::upstream) fn has_passed(method: &str, exchange: &Exchange, result: &Raw) -> bool {
    let is_about_tasks = matches!(
        method,
        method::TOOLS_CALL | method::TASKS_GET | method::TASKS_UPDATE | method::TASKS_CANCEL
    );
    is_about_tasks && exchange.wishes().tasks == Dialect::Extension && shape::is_task(result)
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
    let public = public(connection, exchange.caller(), Dialect::Extension, id);
    let result = shown(connection, &result, &public);
    match result.object() {
        // Only the answer to a call is marked as a task (SEP-2663, "Polymorphic Results").
        Ok(object) if shape::is_task(&result) => {
            Ok(object.edit().set("resultType", "\"complete\"").apply())
        }
        _ => Ok(result),
    }
}

/// Returns a task as its caller may see it: under the id it knows, its questions as it
/// may see them.
pub(super) fn shown(connection: &Connection, task: &Raw, public: &str) -> Raw {
    let task = shape::renamed(task, public);
    let Some(requests) = task.member("inputRequests") else { return task };
    let Ok(object) = requests.object() else { return task };
    let presented = object.iter().map(|(key, text)| {
        let request = requests.part(text);
        let present = || {
            let question = InputRequest::parse(
                &request.member("method")?.string()?,
                request.member("params"),
            )?;
            let params = question.presented(connection.upstream())?;
            Some(request.object().ok()?.edit().set("params", params.get()).apply())
        };
        (key.to_owned(), present().unwrap_or_else(|| request.clone()))
    });
    let presented: Vec<(String, Raw)> = presented.collect();
    let all = object::build(presented.iter().map(|(key, raw)| (key.as_str(), raw.get())));
    match task.object() {
        Ok(object) => object.edit().set("inputRequests", all.get()).apply(),
        Err(_) => task.clone(),
    }
}

/// Gives a task the input it waits for, as far as it was not given before.
pub(super) async fn give_input(
    session: &Session,
    exchange: &Exchange,
    task: &Raw,
    answered: &mut Vec<String>,
) -> Result<(), Fault> {
    let connection = &session.connection;
    let Some(id) = task.member("taskId") else { return Ok(()) };
    let mut questions = modern::questions(connection, task)?;
    questions.retain(|(key, _)| !answered.contains(key));
    if questions.is_empty() {
        return Ok(());
    }
    answered.extend(questions.iter().map(|(key, _)| key.clone()));
    let answers =
        modern::ask(connection, exchange, questions).await.map_err(|fault| match fault {
            // Unlike a call that asks first, a task is at work already.
            Fault::Failed(error) => Error { executed: Executed::Unknown, ..error }.into(),
            other => other,
        })?;
    let answers = object::build(answers.iter().map(|(key, raw)| (key.as_str(), raw.get())));
    let params = object::build([("taskId", id.get()), ("inputResponses", answers.get())]);
    let knowing = exchange.knowing(Dialect::Extension).within(Limits::of(super::CANCEL_LIMIT));
    session.request(method::TASKS_UPDATE, Some(&params), &knowing).await?;
    Ok(())
}

/// Has a task ended that nobody waits for; in either dialect, on nobody's behalf.
pub(super) async fn end(
    session: &Session,
    dialect: Dialect,
    params: &Raw,
    limit: Duration,
) -> Result<Raw, Fault> {
    let method = method::TASKS_CANCEL;
    if dialect == Dialect::Core {
        return session.ask(method, Some(params), limit).await;
    }
    let offer = Raw::of(&serde_json::json!({ "extensions": { task::EXTENSION: {} } }));
    let params = modern::with_capabilities(Some(params), &offer);
    let sending = Sending { method, whom: Whom::Conflux(limit) };
    converse(&session.connection, sending, |_| params).await
}

/// Gives the caller a task that a call was answered with, or the result.
fn passed(connection: &Connection, exchange: &Exchange, result: Raw) -> Raw {
    let Some(status) = Status::created(&result, Dialect::Extension) else { return result };
    let audience = Audience::Caller { caller: Arc::downgrade(exchange.caller()), token: None };
    // No request has this number, so no progress is taken for that of the task.
    connection.live().begin(0, audience, &status);
    let public = public(connection, exchange.caller(), Dialect::Extension, &status.id);
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
