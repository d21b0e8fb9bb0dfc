//! A client of either era over the pipes of Conflux.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::io::Lines;
use tokio::process::Child;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::process::Command;
use tokio::time::timeout;

use crate::values;

/// How long one message may take; the suite itself gives up after thirty seconds.
const LIMIT: Duration = Duration::from_secs(25);
/// How often one request may come back for more input.
const ROUNDS: usize = 10;

/// A running Conflux and the way to it.
pub(crate) struct Client {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    modern: bool,
    last_id: u64,
}

impl Client {
    /// Starts Conflux over stdio.
    pub(crate) fn start(
        conflux: &Path,
        config: &Path,
        state: &Path,
        modern: bool,
    ) -> Result<Self, String> {
        let mut command = Command::new(conflux);
        command.arg("serve").arg("--config").arg(config).env("CONFLUX_STATE", state);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a child without pipes".to_owned());
        };
        Ok(Self { child, stdin, lines: BufReader::new(stdout).lines(), modern, last_id: 0 })
    }

    /// Opens the session, where the era has one.
    pub(crate) async fn open(&mut self) -> Result<(), String> {
        if self.modern {
            self.request("server/discover", json!({})).await?;
            return Ok(());
        }
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities(),
            "clientInfo": identity(),
        });
        self.request("initialize", params).await?;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await
    }

    /// Makes a request, answers what is asked meanwhile, and returns its complete result. What was
    /// refused has no result: whether it should have been is for the suite to say.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Result<Value, String> {
        let mut asked = params.clone();
        for _ in 0..ROUNDS {
            let result = self.round(method, asked).await?;
            if result.get("resultType") != Some(&json!("input_required")) {
                return Ok(result);
            }
            asked = params.clone();
            let questions = result.get("inputRequests").and_then(Value::as_object);
            let answers = questions.into_iter().flatten();
            let answers = answers.map(|(key, question)| (key.clone(), answer(question))).collect();
            set(&mut asked, "inputResponses", answers);
            if let Some(state) = result.get("requestState") {
                set(&mut asked, "requestState", state.clone());
            }
        }
        Err(format!("`{method}` needs more input after {ROUNDS} rounds"))
    }

    async fn round(&mut self, method: &str, mut params: Value) -> Result<Value, String> {
        self.last_id += 1;
        let id = json!(self.last_id);
        if self.modern {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": capabilities(),
                "io.modelcontextprotocol/clientInfo": identity(),
            });
            set(&mut params, "_meta", meta);
        }
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send(&request).await?;
        loop {
            let mut message = self.receive().await?;
            match (message.get("method").is_some(), message.get("id").cloned()) {
                (true, Some(id)) => {
                    let result = answer(&message);
                    self.send(&json!({"jsonrpc": "2.0", "id": id, "result": result})).await?;
                }
                (false, Some(answered)) if answered == id => {
                    return Ok(message.get_mut("result").map(Value::take).unwrap_or_default());
                }
                _ => {}
            }
        }
    }

    /// Closes the pipe and waits until Conflux has ended.
    pub(crate) async fn close(self) -> Result<(), String> {
        let Self { mut child, stdin, .. } = self;
        drop(stdin);
        let ended = timeout(LIMIT, child.wait()).await.map_err(|_| "Conflux does not end")?;
        let status = ended.map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("Conflux ended with {status}")) }
    }

    async fn send(&mut self, message: &Value) -> Result<(), String> {
        let line = format!("{message}\n");
        self.stdin.write_all(line.as_bytes()).await.map_err(|error| error.to_string())
    }

    async fn receive(&mut self) -> Result<Value, String> {
        let line = timeout(LIMIT, self.lines.next_line()).await.map_err(|_| "no answer came")?;
        let line = line.map_err(|error| error.to_string())?.ok_or("Conflux ended")?;
        serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))
    }
}

fn set(params: &mut Value, member: &str, value: Value) {
    if let Some(members) = params.as_object_mut() {
        members.insert(member.to_owned(), value);
    }
}

fn identity() -> Value {
    json!({"name": "conformance-client", "version": "1.0.0"})
}

fn capabilities() -> Value {
    json!({"elicitation": {"form": {}}, "sampling": {}, "roots": {}})
}

/// What the person, the model and the program at this end say to a question.
fn answer(question: &Value) -> Value {
    match question.get("method").and_then(Value::as_str) {
        Some("elicitation/create") => {
            let schema = question.pointer("/params/requestedSchema").unwrap_or(&Value::Null);
            json!({"action": "accept", "content": values::object(schema)})
        }
        Some("sampling/createMessage") => {
            let content = json!({"type": "text", "text": "Hello."});
            json!({"role": "assistant", "content": content, "model": "none"})
        }
        Some("roots/list") => json!({"roots": []}),
        _ => json!({}),
    }
}
