//! Which path leads where.

use std::sync::Arc;

use hyper::HeaderMap;
use hyper::Method;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::config::suggest;
use crate::downstream::codes;
use crate::downstream::http::Shared;
use crate::downstream::http::access::Visitor;
use crate::downstream::http::body;
use crate::downstream::http::body::Received;
use crate::downstream::http::context;
use crate::downstream::http::cors;
use crate::downstream::http::headers;
use crate::downstream::http::legacy;
use crate::downstream::http::listener::Peer;
use crate::downstream::http::modern;
use crate::downstream::http::paths;
use crate::downstream::http::probes;
use crate::downstream::http::response::Body;
use crate::downstream::http::response::Response;
use crate::downstream::http::sessions;
use crate::downstream::http::sse;
use crate::downstream::http::status;
use crate::downstream::http::status::Refusal;
use crate::downstream::outbox::Verdict;
use crate::router::Router;
use crate::router::View;
use crate::telemetry::metrics::Refusal as Refused;
use crate::wire::code;
use crate::wire::frame;
use crate::wire::frame::Defect;
use crate::wire::frame::Message;
use crate::wire::meta::RequestMeta;

/// How many names a message lists.
const NAMED_LIMIT: usize = 20;
/// How much of what a client sent is said back to it, in characters.
const SHOWN_LIMIT: usize = 200;

/// Answers one request, whoever sent it.
pub(super) async fn answer(
    front: &Arc<Shared>,
    peer: &Peer,
    head: Parts,
    body: &mut Incoming,
) -> hyper::Response<Body> {
    // Not behind the guard: strangers are told next to nothing there.
    // Whoever brings no token where tokens are needed is told as little as a strange web page.
    // So is everybody where a policy hides something from somebody: who asks is nobody known.
    let is_trusted = || {
        let is_open = front.access.is_open() && !front.service.router.hides_anything();
        is_open && front.guard.admit(&head.uri, &head.headers).is_ok()
    };
    let response = match probes::respond(&front.service.router, &head, is_trusted) {
        Some(response) => response,
        None => guarded(front, peer, &head, body).await,
    };
    let response = if head.method == Method::HEAD { response.without_body() } else { response };
    response.write(head.headers)
}

/// Lets through what comes under a known name and from a trusted web page, and notes in the log
/// what is refused, here or later.
async fn guarded(front: &Arc<Shared>, peer: &Peer, head: &Parts, body: &mut Incoming) -> Response {
    let metrics = &front.service.router.telemetry().metrics;
    let response = match front.guard.admit(&head.uri, &head.headers) {
        Err(refusal) => {
            metrics.refused(Refused::Stranger);
            refusal.into()
        }
        Ok(()) if head.method == Method::OPTIONS => cors::preflight(&head.headers),
        Ok(()) => {
            let response = match front.access.metadata(head).await {
                Some(response) => response,
                None => admitted(front, peer, head, body).await.unwrap_or_else(Response::from),
            };
            if response.refusal().is_some() {
                metrics.refused(why(response.status()));
            }
            cors::readable(response, &head.headers)
        }
    };
    if let Some(reason) = response.refusal() {
        let (method, path) = (shown(head.method.as_str()), shown(head.uri.path()));
        front.service.turned_away(peer, response.status().as_u16(), reason);
        let (status, reason) = (response.status().as_u16(), shown(reason));
        // Texts are escaped as they are written: nobody outside can make up a line.
        let (method, path, reason) = (method.as_str(), path.as_str(), reason.as_str());
        tracing::info!(peer = peer.to_string(), method, path, status, reason, "refused");
    }
    response
}

/// Finds out who comes before anything is looked for.
async fn admitted(
    front: &Arc<Shared>,
    peer: &Peer,
    head: &Parts,
    body: &mut Incoming,
) -> Result<Response, Refusal> {
    let visitor = front.access.identify(head, peer).await?;
    route(front, &visitor, head, body).await
}

/// Returns the word for why a request got no further.
fn why(status: StatusCode) -> Refused {
    match status {
        StatusCode::UNAUTHORIZED => Refused::Unauthenticated,
        StatusCode::FORBIDDEN => Refused::Denied,
        StatusCode::NOT_FOUND => Refused::Unknown,
        StatusCode::PAYLOAD_TOO_LARGE => Refused::TooLarge,
        StatusCode::SERVICE_UNAVAILABLE => Refused::TooMany,
        // In a session, where the status says nothing.
        StatusCode::TOO_MANY_REQUESTS | StatusCode::OK => Refused::NoRoom,
        _ => Refused::Invalid,
    }
}

/// Takes a request where its path leads.
///
/// What becomes of it there has a place of its own: what a connection holds is moved a dozen times
/// until it runs.
async fn route(
    front: &Arc<Shared>,
    visitor: &Visitor,
    head: &Parts,
    body: &mut Incoming,
) -> Result<Response, Refusal> {
    match head.uri.path() {
        "/mcp" => {
            let router = everything(front, visitor, &head.headers)?;
            Box::pin(mcp(front, router, visitor, head, body)).await
        }
        paths::STREAM => channel(front, visitor, head),
        paths::MESSAGES => Box::pin(channel_message(front, visitor, head, body)).await,
        path => match part_of(path) {
            Some(view) => {
                let router = part(front, &view, visitor, &head.headers)?;
                Box::pin(mcp(front, router, visitor, head, body)).await
            }
            None => Err(nowhere(path)),
        },
    }
}

/// Returns which part of everything a path leads to: one upstream alone, or one profile.
fn part_of(path: &str) -> Option<View> {
    let mut steps = path.strip_prefix('/')?.split('/');
    let (kind, name) = (steps.next()?, steps.next().filter(|name| !name.is_empty())?);
    if steps.next() != Some("mcp") || steps.next().is_some() {
        return None;
    }
    let name = || percent_decode_str(name).decode_utf8_lossy().into_owned();
    match kind {
        "servers" => Some(View::Server(name())),
        "profiles" => Some(View::Profile(name())),
        _ => None,
    }
}

/// Returns the router of all that a visitor may look at who asks for no part: everything, or the
/// first of the profiles that are theirs.
fn everything(
    front: &Shared,
    visitor: &Visitor,
    headers: &HeaderMap,
) -> Result<Arc<Router>, Refusal> {
    match visitor.principal.bounds().profiles.as_ref().and_then(|profiles| profiles.first()) {
        Some(profile) => part(front, &View::Profile(profile.clone()), visitor, headers),
        None => Ok(Arc::clone(&front.service.router)),
    }
}

fn part(
    front: &Shared,
    view: &View,
    visitor: &Visitor,
    headers: &HeaderMap,
) -> Result<Arc<Router>, Refusal> {
    let router = &front.service.router;
    // A part that is not theirs is like one that there is not.
    let is_theirs = |view: &View| view.is_within(visitor.principal.bounds());
    let found = match router.view(view) {
        // Who has a session there keeps it; there is nothing to be seen any more.
        None if sessions::is_named(headers) => router.known_view(view),
        found => found,
    };
    found.filter(|_| is_theirs(view)).ok_or_else(|| {
        // Of some they may see nothing: then names are for who asks for the right one.
        let hides = router.hides_anything() || visitor.principal.bounds().tools.is_some();
        let theirs = || router.views().into_iter().filter(is_theirs).collect();
        no_such_part(view, (!hides).then(theirs))
    })
}

/// Says which parts there are in the place of one that there is not, if that may be told.
fn no_such_part(wanted: &View, views: Option<Vec<View>>) -> Refusal {
    let (what, wanted) = match wanted {
        View::Server(name) => ("server", name),
        View::Profile(name) => ("profile", name),
    };
    let Some(views) = views else {
        let problem = format!("there is no {what} `{}`", shown(wanted));
        return Refusal::new(StatusCode::NOT_FOUND, &problem);
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
fn channel(front: &Arc<Shared>, visitor: &Visitor, head: &Parts) -> Result<Response, Refusal> {
    if head.method != Method::GET {
        let problem = "open a stream with GET; messages go to the address that it gives";
        return Err(Refusal::not_allowed("GET", problem));
    }
    let router = everything(front, visitor, &head.headers)?;
    sse::open(front, router, visitor, &head.headers)
}

/// Where it posts its messages.
async fn channel_message(
    front: &Shared,
    visitor: &Visitor,
    head: &Parts,
    body: &mut Incoming,
) -> Result<Response, Refusal> {
    if head.method != Method::POST {
        return Err(Refusal::not_allowed("POST", "messages are posted here"));
    }
    sse::post(front, visitor, &head.uri, &head.headers, body).await
}

fn nowhere(path: &str) -> Refusal {
    let path = shown(path);
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
    visitor: &Visitor,
    head: &Parts,
    body: &mut Incoming,
) -> Result<Response, Refusal> {
    match head.method {
        Method::POST => post(front, router, visitor, &head.headers, body).await,
        Method::GET | Method::DELETE if !sessions::is_named(&head.headers) => {
            let problem = "without a session there is only POST here";
            Err(Refusal::not_allowed("POST", problem))
        }
        Method::GET => legacy::listen(front, &router, visitor, &head.headers),
        Method::DELETE => legacy::end(front, &router, visitor, &head.headers),
        _ => Err(Refusal::not_allowed("GET, POST, DELETE", "this method leads nowhere")),
    }
}

async fn post(
    front: &Arc<Shared>,
    router: Arc<Router>,
    visitor: &Visitor,
    headers: &HeaderMap,
    body: &mut Incoming,
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
            return Box::pin(legacy::batch(front, &router, visitor, headers, array)).await;
        }
        Err(defect) => {
            let (id, error) = codes::defect(&defect);
            return Err(Refusal::of(StatusCode::BAD_REQUEST, id, error));
        }
    };
    match message {
        Message::Request(mut request) => {
            if router.telemetry().tracer.is_on() {
                context::adopt(headers, &mut request);
            }
            let meta = RequestMeta::read(request.params.as_ref());
            let is_modern = modern::is_modern(headers, &request, &meta);
            if let Some(error) = room.refusal(&request, &service.room) {
                let verdict = Verdict::Refused(code::INTERNAL_ERROR);
                let status = if is_modern { status::modern } else { status::legacy };
                return Err(Refusal::of(status(verdict), Some(&request.id), error));
            }
            if is_modern {
                return modern::request(front, router, visitor, headers, request, &meta).await;
            }
            legacy::message(front, &router, visitor, headers, Message::Request(request)).await
        }
        message => legacy::message(front, &router, visitor, headers, message).await,
    }
}
