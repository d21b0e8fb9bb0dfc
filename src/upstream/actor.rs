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
use crate::upstream::agreed::Agreed;
use crate::upstream::changes::Changes;
use crate::upstream::connection;
use crate::upstream::connection::Connection;
use crate::upstream::error::Error;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::errors::Errors;
use crate::upstream::gate::Gate;
use crate::upstream::lists::Lists;
use crate::upstream::memory::Memory;
use crate::upstream::mirrors::Mirrors;
use crate::upstream::negotiate::Verdict;
use crate::upstream::negotiate::negotiate;
use crate::upstream::negotiate::negotiate_http;
use crate::upstream::running::Running;
use crate::upstream::session::Session;
use crate::upstream::shown::Shown;
use crate::upstream::state::Phase;
use crate::upstream::state::State;
use crate::upstream::supervision::Supervision;
use crate::upstream::surroundings::Surroundings;
use crate::upstream::transport::site::Site;
use crate::upstream::upkeep::Upkeep;
use crate::upstream::wants::Wants;
use crate::wire::era::Era;

/// How often one start may begin anew, in another era or because what was remembered was wrong.
const ATTEMPTS: usize = 3;
/// How long one start keeps a place among those that may be made at the same time.
const TURN: Duration = Duration::from_secs(2);

/// Owns one upstream.
#[derive(Debug)]
pub(super) struct Actor {
    /// What to start, and how.
    pub(super) config: Arc<config::Upstream>,
    /// The same; what does not make another server of it may change.
    pub(super) settings: watch::Receiver<Arc<config::Upstream>>,
    /// What every upstream is given.
    pub(super) around: Surroundings,
    /// Where its state is published.
    pub(super) state: watch::Sender<Phase>,
    /// Where it says that lists changed.
    pub(super) lists: watch::Sender<Lists>,
    /// What callers want from it.
    pub(super) wants: watch::Receiver<Wants>,
    /// Where a remote upstream is; made when it is first spoken to.
    pub(super) site: OnceCell<Site>,
    /// Which arguments its tools want in headers.
    pub(super) mirrors: Mirrors,
    /// Where requests of callers wait for their turn.
    pub(super) gate: Gate,
    pub(super) changes: Changes,
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
    /// Nobody used it.
    Idle,
    /// The upstream let go of it: another one has to be opened.
    Lost(Error),
    /// The upstream is gone.
    Failed(Error),
}

impl Actor {
    /// Starts the upstream whenever there is a reason to, until everything stops.
    pub(super) async fn run(self, mut wishes: mpsc::Receiver<()>) {
        let mut supervision = Supervision::default();
        while self.has_reason(&supervision, &mut wishes).await {
            // In its own place, for as long as it lasts: one that rests needs a tenth of the room.
            Box::pin(self.start_and_serve(&mut supervision, &mut wishes)).await;
        }
        self.enter(State::Stopped(Error::stopped(&self.config.id)));
    }

    fn enter(&self, state: State) {
        self.state.send_modify(|phase| phase.enter(state));
    }

    /// Waits until it is wanted and may be started; false when everything stops.
    async fn has_reason(&self, supervision: &Supervision, wishes: &mut mpsc::Receiver<()>) -> bool {
        let due = self.state.borrow().state.due();
        let by_itself = due.filter(|_| self.is_wanted_anyway(supervision));
        let is_wanted = tokio::select! {
            wish = wishes.recv() => wish.is_some(),
            () = sleep_until(by_itself) => true,
            () = self.around.stop.cancelled() => false,
        };
        is_wanted && self.has_waited_until(due).await
    }

    /// Whether it is started without anybody who waits for it: its lists are missing, or somebody
    /// counts on being told.
    fn is_wanted_anyway(&self, supervision: &Supervision) -> bool {
        !supervision.was_ready()
            || self.settings.borrow().starts_by_itself()
            || self.wants.borrow().topics().next().is_some()
    }

    /// Waits for a time that may be over; false if everything stops meanwhile.
    async fn has_waited_until(&self, time: Option<Instant>) -> bool {
        let Some(time) = time else { return true };
        tokio::select! {
            () = time::sleep_until(time) => true,
            () = self.around.stop.cancelled() => false,
        }
    }

    /// Starts it, lets it be used and ends it, and again for as long as it only loses sessions.
    async fn start_and_serve(
        &self,
        supervision: &mut Supervision,
        wishes: &mut mpsc::Receiver<()>,
    ) {
        loop {
            self.enter(State::Starting);
            if !self.has_waited_until(supervision.earliest()).await {
                return;
            }
            let again = if supervision.was_begun() { " again" } else { "" };
            self.gate.errors().say(&format!("is started{again}"));
            self.gate.metrics().starts();
            supervision.begins(Instant::now());
            let (running, agreed) = match self.start_in_turn().await {
                Ok(started) => started,
                Err(error) => return self.fail(supervision, error),
            };
            supervision.succeeds(Instant::now());
            match self.serve(running, agreed, wishes).await {
                End::Idle => {
                    supervision.rests(Instant::now());
                    self.enter(State::Idle);
                    return;
                }
                End::Lost(_) if supervision.loses(Instant::now()) => {}
                End::Lost(error) | End::Failed(error) => return self.fail(supervision, error),
            }
        }
    }

    /// Starts it when it is its turn; one that is slow to be ready does not keep others from
    /// theirs.
    async fn start_in_turn(&self) -> Result<(Running, Agreed), Error> {
        let turn = self.around.starts.acquire().await;
        let mut start = std::pin::pin!(self.start());
        tokio::select! {
            started = &mut start => return started,
            () = time::sleep(TURN) => drop(turn),
        }
        start.await
    }

    /// Lets the session be used until it ends.
    async fn serve(
        &self,
        mut running: Running,
        agreed: Agreed,
        wishes: &mut mpsc::Receiver<()>,
    ) -> End {
        let process = running.process();
        let session = Session::new(running.connection.clone(), agreed);
        let session = Arc::new(Session { process, ..session });
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
        let process = process.map(|id| format!(", process {id}")).unwrap_or_default();
        let revision = session.agreed.revision;
        self.gate.errors().say(&format!("is ready: {revision}{process}"));
        self.gate.renewed();
        self.changes.anew();
        self.enter(State::Ready(session));
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
            self.enter(State::Starting);
        }
        // A server may wait for the end of a subscription before it ends.
        over.cancel();
        drop(upkeep.await);
        if let Some(error) = connection.why_left() {
            return self.leave(running, error);
        }
        let remains = running.end().await;
        if is_idle {
            self.gate.errors().say("was ended: nobody used it");
            return End::Idle;
        }
        let error = self.error(Kind::Ended, &remains.status(), remains.stderr);
        // Whoever waits for an answer is told the reason, too.
        drop(connection.ended().set(error.clone()));
        End::Failed(error)
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
        self.gate.errors().say(&format!("the session was lost: {error}"));
        if error.kind == Kind::ConnectionLost { End::Lost(error) } else { End::Failed(error) }
    }

    /// Waits until nobody has used the session for `timeout.idle`; a subscription is a use.
    async fn unused(&self, connection: &Connection) {
        let mut settings = self.settings.clone();
        loop {
            let (now, limit) = (Instant::now(), settings.borrow_and_update().timeout.idle);
            let is_wanted = self.wants.borrow().topics().next().is_some();
            let since = connection.idle_since().filter(|_| !is_wanted).unwrap_or(now);
            if since + limit <= now {
                return;
            }
            tokio::select! {
                () = time::sleep_until(since + limit) => {}
                Ok(()) = settings.changed() => {}
            }
        }
    }

    fn fail(&self, supervision: &mut Supervision, error: Error) {
        if supervision.is_news(&error) && !self.around.stop.is_cancelled() {
            tracing::warn!(
                upstream = %self.config.id,
                %error,
                stderr = error.stderr.last().map(|line| &**line),
                hint = error.kind.advice(),
                "failed"
            );
        } else {
            tracing::debug!(upstream = %self.config.id, %error, "failed");
        }
        if !self.around.stop.is_cancelled() {
            self.gate.metrics().fails();
        }
        self.gate.errors().say(&format!("failed: {error}; {}", error.kind.advice()));
        self.enter(supervision.fails(error, Instant::now()));
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
        let limit = self.settings.borrow().timeout.start;
        match self.start_within(limit, attempt).await {
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

    /// Starts until an upstream agrees, at most [`ATTEMPTS`] times, for as long as `limit`.
    async fn start_within(
        &self,
        limit: Duration,
        mut attempt: Attempt,
    ) -> Result<(Running, Agreed, Option<Transport>), Error> {
        let deadline = Instant::now() + limit;
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
                    (Kind::HandshakeFailed, error.detail.to_string())
                }
                Some(Verdict::Refused(error) | Verdict::OlderTransport(error)) => {
                    // A start carries out nothing.
                    return Err(Error { executed: Executed::No, ..self.after(before, error) });
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
        let (offer, limit) = (self.around.front.offer(), self.settings.borrow().timeout.start);
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
            gate: self.gate.clone(),
            task_ids: Arc::clone(&self.around.task_ids),
            lists: self.lists.clone(),
            changes: self.changes.clone(),
            tasks: self.around.tasks.clone(),
            mirrors: transport.map(|_| self.mirrors.clone()),
            errors: self.errors(),
        };
        let connecting = |outgoing| Connection::new(outgoing, &around);
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
        let made = Site::new(remote, self.errors(), &self.around.roots).await;
        made.map_err(|detail| self.error(Kind::CannotStart, &detail, Vec::new()))
    }

    fn errors(&self) -> Errors {
        self.gate.errors().clone()
    }

    fn error(&self, kind: Kind, detail: &str, stderr: Vec<Shown>) -> Error {
        Error { stderr, ..self.errors().error(kind, detail, Executed::No) }
    }

    /// Says of both transports why they are of no use, where it is the same reason.
    fn after(&self, before: Option<Error>, error: Error) -> Error {
        match before {
            Some(before) if matches!(error.kind, Kind::Status(_) | Kind::HandshakeFailed) => {
                let both = format!("{}; tried as HTTP+SSE too: {}", before.detail, error.detail);
                let detail = self.errors().shown(&both);
                let has_status = matches!(error.kind, Kind::Status(_));
                let kind = if has_status { before.kind } else { error.kind };
                Error { kind, detail, ..before }
            }
            _ => error,
        }
    }
}

/// Waits for a time; for ever if there is none.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
