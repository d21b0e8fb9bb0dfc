//! What every command understands.

use std::path::PathBuf;

use clap::Args;

use crate::cli::logs::Format;

/// Under which heading the help of a command has it.
const EVERYWHERE: &str = "For every command";

/// What every command understands.
#[derive(Debug, Args)]
pub(in crate::cli) struct Common {
    /// Configuration file; repeat it to layer several, later ones over earlier ones
    ///
    /// Without it: the files in `CONFLUX_CONFIG`, else `./upstreams.yaml`, else
    /// `conflux/upstreams.yaml` in the user's configuration directory.
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    pub(in crate::cli) config: Vec<PathBuf>,
    /// The profile to see, in the place of everything
    ///
    /// Without it: what `profile` in the configuration says.
    #[arg(long, global = true, value_name = "NAME", help_heading = EVERYWHERE)]
    pub(in crate::cli) profile: Option<String>,
    /// What is logged to stderr, such as `debug` or `conflux::upstream=trace`
    ///
    /// Without it: what `CONFLUX_LOG` says.
    #[arg(long, global = true, value_name = "FILTER", help_heading = EVERYWHERE)]
    pub(in crate::cli) log: Option<String>,
    /// How it is logged: lines for people, or one JSON object a line
    ///
    /// Without it: what `CONFLUX_LOG_FORMAT` says, else `text`.
    #[arg(long, global = true, value_name = "FORMAT", help_heading = EVERYWHERE)]
    pub(in crate::cli) log_format: Option<Format>,
}
