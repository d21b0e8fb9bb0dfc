//! Definitions that break the specification, and what became of them.

use std::fmt;

use crate::catalog::Kind;
use crate::catalog::shape::Unfollowed;
use crate::ids::UpstreamId;
use crate::wire::mirror;

/// A definition that breaks the specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// Whose definition it is.
    pub upstream: UpstreamId,
    /// Of which kind.
    pub kind: Kind,
    /// Where it stands in the upstream's list, from zero.
    pub index: usize,
    /// Its name or address, if it has one.
    pub local: Option<String>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is no object.
    #[error("it is not an object")]
    NotAnObject,
    /// A key comes twice, and readers differ in which of them counts.
    #[error("the key `{}` comes twice", .0.escape_debug())]
    DuplicateKey(String),
    /// What tells it from others is missing, empty or no string.
    #[error("`{0}` must be a string that is not empty")]
    NoKey(&'static str),
    /// The schema is something that cannot be understood as one for an object.
    #[error("`inputSchema` must be a schema for an object")]
    ForeignSchema,
    /// There is no schema; any object is meant.
    #[error("`inputSchema` is missing")]
    NoSchema,
    /// In place of a schema there is something that says nothing; any object is meant.
    #[error("`inputSchema` is {0}")]
    EmptySchema(&'static str),
    /// The schema does not say that it is one for an object.
    #[error("`inputSchema` lacks `type: object`")]
    UntypedSchema,
    /// Arguments are to be repeated in headers, and it cannot be told how (2026-07-28, Streamable
    /// HTTP, "Custom Headers from Tool Parameters").
    #[error("{0}")]
    Mirror(mirror::Defect),
    /// A change to an argument is configured and cannot be made.
    #[error("{0}")]
    Unfollowed(Unfollowed),
    /// An address has no name; the address does as one.
    #[error("`name` must be a string")]
    NoName,
}

impl Problem {
    /// Returns whether its meaning is too unclear to list the definition.
    pub fn is_withheld(&self) -> bool {
        match self {
            Self::NotAnObject
            | Self::DuplicateKey(_)
            | Self::NoKey(_)
            | Self::ForeignSchema
            | Self::Mirror(_) => true,
            Self::NoSchema
            | Self::EmptySchema(_)
            | Self::UntypedSchema
            | Self::Unfollowed(_)
            | Self::NoName => false,
        }
    }

    /// Returns what became of the definition.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::NotAnObject
            | Self::DuplicateKey(_)
            | Self::NoKey(_)
            | Self::ForeignSchema
            | Self::Mirror(_) => "it is not listed",
            Self::NoSchema | Self::EmptySchema(_) => "`{\"type\":\"object\"}` is listed instead",
            Self::UntypedSchema => "it is listed with that type",
            Self::Unfollowed(_) => "the tool is listed without that change",
            Self::NoName => "it is listed with its address as name",
        }
    }
}

impl Defect {
    /// Returns whether the definition is not listed; else it was repaired.
    pub fn is_withheld(&self) -> bool {
        self.problem.is_withheld()
    }
}

impl fmt::Display for Defect {
    /// Writes one sentence: which definition, what is wrong, and what became of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        match &self.local {
            Some(local) => write!(f, "`{}`", local.escape_debug())?,
            None => write!(f, "number {}", self.index + 1)?,
        }
        let outcome = self.problem.outcome();
        write!(f, " of upstream `{}`: {}; {outcome}", self.upstream, self.problem)
    }
}
