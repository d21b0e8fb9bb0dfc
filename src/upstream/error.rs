//! How an upstream can fail its callers.
//!
//! An error is plain data that can be shared by everyone who waited for one start. Its texts are
//! safe for a client, because they are [`Shown`]: secrets were masked before they got here.

use std::fmt;
use std::time::Duration;

use crate::ids::UpstreamId;
use crate::upstream::shown::Shown;
use crate::upstream::trust::Distrust;
use crate::wire::Raw;

/// A request that an upstream did not answer, and all that is known about why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{upstream}` {kind}{}", colon(.detail))]
pub struct Error {
    /// Which upstream.
    pub upstream: UpstreamId,
    /// What went wrong.
    pub kind: Kind,
    /// What exactly, as far as it is known: a fragment without the name of the upstream.
    pub detail: Shown,
    /// Whether the request may have been carried out.
    pub executed: Executed,
    /// The last lines the upstream wrote to stderr.
    pub stderr: Vec<Shown>,
    /// How long until it makes sense to try again, if that is known.
    pub retry_after: Option<Duration>,
}

/// Why a request has no result.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The upstream answered with this `error` object.
    Answered(Raw),
    /// It did not answer.
    Failed(Error),
    /// The caller no longer wants an answer.
    Cancelled,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its program could not be started.
    CannotStart,
    /// The directory it is to be started in is not there.
    NoDirectory,
    /// It ended before it was ready.
    Exited,
    /// It was ready, and ended.
    Ended,
    /// It was not ready within `timeout.start`.
    StartTimedOut,
    /// Nothing answers at its address.
    Unreachable,
    /// What answers there has a certificate that is not trusted.
    Untrusted(Distrust),
    /// It answered with this HTTP status, and with nothing that could be passed on.
    Status(u16),
    /// It answered the handshake with something Conflux cannot work with.
    HandshakeFailed,
    /// It did not answer within `timeout.call`.
    TimedOut,
    /// The connection ended while it worked on the request.
    ConnectionLost,
    /// Its answer is over the message limit.
    TooLarge,
    /// It answered with something that is no answer.
    BadAnswer,
    /// Too many requests wait for their turn.
    Busy,
    /// It failed so often in a row that it is not asked for a while.
    Suspended,
    /// It asked for input that the client could not give.
    InputRefused,
    /// It does not tell of what somebody wants to hear of.
    NotTold,
    /// It ended the task that the call became, or knows it no longer.
    TaskEnded,
    /// Conflux is stopping, and every upstream with it.
    Stopped,
}

/// Whether a request may have been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executed {
    /// It was not delivered.
    No,
    /// It was delivered, and then something failed.
    Unknown,
}

impl Error {
    /// Returns whether the connection ended before the request could be sent on it.
    pub fn was_never_sent(&self) -> bool {
        self.kind == Kind::ConnectionLost && self.executed == Executed::No
    }

    /// Makes the error of an upstream that is not started any more.
    pub fn stopped(upstream: &UpstreamId) -> Self {
        Self {
            upstream: upstream.clone(),
            kind: Kind::Stopped,
            detail: Shown::default(),
            executed: Executed::No,
            stderr: Vec::new(),
            retry_after: None,
        }
    }
}

impl Kind {
    /// Returns the word for it in `_meta["dev.conflux/error"].kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CannotStart | Self::NoDirectory => "cannot_start",
            Self::Exited | Self::Ended => "exited",
            Self::StartTimedOut => "start_timeout",
            Self::Unreachable | Self::Untrusted(_) => "unreachable",
            Self::Status(401 | 403) => "unauthorized",
            Self::Status(_) => "http_status",
            Self::HandshakeFailed => "handshake_failed",
            Self::TimedOut => "timeout",
            Self::ConnectionLost => "connection_lost",
            Self::TooLarge => "too_large",
            Self::BadAnswer => "bad_answer",
            Self::Busy => "busy",
            Self::Suspended => "suspended",
            Self::InputRefused => "input_refused",
            Self::NotTold => "not_told",
            Self::TaskEnded => "task_ended",
            Self::Stopped => "stopped",
        }
    }

    /// Returns whether nothing came to be at its address that could be spoken to.
    pub(super) fn is_out_of_reach(self) -> bool {
        matches!(self, Self::Unreachable | Self::Untrusted(_))
    }

    /// Returns what a person can do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::CannotStart => {
                "install the program or correct `command`; `conflux check --connect` shows more"
            }
            Self::NoDirectory => {
                "make that directory, or correct `cwd`; `conflux check --connect` shows more"
            }
            Self::Exited => {
                "start its command by hand to see why; `conflux check --connect` shows more"
            }
            Self::Ended => {
                "the next request starts it again; if it ends again, start its command by hand to \
                 see why"
            }
            Self::StartTimedOut => "raise `timeout.start`, or find out by hand what it waits for",
            Self::Unreachable => "check `url`, `proxy` and the network, and that the server runs",
            Self::Untrusted(why) => why.advice(),
            Self::Status(401 | 403) => {
                "give it a token: `headers: { Authorization: \"Bearer ${TOKEN}\" }`"
            }
            Self::Status(429 | 500..) => "try again later, or ask whoever runs the server",
            Self::Status(_) => "check that `url` is the address of an MCP endpoint",
            Self::HandshakeFailed => {
                "make sure that an MCP server is there: a `command` that writes only JSON-RPC to \
                 stdout, or the endpoint at `url`"
            }
            Self::TimedOut => "try again, or raise `timeout.call`",
            Self::ConnectionLost | Self::TaskEnded => {
                "find out whether it was carried out before trying again"
            }
            Self::TooLarge => "ask for less, or raise `limits.message`",
            Self::BadAnswer => "report this to the author of the server",
            Self::Suspended => "try again then; `conflux__status` says how it is",
            Self::Busy => {
                "wait for an answer, then try again; `concurrency` says how many may wait"
            }
            Self::InputRefused => "use a client that supports what the server asks for",
            Self::NotTold => "ask for it again from time to time instead",
            Self::Stopped => "try again when Conflux runs again",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(status) => return write!(f, "answered with HTTP status {status}"),
            Self::Unreachable => "cannot be reached",
            Self::Untrusted(_) => "has a certificate that cannot be trusted",
            Self::CannotStart | Self::NoDirectory => "cannot be started",
            Self::Exited => "exited before it was ready",
            Self::Ended => "has ended",
            Self::StartTimedOut => "was not ready in time",
            Self::HandshakeFailed => "failed the handshake",
            Self::TimedOut => "did not answer in time",
            Self::ConnectionLost => "went away during the request",
            Self::TooLarge => "exceeded the message limit",
            Self::BadAnswer => "gave an answer that cannot be used",
            Self::Busy => "has too much to do",
            Self::Suspended => "is not asked for the moment",
            Self::InputRefused => "asked for input that could not be given",
            Self::NotTold => "does not tell when this changes",
            Self::TaskEnded => "ended the task without a result",
            Self::Stopped => "is stopped, because Conflux is stopping",
        })
    }
}

impl Executed {
    /// Returns the word for it in `_meta["dev.conflux/error"].executed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(error) => write!(f, "it answered with an error: {}", error.get()),
            Self::Failed(error) => error.fmt(f),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn colon(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

#[cfg(test)]
mod tests {
    use super::Error;
    use crate::ids::UpstreamId;

    #[test]
    fn one_that_is_stopped_with_everything_is_not_told_to_be_enabled() {
        let error = Error::stopped(&UpstreamId::new("toy"));
        assert_eq!(error.to_string(), "`toy` is stopped, because Conflux is stopping");
        assert_eq!(error.kind.advice(), "try again when Conflux runs again");
    }
}
