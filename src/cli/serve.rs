//! `conflux serve`: one client over stdin and stdout.

use crate::cli::report::Failure;
use crate::cli::session;
use crate::config::Config;

/// Serves until the client leaves.
pub(in crate::cli) async fn run(config: Config) -> Result<(), Failure> {
    session::within(config, async |_app| Ok(())).await
}
