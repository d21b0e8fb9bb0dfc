//! The command line as it is typed: what every command understands; the rest is with each command.

use std::path::PathBuf;

use clap::Args;
use clap::Parser;

use crate::cli::command::Command;
use crate::cli::exit;

/// Under which heading the help of a command has what every command understands.
const EVERYWHERE: &str = "For every command";

/// One MCP server in front of many.
#[derive(Debug, Parser)]
#[command(name = "conflux", version, after_help = exit::help(), arg_required_else_help = true)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pub(in crate::cli) common: Common,
    #[command(subcommand)]
    pub(in crate::cli) command: Command,
}

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
}
