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
mod call;
mod connection;
mod converse;
mod handle;
mod incoming;
mod inquiry;
mod key;
mod legacy;
mod memory;
mod mirrors;
mod modern;
mod negotiate;
mod pages;
mod reader;
mod running;
mod session;
mod state;
mod task;
mod told;
mod transport;
pub mod trust;
mod upkeep;
mod visits;
mod wants;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::exchange::caller::Callers;
use crate::exchange::caller::Capabilities;
use crate::wire::Raw;
use crate::wire::extension;
use crate::wire::freshness::Freshness;
use crate::wire::object;
use crate::wire::object::Object;

pub use self::error::Error;
pub use self::handle::Handle;
pub use self::key::task_ids;
pub use self::negotiate::Agreed;
pub use self::task::Need;
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
    /// The environment children start with, before what their entry names.
    pub environment: Arc<IndexMap<String, String>>,
    /// What must not be shown in errors and logs.
    pub secrets: config::secrets::Secrets,
    /// The longest message, in bytes.
    pub message_limit: usize,
    /// Where facts about upstreams are remembered between runs.
    pub state: PathBuf,
    /// Where tasks are counted.
    pub tasks: TaskTracker,
    /// Cancelled when every upstream must end.
    pub stop: CancellationToken,
}

/// Everything an upstream lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its tools, as it wrote them.
    pub tools: Vec<Raw>,
    /// Its prompts.
    pub prompts: Vec<Raw>,
    /// Its resources.
    pub resources: Vec<Raw>,
    /// Its resource templates.
    pub templates: Vec<Raw>,
    /// Its skills.
    pub skills: Vec<Raw>,
    /// How long each of them may be kept, in this order; nothing for one it was not asked for.
    pub freshness: [Option<Freshness>; 5],
}

/// What an upstream is doing, for reports.
#[derive(Clone, Debug)]
pub struct Status {
    /// One word.
    pub word: &'static str,
    /// Why it is not ready, if it failed.
    pub error: Option<Error>,
    /// What it said about itself, if it is ready.
    pub agreed: Option<Agreed>,
}

/// Of what a client can do, the part that Conflux passes on to upstreams.
fn offer(capabilities: &Capabilities) -> Raw {
    let Some(declared) = capabilities.raw() else { return object::build([]) };
    let Ok(declared) = declared.object() else { return object::build([]) };
    let carried = ["roots", "sampling", "elicitation"];
    let extensions = declared.get("extensions").and_then(|text| Object::parse(text).ok());
    let extensions =
        extensions.map(|all| object::build(all.iter().filter(|(id, _)| extension::passes(id))));
    let extensions = extensions.as_ref().map(|all| ("extensions", all.get()));
    object::build(declared.iter().filter(|(key, _)| carried.contains(key)).chain(extensions))
}

/// How Conflux introduces itself to upstreams.
fn client_info() -> serde_json::Value {
    serde_json::json!({ "name": "conflux", "version": env!("CARGO_PKG_VERSION") })
}

fn address(uri: &str) -> Raw {
    object::build([("uri", Raw::of(uri).get())])
}
