//! HTTP+SSE, the HTTP transport of 2024-11-05, in front of the SDK, which has none.
//!
//! A stream from the server, whose first event names where messages are posted.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::extract::Query;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::routing::post;
use rmcp::ServiceExt as _;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;
use tokio_util::task::TaskTracker;

use crate::server::Server;

/// Where streams begin.
pub(crate) const PATH: &str = "/sse";

/// Bytes between the SDK and a stream, on each way.
const PIPE: usize = 64 * 1024;
/// Messages of one client that the SDK has not read yet.
const POSTED: usize = 16;

/// What all requests share.
struct Front {
    server: Server,
    sessions: Mutex<HashMap<String, mpsc::Sender<String>>>,
    last: AtomicU64,
    tracker: TaskTracker,
}

impl Front {
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<String>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves at `PATH`, and takes messages beside it.
pub(crate) fn router(server: Server) -> Router {
    let (sessions, last, tracker) = (Mutex::default(), AtomicU64::new(0), TaskTracker::new());
    let front = Arc::new(Front { server, sessions, last, tracker });
    Router::new().route(PATH, get(open)).route("/messages", post(receive)).with_state(front)
}

/// Opens a session that lasts as long as its stream.
async fn open(State(front): State<Arc<Front>>) -> impl IntoResponse {
    let session = front.last.fetch_add(1, Ordering::Relaxed).to_string();
    let (sender, posted) = mpsc::channel(POSTED);
    front.sessions().insert(session.clone(), sender);
    let (inner, outer) = tokio::io::duplex(PIPE);
    let (events, stream) = tokio::io::duplex(PIPE);
    let server = front.server.again();
    front.tracker.spawn(async move {
        if let Ok(running) = server.serve(inner).await {
            drop(running.waiting().await);
        }
    });
    let shared = Arc::clone(&front);
    front.tracker.spawn(async move {
        // It ends when either side has gone; both ends of both pipes are dropped with it.
        drop(carry(&session, outer, events, posted).await);
        shared.sessions().remove(&session);
    });
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(ReaderStream::new(stream)))
}

/// Carries lines of the SDK out as events, and posted messages in as lines.
async fn carry(
    session: &str,
    server: DuplexStream,
    mut events: DuplexStream,
    mut posted: mpsc::Receiver<String>,
) -> std::io::Result<()> {
    let (reader, mut writer) = tokio::io::split(server);
    let mut lines = BufReader::new(reader).lines();
    let endpoint = format!("event: endpoint\ndata: /messages?sessionId={session}\n\n");
    events.write_all(endpoint.as_bytes()).await?;
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => {
                    events.write_all(format!("event: message\ndata: {line}\n\n").as_bytes()).await?;
                }
                None => return Ok(()),
            },
            message = posted.recv() => match message {
                Some(message) => writer.write_all(message.as_bytes()).await?,
                None => return Ok(()),
            },
        }
    }
}

/// Takes a message of the client; line breaks outside of strings mean nothing in JSON.
async fn receive(
    State(front): State<Arc<Front>>,
    Query(query): Query<HashMap<String, String>>,
    body: String,
) -> StatusCode {
    let session = query.get("sessionId").map(String::as_str).unwrap_or_default();
    let Some(sender) = front.sessions().get(session).cloned() else {
        return StatusCode::NOT_FOUND;
    };
    let line = body.replace(['\r', '\n'], " ") + "\n";
    match sender.send(line).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::GONE,
    }
}
