//! A server over Streamable HTTP that writes its answers byte by byte, so that any can be wrong.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufStream;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::faults::dirt;
use crate::faults::server;
use crate::faults::server::Era;

/// How long a late answer takes: longer than anybody waits.
const LATE: Duration = Duration::from_secs(4);

const POLL: Duration = Duration::from_millis(10);

/// The server; it ends when this is dropped.
pub(super) struct Web {
    /// Its endpoint.
    pub(super) url: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// What its connections share.
pub(super) struct Shared {
    pub(super) era: Era,
    is_hanging: AtomicBool,
    sessions: Mutex<Sessions>,
    /// The call that is held, until somebody releases it.
    pub(super) held: Mutex<Option<Value>>,
    pub(super) released: Notify,
    /// How many bytes of something endless were written.
    pub(super) written: AtomicU64,
}

#[derive(Default)]
struct Sessions {
    /// How many there were.
    count: u64,
    known: HashSet<String>,
    /// Whether they were forgotten.
    is_forgetful: bool,
    /// Whether a call was put off.
    was_busy: bool,
}

/// One request.
pub(super) struct Request {
    method: String,
    session: Option<String>,
    pub(super) message: Value,
}

/// The connection a request came on.
pub(super) type Socket = BufStream<TcpStream>;

impl Web {
    /// Begins to listen.
    pub(super) async fn start(era: Era) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            era,
            is_hanging: AtomicBool::new(false),
            sessions: Mutex::default(),
            held: Mutex::default(),
            released: Notify::new(),
            written: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        let for_all = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let shared = Arc::clone(&for_all);
                connections.spawn(async move {
                    // Whoever leaves in the middle is of no interest.
                    drop(converse(&shared, BufStream::new(socket)).await);
                });
            }
        });
        Self { url, shared, _tasks: tasks }
    }

    /// Waits until a call is held.
    pub(super) async fn holds(&self) {
        while self.shared.held.lock().unwrap().is_none() {
            tokio::time::sleep(POLL).await;
        }
    }

    /// How many bytes of something endless were written.
    pub(super) fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// Says whether it answers what begins a session.
    pub(super) fn hang(&self, is_hanging: bool) {
        self.shared.is_hanging.store(is_hanging, Ordering::Relaxed);
    }
}

impl Shared {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap()
    }

    /// Answers a request with which nothing is wrong.
    pub(super) fn answer(&self, message: &Value) -> Value {
        let facts = json!({"instance": self.sessions().count});
        server::answer(self.era, &["echo", "fault"], &facts, message)
    }

    /// Forgets every session when this is said for the first time; returns whether it was that.
    pub(super) fn forget_once(&self) -> bool {
        let mut sessions = self.sessions();
        sessions.known.clear();
        !std::mem::replace(&mut sessions.is_forgetful, true)
    }

    /// Returns whether this is asked for the first time.
    fn is_busy_once(&self) -> bool {
        !std::mem::replace(&mut self.sessions().was_busy, true)
    }
}

/// Answers what comes on one connection.
async fn converse(shared: &Shared, mut socket: Socket) -> io::Result<()> {
    while let Some(request) = Request::read(&mut socket).await? {
        if !respond(shared, &request, &mut socket).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Answers one request; returns whether the connection goes on.
async fn respond(shared: &Shared, request: &Request, socket: &mut Socket) -> io::Result<bool> {
    let message = &request.message;
    let begins = message["method"] == "initialize" || message["method"] == "server/discover";
    if request.method == "GET" {
        return whole(socket, "405 Method Not Allowed", "Allow: POST, DELETE\r\n", b"").await;
    }
    if begins && shared.is_hanging.load(Ordering::Relaxed) {
        return std::future::pending().await;
    }
    if shared.era == Era::Legacy && !begins {
        let is_known =
            request.session.as_ref().is_some_and(|id| shared.sessions().known.contains(id));
        if !is_known {
            return whole(socket, "404 Not Found", "", b"").await;
        }
    }
    if message.get("id").is_none() {
        return whole(socket, "202 Accepted", "", b"").await;
    }
    let params = &message["params"];
    if message["method"] == "tools/call" && params["name"] == "fault" {
        let how = params["arguments"]["how"].as_str().unwrap().to_owned();
        return go_wrong(shared, &how, message, socket).await;
    }
    let mut session = String::new();
    if message["method"] == "initialize" && shared.era == Era::Legacy {
        let mut sessions = shared.sessions();
        sessions.count += 1;
        let id = format!("session-{}", sessions.count);
        session = format!("Mcp-Session-Id: {id}\r\n");
        sessions.known.insert(id);
    }
    let answer = shared.answer(message).to_string();
    json(socket, &session, answer.as_bytes()).await
}

/// Does with a call what `how` says.
async fn go_wrong(
    shared: &Shared,
    how: &str,
    message: &Value,
    socket: &mut Socket,
) -> io::Result<bool> {
    let answer = shared.answer(message);
    let text = answer.to_string();
    let half = &text.as_bytes()[..text.len() / 2];
    match how {
        "hang" => std::future::pending().await,
        "garbage" => json(socket, "", b"{\"oops\": \xff\xfe\n[1, 2\n").await,
        "half" => json(socket, "", half).await,
        "cut" => {
            head(socket, "200 OK", "Content-Type: application/json\r\n", text.len()).await?;
            socket.write_all(half).await?;
            socket.flush().await?;
            Ok(false)
        }
        "close" => Ok(false),
        "slow" => {
            head(socket, "200 OK", "Content-Type: application/json\r\n", text.len()).await?;
            slowly(socket, text.as_bytes()).await
        }
        "500" => whole(socket, "500 Internal Server Error", "", b"").await,
        "429" if !shared.is_busy_once() => json(socket, "", text.as_bytes()).await,
        "429" | "429_always" => {
            whole(socket, "429 Too Many Requests", "Retry-After: 1\r\n", b"").await
        }
        "forget" if shared.forget_once() => whole(socket, "404 Not Found", "", b"").await,
        "forget" => json(socket, "", text.as_bytes()).await,
        "elsewhere" => {
            let place = "Location: http://127.0.0.1:9/mcp\r\n";
            whole(socket, "307 Temporary Redirect", place, b"").await
        }
        "wrong_id" => {
            let mut wrong = answer;
            wrong["id"] = json!(4_000_000_000_u64);
            json(socket, "", wrong.to_string().as_bytes()).await
        }
        "twice" => {
            let events = format!("data: {text}\n\ndata: {text}\n\n");
            whole(socket, "200 OK", "Content-Type: text/event-stream\r\n", events.as_bytes()).await
        }
        "late" => {
            tokio::time::sleep(LATE).await;
            json(socket, "", text.as_bytes()).await
        }
        "oversized" => {
            let content = json!([{"type": "text", "text": "x".repeat(1 << 20)}]);
            let answer = server::response(shared.era, &message["id"], json!({"content": content}));
            json(socket, "", answer.to_string().as_bytes()).await
        }
        other => dirt::begin(shared, other, message, socket).await,
    }
}

/// Writes an answer that is one message.
pub(super) async fn json(socket: &mut Socket, headers: &str, body: &[u8]) -> io::Result<bool> {
    let headers = format!("Content-Type: application/json\r\n{headers}");
    whole(socket, "200 OK", &headers, body).await
}

/// Writes an answer; the connection goes on.
pub(super) async fn whole(
    socket: &mut Socket,
    status: &str,
    headers: &str,
    body: &[u8],
) -> io::Result<bool> {
    head(socket, status, headers, body.len()).await?;
    socket.write_all(body).await?;
    socket.flush().await?;
    Ok(true)
}

/// Writes a byte a second; the connection goes on.
pub(super) async fn slowly(socket: &mut Socket, bytes: &[u8]) -> io::Result<bool> {
    for byte in bytes {
        socket.write_u8(*byte).await?;
        socket.flush().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(true)
}

/// Writes the head of an answer.
pub(super) async fn head(
    socket: &mut Socket,
    status: &str,
    headers: &str,
    length: usize,
) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n");
    socket.write_all(head.as_bytes()).await?;
    socket.flush().await
}

impl Request {
    /// Reads the next request; nothing if the connection ends.
    async fn read(socket: &mut Socket) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if socket.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let method = line.split(' ').next().unwrap_or_default().to_owned();
        let (mut length, mut session) = (0, None);
        loop {
            line.clear();
            socket.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "mcp-session-id" => session = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await?;
        let message = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Some(Self { method, session, message }))
    }
}
