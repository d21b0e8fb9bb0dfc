//! Conflux: one MCP server in front of many.
//!
//! Rooms in reading order, from the ground up; a room uses lower floors only.

/// Newtypes for every identity.
pub mod ids;

/// What a gateway is told: validated plain data, and how it is loaded.
pub mod config;
