//! The task that owns one upstream: starts it, watches it, ends it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::config::Target;
use crate::config::Transport;
use crate::upstream::Error;
use crate::upstream::Lists;
use crate::upstream::Surroundings;
use crate::upstream::connection;
use crate::upstream::connection::Connection;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::memory::Memory;
use crate::upstream::mirrors::Mirrors;
use crate::upstream::negotiate::Agreed;
use crate::upstream::negotiate::Verdict;
use crate::upstream::negotiate::negotiate;
use crate::upstream::negotiate::negotiate_http;
use crate::upstream::running::Running;
use crate::upstream::session::Session;
use crate::upstream::state::State;
use crate::upstream::transport::site::Site;
use crate::upstream::upkeep::Upkeep;
use crate::upstream::wants::Wants;
use crate::wire::Raw;
use crate::wire::era::Era;

/// How often one start may begin anew, in another era or because what was remembered was wrong.
const ATTEMPTS: usize = 3;
/// How often in a row a session may be lost soon before the upstream counts as failed.
const LOSSES: u32 = 3;
/// How long a session lasts that is not lost soon.
const STEADY: Duration = Duration::from_secs(10);

/// Owns one upstream.
#[derive(Debug)]
pub(super) struct Actor {
    /// What to start, and how.
    pub(super) config: Arc<config::Upstream>,
    /// What every upstream is given.
    pub(super) around: Surroundings,
    /// Where its state is published.
    pub(super) state: watch::Sender<State>,
    /// Where it says that lists changed.
    pub(super) lists: watch::Sender<Lists>,
    /// What callers want from it.
    pub(super) wants: watch::Receiver<Wants>,
    /// What the client in front can do.
    pub(super) offer: watch::Receiver<Raw>,
    /// Where a remote upstream is; made when it is first spoken to.
    pub(super) site: OnceCell<Site>,
    /// Which arguments its tools want in headers.
    pub(super) mirrors: Mirrors,
}

/// How a start is tried.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    era: Option<Era>,
    /// Nothing for a program.
    transport: Option<Transport>,
    is_remembered: bool,
}

/// How a session came to its end.
enum End {
    /// As it should, or with an error that was published.
    Over,
    /// The upstream let go of it: another one has to be opened.
    Lost(Error),
}

impl Actor {
    /// Starts the upstream whenever somebody wishes so, until everything stops.
    pub(super) async fn run(self, mut wishes: mpsc::Receiver<()>) {
        let stop = self.around.stop.clone();
        let (mut is_wanted, mut losses) = (false, 0);
        while !stop.is_cancelled() {
            if !is_wanted {
                tokio::select! {
                    wish = wishes.recv() => if wish.is_none() { break },
                    () = stop.cancelled() => break,
                }
            }
            is_wanted = false;
            if matches!(*self.state.borrow(), State::Stopped(_)) {
                continue;
            }
            self.state.send_replace(State::Starting);
            let (running, agreed) = match self.start().await {
                Ok(started) => started,
                Err(error) => {
                    self.fail(error);
                    continue;
                }
            };
            let begun = Instant::now();
            let end = self.serve(running, agreed, &mut wishes).await;
            if begun.elapsed() >= STEADY {
                losses = 0;
            }
            match end {
                End::Over => {}
                End::Lost(error) if losses + 1 == LOSSES => {
                    losses = 0;
                    self.fail(error);
                }
                End::Lost(_) => {
                    losses += 1;
                    is_wanted = true;
                }
            }
        }
        self.state.send_replace(State::Stopped(Error::stopped(&self.config.id)));
    }

    /// Lets the session be used until it ends.
    async fn serve(
        &self,
        mut running: Running,
        agreed: Agreed,
        wishes: &mut mpsc::Receiver<()>,
    ) -> End {
        let session = Arc::new(Session::new(running.connection.clone(), agreed));
        if session.era() == Era::Legacy {
            running.opened().await;
        }
        let upkeep = Upkeep::begin(Arc::clone(&session), self.wants.clone()).await;
        let over = CancellationToken::new();
        let upkeep = self.around.tasks.spawn(upkeep.run(over.clone()));
        tracing::info!(
            upstream = %self.config.id,
            revision = %session.agreed.revision,
            "ready"
        );
        self.state.send_replace(State::Ready(session));
        let connection = running.connection.clone();
        let is_idle = loop {
            tokio::select! {
                () = connection.left().cancelled() => break false,
                () = connection.closed().cancelled() => break false,
                () = self.around.stop.cancelled() => break false,
                () = running.exited() => {
                    connection.last_words().await;
                    break false;
                }
                () = self.unused(&connection) => break true,
                // It is ready, so the wish is fulfilled.
                wish = wishes.recv() => if wish.is_none() { break false },
            }
        };
        if is_idle {
            // Whoever needs it meanwhile waits until it can be started again.
            self.state.send_replace(State::Starting);
        }
        // A server may wait for the end of a subscription before it ends.
        over.cancel();
        drop(upkeep.await);
        if is_idle {
            running.end().await;
            self.state.send_replace(State::Idle);
            return End::Over;
        }
        if let Some(error) = connection.why_left() {
            return self.leave(running, error);
        }
        let remains = running.end().await;
        self.fail(self.error(Kind::Exited, &remains.status(), remains.stderr));
        End::Over
    }

    /// Lets what is under way on a session come to its end while another one is opened.
    fn leave(&self, running: Running, error: Error) -> End {
        let (closed, stop) = (running.connection.closed().clone(), self.around.stop.clone());
        self.around.tasks.spawn(async move {
            tokio::select! {
                () = closed.cancelled() => {}
                () = stop.cancelled() => {}
            }
            running.end().await;
        });
        tracing::debug!(upstream = %self.config.id, %error, "the session was lost");
        if error.kind == Kind::ConnectionLost {
            // Whoever was refused waits for the next session.
            self.state.send_replace(State::Starting);
            return End::Lost(error);
        }
        self.fail(error);
        End::Over
    }

    /// Waits until nobody has used the session for `timeout.idle`; a subscription is a use.
    async fn unused(&self, connection: &Connection) {
        let limit = self.config.timeout.idle;
        loop {
            let now = Instant::now();
            let is_wanted = self.wants.borrow().topics().next().is_some();
            let since = connection.idle_since().filter(|_| !is_wanted).unwrap_or(now);
            if since + limit <= now {
                return;
            }
            time::sleep_until(since + limit).await;
        }
    }

    fn fail(&self, error: Error) {
        if !self.around.stop.is_cancelled() {
            tracing::warn!(
                upstream = %self.config.id,
                %error,
                stderr = error.stderr.last(),
                hint = error.kind.advice(),
                "failed"
            );
        }
        self.state.send_replace(State::failed(error, Instant::now()));
    }

    async fn start(&self) -> Result<(Running, Agreed), Error> {
        let memory = Memory::new(&self.around.state, &self.config);
        let remembered = memory.recall().await;
        let attempt = match &self.config.target {
            Target::Command(_) => Attempt {
                era: remembered.era,
                transport: None,
                is_remembered: remembered.era.is_some(),
            },
            Target::Remote(remote) => Attempt {
                era: remembered.era,
                transport: remote.transport.or(remembered.transport).or(Some(Transport::Http)),
                is_remembered: remembered.era.is_some(),
            },
        };
        match self.start_within(Instant::now() + self.config.timeout.start, attempt).await {
            Ok((running, agreed, transport)) => {
                memory.remember(&agreed, transport).await;
                Ok((running, agreed))
            }
            Err(error) => {
                // A server that is silent in the era that was remembered may speak another now.
                if error.kind == Kind::StartTimedOut {
                    memory.forget().await;
                }
                Err(error)
            }
        }
    }

    /// Starts until an upstream agrees, at most [`ATTEMPTS`] times, until `deadline`.
    async fn start_within(
        &self,
        deadline: Instant,
        mut attempt: Attempt,
    ) -> Result<(Running, Agreed, Option<Transport>), Error> {
        let limit = self.config.timeout.start;
        // What Streamable HTTP came to, when the older transport is tried.
        let mut before: Option<Error> = None;
        for _ in 0..ATTEMPTS {
            let running = self.launch(attempt.transport).await?;
            let verdict = tokio::select! {
                verdict = self.negotiate(&running.connection, attempt) => Some(verdict),
                () = time::sleep_until(deadline) => None,
                () = self.around.stop.cancelled() => {
                    running.end().await;
                    return Err(Error::stopped(&self.config.id));
                }
            };
            if let Some(Verdict::Agreed(agreed)) = verdict {
                return Ok((running, agreed, attempt.transport));
            }
            let remains = running.end().await;
            let (kind, detail) = match verdict {
                None => (Kind::StartTimedOut, format!("{limit:?} have passed")),
                Some(Verdict::Refused(error)) if error.kind.is_out_of_reach() => {
                    return Err(error);
                }
                Some(Verdict::StartAgain(era)) => {
                    attempt = Attempt { era: Some(era), is_remembered: false, ..attempt };
                    continue;
                }
                Some(Verdict::OlderTransport(error)) if self.may_choose_transport() => {
                    before = Some(error);
                    attempt = Attempt {
                        era: Some(Era::Legacy),
                        transport: Some(Transport::Sse),
                        is_remembered: false,
                    };
                    continue;
                }
                Some(_) if attempt.is_remembered => {
                    attempt = self.anew(attempt);
                    continue;
                }
                Some(Verdict::Refused(error))
                    if matches!(error.kind, Kind::ConnectionLost | Kind::BadAnswer) =>
                {
                    (Kind::HandshakeFailed, error.detail)
                }
                Some(Verdict::Refused(error) | Verdict::OlderTransport(error)) => {
                    // A start carries out nothing.
                    return Err(Error { executed: Executed::No, ..after(before, error) });
                }
                Some(Verdict::Failed(detail)) => (Kind::HandshakeFailed, detail),
                Some(Verdict::Closed | Verdict::Agreed(_)) if attempt.transport.is_some() => {
                    (Kind::HandshakeFailed, "it ended the connection".to_owned())
                }
                Some(Verdict::Closed | Verdict::Agreed(_)) => (Kind::Exited, remains.status()),
            };
            let detail = remains.with_noise(detail);
            return Err(self.error(kind, &detail, remains.stderr));
        }
        let detail = "it changes its mind about the era it speaks";
        Err(self.error(Kind::HandshakeFailed, detail, Vec::new()))
    }

    /// Returns the attempt without what was remembered, and was wrong.
    fn anew(&self, attempt: Attempt) -> Attempt {
        let transport = if self.may_choose_transport() {
            attempt.transport.map(|_| Transport::Http)
        } else {
            attempt.transport
        };
        Attempt { era: None, transport, is_remembered: false }
    }

    /// Whether the transport is to be found out.
    fn may_choose_transport(&self) -> bool {
        matches!(&self.config.target, Target::Remote(remote) if remote.transport.is_none())
    }

    async fn negotiate(&self, connection: &Connection, attempt: Attempt) -> Verdict {
        let (offer, limit) = (self.offer.borrow().clone(), self.config.timeout.start);
        match attempt.transport {
            None => negotiate(connection, &offer, attempt.era, limit).await,
            Some(Transport::Http) => negotiate_http(connection, &offer, attempt.era, limit).await,
            // It was given up before there was another era.
            Some(Transport::Sse) => negotiate(connection, &offer, Some(Era::Legacy), limit).await,
        }
    }

    /// Starts the process, or begins to speak to the address.
    async fn launch(&self, transport: Option<Transport>) -> Result<Running, Error> {
        let around = connection::Surroundings {
            callers: self.around.callers.clone(),
            lists: self.lists.clone(),
            tasks: self.around.tasks.clone(),
            mirrors: transport.map(|_| self.mirrors.clone()),
        };
        let id = self.config.id.clone();
        let connecting = |outgoing| Connection::new(id, outgoing, &around);
        match (&self.config.target, transport) {
            (Target::Remote(remote), transport) => {
                let site = self.site.get_or_try_init(|| self.site(remote)).await?.clone();
                let transport = transport.unwrap_or(Transport::Http);
                Ok(Running::approach(site, transport, &self.around, connecting))
            }
            (Target::Command(command), _) => {
                let launched = Running::launch(command, &self.around, connecting);
                launched.map_err(|(kind, detail)| self.error(kind, &detail, Vec::new()))
            }
        }
    }

    async fn site(&self, remote: &config::Remote) -> Result<Site, Error> {
        if remote.exposes_secrets() {
            tracing::warn!(
                upstream = %self.config.id,
                "its headers travel in the clear; use `https:` if the network is not your own"
            );
        }
        let made = Site::new(&self.config.id, remote, &self.around.secrets).await;
        made.map_err(|detail| self.error(Kind::CannotStart, &detail, Vec::new()))
    }

    fn error(&self, kind: Kind, detail: &str, stderr: Vec<String>) -> Error {
        Error { stderr, ..Error::new(&self.config.id, kind, detail, Executed::No) }
    }
}

/// Says of both transports why they are of no use, where it is the same reason.
fn after(before: Option<Error>, error: Error) -> Error {
    match before {
        Some(before) if matches!(error.kind, Kind::Status(_) | Kind::HandshakeFailed) => {
            let detail = format!("{}; tried as HTTP+SSE too: {}", before.detail, error.detail);
            let kind = if matches!(error.kind, Kind::Status(_)) { before.kind } else { error.kind };
            Error { kind, detail, ..before }
        }
        _ => error,
    }
}
