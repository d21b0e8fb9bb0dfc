//! Conflux: one MCP server in front of many.
//!
//! Rooms in reading order, from the ground up; a room uses lower floors only.

/// Newtypes for every identity.
pub mod ids;

/// Validated configuration.
pub mod config;

/// Frames, eras and vocabulary; what is relayed stays raw.
pub mod wire;

/// One request on its way, and the way back.
pub mod exchange;
/// What all upstreams offer, as one list of each kind.
pub mod catalog;
/// The servers behind Conflux.
pub mod upstream;

/// The data plane.
pub mod router;

/// Writes the snapshots.
pub mod control;

/// A small server to try Conflux with.
pub mod demo;

/// Builds everything, starts it, stops it.
pub mod app;

/// Speaks to people.
pub mod cli;
