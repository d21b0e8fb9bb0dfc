//! `conflux init`: a configuration to begin with.

use clap::Args;

use crate::cli::command::add::NEXT;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::config;
use crate::disk::document::Document;

/// What is written.
const START: &str = include_str!("init.yaml");
/// The name of the schema beside it, which its first line names.
const SCHEMA: &str = "upstreams.schema.json";

/// Write a configuration to begin with, and its schema beside it for editors
///
/// It is written to the last file of `--config` or `CONFLUX_CONFIG`; without them, to
/// `conflux/upstreams.yaml` in the user's directory of configurations, where Conflux finds it
/// wherever it is started.
#[derive(Debug, Args)]
pub(in crate::cli) struct Init {
    /// Overwrite what is there
    #[arg(long)]
    force: bool,
}

impl Init {
    /// Writes both files, unless there is a configuration already.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let place = context.changed_file()?;
        let document = Document::read(&place)?;
        if document.bytes().is_some() && !self.force {
            let notice = Notice::error(format!("there is a `{}` already", place.display()));
            let hint =
                "`conflux add` adds to it; `--force` overwrites it, and what is in it is lost";
            return Err(Failure::new(exit::CONFIG, notice.hint(hint)));
        }
        document.replace(START.as_bytes())?;
        output::say(&format!("wrote {}", place.display()));
        let schema = Document::read(&place.with_file_name(SCHEMA))?;
        if schema.bytes().is_none() || self.force {
            schema.replace(format!("{:#}\n", config::schema()).as_bytes())?;
            output::say(&format!("wrote {}", schema.path().display()));
        }
        output::say(&format!("edit it, or use `conflux add`; {NEXT}"));
        Ok(())
    }
}
