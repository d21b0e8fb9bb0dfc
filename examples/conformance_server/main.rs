//! A server with everything the official conformance suite looks for, over any transport.
//!
//! Tests run the suite against it alone and through Conflux. What it offers and says is data, in
//! `catalog.json` and `answers.json`; one description of a question serves both eras.
#![expect(deprecated, reason = "legacy revisions have what the newest one deprecates")]

mod changes;
mod data;
mod flags;
mod http;
mod interview;
mod server;
mod skills;
mod sse;
mod tasks;
mod tools;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use rmcp::ServiceExt as _;
use tokio::io::AsyncReadExt as _;

use crate::flags::Flags;
use crate::server::Server;

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let written = writeln!(std::io::stderr().lock(), "conformance_server: {problem}");
            drop(written);
            ExitCode::FAILURE
        }
    }
}

/// Serves until stdin ends, so that a test that dies leaves nothing behind.
async fn serve(flags: Flags) -> Result<(), String> {
    let server = Server::new(flags.era)?;
    if let Some(address) = flags.http {
        return http::serve(server, address, stdin_ends()).await.map_err(|error| error.to_string());
    }
    if let Some(address) = flags.sse {
        return sse::serve(server, address, stdin_ends()).await.map_err(|error| error.to_string());
    }
    let running =
        server.serve(rmcp::transport::stdio()).await.map_err(|error| error.to_string())?;
    running.waiting().await.map_err(|error| error.to_string())?;
    Ok(())
}

async fn stdin_ends() {
    let mut ignored = [0; 256];
    while tokio::io::stdin().read(&mut ignored).await.is_ok_and(|count| count > 0) {}
}

/// Tells a test, in one line of JSON, where the server listens.
fn announce(url: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::json!({ "url": url }))?;
    out.flush()
}
