//! An MCP server on rmcp that offers every feature its revision has, over stdio and HTTP.
//!
//! It is one of the servers of the compatibility matrix: what it offers, and under which names, is
//! in `tests/real/servers/catalog.json`, which the servers of other SDKs read as well.

mod asks;
mod catalog;
mod serve;
mod tools;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use clap::Parser as _;
use rmcp::ServiceExt as _;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::io::copy;
use tokio::io::simplex;
use tokio::io::sink;
use tokio::io::stdin;
use tokio::io::stdout;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::catalog::Flags;
use crate::serve::Matrix;

/// Bytes on their way from stdin to the SDK.
const AHEAD: usize = 64 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let is_http = flags.transport == "http";
    let matrix = Matrix::new(flags);
    let served = if is_http { serve_http(matrix).await } else { serve_stdio(matrix).await };
    if served.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn serve_stdio(matrix: Matrix) -> Option<()> {
    let (reader, mut writer) = simplex(AHEAD);
    let gone = matrix.gone.clone();
    let mut feeder = JoinSet::new();
    feeder.spawn(async move {
        let _ended = copy(&mut stdin(), &mut writer).await;
        let _read_to_its_end = writer.shutdown().await;
        // The SDK would wait five seconds for subscriptions to end on their own.
        gone.cancel();
    });
    let running = matrix.serve((reader, stdout())).await.ok()?;
    running.waiting().await.ok()?;
    Some(())
}

/// Serves until stdin ends.
async fn serve_http(matrix: Matrix) -> Option<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.ok()?;
    let url = format!("http://{}/mcp", listener.local_addr().ok()?);
    writeln!(std::io::stdout(), "{}", json!({"url": url})).ok()?;
    let sessions = Arc::new(LocalSessionManager::default());
    let config = StreamableHttpServerConfig::default();
    let service = StreamableHttpService::new(move || Ok(matrix.clone()), sessions, config);
    tokio::select! {
        served = axum::serve(listener, Router::new().route_service("/mcp", service)) => served.ok(),
        _ended = async { copy(&mut stdin(), &mut sink()).await } => Some(()),
    }
}
