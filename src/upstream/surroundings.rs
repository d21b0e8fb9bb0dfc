//! What every upstream is given of the gateway around it.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::exchange::caller::Callers;
use crate::exchange::task_ids::Ids;
use crate::telemetry::Journal;
use crate::telemetry::Telemetry;
use crate::upstream::front::Front;
use crate::upstream::memory::Disk;
use crate::upstream::transport::roots::Roots;
use crate::upstream::usage;
use crate::wire::budget::Budget;

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
    /// The program that knows the command [`COMMAND`](crate::upstream::guard::COMMAND) of
    /// guards, to keep children under guard with.
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
