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
mod client_info;
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
mod lists;
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

pub use self::agreed::Agreed;
pub use self::changes::Stamp;
pub use self::error::Error;
pub use self::error::Fault;
pub use self::front::Front;
pub use self::handle::Handle;
pub use self::key::path as key_of_task_ids;
pub use self::key::task_ids;
pub use self::lists::List;
pub use self::lists::Listed;
pub use self::lists::Lists;
pub use self::memory::Disk;
pub use self::memory::Inventory;
pub use self::memory::Moment;
pub use self::memory::Recalled;
pub use self::memory::Recalling;
pub use self::prune::prune;
pub use self::retirement::Retired;
pub use self::shown::Shown;
pub use self::state::Status;
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
