//! The command line.

use std::net::SocketAddr;

/// A server with everything the official conformance suite looks for.
#[derive(clap::Parser, Debug)]
#[group(skip)]
pub(crate) struct Flags {
    /// Speaks over stdin and stdout.
    #[arg(long, required_unless_present_any = ["http", "sse"])]
    pub(crate) stdio: bool,
    /// Speaks Streamable HTTP at `/mcp` of this address.
    #[arg(long, conflicts_with = "stdio")]
    pub(crate) http: Option<SocketAddr>,
    /// Speaks HTTP+SSE of 2024-11-05, at `/sse` of this address.
    #[arg(long, conflicts_with_all = ["stdio", "http"])]
    pub(crate) sse: Option<SocketAddr>,
    /// Which eras the server speaks.
    #[arg(long, value_enum, default_value = "both")]
    pub(crate) era: Eras,
}

/// Which eras a server speaks.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eras {
    /// 2024-11-05 to 2025-11-25.
    Legacy,
    /// 2026-07-28.
    Modern,
    Both,
}
