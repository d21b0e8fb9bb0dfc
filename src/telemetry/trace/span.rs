//! A span that has ended.

use std::borrow::Cow;
use std::time::Duration;
use std::time::SystemTime;

use crate::telemetry::trace::Context;

/// A span that has ended. What is in it may be shown, but for secrets, which are masked when it is
/// written.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Which it is.
    pub context: Context,
    /// The span that it is part of, if there is one.
    pub parent: Option<u64>,
    /// What others had to say of the trace.
    pub state: Option<String>,
    /// Which side of a request it saw.
    pub kind: Kind,
    /// What it is called.
    pub name: String,
    /// When it began.
    pub begun: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// What went wrong, if something did; empty if there are no words for it.
    pub error: Option<String>,
}

/// Which side of a request a span saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// That which was asked.
    Server = 2,
    /// That which asked.
    Client = 3,
}

/// What is known of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
    /// Whether it is so.
    Flag(bool),
}

impl Span {
    /// Whether its parent is of another process: Conflux asks only on behalf of what it was asked.
    pub(super) fn has_remote_parent(&self) -> bool {
        self.kind == Kind::Server && self.parent.is_some()
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}
