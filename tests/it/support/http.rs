//! Clients that speak HTTP byte by byte, and the program behind an address.

use std::path::Path;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use reqwest::Method;
use reqwest::Response;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::BufReader;
use tokio::process::Child;
use tokio::process::ChildStderr;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::wire_client::LIMIT;
use crate::support::wire_client::MODERN;

const PREFIX: &str = "io.modelcontextprotocol";

/// The program, serving at an address of its own.
pub(crate) struct Server {
    child: Child,
    /// Where it listens, as `http://127.0.0.1:12345`.
    pub(crate) origin: String,
    stderr: Arc<Mutex<String>>,
    _reader: JoinSet<()>,
    client: reqwest::Client,
}

/// A request on its way to being sent.
pub(crate) struct Post<'a> {
    server: &'a Server,
    client: reqwest::Client,
    path: String,
    method: Method,
    headers: Vec<(String, String)>,
    body: String,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A stream of events as it comes.
#[derive(Debug)]
pub(crate) struct Events {
    response: Response,
    buffer: String,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<String>,
    pub(crate) data: String,
}

impl Server {
    /// Starts the program and waits until everything required is ready, and it says so.
    pub(crate) async fn start_ready(gateway: &Gateway) -> Self {
        let mut command = gateway.command();
        command.arg("--ready");
        Self::run(command, reqwest::Client::builder()).await
    }

    /// Starts the program and waits until it listens.
    pub(crate) async fn start(gateway: &Gateway) -> Self {
        Self::start_with(gateway, reqwest::Client::builder()).await
    }

    /// The same, and logs what `filter` lets through.
    pub(crate) async fn start_logging(gateway: &Gateway, filter: &str) -> Self {
        let mut command = gateway.command();
        command.args(["--log", filter]);
        Self::run(command, reqwest::Client::builder()).await
    }

    /// The same, started by a command of one's own.
    pub(crate) async fn start_by(command: Command) -> Self {
        Self::run(command, reqwest::Client::builder()).await
    }

    /// The same, with clients of one's own making.
    pub(crate) async fn start_with(gateway: &Gateway, client: reqwest::ClientBuilder) -> Self {
        Self::run(gateway.command(), client).await
    }

    /// Starts the program at a socket in the file system.
    pub(crate) async fn start_at(gateway: &Gateway, socket: &Path) -> Self {
        let client = reqwest::Client::builder().unix_socket(socket);
        let place = format!("unix:{}", socket.display());
        Self::run_at(&place, gateway.command(), client).await
    }

    async fn run(command: Command, client: reqwest::ClientBuilder) -> Self {
        Self::run_at("127.0.0.1:0", command, client).await
    }

    async fn run_at(place: &str, mut command: Command, client: reqwest::ClientBuilder) -> Self {
        command.args(["--listen", place]).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let stderr: Arc<Mutex<String>> = Arc::default();
        let origin = loop {
            let line = timeout(LIMIT, lines.next_line()).await.unwrap().unwrap();
            let Some(line) = line else { panic!("it says: {}", stderr.lock().unwrap()) };
            // Machines are told so in an object.
            let told = line.split_once(r#""message":"listening on "#).map(|(_, url)| url);
            if let Some(url) = line.strip_prefix("listening on ").or(told) {
                // Behind it stands at which socket, if it is one.
                let url = url.split([' ', '"']).next().unwrap();
                break url.strip_suffix("/mcp").unwrap().to_owned();
            }
            // What it logs before that.
            stderr.lock().unwrap().extend([&line, "\n"]);
        };
        let mut reader = JoinSet::new();
        reader.spawn(collect(lines, Arc::clone(&stderr)));
        let client = client.no_proxy().build().unwrap();
        Self { child, origin, stderr, _reader: reader, client }
    }

    /// Where it listens, without the scheme.
    pub(crate) fn address(&self) -> &str {
        self.origin.split_once("://").unwrap().1
    }

    /// Its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// What it said since it listens.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Post<'_> {
        let (path, headers) = (path.to_owned(), Vec::new());
        let client = self.client.clone();
        Post { server: self, client, path, method, headers, body: String::new() }
    }

    /// A message to the path for everything, as every client sends it.
    pub(crate) fn post(&self, body: impl ToString) -> Post<'_> {
        let post = self.request(Method::POST, "/mcp");
        let accept = "application/json, text/event-stream";
        let post = post.header("Content-Type", "application/json").header("Accept", accept);
        Post { body: body.to_string(), ..post }
    }

    /// A modern request with the headers it must have.
    pub(crate) fn modern(&self, method: &str, params: Value) -> Post<'_> {
        self.modern_with(method, params, json!({}))
    }

    /// The same of a client that declares something.
    pub(crate) fn modern_with(&self, method: &str, mut params: Value, declared: Value) -> Post<'_> {
        if params["_meta"].is_null() {
            params["_meta"] = json!({});
        }
        params["_meta"][format!("{PREFIX}/protocolVersion")] = json!(MODERN);
        params["_meta"][format!("{PREFIX}/clientCapabilities")] = declared;
        let name = params.get("name").or(params.get("uri")).and_then(Value::as_str);
        let name = name.map(str::to_owned);
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let post = self.post(body).header("MCP-Protocol-Version", MODERN);
        let post = post.header("Mcp-Method", method);
        match name {
            Some(name) => post.header("Mcp-Name", &name),
            None => post,
        }
    }

    /// A modern call of a tool.
    pub(crate) fn call(&self, name: &str, arguments: Value) -> Post<'_> {
        self.modern("tools/call", json!({"name": name, "arguments": arguments}))
    }

    /// Tells the program to end, and waits for that.
    pub(crate) async fn stop(mut self) -> (ExitStatus, String) {
        self.signal();
        let status = timeout(LIMIT, self.child.wait()).await.unwrap().unwrap();
        (status, self.stderr())
    }

    /// Has the program read its configuration again.
    pub(crate) fn hang_up(&self) {
        let process = Pid::from_raw(i32::try_from(self.process_id()).unwrap());
        kill(process, Signal::SIGHUP).unwrap();
    }

    /// Tells the program to end.
    pub(crate) fn signal(&self) {
        let id = nix::unistd::Pid::from_raw(self.child.id().unwrap().try_into().unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    /// Waits until the program has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        timeout(LIMIT, self.child.wait()).await.unwrap().unwrap()
    }
}

/// A session of a client before 2026-07-28.
pub(crate) struct Session<'a> {
    server: &'a Server,
    path: String,
    pub(crate) id: String,
    revision: String,
}

impl Server {
    /// Opens a session and says that it is open.
    pub(crate) async fn session(&self, revision: &str, capabilities: Value) -> Session<'_> {
        self.session_at("/mcp", revision, capabilities).await
    }

    /// The same somewhere else.
    pub(crate) async fn session_at(
        &self,
        path: &str,
        revision: &str,
        capabilities: Value,
    ) -> Session<'_> {
        let opened = self.post(initialize(revision, capabilities)).to(path).reply().await;
        assert_eq!((opened.status, opened.header("content-type")), (200, Some("application/json")));
        assert_eq!(opened.result()["protocolVersion"], revision, "{opened:?}");
        let id = opened.header("mcp-session-id").expect("a session has an id").to_owned();
        let (path, revision) = (path.to_owned(), revision.to_owned());
        let session = Session { server: self, path, id, revision };
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let accepted = session.post(initialized).reply().await;
        assert_eq!((accepted.status, accepted.body.as_str()), (202, ""));
        session
    }
}

/// The request that opens a session.
pub(crate) fn initialize(revision: &str, capabilities: Value) -> Value {
    let client = json!({"name": "tests", "version": "1"});
    let params =
        json!({"protocolVersion": revision, "capabilities": capabilities, "clientInfo": client});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

impl<'a> Session<'a> {
    /// A message in this session.
    pub(crate) fn post(&self, body: impl ToString) -> Post<'a> {
        self.named(self.server.post(body))
    }

    /// A request in this session.
    pub(crate) fn request(&self, id: u64, method: &str, params: Value) -> Post<'a> {
        self.post(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
    }

    /// A call of a tool; progress is wanted under its id.
    pub(crate) fn call(&self, id: u64, name: &str, arguments: Value) -> Post<'a> {
        let meta = json!({"progressToken": id});
        let params = json!({"name": name, "arguments": arguments, "_meta": meta});
        self.request(id, "tools/call", params)
    }

    /// Answers a question.
    pub(crate) async fn answer(&self, question: &Value, result: Value) {
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
        let accepted = self.post(answer).reply().await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
    }

    /// The stream of what belongs to no request, or one that is resumed.
    pub(crate) fn get(&self, after: Option<&str>) -> Post<'a> {
        let get = self.named(self.server.request(Method::GET, &self.path));
        let get = get.header("Accept", "text/event-stream");
        match after {
            Some(id) => get.header("Last-Event-ID", id),
            None => get,
        }
    }

    /// The end.
    pub(crate) fn delete(&self) -> Post<'a> {
        self.named(self.server.request(Method::DELETE, &self.path))
    }

    fn named(&self, post: Post<'a>) -> Post<'a> {
        let post = post.to(&self.path).header("Mcp-Session-Id", &self.id);
        // The two oldest revisions do not have it.
        if self.revision.as_str() < "2025-06-18" {
            return post;
        }
        post.header("MCP-Protocol-Version", &self.revision)
    }
}

async fn collect(mut lines: tokio::io::Lines<BufReader<ChildStderr>>, to: Arc<Mutex<String>>) {
    while let Ok(Some(line)) = lines.next_line().await {
        let mut text = to.lock().unwrap();
        text.push_str(&line);
        text.push('\n');
    }
}

impl Post<'_> {
    /// Sets a header, in the place of one with this name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header, beside one with this name.
    pub(crate) fn also(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Sends it over connections of another client.
    pub(crate) fn over(self, client: &reqwest::Client) -> Self {
        Self { client: client.clone(), ..self }
    }

    pub(crate) fn to(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    pub(crate) fn body(self, body: impl ToString) -> Self {
        Self { body: body.to_string(), ..self }
    }

    pub(crate) async fn send(self) -> Response {
        let url = format!("{}{}", self.server.origin, self.path);
        let mut request = self.client.request(self.method, url).body(self.body);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        timeout(LIMIT, request.send()).await.expect("an answer is due").unwrap()
    }

    /// Sends it and reads all of the answer.
    pub(crate) async fn reply(self) -> Reply {
        let response = self.send().await;
        let status = response.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
        let headers =
            response.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
        let headers = headers.collect();
        let body = timeout(LIMIT, response.text()).await.expect("it must end").unwrap();
        Reply { status, headers, body }
    }

    /// Sends it and reads what comes as events.
    pub(crate) async fn events(self) -> Events {
        let response = self.send().await;
        let kind = response.headers().get("content-type").cloned();
        let kind = kind.map(|kind| kind.to_str().unwrap().to_owned());
        assert_eq!(kind.as_deref(), Some("text/event-stream"), "{}", response.status());
        Events::of(response)
    }
}

impl Reply {
    /// All headers.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The answer: the body, or the last message of a stream, which is what an answer becomes that
    /// took its time.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        if self.header("content-type") == Some("text/event-stream") {
            let last = self.events().into_iter().rev().find(|event| !event.data.is_empty());
            return last.unwrap_or_else(|| panic!("an empty stream: {self:?}")).json();
        }
        match serde_json::from_str(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("no JSON ({error}): {self:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn result(&self) -> Value {
        let result = self.json()["result"].take();
        assert!(!result.is_null(), "{self:?}");
        result
    }

    #[track_caller]
    pub(crate) fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {self:?}"))
    }

    /// Everything a stream said, if that was the answer.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.body.split_terminator("\n\n").filter_map(parse).collect()
    }
}

impl Events {
    /// What comes of a response that is a stream.
    pub(crate) fn of(response: Response) -> Self {
        Self { response, buffer: String::new() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The next event; nothing at the end. Comments are passed over.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let (event, rest) = (parse(event), rest.to_owned());
                self.buffer = rest;
                if event.is_some() {
                    return event;
                }
                continue;
            }
            let chunk = timeout(LIMIT, self.response.chunk()).await.expect("an event is due");
            self.buffer.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Value {
        loop {
            let event = self.next().await.expect("a message is due");
            // An event without data says only where the stream begins.
            if !event.data.is_empty() {
                return event.json();
            }
        }
    }

    /// Everything up to the end.
    pub(crate) async fn rest(&mut self) -> Vec<Event> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        all
    }
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

/// Reads an event; nothing if it is a comment.
fn parse(text: &str) -> Option<Event> {
    let mut event = Event::default();
    let mut is_event = false;
    for line in text.lines() {
        let (field, value) = line.split_once(": ").unwrap_or((line, ""));
        match field {
            "event" => event.kind = Some(value.to_owned()),
            "id" => event.id = Some(value.to_owned()),
            "retry" => event.retry = Some(value.to_owned()),
            "data" | "data:" => event.data.push_str(value),
            _ => continue,
        }
        is_event = true;
    }
    is_event.then_some(event)
}
