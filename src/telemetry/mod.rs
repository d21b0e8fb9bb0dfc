//! What happens here, for whoever looks: kept in bounds, and costing little while nobody does.
//!
//! Everything is a line of JSON, made where it happens by whoever knows what may be shown; nothing
//! here masks or decides. Who looks is served by the local sockets.

/// Tells everybody who follows.
pub mod feed;
/// What upstreams said lately.
pub mod journal;

#[cfg(test)]
mod tests;

pub use self::feed::Feed;
pub use self::feed::Follower;
pub use self::journal::Journal;
pub use self::journal::Pages;
pub use self::journal::Source;
