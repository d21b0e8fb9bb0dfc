//! `conflux uninstall`: clients get back what they had.

use std::fs;

use clap::Args;

use crate::cli::command::clients;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::clients::Client;
use crate::clients::places::Place;
use crate::disk::document::Document;
use crate::setup::import;
use crate::setup::install;
use crate::setup::install::Step;
use crate::setup::install::Undone;
use crate::setup::record;
use crate::setup::survey::Survey;

/// Take Conflux out of clients, and put their MCP servers back
///
/// A file that is as `conflux install` left it becomes what it was, byte for byte. If it was
/// changed since, Conflux is taken out, the servers are put back, and everything else stays.
#[derive(Debug, Args)]
pub(in crate::cli) struct Uninstall {
    /// The client; repeat it for several
    #[arg(
        long,
        value_name = "CLIENT",
        value_parser = clients::parser(),
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    client: Vec<Client>,
    /// Every client that Conflux was put into
    #[arg(long)]
    all: bool,
}

impl Uninstall {
    /// Undoes what was done to the files of clients, those of the user and of the project in the
    /// working directory.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let survey = Survey::new(&context.around);
        let state = context.state()?;
        let named = self.client.clone();
        let mut is_any = false;
        for client in Client::ALL.into_iter().filter(|it| self.all || named.contains(it)) {
            let mut is_there = false;
            for place in client.places(&survey.directories).iter().filter(|it| it.is_home) {
                let entry = record::Entry::read(&state, client.id(), &place.path)?;
                if !entry.record.steps.is_empty() {
                    is_there = true;
                    undo(place, entry)?;
                }
            }
            if !is_there && !self.all {
                let message = format!("`conflux install` changed nothing of {}", client.title());
                let hint = "an entry that was made by hand is taken out by hand";
                return Err(Failure::new(exit::FAILURE, Notice::error(message).hint(hint)));
            }
            is_any |= is_there;
        }
        if !is_any {
            output::say("nothing to do: Conflux was put into no client");
        }
        Ok(())
    }
}

/// Undoes all steps of one file.
fn undo(place: &Place, mut entry: record::Entry) -> Result<(), Failure> {
    let document = Document::read(&place.path)?;
    let now = document.text()?;
    // Of a file that is gone nothing is undone.
    let steps = std::mem::take(&mut entry.record.steps);
    let steps = if now.is_some() { with_backups(place, steps)? } else { Vec::new() };
    let undone = install::undone(now, place, &steps).map_err(|error| {
        let message = format!("cannot edit `{}`", place.path.display());
        Failure::from(anyhow::Error::from(error).context(message))
    })?;
    match &undone.text {
        Some(text) => document.replace(text.as_bytes())?,
        None if document.bytes().is_some() => document.remove()?,
        None => {}
    }
    entry.write()?;
    tell(place, &undone);
    for backup in steps.into_iter().rev().filter_map(|(step, _)| step.backup) {
        if undone.is_exact {
            // What is in it is in its place again.
            drop(fs::remove_file(backup));
        } else {
            output::say(&format!("  what it was is still in `{}`", backup.display()));
        }
    }
    Ok(())
}

/// Returns the steps with what was in the file before each.
fn with_backups(place: &Place, steps: Vec<Step>) -> Result<Vec<(Step, Option<String>)>, Failure> {
    let mut all = Vec::new();
    for step in steps {
        let before = match &step.backup {
            Some(backup) => {
                let before = Document::read(backup)?.text()?.map(str::to_owned);
                Some(before.ok_or_else(|| gone(place.client.title(), backup.display()))?)
            }
            None => None,
        };
        all.push((step, before));
    }
    Ok(all)
}

/// Says what became of a file.
fn tell(place: &Place, undone: &Undone) {
    let (title, path) = (place.client.title(), place.path.display());
    match (undone.is_exact, &undone.text) {
        (true, Some(_)) => output::say(&format!("{title}: `{path}` is as it was")),
        (true, None) => output::say(&format!("{title}: `{path}` is gone, as it was")),
        (false, _) => {
            output::say(&format!(
                "{title}: `{path}` was changed since; Conflux is taken out of it"
            ));
            if !undone.back.is_empty() {
                output::say(&format!("  and {} put back", import::and(&undone.back)));
            }
        }
    }
}

fn gone(title: &str, backup: impl std::fmt::Display) -> Failure {
    let message = format!("{title}: the backup `{backup}` is gone");
    let hint = "take the entry `conflux` out by hand";
    Failure::new(exit::FAILURE, Notice::error(message).hint(hint))
}
