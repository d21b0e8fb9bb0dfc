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

use std::io;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use clap::Parser as _;
use rmcp::ServiceExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::flags::Flags;
use crate::server::Server;

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let written = writeln!(io::stderr().lock(), "conformance_server: {problem}");
            drop(written);
            ExitCode::FAILURE
        }
    }
}

/// Serves until stdin ends, so that a test that dies leaves nothing behind.
async fn serve(flags: Flags) -> Result<(), String> {
    let server = Server::new(flags.era)?;
    let served = if let Some(address) = flags.http {
        listen(address, http::PATH, http::router(server)).await
    } else if let Some(address) = flags.sse {
        listen(address, sse::PATH, sse::router(server)).await
    } else {
        let running = server.serve(rmcp::transport::stdio()).await;
        let running = running.map_err(|error| error.to_string())?;
        running.waiting().await.map(drop).map_err(io::Error::other)
    };
    served.map_err(|error| error.to_string())
}

/// Serves at `address`, and tells a test, in one line of JSON, where that is.
async fn listen(address: SocketAddr, path: &str, router: Router) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}{path}", listener.local_addr()?);
    writeln!(io::stdout(), "{}", serde_json::json!({ "url": url }))?;
    let mut ignored = [0; 256];
    let stdin_ends =
        async { while tokio::io::stdin().read(&mut ignored).await.is_ok_and(|count| count > 0) {} };
    tokio::select! {
        served = axum::serve(listener, router) => served,
        () = stdin_ends => Ok(()),
    }
}
