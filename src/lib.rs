//! Conflux: one MCP server in front of many.
//!
//! Rooms in reading order, from the ground up; a room uses lower floors only.

/// Newtypes for every identity.
pub mod ids;
/// Frames, eras and vocabulary; what is relayed stays raw.
pub mod wire;
/// One request on its way, and the way back.
pub mod exchange;
/// The servers behind Conflux.
pub mod upstream;

/// The data plane.
pub mod router;
/// Speaks to clients.
pub mod downstream;
