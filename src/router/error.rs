//! Why a request has no result, and how it ended; `downstream` decides how that is said in the
//! caller's era.

use crate::audit::error::Unrecorded;
use crate::quota;
use crate::quota::Refusal;
use crate::upstream;
use crate::upstream::error::Kind;
use crate::wire::Raw;
use crate::wire::method;

/// How much is told of the code of an error of an upstream, in characters.
const CODE: usize = 12;

/// Why a request has no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Nobody here knows this method.
    #[error("unknown method `{0}`")]
    UnknownMethod(String),
    /// The parameters lack something, or have something wrong: a sentence fragment.
    #[error("{0}")]
    InvalidParams(String),
    /// The caller may not use something in this way: a sentence fragment.
    #[error("{0}")]
    Forbidden(String),
    /// No tool has this public name, or it is not the caller's to see.
    #[error("unknown tool `{0}`")]
    UnknownTool(String),
    /// No prompt has this public name.
    #[error("unknown prompt `{0}`")]
    UnknownPrompt(String),
    /// No upstream owns this address.
    #[error("unknown resource `{0}`")]
    UnknownResource(String),
    /// No task has this id, or it is not the caller's.
    #[error("unknown task: it has expired, or its id is not one that this client was given")]
    UnknownTask,
    /// The token of the request lacks some of the scopes that it needs, which are these.
    #[error("the token lacks the scopes that this needs: {}", .0.join(", "))]
    InsufficientScope(Vec<String>),
    /// The caller has reached a limit. The request went nowhere.
    #[error(transparent)]
    Limited(#[from] quota::Refusal),
    /// The upstream answered with an error of its own, which is passed on: the `error` object.
    #[error("the upstream answered with an error")]
    Answered(Raw),
    /// The upstream did not answer.
    #[error(transparent)]
    Upstream(#[from] upstream::Error),
    /// It must be recorded before it goes on, and cannot be.
    #[error("the request was not carried out, because {0}")]
    Unrecorded(#[from] Unrecorded),
    /// The caller no longer wants an answer.
    #[error("cancelled")]
    Cancelled,
}

impl From<upstream::Fault> for Error {
    fn from(fault: upstream::Fault) -> Self {
        match fault {
            upstream::Fault::Answered(error) => Self::Answered(error),
            upstream::Fault::Failed(error) => Self::Upstream(error),
            upstream::Fault::Cancelled => Self::Cancelled,
        }
    }
}

/// How a request ended: judged once, and told in words of their own by whoever tells it.
#[derive(Debug)]
pub(super) enum Verdict<'a> {
    /// It has a result.
    Good,
    /// The result of a tool says that it failed.
    ToolError,
    /// There is no such thing, or not for whoever asked.
    Unknown,
    /// The token of whoever asked lacks some of these scopes.
    Insufficient(&'a [String]),
    /// A rule refuses it as it is asked for.
    Forbidden,
    /// Its parameters are wrong.
    Invalid,
    /// A limit is reached.
    Limited(&'a Refusal),
    /// The upstream answered with an error, which has this code.
    Answered(Option<String>),
    /// The upstream took too long.
    TimedOut,
    /// The upstream did not answer.
    Failed(Kind),
    /// It could not be recorded before it went on.
    Unrecorded(&'a Unrecorded),
    /// The work on it panicked.
    Panicked,
    /// Nobody waits for it any more.
    Cancelled,
}

impl<'a> Verdict<'a> {
    /// Judges a request.
    pub(super) fn of(method: &str, outcome: Result<&Raw, &'a Error>) -> Self {
        match outcome {
            Ok(result) if method == method::TOOLS_CALL && result.is_true("isError") => {
                Self::ToolError
            }
            Ok(_) => Self::Good,
            Err(error) => error.into(),
        }
    }

    /// Returns whether somebody must not do what they asked for, so that it is answered as if there
    /// were no such thing.
    pub(super) fn is_denial(&self) -> bool {
        matches!(self, Self::Unknown | Self::Insufficient(_) | Self::Forbidden | Self::Limited(_))
    }
}

impl<'a> From<&'a Error> for Verdict<'a> {
    fn from(error: &'a Error) -> Self {
        match error {
            Error::UnknownMethod(_)
            | Error::UnknownTool(_)
            | Error::UnknownPrompt(_)
            | Error::UnknownResource(_)
            | Error::UnknownTask => Self::Unknown,
            Error::InsufficientScope(needed) => Self::Insufficient(needed),
            Error::Forbidden(_) => Self::Forbidden,
            Error::InvalidParams(_) => Self::Invalid,
            Error::Limited(refusal) => Self::Limited(refusal),
            Error::Answered(error) => {
                let code = error.member("code");
                Self::Answered(code.map(|code| code.get().chars().take(CODE).collect()))
            }
            Error::Upstream(error) if error.kind == Kind::TimedOut => Self::TimedOut,
            Error::Upstream(error) => Self::Failed(error.kind),
            Error::Unrecorded(unrecorded) => Self::Unrecorded(unrecorded),
            Error::Cancelled => Self::Cancelled,
        }
    }
}
