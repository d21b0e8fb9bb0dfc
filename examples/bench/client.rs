//! A client that opens a conversation, lists, and then is load.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use tokio::time::Instant;

use crate::json;
use crate::load;
use crate::load::Extent;
use crate::load::Sample;
use crate::load::answer;
use crate::load::http::Connection;
use crate::load::request::Era;
use crate::load::request::FIRST_ID;
use crate::load::request::Request;
use crate::load::request::Target;
use crate::load::stdio::Pipes;

/// How the client reaches what it talks to.
pub(crate) enum Link {
    Stdio(Pipes),
    Http(Target, Vec<Connection>),
}

pub(crate) struct Client {
    pub(crate) link: Link,
    pub(crate) era: Era,
    last_id: u64,
    next_load_id: u64,
}

/// What load is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calls<'a> {
    /// The tools that take turns.
    pub(crate) tools: &'a [String],
    /// The bytes of the text of a call.
    pub(crate) payload: usize,
    pub(crate) in_flight: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Opened {
    protocol_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    tools: Vec<Tool>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
}

impl Client {
    pub(crate) fn over(link: Link, era: Era) -> Self {
        Self { link, era, last_id: 0, next_load_id: FIRST_ID }
    }

    /// A client of the server at an address.
    pub(crate) fn at(address: SocketAddr, path: &str, era: Era) -> Self {
        let (path, token) = (path.to_owned(), None);
        let target = Target { address, path, session: None, revision: None, token };
        Self::over(Link::Http(target, Vec::new()), era)
    }

    /// Brings this token with every request; who speaks over stdio needs none.
    pub(crate) fn bear(&mut self, token: &str) {
        if let Link::Http(target, _) = &mut self.link {
            target.token = Some(token.to_owned());
        }
    }

    /// Opens the conversation; a legacy one over HTTP is in a session from then on.
    pub(crate) fn open(&mut self, patience: Duration) -> anyhow::Result<()> {
        if self.era == Era::Modern {
            self.request("server/discover", None, "", patience)?;
            return Ok(());
        }
        let members = format!(
            r#""protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"bench","version":"1.0.0"}}"#,
            json::LEGACY
        );
        let answer = self.request("initialize", None, &members, patience)?;
        if let Link::Http(target, _) = &mut self.link {
            let result = json::envelope(&answer).and_then(|it| it.result).context("no result")?;
            let opened: Opened = serde_json::from_str(result.get())?;
            target.revision = Some(opened.protocol_version);
        }
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        self.post("notifications/initialized", None, initialized)?;
        if matches!(self.link, Link::Http(..)) {
            self.receive(patience)?;
        }
        Ok(())
    }

    /// Sends a request and returns the whole message that answers it.
    pub(crate) fn request(
        &mut self,
        method: &str,
        name: Option<&str>,
        members: &str,
        patience: Duration,
    ) -> anyhow::Result<Vec<u8>> {
        let id = self.start(method, name, members)?;
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            anyhow::ensure!(!left.is_zero(), "no answer to `{method}` within {patience:?}");
            for message in self.receive(left)? {
                let envelope = json::envelope(&message);
                let answered = envelope.filter(|it| it.method.is_none()).and_then(|it| it.id);
                if answered.is_some_and(|answered| answered.get() == id) {
                    let is_right = json::has(&message, b"\"result\"");
                    anyhow::ensure!(is_right, "`{method}`: {}", answer::start(&message));
                    return Ok(message);
                }
            }
        }
    }

    /// Sends a request and returns its id.
    pub(crate) fn start(
        &mut self,
        method: &str,
        name: Option<&str>,
        members: &str,
    ) -> anyhow::Result<String> {
        self.last_id += 1;
        let (id, params) = (self.last_id.to_string(), self.era.params(members));
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        self.post(method, name, &body)?;
        Ok(id)
    }

    fn post(&mut self, method: &str, name: Option<&str>, body: &str) -> anyhow::Result<()> {
        match &mut self.link {
            Link::Stdio(pipes) => {
                pipes.queue(body.as_bytes());
                pipes.queue(b"\n");
                Ok(())
            }
            Link::Http(target, connections) => {
                let head = target.head(self.era, method, name, body.len());
                if connections.is_empty() {
                    connections.push(Connection::open(target.address)?);
                }
                let connection = connections.first_mut().context("one was opened")?;
                connection.renew()?;
                connection.send(|out| {
                    out.extend_from_slice(head.as_bytes());
                    out.extend_from_slice(body.as_bytes());
                })
            }
        }
    }

    /// Waits for messages; over HTTP, for those of one response.
    fn receive(&mut self, patience: Duration) -> anyhow::Result<Vec<Vec<u8>>> {
        match &mut self.link {
            Link::Stdio(pipes) => {
                pipes.turn(patience)?;
                let mut lines = Vec::new();
                while let Some(line) = pipes.line() {
                    lines.push(line.to_vec());
                }
                Ok(lines)
            }
            Link::Http(target, connections) => {
                let connection = connections.first_mut().context("nothing was sent")?;
                let response = connection.receive(patience)?;
                if let Some(session) = &response.head.session {
                    target.session = Some(session.clone());
                }
                let said = answer::start(&response.body);
                let status = response.head.status;
                anyhow::ensure!(status < 300, "status {status}: {said}");
                Ok(response.messages().into_iter().map(<[u8]>::to_vec).collect())
            }
        }
    }

    /// Returns the names of all tools, and how many bytes said so.
    pub(crate) fn list(&mut self, patience: Duration) -> anyhow::Result<(Vec<String>, usize)> {
        let (mut names, mut bytes, mut cursor) = (Vec::new(), 0, String::new());
        loop {
            let answer = self.request("tools/list", None, &cursor, patience)?;
            bytes += answer.len();
            let result = json::envelope(&answer).and_then(|it| it.result).context("no result")?;
            let page: Page = serde_json::from_str(result.get())?;
            names.extend(page.tools.into_iter().map(|tool| tool.name));
            match page.next_cursor {
                Some(next) => cursor = format!(r#""cursor":{}"#, json::quote(&next)),
                None => return Ok((names, bytes)),
            }
        }
    }

    /// Lists until all of `tools` are there.
    pub(crate) fn list_all(&mut self, tools: &[String], patience: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (names, _) = self.list(left.max(Duration::from_millis(1)))?;
            let missing: Vec<_> = tools.iter().filter(|tool| !names.contains(tool)).collect();
            if missing.is_empty() {
                return Ok(());
            }
            let few: Vec<_> = missing.iter().take(3).collect();
            anyhow::ensure!(
                Instant::now() < until,
                "{} of {} tools are missing, such as {few:?}; there are {:?}",
                missing.len(),
                tools.len(),
                names.iter().take(3).collect::<Vec<_>>(),
            );
            crate::process::sleep(Duration::from_millis(5));
        }
    }

    /// Calls each tool once; its first call may start it.
    pub(crate) fn call_each(&mut self, tools: &[String]) -> anyhow::Result<()> {
        for tool in tools {
            let one = std::slice::from_ref(tool);
            let calls = Calls { tools: one, payload: 100, in_flight: 1 };
            self.load(calls, Extent::Calls(1)).with_context(|| format!("`{tool}`"))?;
        }
        Ok(())
    }

    /// Makes so many calls, or calls for so long, and checks what comes.
    pub(crate) fn load(
        &mut self,
        calls: Calls<'_>,
        extent: impl Into<Extent>,
    ) -> anyhow::Result<Sample> {
        let (era, extent, id) = (self.era, extent.into(), &mut self.next_load_id);
        let make = |target: Option<&Target>| -> Vec<Request> {
            let tools = calls.tools.iter();
            tools.map(|tool| Request::new(era, tool, calls.payload, target)).collect()
        };
        match &mut self.link {
            Link::Stdio(pipes) => pipes.load(&make(None), calls.in_flight, extent, id),
            Link::Http(target, connections) => {
                let requests = make(Some(target));
                while connections.len() < calls.in_flight {
                    connections.push(Connection::open(target.address)?);
                }
                let used = connections.get_mut(..calls.in_flight).context("all are open")?;
                load::http::load(used, &requests, extent, id)
            }
        }
    }
}
