//! Tools, as far as it counts for a call whether it may become a task.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// A tool as its upstream lists it.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'a> {
    /// The name it gave.
    pub name: &'a str,
    /// Whether it can be called without a task.
    pub need: Need,
    /// Whether it does no harm to call it twice with the same arguments.
    pub may_repeat: bool,
    /// The day on which it is noted that it is called, for whoever notes it.
    pub noted: &'a AtomicU32,
    /// How long the answer may take, if that is not what is said of this name.
    pub timeout: Option<Duration>,
}

/// Whether a tool can be called without a task (2025-11-25, "Tool-Level Negotiation").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A call has a result, at least if no task is asked for.
    None,
    /// Every call must ask for a task.
    Task,
}
