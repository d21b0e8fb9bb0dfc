//! The tools of Conflux itself.

use serde_json::json;

use crate::router::Error;
use crate::router::Router;
use crate::wire::Raw;

/// Tells what every upstream is doing.
const STATUS: &str = "conflux__status";

/// Returns the definitions of the tools of Conflux itself.
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

/// Calls a tool of Conflux itself.
pub(super) fn call(router: &Router, name: &str) -> Result<Raw, Error> {
    if name != STATUS {
        return Err(Error::UnknownTool(name.to_owned()));
    }
    let status = router.status();
    let text = serde_json::to_string_pretty(&status).unwrap_or_default();
    Ok(Raw::of(&json!({
        "content": [{ "type": "text", "text": text }],
        "structuredContent": status,
        "isError": false,
    })))
}
