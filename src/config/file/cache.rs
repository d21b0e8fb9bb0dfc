//! Which results are kept, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::config::units::WrittenDuration;
use crate::config::units::WrittenSize;

/// Which results are kept for who asks the same again. Results of tools are, as far as `tools` says
/// so; a resource that is read is kept as long as its server says (`ttlMs`).
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// How long the result of a tool is kept; from `1s` to `24h`. A result that says `ttlMs` itself
    /// is kept no longer than that.
    pub ttl: WrittenDuration,
    /// Patterns of the tools whose results are kept, by the names the server gave. Without it,
    /// those that the server itself declares to be read-only (`readOnlyHint: true`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Whether everybody who may make a call gets the result that was kept for another. Without it
    /// each principal gets its own, unless a result says that it is for all (`cacheScope: public`);
    /// one that says that it is not (`private`) is never shared.
    pub shared: bool,
    /// The largest result that is kept; from `1KiB` to `4MiB`.
    pub limit: WrittenSize,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            ttl: WrittenDuration("60s".to_owned()),
            tools: None,
            shared: false,
            limit: WrittenSize("1MiB".to_owned()),
        }
    }
}
