//! `conflux remove`: upstreams that are no longer wanted.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::edit::Edits;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::setup::yaml;

/// Remove upstreams from the configuration
///
/// Of several files, the last one that has the upstream is edited. `conflux disable` only leaves
/// it out.
#[derive(Debug, Args)]
pub(in crate::cli) struct Remove {
    /// What they are called
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Remove {
    /// Removes all of them or, if one cannot be removed, none.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let mut edits = Edits::begin(context)?;
        let (mut said, mut notices) = (Vec::new(), Vec::new());
        for name in &self.names {
            let place = edits.change(name, |text| yaml::without(text, name))?;
            said.push(format!("removed `{name}` from {}", place.display()));
        }
        for name in &self.names {
            for place in edits.holders(name) {
                let message = format!("there is still a `{name}` in {}", place.display());
                let hint = "run the command again to remove that, too";
                notices.push(Notice::warning(message).hint(hint));
            }
        }
        edits.write()?;
        for line in &said {
            output::say(line);
        }
        output::tell(&notices);
        Ok(())
    }
}
