//! Servers at an address, started by a test and ended with it.

use std::process::Stdio;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::BufReader;
use tokio::io::Lines;
use tokio::process::Child;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::time::timeout;

use crate::support::programs::Program;
use crate::support::programs::toy;
use crate::support::wire_client::LIMIT;

/// A server over HTTP; it ends when this is dropped.
pub(crate) struct Remote {
    /// The address; of the toy, up to the path.
    pub(crate) url: String,
    child: Child,
    stdin: Option<ChildStdin>,
    /// Kept open: a server that cannot say something more might end.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Remote {
    /// Starts the toy with Streamable HTTP.
    pub(crate) async fn http(flags: &[&str]) -> Self {
        Self::start("--http", "127.0.0.1:0", flags).await
    }

    /// Starts the toy with HTTP+SSE.
    pub(crate) async fn sse(flags: &[&str]) -> Self {
        Self::start("--sse", "127.0.0.1:0", flags).await
    }

    /// Starts the toy as it was started before, at an address that is free again.
    pub(crate) async fn start(kind: &str, address: &str, flags: &[&str]) -> Self {
        let started = Self::of(&toy(&[&[kind, address], flags].concat())).await;
        let said: Value = serde_json::from_str(&started.url).unwrap();
        Self { url: said["url"].as_str().unwrap().to_owned(), ..started }
    }

    /// Starts a program that says its address on a line of stdout, perhaps after other things.
    pub(crate) async fn of(program: &Program) -> Self {
        let mut command = program.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = loop {
            let line = timeout(LIMIT, lines.next_line()).await.unwrap().unwrap();
            let line = line.expect("the server says its address");
            if line.starts_with("http") || line.starts_with('{') {
                break line;
            }
        };
        Self { url, stdin: child.stdin.take(), child, _stdout: lines }
    }

    /// The entry of an `upstreams.yaml` for what is at `path`.
    pub(crate) fn entry(&self, path: &str) -> Value {
        json!({"url": format!("{}{path}", self.url)})
    }

    /// The address without its scheme.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Kills the server and waits for that.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Ends the server and waits for that.
    pub(crate) async fn stop(mut self) {
        drop(self.stdin.take());
        timeout(LIMIT, self.child.wait()).await.unwrap().unwrap();
    }
}
