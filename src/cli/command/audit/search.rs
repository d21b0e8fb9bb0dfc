//! `conflux audit search`: records of the past.

use clap::Args;

use crate::audit::search;
use crate::cli::command::audit::filter::Filter;
use crate::cli::command::audit::filter::Shown;
use crate::cli::command::audit::place::Place;
use crate::cli::command::audit::place::unreadable;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::config::audit::Index;

/// Find records by who asked for what, when, and how it ended
///
/// The newest that match are shown, the oldest of them first. What is shown stands in the records
/// themselves; the index beside them, which is made when it is first needed, only says where.
#[derive(Debug, Args)]
pub(super) struct Search {
    #[command(flatten)]
    filter: Filter,
    /// How many records to show at most
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
    /// Print each record as it stands in its file, a JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Search {
    /// Prints what is found.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let (directory, config) = self.place.find(context)?;
        // Nothing is written into a directory that is merely looked at.
        let index = config.map_or(Index::None, |config| config.audit.index);
        let query = self.filter.query(self.limit);
        let found = search::search(&directory, index, &query).await.map_err(unreadable)?;
        let shown = Shown { json: self.json, width: context.width() };
        if found.is_empty() {
            let message = format!("no record in `{}` matches", directory.display());
            output::tell(&[Notice::warning(message)]);
            return Ok(());
        }
        if let Some(header) = shown.header() {
            output::data(&header)?;
        }
        found.iter().try_for_each(|record| output::data(&shown.record(record)))
    }
}
