//! An MCP server on rmcp that offers every feature its revision has, over stdio.
//!
//! It is one of the servers of the compatibility matrix: what it offers, and under which names, is
//! in `tests/real/servers/catalog.json`, which the servers of other SDKs read as well.

mod asks;
mod catalog;
mod serve;
mod tools;

use std::process::ExitCode;

use clap::Parser as _;
use rmcp::ServiceExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::copy;
use tokio::io::simplex;
use tokio::io::stdin;
use tokio::io::stdout;
use tokio::task::JoinSet;

use crate::catalog::Flags;
use crate::serve::Matrix;

/// Bytes on their way from stdin to the SDK.
const AHEAD: usize = 64 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let matrix = Matrix::new(Flags::parse());
    let (reader, mut writer) = simplex(AHEAD);
    let gone = matrix.gone.clone();
    let mut feeder = JoinSet::new();
    feeder.spawn(async move {
        let _ended = copy(&mut stdin(), &mut writer).await;
        let _read_to_its_end = writer.shutdown().await;
        // The SDK would wait five seconds for subscriptions to end on their own.
        gone.cancel();
    });
    let Ok(running) = matrix.serve((reader, stdout())).await else { return ExitCode::FAILURE };
    match running.waiting().await {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
