//! The command line as a whole; what is typed behind a command is with the command.

use clap::Parser;

use crate::cli::command::Command;
use crate::cli::common::Common;
use crate::cli::exit;

/// One MCP server in front of many.
#[derive(Debug, Parser)]
#[command(
    name = "conflux",
    version,
    after_help = exit::help(),
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pub(in crate::cli) common: Common,
    #[command(subcommand)]
    pub(in crate::cli) command: Command,
}
