//! What state an upstream is in, and what that means for a request.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::upstream::agreed::Agreed;
use crate::upstream::error::Error;
use crate::upstream::error::Kind;
use crate::upstream::session::Session;

/// What an upstream is doing; each variant carries what is known in it.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Nobody needed it yet.
    Idle,
    /// It is being started.
    Starting,
    /// It can be asked.
    Ready(Arc<Session>),
    /// It could not be started, or it ended; whoever needs it waits for the next start.
    BackingOff {
        /// Why.
        error: Error,
        /// When it may be started again.
        until: Instant,
    },
    /// That happened often in a row; whoever needs it is told so at once.
    Failed {
        /// Why, the last time.
        error: Error,
        /// When it may be started again.
        until: Instant,
    },
    /// It will not be started any more.
    Stopped(Error),
}

/// A state, and what it leaves of those before it.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    /// The state.
    pub(super) state: State,
    /// Since when it is in it.
    pub(super) since: SystemTime,
    /// Whether its last start came out well, and what it is doing is no consequence of a failure;
    /// false before anybody needed it.
    pub(super) works: bool,
}

/// What an upstream is doing, for reports.
#[derive(Clone, Debug)]
pub struct Status {
    /// One word.
    pub word: &'static str,
    /// Since when it is the word.
    pub since: SystemTime,
    /// Whether its last start came out well, and it did not fail since. One that was put away for
    /// want of use works; one that nobody needed yet is not known to.
    pub works: bool,
    /// Why it is not ready, if it failed.
    pub error: Option<Error>,
    /// What it said about itself, if it is ready.
    pub agreed: Option<Agreed>,
    /// The id of its process, if it is ready and has one.
    pub process: Option<u32>,
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

impl Phase {
    /// Begins as something that nobody needed yet.
    pub(super) fn first() -> Self {
        Self { state: State::Idle, since: SystemTime::now(), works: false }
    }

    /// Goes on to another state.
    pub(super) fn enter(&mut self, state: State) {
        self.works = match &state {
            State::Ready(_) => true,
            // It is put away, or comes back from there; or it failed, and is tried again.
            State::Idle | State::Starting => self.works,
            State::BackingOff { .. } | State::Failed { .. } | State::Stopped(_) => false,
        };
        (self.state, self.since) = (state, SystemTime::now());
    }
}

impl State {
    /// Tells what a request has to do at `now` that has seen, or not, how a start came out.
    pub(super) fn next(&self, now: Instant, has_tried: bool) -> Next {
        match self {
            Self::Idle => Next::Start,
            Self::Starting => Next::Wait,
            // It has just ended, and another state follows in a moment.
            Self::Ready(session) if !session.connection.is_open() => Next::Wait,
            Self::Ready(session) => Next::Use(Arc::clone(session)),
            Self::BackingOff { .. } if !has_tried => Next::Start,
            Self::Failed { until, .. } if !has_tried && now >= *until => Next::Start,
            Self::BackingOff { .. } | Self::Failed { .. } | Self::Stopped(_) => {
                self.error(now).map_or(Next::Wait, Next::Fail)
            }
        }
    }

    /// Returns the session on which it can be asked.
    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Self::Ready(session) => Some(session),
            Self::Idle
            | Self::Starting
            | Self::BackingOff { .. }
            | Self::Failed { .. }
            | Self::Stopped(_) => None,
        }
    }

    /// Returns why it cannot be asked, and how long that will be so at least.
    pub(super) fn error(&self, now: Instant) -> Option<Error> {
        match self {
            Self::Idle | Self::Starting | Self::Ready(_) => None,
            Self::BackingOff { error, until } | Self::Failed { error, until } => {
                let retry_after = Some(until.saturating_duration_since(now));
                Some(Error { retry_after, ..error.clone() })
            }
            Self::Stopped(error) => Some(error.clone()),
        }
    }

    /// Returns when it may be started again, if it failed.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Self::BackingOff { until, .. } | Self::Failed { until, .. } => Some(*until),
            Self::Idle | Self::Starting | Self::Ready(_) | Self::Stopped(_) => None,
        }
    }

    /// Returns the word for it in status reports.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Ready(_) => "ready",
            Self::BackingOff { error, .. } | Self::Failed { error, .. }
                if matches!(error.kind, Kind::Status(401 | 403)) =>
            {
                "auth_required"
            }
            Self::BackingOff { .. } => "backing_off",
            Self::Failed { .. } => "failed",
            Self::Stopped(_) => "stopped",
        }
    }
}
