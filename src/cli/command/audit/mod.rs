//! `conflux audit`: the records of who called what, and whether they are as they were written.

mod filter;
mod place;
mod search;
mod tail;
mod verify;

use clap::Args;
use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::report::Failure;
use crate::cli::runtime;

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
