//! How an upstream ends that is no longer part of the configuration: nobody new comes to it, those
//! who are there finish, and then it is stopped in the usual order.
//!
//! Whoever may still ask it holds a handle: a call keeps the snapshot it began with. When the last
//! handle is gone, only tasks can be under way that their callers still know.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::exchange::Exchange;
use crate::exchange::deadline::Limits;
use crate::ids::UpstreamId;
use crate::upstream::error::Fault;
use crate::upstream::session::Session;
use crate::upstream::state::Phase;
use crate::upstream::state::State;
use crate::upstream::task_calls;
use crate::wire::Raw;

/// How long what is under way may take at most; as long as a parked question is kept.
const LIMIT: Duration = Duration::from_mins(10);
/// How long the result of a task may be asked for after the last word about it.
const LINGER: Duration = Duration::from_secs(30);
/// How often it is looked whether tasks have come to their end.
const LOOK: Duration = Duration::from_millis(200);

/// Ends one upstream when nobody needs it any more.
#[derive(Debug)]
pub(super) struct Retirement {
    /// What the upstream is doing.
    pub(super) state: watch::Receiver<Phase>,
    /// Cancelled when it is no longer part of the configuration.
    pub(super) retired: CancellationToken,
    /// Cancelled when the last handle is gone.
    pub(super) released: CancellationToken,
    /// Ends the upstream.
    pub(super) stop: CancellationToken,
    /// Keeps the actor from taking the last handle's end for its own.
    pub(super) commands: mpsc::Sender<()>,
}

/// An upstream that is no longer part of the configuration, for those who were given its tasks. It
/// does not keep the upstream from its end.
#[derive(Clone, Debug)]
pub struct Retired {
    id: UpstreamId,
    state: watch::Receiver<Phase>,
    limits: Limits,
}

impl Retirement {
    /// Waits until nobody needs the upstream, and ends it.
    pub(super) async fn oversee(self) {
        let overdue = async {
            self.retired.cancelled().await;
            time::sleep(LIMIT).await;
        };
        tokio::select! {
            () = self.unneeded() => {}
            () = overdue => tracing::warn!(limit = ?LIMIT, "what was under way is given up"),
            () = self.stop.cancelled() => {}
        }
        self.stop.cancel();
        drop(self.commands);
    }

    async fn unneeded(&self) {
        self.released.cancelled().await;
        while self.is_busy() {
            time::sleep(LOOK).await;
        }
    }

    fn is_busy(&self) -> bool {
        let phase = self.state.borrow();
        let Some(session) = phase.state.session() else { return false };
        let connection = &session.connection;
        // Whoever was given a task comes for its result some time after its end.
        let linger = if connection.live().is_empty() { Duration::ZERO } else { LINGER };
        let is_idle = |since: Instant| since + linger <= Instant::now();
        connection.is_open() && !connection.idle_since().is_some_and(is_idle)
    }
}

impl Retired {
    /// Makes what is left of an upstream to those who have its tasks.
    pub(super) fn new(id: UpstreamId, state: watch::Receiver<Phase>, limits: Limits) -> Self {
        Self { id, state, limits }
    }

    /// Returns its key, under which there may be another one now.
    pub fn id(&self) -> &UpstreamId {
        &self.id
    }

    /// Returns whether it has ended.
    pub fn is_over(&self) -> bool {
        matches!(self.state.borrow().state, State::Stopped(_)) || self.state.has_changed().is_err()
    }

    /// Returns whether the task `id` was made on its connection.
    pub fn knows(&self, id: &str) -> bool {
        self.session().is_some_and(|session| session.connection.live().audience(id).is_some())
    }

    /// Carries out a request about the task `id`; as with `Handle::task`.
    pub async fn task(
        &self,
        method: &str,
        params: &Raw,
        id: &str,
        exchange: &Exchange,
    ) -> Result<Option<Raw>, Fault> {
        let Some(session) = self.session() else { return Ok(None) };
        exchange.deadline().set(self.limits);
        task_calls::request(&session, method, params, id, exchange).await
    }

    fn session(&self) -> Option<Arc<Session>> {
        self.state.borrow().state.session().cloned()
    }
}
