//! `conflux man`: the manual pages.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap_mangen::Man;

use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::report::Failure;

/// Print the manual page, or write those of all commands into a directory
///
/// conflux man | man -l -
/// conflux man --dir ~/.local/share/man/man1
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Manual {
    /// Write `conflux.1` and a page for every command there
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

impl Manual {
    /// Prints the page, or writes all of them.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let whole = context.grammar.clone();
        let Some(directory) = &self.dir else {
            let mut page = Vec::new();
            Man::new(whole).render(&mut page).context("cannot write the manual page")?;
            return output::data(String::from_utf8_lossy(&page).trim_end());
        };
        let written =
            fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(whole, directory));
        written.with_context(|| format!("cannot write to `{}`", directory.display()))?;
        output::say(&format!("wrote the manual pages to {}", directory.display()));
        Ok(())
    }
}
