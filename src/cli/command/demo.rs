//! `conflux demo`: the demonstration server over stdin and stdout.

use anyhow::Context as _;
use tokio::io;

use crate::cli::report::Failure;
use crate::demo;

/// Serves until stdin ends.
pub(in crate::cli) async fn run() -> Result<(), Failure> {
    let served = demo::serve(io::stdin(), io::stdout()).await;
    Ok(served.context("the demonstration server cannot go on")?)
}
