//! An upstream that was started: its connection, and what hangs on it.

use std::process::ExitStatus;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time;

use crate::config;
use crate::config::Transport;
use crate::upstream::connection;
use crate::upstream::connection::Connection;
use crate::upstream::connection::LAST_WORDS_LIMIT;
use crate::upstream::error::Kind;
use crate::upstream::reader::Noise;
use crate::upstream::reader::Reader;
use crate::upstream::shown::Shown;
use crate::upstream::surroundings::Surroundings;
use crate::upstream::tail::Tail;
use crate::upstream::transport::http::Http;
use crate::upstream::transport::listening;
use crate::upstream::transport::pipes;
use crate::upstream::transport::site::Site;
use crate::upstream::transport::sse;
use crate::upstream::transport::stdio;
use crate::upstream::transport::stdio::Process;
use crate::wire::frame::Message;

/// An upstream that was started.
#[derive(Debug)]
pub(super) struct Running {
    /// How it is asked.
    pub(super) connection: Connection,
    link: Link,
}

/// What carries the connection.
#[derive(Debug)]
enum Link {
    /// A process, and what it says besides.
    Process { process: Process, stderr: Tail, noise: Noise, drain: JoinHandle<()> },
    /// Streamable HTTP.
    Http(Http),
    /// HTTP+SSE, whose tasks end with the connection.
    Sse,
}

/// What is left of an upstream that ended.
#[derive(Debug, Default)]
pub(super) struct Remains {
    /// How its process ended.
    status: Option<ExitStatus>,
    /// What it wrote last to stderr.
    pub(super) stderr: Vec<Shown>,
    /// What it wrote to stdout by mistake.
    noise: Option<Shown>,
}

impl Running {
    /// Starts a process, and the tasks that read and write its pipes.
    ///
    /// Fails with a sentence fragment.
    pub(super) fn launch(
        command: &config::Command,
        around: &Surroundings,
        connecting: impl FnOnce(mpsc::Sender<Message>) -> Connection,
    ) -> Result<Self, (Kind, String)> {
        let (process, pipes) = stdio::start(command, &around.environment, around.guard.as_deref())
            .map_err(|error| stdio::explain(&error, command))?;
        let (outgoing, queue) = mpsc::channel(connection::OUTGOING_CAPACITY);
        let connection = connecting(outgoing);
        let stderr = Tail::new(connection.errors().clone());
        let noise = Noise::new(connection.errors());
        let tasks = &around.tasks;
        tasks.spawn(pipes::write(connection.clone(), queue, pipes.stdin));
        let reader = Reader::new(connection.clone(), noise.clone()).within(around.answers.clone());
        tasks.spawn(pipes::read(reader, pipes.stdout, around.message_limit));
        let drain = tasks.spawn(stderr.clone().drain(pipes.stderr));
        Ok(Self { connection, link: Link::Process { process, stderr, noise, drain } })
    }

    /// Begins to speak to a site; nothing is sent before something is asked, but for the stream
    /// of HTTP+SSE.
    pub(super) fn approach(
        site: Site,
        transport: Transport,
        around: &Surroundings,
        connecting: impl FnOnce(mpsc::Sender<Message>) -> Connection,
    ) -> Self {
        let (outgoing, queue) = mpsc::channel(connection::OUTGOING_CAPACITY);
        let connection = connecting(outgoing);
        let noise = Noise::new(connection.errors());
        let reader = Reader::new(connection.clone(), noise).within(around.answers.clone());
        let limit = around.message_limit;
        let link = match transport {
            Transport::Http => {
                let http = Http::new(site, reader, limit);
                around.tasks.spawn(http.clone().run(queue));
                Link::Http(http)
            }
            Transport::Sse => {
                around.tasks.spawn(sse::run(site, reader, limit, queue));
                Link::Sse
            }
        };
        Self { connection, link }
    }

    /// Does what follows once a legacy session is open.
    pub(super) async fn opened(&self) {
        if let Link::Http(http) = &self.link {
            listening::open(http).await;
        }
    }

    /// Returns the id of the process, if there is one that has not ended.
    pub(super) fn process(&self) -> Option<u32> {
        match &self.link {
            Link::Process { process, .. } => process.id(),
            Link::Http(_) | Link::Sse => None,
        }
    }

    /// Waits until the process has ended; for ever where there is none. Cancel safe.
    pub(super) async fn exited(&mut self) {
        match &mut self.link {
            Link::Process { process, .. } => {
                let status = process.wait().await;
                let upstream = self.connection.upstream();
                tracing::debug!(%upstream, ?status, "the process ended");
            }
            Link::Http(_) | Link::Sse => std::future::pending().await,
        }
    }

    /// Ends the upstream and everything that hangs on it; returns what is left.
    pub(super) async fn end(self) -> Remains {
        // The writer lets go of stdin when the connection is closed.
        self.connection.close();
        match self.link {
            Link::Process { process, stderr, noise, mut drain } => {
                let status = process.stop().await;
                if time::timeout(LAST_WORDS_LIMIT, &mut drain).await.is_err() {
                    drain.abort();
                }
                Remains { status, stderr: stderr.lines(), noise: noise.first() }
            }
            Link::Http(http) => {
                http.end().await;
                Remains::default()
            }
            Link::Sse => Remains::default(),
        }
    }
}

impl Remains {
    /// Says how the process ended, as a fragment; nothing if there was none.
    pub(super) fn status(&self) -> String {
        self.status.map_or_else(String::new, stdio::describe)
    }

    /// Adds what a program wrote to stdout by mistake, which is often the reason.
    pub(super) fn with_noise(&self, detail: String) -> String {
        match &self.noise {
            None => detail,
            Some(line) if detail.is_empty() => {
                format!("it wrote to stdout, which is no JSON-RPC: {line}")
            }
            Some(line) => format!("{detail}; it wrote to stdout, which is no JSON-RPC: {line}"),
        }
    }
}
