//! The command line as it is typed: what every command understands; the rest is with each command.

use std::path::PathBuf;

use clap::Args;
use clap::Parser;

use crate::cli::command::Command;
use crate::cli::exit;

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
    #[arg(long, global = true, value_name = "FILE")]
    pub(in crate::cli) config: Vec<PathBuf>,
    /// What is logged to stderr, such as `debug` or `conflux::upstream=trace`
    ///
    /// Without it: what `CONFLUX_LOG` says.
    #[arg(long, global = true, value_name = "FILTER")]
    pub(in crate::cli) log: Option<String>,
}
