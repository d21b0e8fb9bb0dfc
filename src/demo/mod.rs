//! A small MCP server to try Conflux with: nothing but the binary is needed to run it.
//!
//! It speaks both eras over one pair of streams, each request in the era it comes in. Whatever
//! takes time runs beside the loop that reads, so that it can be cancelled.

mod content;
mod reply;
mod running;
mod tools;

#[cfg(test)]
mod tests;

use std::io;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use crate::demo::reply::Client;
use crate::demo::running::Running;
use crate::demo::tools::Outcome;
use crate::wire::Raw;
use crate::wire::Written;
use crate::wire::code;
use crate::wire::frame;
use crate::wire::frame::Defect;
use crate::wire::frame::Message;
use crate::wire::frame::Request;
use crate::wire::line::Line;
use crate::wire::line::Lines;
use crate::wire::method;

/// The longest message that is read, in bytes.
const MESSAGE_LIMIT: usize = 16 * 1024 * 1024;
/// How many messages wait for a client that is slow to read.
const OUT_CAPACITY: usize = 64;

/// Serves one client until its stream ends.
///
/// # Errors
///
/// What reading and writing the streams can fail with.
pub async fn serve(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (out, queue) = mpsc::channel(OUT_CAPACITY);
    let writing = write(queue, writer);
    tokio::pin!(writing);
    tokio::select! {
        written = &mut writing => return written,
        read = Server::new(out).run(Lines::new(reader, MESSAGE_LIMIT)) => read?,
    }
    // What was answered last is still in the queue.
    writing.await
}

async fn write(
    mut queue: mpsc::Receiver<Written>,
    mut writer: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    while let Some(message) = queue.recv().await {
        for part in message.parts() {
            writer.write_all(part).await?;
        }
        writer.write_all(b"\n").await?;
        writer.flush().await?;
    }
    Ok(())
}

struct Server {
    out: mpsc::Sender<Written>,
    /// What the client of a legacy session can do; nothing until it has opened one.
    session: Option<Raw>,
    running: Running,
}

impl Server {
    fn new(out: mpsc::Sender<Written>) -> Self {
        Self { running: Running::new(out.clone()), out, session: None }
    }

    async fn run(mut self, mut lines: Lines<impl AsyncRead + Unpin>) -> io::Result<()> {
        loop {
            tokio::select! {
                line = lines.next() => match line? {
                    Some(Line::Whole(line) | Line::Beyond(line)) => self.read(line).await,
                    Some(Line::TooLong { id, .. }) => {
                        let error = frame::error(code::INVALID_REQUEST, "too long", None);
                        self.send(frame::response(id.as_ref(), Err(&error))).await;
                    }
                    None => break,
                },
                () = self.running.next_ended() => {}
            }
        }
        self.running.finish().await;
        Ok(())
    }

    async fn read(&mut self, line: Bytes) {
        match frame::read(line) {
            Ok(Message::Request(request)) => self.answer(request).await,
            Ok(Message::Notification(notification)) => {
                if notification.method == method::CANCELLED {
                    self.running.cancel(notification.params.as_ref());
                }
            }
            Ok(Message::Response(response)) => self.running.answered(response),
            Err(defect) => {
                let (id, code) = match &defect {
                    Defect::Syntax(_) => (None, code::PARSE_ERROR),
                    Defect::Batch(_) => (None, code::INVALID_REQUEST),
                    Defect::Shape { id, .. } => (id.as_ref(), code::INVALID_REQUEST),
                };
                let error = frame::error(code, &defect.to_string(), None);
                self.send(frame::response(id, Err(&error))).await;
            }
        }
    }

    async fn answer(&mut self, request: Request) {
        let outcome = self.outcome(&request).await;
        if let Some(outcome) = outcome.transpose() {
            self.send(frame::response(Some(&request.id), outcome.as_ref())).await;
        }
    }

    /// Returns the result of a request; nothing if it is answered later.
    async fn outcome(&mut self, request: &Request) -> Result<Option<Raw>, Raw> {
        let params = request.params.as_ref();
        if request.method == method::INITIALIZE {
            let capabilities = params.and_then(|params| params.member("capabilities"));
            self.session = Some(capabilities.unwrap_or_else(reply::nothing));
            return Ok(Some(reply::initialized(params)));
        }
        if request.method == method::PING {
            return Ok(Some(reply::nothing()));
        }
        let client = Client::of(request, self.session.as_ref())?;
        let result = match &*request.method {
            method::DISCOVER => client.cacheable(&reply::discovered()),
            method::TOOLS_LIST => client.cacheable(&tools::definitions()),
            method::RESOURCES_LIST => client.cacheable(&content::resources()),
            method::TEMPLATES_LIST => client.cacheable(&content::templates()),
            method::RESOURCES_READ => client.cacheable(&content::read(&client, params)?),
            method::PROMPTS_LIST => client.cacheable(&content::prompts()),
            method::PROMPTS_GET => client.complete(&content::prompt(params)?),
            method::TOOLS_CALL => match tools::call(&client, params)? {
                Outcome::Result(result) => client.complete(&result),
                Outcome::InputRequired(result) => result,
                Outcome::Later(work) => {
                    self.running.start(request.id.clone(), client, work).await;
                    return Ok(None);
                }
            },
            other => {
                let message = format!("unknown method `{other}`");
                return Err(frame::error(code::METHOD_NOT_FOUND, &message, None));
            }
        };
        Ok(Some(result))
    }

    async fn send(&self, message: Written) {
        // If nobody writes any more, the server ends by that.
        drop(self.out.send(message).await);
    }
}
