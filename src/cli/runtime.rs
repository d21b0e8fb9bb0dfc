//! The one thread that a command runs on.

use anyhow::Context as _;
use tokio::runtime;

use crate::cli::report::Failure;

/// Runs a command to its end on the one thread there is.
pub(in crate::cli) fn wait(
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let outcome = runtime.block_on(command);
    // A thread that still reads stdin would hold up the end until the next line comes.
    runtime.shutdown_background();
    outcome
}
