//! The servers behind Conflux: starting them, speaking their era, listing and calling.
//!
//! Each upstream is one task (`actor`) that owns its process and its state. Everybody else holds a
//! [`Handle`], which finds the open session or has one opened, and asks through it.

/// How an upstream can fail its callers.
pub mod error;

#[cfg(test)]
mod pages_tests;
#[cfg(any(test, fuzzing))]
pub mod probe;
#[cfg(test)]
mod tests;

mod actor;
mod agreed;
mod answer;
mod backoff;
mod breaker;
mod call;
mod changes;
mod connection;
mod converse;
mod errors;
mod front;
mod gate;
mod handle;
mod incoming;
mod inquiry;
mod key;
mod legacy;
mod listing;
mod memory;
mod mirrors;
mod modern;
mod negotiate;
mod noted;
mod pages;
mod prune;
mod reader;
mod retirement;
mod retry;
mod running;
mod session;
mod shown;
mod state;
mod supervision;
mod surroundings;
mod table;
mod tail;
mod task;
mod task_calls;
mod told;
mod transport;
pub mod trust;
mod upkeep;
/// When tools were called last.
pub mod usage;
mod visits;
mod wants;
mod watch;

use std::fmt;
use std::time::SystemTime;

use crate::wire::Raw;
use crate::wire::freshness::Freshness;
use crate::wire::object;

pub use self::agreed::Agreed;
pub use self::changes::Stamp;
pub use self::error::Error;
pub use self::front::Front;
pub use self::handle::Handle;
pub use self::key::task_ids;
pub use self::memory::Disk;
pub use self::memory::Inventory;
pub use self::memory::Moment;
pub use self::memory::Recalled;
pub use self::memory::Recalling;
pub use self::prune::prune;
pub use self::retirement::Retired;
pub use self::shown::Shown;
pub use self::surroundings::Surroundings;
pub use self::task::Need;
pub use self::task::Tool;
#[cfg(unix)]
pub use self::transport::executable;
pub use self::transport::guard;
pub use self::transport::roots::Roots;
pub use self::wants::Watching;
pub use self::watch::Change;
pub use self::watch::Watch;

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

/// How often each list of an upstream was said to have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// Its tools.
    pub tools: u64,
    /// Its prompts.
    pub prompts: u64,
    /// Its resources and templates.
    pub resources: u64,
}

/// Everything an upstream lists: each list, or why it could not be had.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its tools.
    pub tools: Result<List, Fault>,
    /// Its prompts.
    pub prompts: Result<List, Fault>,
    /// Its resources.
    pub resources: Result<List, Fault>,
    /// Its resource templates.
    pub templates: Result<List, Fault>,
    /// Its skills.
    pub skills: Result<List, Fault>,
}

/// One list of an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// All of its items, as the upstream wrote them.
    pub items: Vec<Raw>,
    /// How long it may be kept; nothing if the upstream does not claim to have such a list.
    pub freshness: Option<Freshness>,
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

/// How Conflux introduces itself to upstreams.
fn client_info() -> serde_json::Value {
    serde_json::json!({ "name": "conflux", "version": env!("CARGO_PKG_VERSION") })
}

fn address(uri: &str) -> Raw {
    object::build([("uri", Raw::of(uri).get())])
}
