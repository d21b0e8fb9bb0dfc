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
use crate::setup::disk::Document;
use crate::setup::import;
use crate::setup::install;
use crate::setup::install::Restored;
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
        let state = context.around.state().unwrap_or_default();
        let named = self.client.clone();
        for client in Client::ALL.into_iter().filter(|it| self.all || named.contains(it)) {
            let mut is_there = false;
            for place in client.places(&survey.directories).iter().filter(|it| it.is_home) {
                let entry = record::Entry::read(&state, client.id(), &place.path);
                let entry = entry?;
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
        }
        Ok(())
    }
}

/// Undoes all steps of one file, the newest first.
fn undo(place: &Place, mut entry: record::Entry) -> Result<(), Failure> {
    let title = place.client.title();
    let path = place.path.display();
    let document = Document::read(&place.path)?;
    let mut now = document.text()?.map(str::to_owned);
    let (mut backups, mut back, mut is_exact) = (Vec::new(), Vec::new(), true);
    while let Some(step) = entry.record.steps.pop() {
        // A file that is gone has nothing to take Conflux out of.
        let Some(text) = &now else { continue };
        let before = match &step.backup {
            Some(backup) => {
                let read = Document::read(backup)?;
                let before = read.text()?.map(str::to_owned);
                backups.push(backup.clone());
                Some(before.ok_or_else(|| gone(title, backup.display()))?)
            }
            None => None,
        };
        let restored = install::restored(text, before.as_deref(), place, &step);
        let restored = restored.map_err(|error| {
            Failure::from(anyhow::Error::from(error).context(format!("cannot edit `{path}`")))
        })?;
        now = match restored {
            Restored::AsItWas(before) => before,
            Restored::Mended(text, names) => {
                is_exact = false;
                back.extend(names);
                Some(text)
            }
        };
    }
    match &now {
        Some(text) => document.replace(text.as_bytes())?,
        None if document.bytes().is_some() => document.remove()?,
        None => {}
    }
    entry.write()?;
    match (is_exact, now.is_some()) {
        (true, true) => output::say(&format!("{title}: `{path}` is as it was")),
        (true, false) => output::say(&format!("{title}: `{path}` is gone, as it was")),
        (false, _) => {
            output::say(&format!(
                "{title}: `{path}` was changed since; Conflux is taken out of it"
            ));
            if !back.is_empty() {
                output::say(&format!("  and {} put back", import::and(&back)));
            }
        }
    }
    for backup in backups {
        if is_exact {
            // What is in it is in its place again.
            drop(fs::remove_file(backup));
        } else {
            output::say(&format!("  what it was is still in `{}`", backup.display()));
        }
    }
    Ok(())
}

fn gone(title: &str, backup: impl std::fmt::Display) -> Failure {
    let message = format!("{title}: the backup `{backup}` is gone");
    let hint = "take the entry `conflux` out by hand";
    Failure::new(exit::FAILURE, Notice::error(message).hint(hint))
}
