//! The servers behind Conflux: starting them, speaking their era, listing and calling.

/// How an upstream can fail its callers.
pub mod error;

pub use self::error::Error;
