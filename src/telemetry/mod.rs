//! What happens here, for whoever looks: kept in bounds, and costing little while nobody does.
//!
//! Names, numbers and lines, made where it happens by whoever knows what may be shown; nothing here
//! decides that. Who looks is served by the local sockets, the listener of its own and a collector.

/// Tells everybody who follows.
pub mod feed;
/// What upstreams said lately.
pub mod journal;
/// What happened, as numbers.
pub mod metrics;
/// What may be shown of names and of errors.
pub mod shown;
/// What happened to single requests.
pub mod trace;

#[cfg(test)]
mod tests;

pub use self::feed::Feed;
pub use self::feed::Follower;
pub use self::journal::Journal;
pub use self::journal::Pages;
pub use self::journal::Source;
pub use self::metrics::Metrics;
pub use self::trace::Trace;
pub use self::trace::Tracer;

/// Where it is noted what happens; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// What happened, as numbers.
    pub metrics: Metrics,
    /// What happened to single requests.
    pub tracer: Tracer,
}
