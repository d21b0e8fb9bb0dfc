//! The relay over HTTP, in front of children or of servers over HTTP.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::process::Stdio;
use std::rc::Rc;

use anyhow::Context as _;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use hyper::Request;
use hyper::Response;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::client::conn::http1::SendRequest;
use hyper::header::CONTENT_LENGTH;
use hyper::header::CONTENT_TYPE;
use hyper::header::HOST;
use hyper::header::HeaderMap;
use hyper::header::HeaderValue;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::sync::Mutex;
use tokio::sync::OnceCell;
use tokio::sync::oneshot;

use crate::lines::Lines;
use crate::process;
use crate::relay::Flags;
use crate::relay::edit;
use crate::relay::edit::Pending;
use crate::upstream;

type Body = Full<Bytes>;

/// What is behind the relay.
enum Back {
    /// The command of each child, which is started by the first request.
    Children(Vec<(Vec<String>, OnceCell<Pipe>)>),
    /// An address, its idle connections, and the ids in use.
    Address(SocketAddr, RefCell<Vec<SendRequest<Body>>>, RefCell<Pending<()>>),
}

/// A child and who waits for it.
struct Pipe {
    stdin: Mutex<ChildStdin>,
    waiting: Rc<RefCell<Pending<oneshot::Sender<Bytes>>>>,
}

pub(super) fn serve(flags: &Flags, address: SocketAddr) -> anyhow::Result<()> {
    let back = Rc::new(if let Some(to) = flags.to {
        Back::Address(to, RefCell::default(), RefCell::new(Pending::new()))
    } else {
        let commands = flags.commands.each.iter().cloned();
        Back::Children(commands.map(|words| (words, OnceCell::new())).collect())
    });
    upstream::serve_each(address, move |request| {
        let back = Rc::clone(&back);
        async move { back.respond(request).await.unwrap_or_else(|_| empty(StatusCode::BAD_GATEWAY)) }
    })
}

impl Back {
    async fn respond(&self, request: Request<Incoming>) -> anyhow::Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let request = edit::request(&body).context("no message")?;
        match self {
            Self::Children(children) => {
                let (command, cell) = children.get(request.upstream).context("no such server")?;
                let pipe = cell.get_or_try_init(|| async { Pipe::start(command) }).await?;
                pipe.ask(&body, &request).await
            }
            Self::Address(to, idle, ids) => {
                let number = ids.borrow_mut().add(());
                let mut out = Vec::with_capacity(body.len() + 24);
                request.write(&body, number, &mut out);
                let head = head(parts.headers, request.upstream, *to);
                let answered = ask(*to, idle, head?, out.into()).await;
                ids.borrow_mut().take(number);
                let (status, answer) = answered?;
                let id = request.id.and_then(|place| body.get(place));
                Ok(restored(status, answer, id))
            }
        }
    }
}

impl Pipe {
    fn start(command: &[String]) -> anyhow::Result<Self> {
        let mut command = tokio::process::Command::from(process::command(command)?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (stdin, stdout) = child.stdin.take().zip(child.stdout.take()).context("no pipes")?;
        let waiting = Rc::new(RefCell::new(Pending::new()));
        let others = Rc::clone(&waiting);
        tokio::task::spawn_local(async move {
            let outcome = read(stdout, &others).await;
            drop(child);
            outcome
        });
        Ok(Self { stdin: Mutex::new(stdin), waiting })
    }

    async fn ask(&self, body: &[u8], request: &edit::Request) -> anyhow::Result<Response<Body>> {
        let (sender, receiver) = oneshot::channel();
        let has_id = request.id.is_some();
        let number = if has_id { self.waiting.borrow_mut().add(sender) } else { 0 };
        let mut out = Vec::with_capacity(body.len() + 24);
        request.write(body, number, &mut out);
        out.push(b'\n');
        self.stdin.lock().await.write_all(&out).await?;
        let Some(place) = request.id.clone() else { return Ok(empty(StatusCode::ACCEPTED)) };
        Ok(restored(StatusCode::OK, receiver.await?, body.get(place)))
    }
}

async fn read(
    mut stdout: ChildStdout,
    waiting: &RefCell<Pending<oneshot::Sender<Bytes>>>,
) -> anyhow::Result<()> {
    let mut lines = Lines::default();
    loop {
        let length = stdout.read(lines.room()).await?;
        lines.filled(length);
        if length == 0 {
            return Ok(());
        }
        while let Some(line) = lines.line() {
            let Some((_, id)) = edit::answer(line) else { continue };
            let Some(sender) = waiting.borrow_mut().take(id) else { continue };
            // Whoever asked may be gone.
            drop(sender.send(Bytes::copy_from_slice(line)));
        }
    }
}

/// The headers of the client, about the server.
fn head(mut headers: HeaderMap, upstream: usize, to: SocketAddr) -> anyhow::Result<Request<()>> {
    headers.remove(CONTENT_LENGTH);
    headers.insert(HOST, HeaderValue::from_str(&to.to_string())?);
    if let Some(name) = headers.get("mcp-name").and_then(|name| name.to_str().ok())
        && let Some((_, own)) = name.split_once("__")
    {
        let own = HeaderValue::from_str(own)?;
        headers.insert("mcp-name", own);
    }
    let mut head = Request::post(format!("/u{upstream}/mcp")).body(())?;
    *head.headers_mut() = headers;
    Ok(head)
}

/// Sends a request over a connection that stays open.
async fn ask(
    to: SocketAddr,
    idle: &RefCell<Vec<SendRequest<Body>>>,
    head: Request<()>,
    body: Bytes,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let kept = idle.borrow_mut().pop();
    let mut sender = match kept {
        Some(sender) => sender,
        None => connect(to).await?,
    };
    sender.ready().await?;
    let response = sender.send_request(head.map(|()| Full::new(body))).await?;
    let status = response.status();
    let answer = response.into_body().collect().await?.to_bytes();
    idle.borrow_mut().push(sender);
    Ok((status, answer))
}

async fn connect(to: SocketAddr) -> anyhow::Result<SendRequest<Body>> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

/// The answer under the id that the client gave.
fn restored(status: StatusCode, answer: Bytes, id: Option<&[u8]>) -> Response<Body> {
    let place = edit::answer(&answer).map(|(place, _)| place);
    let answer = match place.zip(id) {
        Some((place, id)) => {
            let mut out = Vec::with_capacity(answer.len() + 24);
            edit::splice(&answer, &[(place, id)], &mut out);
            Bytes::from(out)
        }
        None => answer,
    };
    let mut response = Response::new(Full::new(answer));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
