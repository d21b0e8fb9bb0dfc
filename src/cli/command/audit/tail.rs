//! `conflux audit tail`: the newest records, and those that come.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::signal;
use tokio::time;

use crate::audit::follow::Follower;
use crate::audit::query::Record;
use crate::cli::command::audit::filter::Filter;
use crate::cli::command::audit::filter::Shown;
use crate::cli::command::audit::place::Place;
use crate::cli::command::audit::place::unreadable;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::report::Failure;

/// How often it is looked whether something was recorded.
const LOOKED: Duration = Duration::from_millis(200);

/// Show the newest records of all gateways
#[derive(Debug, Args)]
pub(super) struct Tail {
    #[command(flatten)]
    filter: Filter,
    /// How many records to show at first
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    lines: usize,
    /// Go on with those that come, until Ctrl-C, which ends this with 0
    #[arg(long)]
    follow: bool,
    /// Print each record as it stands in its file, a JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Tail {
    /// Prints records, and those that come.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let (directory, _config) = self.place.find(context)?;
        let (mut follower, newest) = Follower::open(&directory, usize::MAX).map_err(unreadable)?;
        let shown = Shown { json: self.json, width: context.width() };
        if let Some(header) = shown.header() {
            output::data(&header)?;
        }
        let newest = self.wanted(newest);
        let first = newest.len().saturating_sub(self.lines);
        print(shown, newest.get(first..).unwrap_or_default())?;
        if !self.follow {
            return Ok(());
        }
        let mut interrupted = std::pin::pin!(signal::ctrl_c());
        loop {
            tokio::select! {
                outcome = &mut interrupted => {
                    return Ok(outcome.context("cannot listen for signals")?);
                }
                () = time::sleep(LOOKED) => {}
            }
            let news = self.wanted(follower.news().map_err(unreadable)?);
            print(shown, &news)?;
        }
    }

    fn wanted(&self, mut records: Vec<Record>) -> Vec<Record> {
        let query = self.filter.query(usize::MAX);
        records.retain(|record| query.matches(record));
        records
    }
}

fn print(shown: Shown, records: &[Record]) -> Result<(), Failure> {
    records.iter().try_for_each(|record| output::data(&shown.record(record)))
}
