//! What the end-to-end tests stand on: peers, processes, comparisons.

pub(crate) mod collector;
pub(crate) mod conformance;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod identity;
pub(crate) mod inventory;
pub(crate) mod matrix;
pub(crate) mod matrix_handler;
pub(crate) mod matrix_page;
pub(crate) mod matrix_programs;
pub(crate) mod matrix_rmcp;
pub(crate) mod page;
pub(crate) mod parity;
pub(crate) mod processes;
pub(crate) mod programs;
pub(crate) mod raw;
pub(crate) mod reader;
pub(crate) mod real;
pub(crate) mod remote;
pub(crate) mod rmcp_client;
pub(crate) mod scripted;
pub(crate) mod sdk;
pub(crate) mod servers;
pub(crate) mod soak;
pub(crate) mod tls;
pub(crate) mod wire_client;
