//! `conflux enable` and `conflux disable`: upstreams that are left out, and taken in again.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::edit::Edits;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::setup::yaml;

/// Which upstreams.
#[derive(Debug, Args)]
pub(in crate::cli) struct Switch {
    /// What they are called
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Switch {
    /// Enables or disables all of them or, if one cannot be edited, none.
    pub(in crate::cli) fn run(&self, context: &Context<'_>, disabled: bool) -> Result<(), Failure> {
        let mut edits = Edits::begin(context)?;
        let mut said = Vec::new();
        let word = if disabled { "disabled" } else { "enabled" };
        for name in &self.names {
            let mut is_so_already = false;
            let place = edits.change_member(name, &["disabled", "enabled"], |text| {
                let changed = yaml::with_disabled(text, name, disabled)?;
                is_so_already = changed == text;
                Ok(changed)
            })?;
            let place = place.display();
            said.push(if is_so_already {
                format!("`{name}` is {word} already in {place}")
            } else {
                format!("{word} `{name}` in {place}")
            });
        }
        edits.write()?;
        for line in &said {
            output::say(line);
        }
        Ok(())
    }
}
