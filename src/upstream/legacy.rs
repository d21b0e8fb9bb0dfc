//! The edge towards upstreams of 2024-11-05 to 2025-11-25.

use crate::exchange::Exchange;
use crate::exchange::ask::InputRequest;
use crate::upstream::client_info;
use crate::upstream::connection::Connection;
use crate::upstream::converse::Sending;
use crate::upstream::converse::Whom;
use crate::upstream::converse::converse;
use crate::upstream::error::Executed;
use crate::upstream::error::Fault;
use crate::upstream::error::Kind;
use crate::upstream::task::registry::Role;
use crate::upstream::visits;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::meta;
use crate::wire::method;
use crate::wire::object;

/// How often one request may want addresses visited first before that is taken for a loop.
const ROUNDS: u32 = 32;

/// Carries out one request of a caller, and again after it visited what had to be visited first.
pub(super) async fn request(
    connection: &Connection,
    method: &str,
    params: Option<&Raw>,
    exchange: &Exchange,
) -> Result<Raw, Fault> {
    carry_out(connection, method, params, exchange, None).await
}

/// Carries out one request of a caller that has something to do with a task.
pub(super) async fn request_as(
    connection: &Connection,
    method: &str,
    params: Option<&Raw>,
    exchange: &Exchange,
    role: Role,
) -> Result<Raw, Fault> {
    carry_out(connection, method, params, exchange, Some(role)).await
}

async fn carry_out(
    connection: &Connection,
    method: &str,
    params: Option<&Raw>,
    exchange: &Exchange,
    role: Option<Role>,
) -> Result<Raw, Fault> {
    for _ in 0..ROUNDS {
        let outcome = once(connection, method, params, exchange, role.clone()).await;
        let Err(Fault::Answered(error)) = outcome else { return outcome };
        let Some(questions) = visits::questions(&error, method, exchange.capabilities()) else {
            connection.visits().note_all(&error, exchange.caller());
            return Err(Fault::Answered(error));
        };
        Box::pin(visited(connection, exchange, questions)).await?;
    }
    let detail = format!("it wanted visits {ROUNDS} times in a row");
    Err(connection.error(Kind::BadAnswer, &detail, Executed::No).into())
}

/// Has the caller visit what it has to visit first.
async fn visited(
    connection: &Connection,
    exchange: &Exchange,
    questions: Vec<(String, InputRequest)>,
) -> Result<(), Fault> {
    let asked = exchange.ask(connection.upstream(), questions);
    let answers = tokio::select! {
        answers = asked => answers,
        () = exchange.cancelled().cancelled() => return Err(Fault::Cancelled),
    };
    let agreed = answers.map_err(|refusal| refusal.to_string()).and_then(|answers| {
        visits::agreed(answers).map_err(|said| format!("the visit was answered with: {said}"))
    });
    agreed.map_err(|detail| connection.error(Kind::InputRefused, &detail, Executed::No).into())
}

async fn once(
    connection: &Connection,
    method: &str,
    params: Option<&Raw>,
    exchange: &Exchange,
    role: Option<Role>,
) -> Result<Raw, Fault> {
    let sending = Sending { method, whom: Whom::Caller(exchange) };
    converse(connection, sending, |number| {
        if let Some(role) = role {
            connection.assign(number, role);
        }
        let token = exchange.wants_progress().then(|| number.to_string());
        let wanted = token.as_deref().map(|token| (meta::PROGRESS_TOKEN, token));
        // A server that speaks both eras would take it for a modern request.
        meta::edit(params, wanted.as_slice(), &meta::FOR_THE_RECEIVER)
    })
    .await
}

/// Opens the session. `offer` is what Conflux can have answered for the upstream.
pub(super) fn initialize(offer: &Raw) -> Raw {
    Raw::of(&serde_json::json!({
        "protocolVersion": Revision::LATEST_LEGACY.as_str(),
        "capabilities": offer,
        "clientInfo": client_info::own(),
    }))
}

/// Says that the session is open.
pub(super) async fn initialized(connection: &Connection) {
    connection.notify(method::INITIALIZED, None).await;
}

/// Returns the parameters of a request about the resource `uri`.
pub(super) fn address(uri: &str) -> Raw {
    object::build([("uri", Raw::of(uri).get())])
}
