//! Why a request has no result; `downstream` decides how that is said in the caller's era.

use crate::audit::error::Unrecorded;
use crate::quota;
use crate::upstream;
use crate::wire::Raw;

/// Why a request has no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Nobody here knows this method.
    #[error("unknown method `{0}`")]
    UnknownMethod(String),
    /// The parameters lack something, or have something wrong: a sentence fragment.
    #[error("{0}")]
    InvalidParams(String),
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
