//! Where records are, and what is said if they cannot be read.

use std::path::PathBuf;

use clap::Args;

use crate::audit::error::Error;
use crate::cli::context::Context;
use crate::cli::report::Failure;
use crate::config::Config;

/// Where records are.
#[derive(Clone, Debug, Args)]
pub(super) struct Place {
    /// The directory of the records; without it, the one that the configuration says
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

impl Place {
    /// Returns the directory, and the configuration unless it is not needed for that.
    pub(super) fn find(&self, context: &Context<'_>) -> Result<(PathBuf, Option<Config>), Failure> {
        if let Some(directory) = &self.directory {
            return Ok((directory.clone(), None));
        }
        let config = context.config()?;
        Ok((config.audit.directory.clone(), Some(config)))
    }
}

/// Says why records cannot be read.
pub(super) fn unreadable(error: Error) -> Failure {
    anyhow::Error::new(error).context("cannot read the audit records").into()
}
