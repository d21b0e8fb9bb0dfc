//! The tools of Conflux itself.

use serde_json::json;

use crate::catalog::Kind;
use crate::router::Error;
use crate::router::Router;
use crate::router::snapshot::Snapshot;
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
    let status = status(&router.snapshot());
    let text = serde_json::to_string_pretty(&status).unwrap_or_default();
    Ok(Raw::of(&json!({
        "content": [{ "type": "text", "text": text }],
        "structuredContent": status,
        "isError": false,
    })))
}

/// Tells what every upstream is doing, as data.
fn status(snapshot: &Snapshot) -> serde_json::Value {
    let handles = snapshot.upstreams.values();
    let upstreams: Vec<_> = handles.map(|handle| one(snapshot, handle)).collect();
    let sentences = |all: &mut dyn Iterator<Item = String>| all.collect::<Vec<_>>();
    json!({
        "generation": snapshot.generation.0,
        "upstreams": upstreams,
        "conflicts": sentences(&mut snapshot.catalog.conflicts().iter().map(ToString::to_string)),
        "defects": sentences(&mut snapshot.catalog.defects().iter().map(ToString::to_string)),
    })
}

fn one(snapshot: &Snapshot, handle: &crate::upstream::Handle) -> serde_json::Value {
    let status = handle.status();
    let count = |kind| {
        snapshot.catalog.entries(kind).filter(|entry| entry.upstream == *handle.id()).count()
    };
    let mut report = json!({
        "name": handle.id().as_str(),
        "state": status.word,
        "listed": !snapshot.unlisted.contains_key(handle.id()),
        "tools": count(Kind::Tools),
        "prompts": count(Kind::Prompts),
        "resources": count(Kind::Resources),
        "resourceTemplates": count(Kind::Templates),
    });
    let Some(fields) = report.as_object_mut() else { return report };
    if let Some(failure) = snapshot.failures.get(handle.id()) {
        fields.insert("listingError".to_owned(), failure.as_str().into());
    }
    if let Some(from) = snapshot.remembered.get(handle.id()) {
        fields.insert("remembered".to_owned(), from.to_string().into());
    }
    if let Some(agreed) = status.agreed {
        fields.insert("revision".to_owned(), agreed.revision.as_str().into());
    }
    if let Some(error) = status.error {
        fields.insert("error".to_owned(), error.to_string().into());
        fields.insert("stderr".to_owned(), json!(error.stderr));
    }
    report
}
