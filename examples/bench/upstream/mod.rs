//! A minimal MCP server without an SDK: what it costs is little enough to see what others cost.

mod answers;
mod http;
mod stdio;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

pub(crate) use http::accept_each;
pub(crate) use http::serve_each;
pub(crate) use stdio::bare;
pub(crate) use stdio::pipes;

/// Serves `echo` over stdio, or HTTP.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Flags {
    /// Which eras it speaks.
    #[arg(long, value_enum, default_value = "dual")]
    pub(crate) era: Eras,
    /// Serves HTTP here, under every path, until stdin ends; says where on stdout.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http: Option<SocketAddr>,
    /// How many tools it lists; all of them echo.
    #[arg(long, default_value_t = 1)]
    pub(crate) tools: usize,
    /// How many milliseconds each call takes.
    #[arg(long, default_value_t = 0)]
    pub(crate) delay: u64,
    /// Never answers anything.
    #[arg(long)]
    pub(crate) hang: bool,
    /// The same, if there is such a file when it starts.
    #[arg(long, value_name = "FILE")]
    pub(crate) hang_if: Option<PathBuf>,
    /// Asks the user in every call, and waits for the answer.
    #[arg(long)]
    pub(crate) ask: bool,
    /// Means nothing; tells processes apart in lists of them.
    #[arg(long)]
    pub(crate) mark: Option<String>,
}

/// The eras of the protocol that a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Eras {
    Legacy,
    Modern,
    Dual,
}

impl Flags {
    fn hangs(&self) -> bool {
        self.hang || self.hang_if.as_ref().is_some_and(|file| file.exists())
    }

    fn delay(&self) -> Option<Duration> {
        (self.delay > 0).then(|| Duration::from_millis(self.delay))
    }
}

/// Serves until the client leaves.
pub(crate) fn serve(flags: &Flags) -> anyhow::Result<()> {
    let server = answers::Server::new(flags);
    match (flags.http, flags.delay()) {
        (Some(address), _) => http::serve(flags, server, address),
        (None, None) => stdio::serve(flags, &server),
        (None, Some(delay)) => stdio::serve_late(&server, delay),
    }
}
