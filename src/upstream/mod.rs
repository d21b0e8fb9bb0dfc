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
mod answer;
mod backoff;
mod breaker;
mod call;
mod changes;
mod connection;
mod converse;
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
mod reader;
mod retirement;
mod retry;
mod running;
mod session;
mod shown;
mod state;
mod supervision;
mod table;
mod tail;
mod task;
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
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use indexmap::IndexMap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::exchange::caller::Callers;
use crate::exchange::task_ids::Ids;
use crate::telemetry::Journal;
use crate::telemetry::Telemetry;
use crate::wire::Raw;
use crate::wire::budget::Budget;
use crate::wire::freshness::Freshness;
use crate::wire::object;

pub use self::changes::Stamp;
pub use self::error::Error;
pub use self::front::Front;
pub use self::handle::Handle;
pub use self::key::path as key_of_task_ids;
pub use self::key::task_ids;
pub use self::memory::Disk;
pub use self::memory::Inventory;
pub use self::memory::Moment;
pub use self::memory::Recalling;
pub use self::memory::prune;
pub use self::negotiate::Agreed;
pub use self::retirement::Retired;
pub use self::shown::Shown;
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

/// What every upstream is given.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Whom upstreams may tell and ask outside of calls.
    pub callers: Callers,
    /// What the clients in front can do.
    pub front: Front,
    /// Makes and reads the ids under which callers know tasks.
    pub task_ids: Arc<Ids>,
    /// The environment children start with, before what their entry names.
    pub environment: Arc<IndexMap<String, String>>,
    /// The program that knows the command [`guard::COMMAND`], to keep children under guard with.
    pub guard: Option<PathBuf>,
    /// What must not be shown in errors and logs.
    pub secrets: config::secrets::Secrets,
    /// The longest message, in bytes.
    pub message_limit: usize,
    /// Where their large messages take room from until they were passed on.
    pub answers: Budget,
    /// Whom this machine trusts to say who a server is.
    pub roots: Roots,
    /// Where facts about upstreams are remembered between runs.
    pub state: Disk,
    /// Where people can read what upstreams say.
    pub journal: Journal,
    /// Where it is noted what happens.
    pub telemetry: Telemetry,
    /// Where it is noted which tools are called.
    pub usage: usage::Ledger,
    /// Where tasks are counted.
    pub tasks: TaskTracker,
    /// How many upstreams may be started at the same time.
    pub starts: Arc<Semaphore>,
    /// Cancelled when every upstream must end.
    pub stop: CancellationToken,
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

/// What is known of an upstream from an earlier run of the same configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recalled {
    /// What it told a model.
    pub instructions: Option<String>,
    /// The extensions it declared, an object by their ids.
    pub extensions: Option<Raw>,
    /// What it listed, and when.
    pub inventory: Option<(Inventory, Moment)>,
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
