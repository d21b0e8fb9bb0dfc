//! What the tools of Conflux itself are called, and the definition of the one that is always there.

use serde_json::json;

use crate::wire::Raw;

/// Tells what every upstream is doing.
pub(in crate::router) const STATUS: &str = "conflux__status";
/// Finds tools that are not listed.
pub(in crate::router) const SEARCH: &str = "conflux__search";
/// Calls them.
pub(in crate::router) const CALL: &str = "conflux__call";

/// Returns the definitions of the tools of Conflux itself that are always there.
pub fn definitions() -> Vec<Raw> {
    vec![Raw::of(&json!({
        "name": STATUS,
        "title": "Status of the MCP gateway",
        "description": "Tells which MCP servers stand behind this gateway, whether each of them \
            is ready, why not if it failed, and what is wrong with what they list.",
        "inputSchema": { "type": "object", "properties": {}, "additionalProperties": false },
        "annotations": { "readOnlyHint": true, "idempotentHint": true, "openWorldHint": false },
    }))]
}
