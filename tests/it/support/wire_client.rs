//! A raw newline-JSON client over the pipes of a child: what a test says and sees is the wire.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::process::Child;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a test waits for a peer before it gives up.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);
/// The modern revision.
pub(crate) const MODERN: &str = "2026-07-28";
const PREFIX: &str = "io.modelcontextprotocol";

/// A client whose server is a child process.
///
/// ```ignore
/// let mut client = Client::spawn(&mut toy(&["--era", "dual"]).command());
/// client.answer("roots/list", json!({"roots": []}));
/// client.initialize("2025-11-25", json!({"roots": {}})).await;
/// let reply = client.call("ask", json!({"kind": "roots"})).await;
/// assert_eq!(reply.result()["isError"], Value::Null);
/// assert_eq!(client.seen("roots/list").len(), 1);
/// ```
pub(crate) struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: Arc<Mutex<String>>,
    _reader: JoinSet<()>,
    last_id: u64,
    /// Notifications and requests of the server, in the order they came.
    seen: Vec<Message>,
    /// Answers that came while another one was waited for.
    early: VecDeque<Message>,
    /// Results for requests of the server, by method.
    answers: BTreeMap<String, Value>,
    /// The members of `_meta` of every modern request.
    meta: Option<Value>,
}

/// One line of the server.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The line as it came, without its end.
    pub(crate) line: String,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    id: Option<Value>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// What a modern result says that asks for something; the questions stay as they were written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    result_type: Option<String>,
    #[serde(borrow)]
    input_requests: Option<BTreeMap<String, &'a RawValue>>,
    request_state: Option<String>,
}

impl Message {
    fn envelope(&self) -> Envelope<'_> {
        match serde_json::from_str(&self.line) {
            Ok(envelope) => envelope,
            Err(error) => panic!("the server wrote no JSON-RPC message ({error}): {}", self.line),
        }
    }

    pub(crate) fn id(&self) -> Option<Value> {
        self.envelope().id
    }

    pub(crate) fn method(&self) -> Option<String> {
        self.envelope().method
    }

    /// The text of `params`; empty when there are none.
    pub(crate) fn raw_params(&self) -> &str {
        self.envelope().params.map_or("", RawValue::get)
    }

    pub(crate) fn params(&self) -> Value {
        self.envelope().params.map_or(Value::Null, |raw| serde_json::from_str(raw.get()).unwrap())
    }

    /// The text of the result; stops the test when there is none.
    #[track_caller]
    pub(crate) fn raw_result(&self) -> &str {
        match self.envelope().result {
            Some(result) => result.get(),
            None => panic!("expected a result: {}", self.line),
        }
    }

    #[track_caller]
    pub(crate) fn result(&self) -> Value {
        serde_json::from_str(self.raw_result()).unwrap()
    }

    /// The error; stops the test when there is none.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        match self.envelope().error {
            Some(error) => serde_json::from_str(error.get()).unwrap(),
            None => panic!("expected an error: {}", self.line),
        }
    }

    /// The code of the error; stops the test when there is none.
    #[track_caller]
    pub(crate) fn code(&self) -> i64 {
        self.error()["code"].as_i64().unwrap()
    }

    /// The text of the result's first content block.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        let result = self.result();
        let text = result["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("expected a text: {}", self.line)).to_owned()
    }

    /// The `structuredContent` of the result.
    #[track_caller]
    pub(crate) fn structured(&self) -> Value {
        self.result()["structuredContent"].take()
    }
}

impl Client {
    /// Starts the server. It is killed when the client is dropped.
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.kill_on_drop(true).spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot start {command:?}: {error}"),
        };
        let stderr = Arc::new(Mutex::new(String::new()));
        let mut reader = JoinSet::new();
        reader.spawn(keep(child.stderr.take().unwrap(), Arc::clone(&stderr)));
        Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
            stderr,
            _reader: reader,
            last_id: 0,
            seen: Vec::new(),
            early: VecDeque::new(),
            answers: BTreeMap::new(),
            meta: None,
        }
    }

    /// Opens a legacy session; returns the answer to `initialize`.
    pub(crate) async fn initialize(&mut self, revision: &str, capabilities: Value) -> Message {
        let info = json!({"name": "wire", "version": "1"});
        let params =
            json!({"protocolVersion": revision, "capabilities": capabilities, "clientInfo": info});
        let reply = self.request("initialize", params).await;
        self.notify("notifications/initialized", json!({})).await;
        reply
    }

    /// Makes every further request a modern one with these capabilities.
    pub(crate) fn modern(&mut self, capabilities: Value) {
        self.meta = Some(json!({
            format!("{PREFIX}/protocolVersion"): MODERN,
            format!("{PREFIX}/clientCapabilities"): capabilities,
            format!("{PREFIX}/clientInfo"): {"name": "wire", "version": "1"},
        }));
    }

    /// Makes further requests plain ones again.
    pub(crate) fn plain(&mut self) {
        self.meta = None;
    }

    pub(crate) fn is_modern(&self) -> bool {
        self.meta.is_some()
    }

    /// Sets the result with which requests of this method are answered from now on.
    /// Without one they are recorded and stay unanswered; see [`Client::respond`].
    pub(crate) fn answer(&mut self, method: &str, result: Value) {
        self.answers.insert(method.to_owned(), result);
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Message {
        let id = self.start(method, params).await;
        self.reply_to(id).await
    }

    /// Like [`Client::request`], with `params` as text. In modern mode `_meta` is put in front;
    /// the text must not have one of its own then.
    pub(crate) async fn request_raw(&mut self, method: &str, params: &str) -> Message {
        let params = match &self.meta {
            None => params.to_owned(),
            Some(meta) => {
                let rest = params.trim_start().strip_prefix('{').unwrap();
                let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
                format!(r#"{{"_meta":{meta}{comma}{rest}"#)
            }
        };
        let id = self.start_line(method, &params).await;
        self.reply_to(id).await
    }

    /// Sends a request and answers what it asks for, in either era, until it is complete.
    pub(crate) async fn converse(&mut self, method: &str, params: Value) -> Message {
        let mut attempt = params.clone();
        for _ in 0..10 {
            let reply = self.request(method, attempt).await;
            let asked: Asked<'_> = match reply.envelope().result {
                Some(result) => serde_json::from_str(result.get()).unwrap(),
                None => return reply,
            };
            if asked.result_type.as_deref() != Some("input_required") {
                return reply;
            }
            attempt = params.clone();
            if let Some(requests) = &asked.input_requests {
                attempt["inputResponses"] = self.fulfil(requests);
            }
            if let Some(state) = asked.request_state {
                attempt["requestState"] = json!(state);
            }
        }
        panic!("the server never stopped asking")
    }

    /// Records modern questions as if they had been requests, and returns the answers.
    fn fulfil(&mut self, requests: &BTreeMap<String, &RawValue>) -> Value {
        let mut responses = serde_json::Map::new();
        for (key, request) in requests {
            let message = Message { line: request.get().to_owned() };
            let method = message.method().unwrap();
            self.seen.push(message);
            let Some(answer) = self.answers.get(&method) else {
                panic!("no answer was prepared for {request}");
            };
            responses.insert(key.clone(), answer.clone());
        }
        Value::Object(responses)
    }

    /// Calls a tool and answers what it asks for.
    pub(crate) async fn call(&mut self, name: &str, arguments: Value) -> Message {
        self.converse("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    /// Calls a tool with arguments as text.
    pub(crate) async fn call_raw(&mut self, name: &str, arguments: &str) -> Message {
        let params = format!(r#"{{"name":"{name}","arguments":{arguments}}}"#);
        self.request_raw("tools/call", &params).await
    }

    /// Sends a request without waiting; returns its id.
    pub(crate) async fn start(&mut self, method: &str, mut params: Value) -> u64 {
        if let Some(meta) = self.meta.as_ref().and_then(Value::as_object) {
            for (key, value) in meta {
                let own = &mut params["_meta"][key];
                if own.is_null() {
                    *own = value.clone();
                }
            }
        }
        self.start_line(method, &params.to_string()).await
    }

    async fn start_line(&mut self, method: &str, params: &str) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        let head = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}""#);
        self.send_line(&format!(r#"{head},"params":{params}}}"#)).await;
        id
    }

    pub(crate) async fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params})).await;
    }

    /// Takes a request back.
    pub(crate) async fn cancel(&mut self, id: u64) {
        self.notify("notifications/cancelled", json!({"requestId": id})).await;
    }

    /// Answers a request of the server.
    pub(crate) async fn respond(&mut self, request: &Message, result: &Value) {
        let id = request.id();
        self.send(&json!({"jsonrpc": "2.0", "id": id, "result": result})).await;
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_line(&message.to_string()).await;
    }

    /// Sends one line; a server that has gone away shows when its answer is waited for.
    pub(crate) async fn send_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        let bytes = format!("{line}\n");
        let written = timeout(LIMIT, stdin.write_all(bytes.as_bytes())).await;
        drop(written.unwrap_or_else(|_| panic!("the server does not read: {line}")));
    }

    /// Waits for the answer to a request; records and answers what comes before it.
    pub(crate) async fn reply_to(&mut self, id: u64) -> Message {
        let id = json!(id);
        if let Some(at) = self.early.iter().position(|early| early.id().as_ref() == Some(&id)) {
            return self.early.remove(at).unwrap();
        }
        loop {
            let message = self.recv().await;
            if message.method().is_some() {
                continue;
            }
            if message.id().as_ref() == Some(&id) {
                return message;
            }
            self.early.push_back(message);
        }
    }

    /// Returns whether the answer to a request has come while another one was waited for.
    pub(crate) fn has_reply_to(&self, id: u64) -> bool {
        self.early.iter().any(|early| early.id() == Some(json!(id)))
    }

    /// Waits until the server has sent `count` messages of this method in all; returns the last.
    pub(crate) async fn wait_for(&mut self, method: &str, count: usize) -> Message {
        loop {
            let found = self.seen(method);
            if found.len() >= count {
                return found[count - 1].clone();
            }
            let message = self.recv().await;
            if message.method().is_none() {
                self.early.push_back(message);
            }
        }
    }

    /// Returns the notifications and requests of one method so far, in order.
    pub(crate) fn seen(&self, method: &str) -> Vec<Message> {
        let of_method = |message: &&Message| message.method().as_deref() == Some(method);
        self.seen.iter().filter(of_method).cloned().collect()
    }

    /// Returns and forgets everything recorded so far.
    pub(crate) fn take_seen(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.seen)
    }

    /// Waits for the next message, whatever it is; records and answers it if it is a request.
    pub(crate) async fn recv(&mut self) -> Message {
        let line = match self.try_line(LIMIT).await {
            Some(Some(line)) => line,
            Some(None) => panic!("the server closed stdout; stderr:\n{}", self.stderr()),
            None => panic!("no message within {LIMIT:?}; stderr:\n{}", self.stderr()),
        };
        let message = Message { line };
        let Some(method) = message.method() else { return message };
        self.seen.push(message.clone());
        if message.id().is_some() {
            if method == "ping" {
                self.respond(&message, &json!({})).await;
            } else if let Some(answer) = self.answers.get(&method).cloned() {
                self.respond(&message, &answer).await;
            }
        }
        message
    }

    /// Waits for one raw line: `None` when the time is over, `Some(None)` at the end of stdout.
    pub(crate) async fn try_line(&mut self, limit: Duration) -> Option<Option<String>> {
        let mut line = String::new();
        let read = timeout(limit, self.stdout.read_line(&mut line)).await.ok()?;
        let length = read.expect("the server writes UTF-8");
        Some((length > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Checks that nothing arrives for `quiet`.
    pub(crate) async fn expect_silence(&mut self, quiet: Duration) {
        let line = self.try_line(quiet).await;
        assert!(line.is_none(), "expected silence: {line:?}");
    }

    /// Returns what the server wrote on stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until stderr contains `text`; returns all of it.
    pub(crate) async fn wait_for_stderr(&self, text: &str) -> String {
        let found = timeout(LIMIT, async {
            while !self.stderr().contains(text) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(found.await.is_ok(), "no `{text}` on stderr:\n{}", self.stderr());
        self.stderr()
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits until the server has ended, on its own.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let Ok(status) = timeout(LIMIT, self.child.wait()).await else {
            panic!("the server did not end; stderr:\n{}", self.stderr());
        };
        status.unwrap()
    }

    /// Closes stdin and waits for the server to end; returns every answer that nobody took.
    pub(crate) async fn leave_with_rest(mut self) -> (ExitStatus, Vec<Message>) {
        self.close_stdin();
        while let Some(line) = self.try_line(LIMIT).await.expect("the server closes stdout") {
            let message = Message { line };
            if message.method().is_none() {
                self.early.push_back(message);
            }
        }
        (self.wait().await, self.early.into())
    }

    /// Closes stdin, as a client does that leaves, and waits for the server to end.
    pub(crate) async fn leave(mut self) -> ExitStatus {
        self.close_stdin();
        self.wait().await
    }
}

async fn keep(mut stderr: tokio::process::ChildStderr, kept: Arc<Mutex<String>>) {
    let mut buffer = [0; 4096];
    while let Ok(length) = stderr.read(&mut buffer).await {
        if length == 0 {
            break;
        }
        kept.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
}
