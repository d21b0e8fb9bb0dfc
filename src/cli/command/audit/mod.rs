//! `conflux audit`: the records of who called what, and whether they are as they were written.

mod filter;
mod search;
mod tail;
mod verify;

use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;

use crate::audit::error::Error;
use crate::cli::context::Context;
use crate::cli::report::Failure;
use crate::cli::runtime;
use crate::config::Config;

/// Search the records of who called what, and find what was changed in them
///
/// Records are written where the configuration says `audit: on` or `audit: required`; docs/audit.md
/// tells what is in them and what they prove.
#[derive(Debug, Args)]
pub(in crate::cli) struct Audit {
    #[command(subcommand)]
    action: Action,
}

/// What to do with records.
#[derive(Debug, Subcommand)]
enum Action {
    Verify(verify::Verify),
    Search(search::Search),
    Tail(tail::Tail),
}

impl Audit {
    /// Does it.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        match &self.action {
            Action::Verify(wanted) => wanted.run(context),
            Action::Search(wanted) => runtime::wait(wanted.run(context)),
            Action::Tail(wanted) => runtime::wait(wanted.run(context)),
        }
    }
}

/// Where records are.
#[derive(Clone, Debug, Args)]
struct Place {
    /// The directory of the records; without it, the one that the configuration says
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

impl Place {
    /// Returns the directory, and the configuration unless it is not needed for that.
    fn find(&self, context: &Context<'_>) -> Result<(PathBuf, Option<Config>), Failure> {
        if let Some(directory) = &self.directory {
            return Ok((directory.clone(), None));
        }
        let config = context.config()?;
        Ok((config.audit.directory.clone(), Some(config)))
    }
}

/// Says why records cannot be read.
fn unreadable(error: Error) -> Failure {
    anyhow::Error::new(error).context("cannot read the audit records").into()
}
