//! The toy over HTTP: one listener, a few odd places, and the endpoints of both transports.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use http_body_util::BodyExt as _;
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use hyper::Request;
use hyper::Response;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::header::CONTENT_ENCODING;
use hyper::header::CONTENT_TYPE;
use hyper::header::LOCATION;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::flags::Flags;
use crate::lists::Files;
use crate::serve::Toy;
use crate::sse;
use crate::stream::Flow;
use crate::stream::Stream;
use crate::streamable;
use crate::wire::Out;

pub(crate) type Reply = Response<BoxBody<Bytes, Infallible>>;

/// What all sessions share.
pub(crate) struct Web {
    pub(crate) flags: Flags,
    files: Files,
    pub(crate) tasks: TaskTracker,
    shared: Mutex<Shared>,
}

#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) sessions: HashMap<String, Session>,
    /// The streams that can be resumed, by their number.
    pub(crate) streams: HashMap<u64, Arc<Stream>>,
    last: u64,
    /// How many requests there were, by HTTP method or by the method in the body.
    counts: HashMap<String, u64>,
}

/// One legacy session.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) toy: Arc<Toy>,
    /// What belongs to no request.
    pub(crate) aside: Arc<Stream>,
}

impl Web {
    pub(crate) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn forget_sessions(&self) {
        self.shared().sessions.clear();
    }

    /// Returns how often tools were listed.
    pub(crate) fn lists(&self) -> u64 {
        self.shared().counts.get("tools/list").copied().unwrap_or(0)
    }

    /// How often a stream outside of requests was asked for, this time included.
    pub(crate) fn gets(&self) -> u64 {
        self.shared().counts.get("GET").copied().unwrap_or(0)
    }

    pub(crate) fn count(&self, what: &str) {
        *self.shared().counts.entry(what.to_owned()).or_default() += 1;
    }

    /// Returns the counts, and the headers of the request that `stream` answers, as JSON.
    pub(crate) fn facts(&self, stream: Option<&Stream>) -> String {
        let headers = stream.map(|stream| stream.headers.clone());
        let shared = self.shared();
        let (counts, sessions) = (&shared.counts, shared.sessions.len());
        json!({"counts": counts, "sessions": sessions, "headers": headers}).to_string()
    }

    pub(crate) fn stream(&self, headers: &hyper::HeaderMap) -> Arc<Stream> {
        let text = |value: &hyper::header::HeaderValue| {
            Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let headers: serde_json::Map<String, Value> =
            headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let mut shared = self.shared();
        shared.last += 1;
        let stream = Arc::new(Stream::new(shared.last, headers.into()));
        // Others cannot be resumed.
        if self.flags.event_ids {
            shared.streams.insert(stream.number, Arc::clone(&stream));
        }
        stream
    }

    /// Makes a session and returns it with its id.
    pub(crate) fn open(self: &Arc<Self>) -> (String, Session) {
        let aside = self.stream(&hyper::HeaderMap::new());
        let out = Out::beside(Arc::clone(&aside));
        let web = Some(Arc::clone(self));
        let toy = Toy::new(self.flags.clone(), self.files.clone(), out, web);
        let session = Session { toy, aside };
        let id = format!("session-{}", session.aside.number);
        self.shared().sessions.insert(id.clone(), session.clone());
        (id, session)
    }
}

/// Serves at `address` until stdin ends.
pub(crate) async fn serve(flags: Flags, address: SocketAddr) -> Result<(), String> {
    let files = Files::read(&flags)?;
    let listener = TcpListener::bind(address).await.map_err(|error| error.to_string())?;
    let bound = listener.local_addr().map_err(|error| error.to_string())?;
    let tasks = TaskTracker::new();
    let shared = Mutex::default();
    let web = Arc::new(Web { flags, files, tasks: tasks.clone(), shared });
    let (_, stateless) = web.open();
    web.forget_sessions();
    {
        let mut out = std::io::stdout().lock();
        let line = json!({"url": format!("http://{bound}")});
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| error.to_string())?;
    }
    let mut stdin = tokio::io::stdin();
    let mut byte = [0];
    loop {
        tokio::select! {
            read = stdin.read(&mut byte) => if !matches!(read, Ok(1..)) { return Ok(()) },
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                let (web, stateless) = (Arc::clone(&web), stateless.clone());
                let service = service_fn(move |request| {
                    let (web, stateless) = (Arc::clone(&web), stateless.clone());
                    async move { Ok::<_, Infallible>(route(&web, &stateless, request).await) }
                });
                tasks.spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    drop(server.serve_connection(TokioIo::new(socket), service).await);
                });
            }
        }
    }
}

async fn route(web: &Arc<Web>, stateless: &Session, request: Request<Incoming>) -> Reply {
    web.count(request.method().as_str());
    let path = request.uri().path().to_owned();
    let is_sse = web.flags.sse.is_some();
    match path.as_str() {
        "/mcp" if !is_sse => streamable::answer(web, &stateless.toy, request).await,
        "/sse" | "/sse-elsewhere" | "/messages" if is_sse => sse::answer(web, request).await,
        "/moved" => {
            // Who answers before it has read may cut off who still writes.
            drop(request.into_body().collect().await);
            redirect("/mcp")
        }
        "/elsewhere" => redirect("http://127.0.0.1:9/mcp?secret=1"),
        "/round" => redirect("/round"),
        "/html" => reply(StatusCode::OK, "text/html", "<html><body>A page.</body></html>"),
        "/endless" => endless(web),
        "/bomb" => bomb(),
        other if other.starts_with("/indiscreet/") => indiscreet(&request),
        other => {
            let status = other.strip_prefix("/status/").and_then(|number| number.parse().ok());
            let status = status.and_then(|number| StatusCode::from_u16(number).ok());
            let status = status.unwrap_or(StatusCode::NOT_FOUND);
            reply(status, "text/plain", &format!("the toy says {status}"))
        }
    }
}

pub(crate) fn reply(status: StatusCode, kind: &str, text: &str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(text.to_owned())).boxed());
    *reply.status_mut() = status;
    if let Ok(kind) = kind.parse() {
        reply.headers_mut().insert(CONTENT_TYPE, kind);
    }
    reply
}

/// A body that events are sent on while the client listens.
pub(crate) fn events(flow: Flow) -> Reply {
    let mut reply = Response::new(flow.boxed());
    if let Ok(kind) = "text/event-stream".parse() {
        reply.headers_mut().insert(CONTENT_TYPE, kind);
    }
    reply
}

fn redirect(place: &str) -> Reply {
    let mut reply = reply(StatusCode::TEMPORARY_REDIRECT, "text/plain", "over there");
    if let Ok(place) = place.parse() {
        reply.headers_mut().insert(LOCATION, place);
    }
    reply
}

/// Says back where the request came to and what it came with, and redirects it there.
fn indiscreet(request: &Request<Incoming>) -> Reply {
    let path = request.uri().path();
    let status = path.split('/').nth(2).and_then(|number| number.parse().ok());
    let status = status.and_then(|number| StatusCode::from_u16(number).ok());
    let key = request.headers().get(AUTHORIZATION).and_then(|key| key.to_str().ok());
    let words = format!("you came with {}", key.unwrap_or_default());
    let mut reply = reply(status.unwrap_or(StatusCode::NOT_FOUND), "text/plain", &words);
    if let Ok(place) = format!("{path}?from=here").parse() {
        reply.headers_mut().insert(LOCATION, place);
    }
    reply
}

/// An event that goes on until the client leaves.
fn endless(web: &Web) -> Reply {
    let (body, flow) = Flow::new();
    web.tasks.spawn(async move {
        let chunk = Bytes::from("x".repeat(64 * 1024));
        drop(body.send(Bytes::from("data: ")).await);
        while body.send(chunk.clone()).await.is_ok() {}
    });
    events(flow)
}

/// 32 MiB of spaces in a few ten kilobytes.
fn bomb() -> Reply {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..32 {
        drop(packer.write_all(&spaces));
    }
    let packed = packer.finish().unwrap_or_default();
    let mut reply = Response::new(Full::new(Bytes::from(packed)).boxed());
    for (name, value) in [(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "gzip")] {
        if let Ok(value) = value.parse() {
            reply.headers_mut().insert(name, value);
        }
    }
    reply
}
