//! The second floor: what any relay must do, and nothing else.
//!
//! The envelope is parsed where it lies, id and name are swapped by copying what is around them.

mod edit;
mod http;
mod stdio;

use std::net::SocketAddr;

/// Relays between one front and its servers: `u3__echo` is the tool `echo` of the fourth one.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Flags {
    /// Listens here instead of on stdin, until stdin ends.
    #[arg(long)]
    pub(super) http: Option<SocketAddr>,
    /// The servers are at `/u0/mcp`, `/u1/mcp` and so on of this address.
    #[arg(long)]
    pub(super) to: Option<SocketAddr>,
    /// The command of each server, as lists in a list, if they are not at an address.
    #[arg(long, value_name = "JSON", default_value = "[]", value_parser = commands)]
    pub(super) commands: Commands,
}

/// The words of the command of each server.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(transparent)]
pub(super) struct Commands {
    pub(super) each: Vec<Vec<String>>,
}

fn commands(text: &str) -> serde_json::Result<Commands> {
    serde_json::from_str(text)
}

/// Serves until the client leaves.
pub(crate) fn run(flags: &Flags) -> anyhow::Result<()> {
    match flags.http {
        Some(address) => http::serve(flags, address),
        None => stdio::serve(flags),
    }
}
