//! How much of the tools clients are listed, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// How much of the tools clients are listed. All can be called in either case.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Exposure {
    /// All of them.
    #[default]
    Flat,
    /// A few: `conflux__search` finds the others, `conflux__call` calls them, `conflux__status`
    /// tells how servers are; and those that are `pinned`.
    Search,
    /// `search` for clients that are known to take fewer tools than there are, or to warn of so
    /// many, and where all of them would cost a model over 20,000 tokens, unless the client
    /// searches among them itself; else `flat`.
    Auto,
}
