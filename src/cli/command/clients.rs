//! What the commands about clients have in common: their names, and how a change is shown.

use std::path::Path;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use similar::TextDiff;

use crate::clients::Client;

/// How many lines around a change are shown.
const CONTEXT: usize = 3;

/// A client as it is named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Name(pub(in crate::cli) Client);

/// All of them.
const NAMES: [Name; Client::ALL.len()] = {
    let mut names = [Name(Client::ClaudeDesktop); Client::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        #[expect(clippy::indexing_slicing, reason = "fails to compile if it is out of bounds")]
        {
            names[index] = Name(Client::ALL[index]);
        }
        index += 1;
    }
    names
};

impl ValueEnum for Name {
    fn value_variants<'a>() -> &'a [Self] {
        &NAMES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.id()))
    }
}

/// Returns how `path` would change, as people read it.
pub(in crate::cli) fn difference(before: &str, after: &str, path: &Path) -> String {
    let (before, after) = (before.replace("\r\n", "\n"), after.replace("\r\n", "\n"));
    let name = path.display().to_string();
    TextDiff::from_lines(&before, &after)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&name, &name)
        .to_string()
}
