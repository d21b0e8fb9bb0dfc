//! Streamable HTTP: legacy sessions, modern requests, and streams that can be resumed.

use std::borrow::Cow;
use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::Method;
use hyper::Request;
use hyper::StatusCode;
use hyper::body::Incoming as Body;
use serde_json::Value;
use serde_json::json;

use crate::flags::Eras;
use crate::http::Reply;
use crate::http::Session;
use crate::http::Web;
use crate::http::events;
use crate::http::reply;
use crate::serve;
use crate::serve::Toy;
use crate::stream::Flow;
use crate::stream::Stream;
use crate::tools::MIRRORED;
use crate::wire::Incoming;
use crate::wire::STREAM;

const SESSION: &str = "mcp-session-id";
/// The id under which a server without ids keeps its session.
const ANONYMOUS: &str = "anonymous";

pub(crate) async fn answer(web: &Arc<Web>, stateless: &Arc<Toy>, request: Request<Body>) -> Reply {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    match parts.method {
        Method::POST => {
            let Ok(body) = body.collect().await else { return bad("no body") };
            let Ok(message) = serde_json::from_slice::<Incoming>(&body.to_bytes()) else {
                return bad("this is no JSON-RPC message");
            };
            post(web, stateless, &headers, message).await
        }
        Method::GET if web.flags.era != Eras::Modern && !web.flags.no_get => listen(web, &headers),
        Method::DELETE if web.flags.era != Eras::Modern => match find(web, &headers) {
            Ok((id, _)) => {
                web.shared().sessions.remove(&id);
                reply(StatusCode::OK, "text/plain", "")
            }
            Err(refusal) => *refusal,
        },
        _ => reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "Method Not Allowed"),
    }
}

async fn post(
    web: &Arc<Web>,
    stateless: &Arc<Toy>,
    headers: &HeaderMap,
    message: Incoming,
) -> Reply {
    let method = message.method.clone().unwrap_or_default();
    web.count(&method);
    let looks_modern = message.params.parts.meta.revision.is_some();
    let is_modern = match web.flags.era {
        Eras::Modern => true,
        Eras::Legacy => false,
        Eras::Dual | Eras::Locked => looks_modern,
    };
    if is_modern {
        if let Some(id) = &message.id
            && let Some(refusal) = mismatch(&message, headers, id.get())
        {
            return reply(StatusCode::BAD_REQUEST, "application/json", &refusal);
        }
        return respond(web, stateless, headers, message, None).await;
    }
    if method == "initialize" {
        let (id, session) = web.open();
        let id = if web.flags.no_session_id { ANONYMOUS.to_owned() } else { id };
        web.shared().sessions.insert(id.clone(), session.clone());
        return respond(web, &session.toy, headers, message, Some(&id)).await;
    }
    match find(web, headers) {
        Ok((_, session)) => respond(web, &session.toy, headers, message, None).await,
        Err(refusal) => *refusal,
    }
}

/// Finds the session that the headers name.
fn find(web: &Web, headers: &HeaderMap) -> Result<(String, Session), Box<Reply>> {
    let named = headers.get(SESSION).and_then(|id| id.to_str().ok());
    let id = if web.flags.no_session_id { Some(ANONYMOUS) } else { named };
    let Some(id) = id else { return Err(Box::new(bad("no session is named"))) };
    let session = web.shared().sessions.get(id).cloned();
    session.map(|session| (id.to_owned(), session)).ok_or_else(|| {
        let status = StatusCode::from_u16(web.flags.lost).unwrap_or(StatusCode::NOT_FOUND);
        Box::new(refusal(status, -32001, "Session not found"))
    })
}

async fn respond(
    web: &Arc<Web>,
    toy: &Arc<Toy>,
    headers: &HeaderMap,
    message: Incoming,
    session: Option<&str>,
) -> Reply {
    let is_modern = message.params.parts.meta.revision.is_some();
    let id = message.id.as_ref().map(|id| id.get().to_owned());
    let stream = web.stream(headers);
    let Some(answering) = serve::receive(toy, message) else {
        return reply(StatusCode::ACCEPTED, "text/plain", "");
    };
    let answered = Arc::clone(&stream);
    web.tasks.spawn(async move {
        STREAM.scope(Arc::clone(&answered), answering).await;
        answered.end();
    });
    let leaving = Leaving { toy: Arc::clone(toy), id: id.filter(|_| is_modern) };
    let mut reply = match stream.first().await {
        Some(all) if web.flags.json || is_refusal(&all) => {
            leaving.stay();
            let last = all.last().cloned().unwrap_or_default();
            reply(status(is_modern, &last), "application/json", &last)
        }
        None if web.flags.json => {
            while stream.first().await.is_none() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            leaving.stay();
            let all = stream.first().await.unwrap_or_default();
            reply(StatusCode::OK, "application/json", all.last().map_or("", String::as_str))
        }
        _ => send(web, stream, 0, leaving),
    };
    if let Some(id) = session.filter(|id| *id != ANONYMOUS)
        && let Ok(id) = id.parse()
    {
        reply.headers_mut().insert(SESSION, id);
    }
    reply
}

/// Sends a stream from `start` on; a modern client that leaves takes its request back.
fn send(web: &Web, stream: Arc<Stream>, start: usize, leaving: Leaving) -> Reply {
    let (body, flow) = Flow::new();
    let ids = web.flags.event_ids;
    web.tasks.spawn(async move {
        if !stream.pump(start, ids, &body).await {
            leaving.stay();
        }
    });
    events(flow)
}

/// Cancels the request of a client that leaves, unless it stays to the end.
struct Leaving {
    toy: Arc<Toy>,
    id: Option<String>,
}

impl Leaving {
    fn stay(mut self) {
        self.id = None;
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let Some(id) = &self.id else { return };
        if let Some(token) = self.toy.state().running.get(id) {
            token.cancel();
        }
    }
}

/// Opens the stream outside of requests, or the rest of one.
fn listen(web: &Web, headers: &HeaderMap) -> Reply {
    let (_, session) = match find(web, headers) {
        Ok(found) => found,
        Err(refusal) => return *refusal,
    };
    let leaving = Leaving { toy: Arc::clone(&session.toy), id: None };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let Some((number, position)) = last.and_then(|id| id.split_once('_')) else {
        let start = session.aside.read();
        return send(web, session.aside, start, leaving);
    };
    let found = number.parse().ok().and_then(|number| web.shared().streams.get(&number).cloned());
    match (found, position.parse()) {
        (Some(stream), Ok(position)) => send(web, stream, position, leaving),
        _ => bad("no such event"),
    }
}

fn is_refusal(all: &[String]) -> bool {
    let [only] = all else { return false };
    let message: Value = serde_json::from_str(only).unwrap_or_default();
    message.get("error").is_some()
}

/// The status of a modern answer follows its error.
fn status(is_modern: bool, answer: &str) -> StatusCode {
    let message: Value = serde_json::from_str(answer).unwrap_or_default();
    let code = message.pointer("/error/code").and_then(Value::as_i64);
    match code {
        Some(-32601) if is_modern => StatusCode::NOT_FOUND,
        Some(-32022..=-32020 | -32602) if is_modern => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

fn bad(words: &str) -> Reply {
    refusal(StatusCode::BAD_REQUEST, -32000, &format!("Bad Request: {words}"))
}

fn refusal(status: StatusCode, code: i32, message: &str) -> Reply {
    let error = json!({"code": code, "message": message});
    let answer = json!({"jsonrpc": "2.0", "error": error, "id": null});
    reply(status, "application/json", &answer.to_string())
}

/// Says which header contradicts the body of a modern request, if one does.
fn mismatch(message: &Incoming, headers: &HeaderMap, id: &str) -> Option<String> {
    let parts = &message.params.parts;
    let method = message.method.as_deref().unwrap_or_default();
    let named = match method {
        "tools/call" | "prompts/get" => parts.name.clone(),
        "resources/read" => parts.uri.clone(),
        "tasks/get" | "tasks/update" | "tasks/cancel" => parts.task_id.clone(),
        _ => None,
    };
    let arguments = parts.arguments.as_ref().map_or("{}", |arguments| arguments.get());
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
    let region = arguments.get("region").and_then(Value::as_str).map(str::to_owned);
    let region = region.filter(|_| parts.name.as_deref() == Some(MIRRORED));
    let wanted = [
        ("mcp-protocol-version", parts.meta.revision.clone()),
        ("mcp-method", Some(method.to_owned())),
        ("mcp-name", named),
        ("mcp-param-region", region),
    ];
    let is_wrong = |(name, wanted): &(&str, Option<String>)| {
        let value = headers
            .get(*name)
            .and_then(|value| conflux::wire::header::decode(value.as_bytes()).map(Cow::into_owned));
        value != *wanted
    };
    let (name, _) = wanted.iter().find(|it| is_wrong(it))?;
    let message = format!("`{name}` does not say what the body says");
    let error = json!({"code": -32020, "message": message});
    Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
}
