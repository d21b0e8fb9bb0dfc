//! Which path leads where.

use std::sync::Arc;

use axum::Router as Paths;
use axum::body::Body;
use axum::extract::Path;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::Method;
use axum::http::StatusCode;
use axum::middleware;
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use axum::response::Response;
use axum::routing::any;

use crate::config::suggest;
use crate::downstream::codes;
use crate::downstream::http::Shared;
use crate::downstream::http::accept::Peer;
use crate::downstream::http::body;
use crate::downstream::http::body::Received;
use crate::downstream::http::cors;
use crate::downstream::http::headers;
use crate::downstream::http::legacy;
use crate::downstream::http::modern;
use crate::downstream::http::probes;
use crate::downstream::http::sessions;
use crate::downstream::http::sse;
use crate::downstream::http::status;
use crate::downstream::http::status::Reason;
use crate::downstream::http::status::Refusal;
use crate::downstream::outbox::Verdict;
use crate::router::Router;
use crate::router::View;
use crate::wire::code;
use crate::wire::frame;
use crate::wire::frame::Defect;
use crate::wire::frame::Message;
use crate::wire::meta::RequestMeta;

/// How many names a message lists.
const NAMED_LIMIT: usize = 20;
/// How much of what a client sent is said back to it, in characters.
const SHOWN_LIMIT: usize = 200;

/// What tells where a request belongs and who answers it.
type Front = State<Arc<Shared>>;

/// Returns everything that can be asked for.
pub(super) fn all(front: Arc<Shared>) -> Paths {
    Paths::new()
        .route("/mcp", any(everything))
        .route("/servers/{name}/mcp", any(server))
        .route("/profiles/{name}/mcp", any(profile))
        .route("/sse", any(channel))
        .route(sse::MESSAGES, any(channel_message))
        .fallback(nowhere)
        .layer(cors::layer(Arc::clone(&front)))
        .layer(middleware::from_fn_with_state(Arc::clone(&front), guard))
        // Not behind the guard: strangers are told next to nothing there.
        .route(probes::HEALTH, any(probes::health))
        .route(probes::READINESS, any(probes::readiness))
        .with_state(front)
}

/// Lets through what comes under a known name and from a trusted web page, and notes in the log
/// what is refused, here or later.
async fn guard(State(front): Front, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.to_string());
    let (method, path) = (shown(request.method().as_str()), shown(request.uri().path()));
    let response = match front.guard.admit(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    if let Some(Reason(reason)) = response.extensions().get() {
        let (status, reason) = (response.status().as_u16(), shown(reason));
        // Texts are escaped as they are written: nobody outside can make up a line.
        tracing::info!(peer, ?method, ?path, status, ?reason, "refused");
    }
    response
}

async fn everything(State(front): Front, request: Request) -> Result<Response, Refusal> {
    let router = Arc::clone(&front.service.router);
    mcp(&front, router, request).await
}

/// One upstream alone.
async fn server(
    State(front): Front,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    part(&front, &View::Server(name), request).await
}

/// One profile.
async fn profile(
    State(front): Front,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    part(&front, &View::Profile(name), request).await
}

async fn part(front: &Arc<Shared>, view: &View, request: Request) -> Result<Response, Refusal> {
    let router = &front.service.router;
    let found = match router.view(view) {
        // Who has a session there keeps it; there is nothing to be seen any more.
        None if sessions::is_named(request.headers()) => router.known_view(view),
        found => found,
    };
    match found {
        Some(router) => mcp(front, router, request).await,
        None => Err(no_such_part(view, &router.views())),
    }
}

/// Says which parts there are in the place of one that there is not.
fn no_such_part(wanted: &View, views: &[View]) -> Refusal {
    let (what, wanted) = match wanted {
        View::Server(name) => ("server", name),
        View::Profile(name) => ("profile", name),
    };
    let names = views.iter().filter_map(|view| match (what, view) {
        ("server", View::Server(name)) | ("profile", View::Profile(name)) => Some(name.as_str()),
        _ => None,
    });
    let wanted = shown(wanted);
    let nearest = suggest::nearest(&wanted, names.clone());
    let meant = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
    let mut names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let left_out = names.len().saturating_sub(NAMED_LIMIT);
    names.truncate(NAMED_LIMIT);
    let there_are = match (names.is_empty(), left_out) {
        (true, _) => "there is none".to_owned(),
        (false, 0) => format!("there are {}", names.join(", ")),
        (false, _) => format!("there are {} and {left_out} more", names.join(", ")),
    };
    let problem = format!("there is no {what} `{wanted}`; {there_are}{meant}");
    Refusal::new(StatusCode::NOT_FOUND, &problem)
}

/// Shortens what a client sent, for a message to it.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_LIMIT).collect()
}

/// Where a client of 2024-11-05 opens its stream.
async fn channel(State(front): Front, request: Request) -> Result<Response, Refusal> {
    if request.method() != Method::GET {
        let problem = "open a stream with GET; messages go to the address that it gives";
        return Err(Refusal::not_allowed("GET", problem));
    }
    sse::open(&front, request.headers())
}

/// Where it posts its messages.
async fn channel_message(State(front): Front, request: Request) -> Result<Response, Refusal> {
    if request.method() != Method::POST {
        return Err(Refusal::not_allowed("POST", "messages are posted here"));
    }
    let (head, body) = request.into_parts();
    sse::post(&front, &head.uri, &head.headers, body).await
}

async fn nowhere(request: Request) -> Refusal {
    let path = shown(request.uri().path());
    let problem = format!(
        "there is nothing at `{path}`; everything is at `/mcp` (and for clients of 2024-11-05 at \
         `/sse`), one server alone at `/servers/{{name}}/mcp`, a profile at \
         `/profiles/{{name}}/mcp`"
    );
    Refusal::new(StatusCode::NOT_FOUND, &problem)
}

/// The one path of Streamable HTTP.
async fn mcp(
    front: &Arc<Shared>,
    router: Arc<Router>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    match head.method {
        Method::POST => post(front, router, &head.headers, body).await,
        Method::GET | Method::DELETE if !sessions::is_named(&head.headers) => {
            let problem = "without a session there is only POST here";
            Err(Refusal::not_allowed("POST", problem))
        }
        Method::GET => legacy::listen(front, &router, &head.headers),
        Method::DELETE => legacy::end(front, &router, &head.headers),
        _ => Err(Refusal::not_allowed("GET, POST, DELETE", "this method leads nowhere")),
    }
}

async fn post(
    front: &Arc<Shared>,
    router: Arc<Router>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    headers::is_plain_json(headers)?;
    headers::takes_both(headers)?;
    let service = &front.service;
    let Received { bytes, room, spare } =
        body::read(body, service.limits.message, front.request_time, &service.room).await?;
    let read = frame::read(bytes);
    // It was seen what it is.
    drop(spare);
    let message = match read {
        Ok(message) => message,
        Err(Defect::Batch(array)) => {
            let array = legacy::Batch { array, room };
            return legacy::batch(front, &router, headers, array).await;
        }
        Err(defect) => {
            let (id, error) = codes::defect(&defect);
            return Err(Refusal::of(StatusCode::BAD_REQUEST, id, error));
        }
    };
    match message {
        Message::Request(request) => {
            let meta = RequestMeta::read(request.params.as_ref());
            let is_modern = modern::is_modern(headers, &request, &meta);
            if let Some(error) = room.refusal(&request, &service.room) {
                let verdict = Verdict::Refused(code::INTERNAL_ERROR);
                let status = if is_modern { status::modern } else { status::legacy };
                return Err(Refusal::of(status(verdict), Some(&request.id), error));
            }
            if is_modern {
                return modern::request(front, router, headers, request, &meta).await;
            }
            legacy::message(front, &router, headers, Message::Request(request)).await
        }
        message => legacy::message(front, &router, headers, message).await,
    }
}
