//! Conflux: one MCP server in front of many.
//!
//! Rooms in reading order, from the ground up; a room uses lower floors only, and rooms on one
//! floor do not know each other.

// Newtypes for every identity.
pub mod ids;
// Files and directories: replaced whole, kept from other users, shared with other processes.
pub mod disk;

// Facts about the programs in front of Conflux.
pub mod clients;
// The configuration: validated plain data.
pub mod config;
// Frames, eras and vocabulary: what is relayed stays raw.
pub mod wire;

// Moves in and out: the files of clients, and Conflux's own.
pub mod setup;

// What happens here, for whoever looks.
pub mod telemetry;

// One request on its way, and the way back.
pub mod exchange;

// Proof of who called what.
pub mod audit;
// Who is calling.
pub mod auth;
// What all upstreams offer, as one list of each kind.
pub mod catalog;
// What callers may use up: rates, requests under way, budgets.
pub mod quota;
// Who may do what: a pure value.
pub mod policy;
// The servers behind Conflux.
pub mod upstream;

// The data plane: looks a name up and sends the request on.
pub mod router;

// The one task that changes what requests see.
pub mod control;
// A small server to try things with.
pub mod demo;
// The clients in front of Conflux.
pub mod downstream;

// Builds everything, starts it, stops it.
pub mod app;

// Speaks to people.
pub mod cli;
