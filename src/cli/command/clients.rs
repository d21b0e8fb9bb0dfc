//! What the commands about clients have in common: their names, and how a change is shown.

use std::path::Path;

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use similar::TextDiff;

use crate::clients::Client;

/// How many lines around a change are shown.
const CONTEXT: usize = 3;

/// Reads the id of a client.
pub(in crate::cli) fn parser() -> impl TypedValueParser<Value = Client> {
    let ids = Client::ALL.map(Client::id);
    PossibleValuesParser::new(ids)
        .map(|id| Client::with_id(&id).expect("these are the ids of all clients"))
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
