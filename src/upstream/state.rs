//! What state an upstream is in; pure transitions.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::upstream::Error;
use crate::upstream::session::Session;

/// How long a failed upstream is left alone before the next request starts it again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What an upstream is doing; each variant carries what is known in it.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Nobody needed it yet.
    Idle,
    /// It is being started.
    Starting,
    /// It can be asked.
    Ready(Arc<Session>),
    /// It could not be started, or it ended; the next request after `until` starts it again.
    Failed {
        /// Why.
        error: Error,
        /// When it may be started again.
        until: Instant,
    },
    /// It will not be started any more.
    Stopped(Error),
}

/// What a request that needs the upstream has to do.
#[derive(Debug)]
pub(super) enum Next {
    /// Go on with this session.
    Use(Arc<Session>),
    /// Have it started, and look again.
    Start,
    /// Wait until the state changes.
    Wait,
    /// Give up.
    Fail(Error),
}

impl State {
    /// Tells what a request that comes at `now` has to do.
    pub(super) fn next(&self, now: Instant) -> Next {
        match self {
            Self::Idle => Next::Start,
            Self::Starting => Next::Wait,
            // It has just ended, and another state follows in a moment.
            Self::Ready(session) if !session.connection.is_open() => Next::Wait,
            Self::Ready(session) => Next::Use(Arc::clone(session)),
            Self::Failed { until, .. } if now >= *until => Next::Start,
            Self::Failed { error, until } => {
                let retry_after = Some(until.duration_since(now));
                Next::Fail(Error { retry_after, ..error.clone() })
            }
            Self::Stopped(error) => Next::Fail(error.clone()),
        }
    }

    /// Returns the state after a failure at `now`.
    pub(super) fn failed(error: Error, now: Instant) -> Self {
        Self::Failed { error, until: now + RETRY_AFTER }
    }

    /// Returns the word for it in status reports.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Ready(_) => "ready",
            Self::Failed { .. } => "failed",
            Self::Stopped(_) => "stopped",
        }
    }
}
