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
    /// How many servers there are.
    #[arg(long, default_value_t = 1)]
    pub(super) count: usize,
    /// The command of each server, if they are not at an address.
    #[arg(last = true)]
    pub(super) command: Vec<String>,
}

/// Serves until the client leaves.
pub(crate) fn run(flags: &Flags) -> anyhow::Result<()> {
    match flags.http {
        Some(address) => http::serve(flags, address),
        None => stdio::serve(flags),
    }
}
