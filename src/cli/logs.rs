//! Logs on stderr, for people: no time, colours only on a terminal.

use std::io;
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::cli::exit;
use crate::cli::report::Failure;
use crate::cli::report::Notice;

/// Starts logging what `wanted` lets through, or else what `default` does.
pub(in crate::cli) fn start(wanted: Option<&str>, default: &str) -> Result<(), Failure> {
    let filter = wanted.unwrap_or(default);
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        let notice = Notice::error(format!("cannot understand the log filter `{filter}`"));
        let hint = "write a level (`error`, `warn`, `info`, `debug`, `trace`) or \
                    `target=level`, with commas between several";
        Failure::new(exit::USAGE, notice.cause(error).hint(hint))
    })?;
    tracing_subscriber::fmt()
        .compact()
        .without_time()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(())
}
