//! Turns the shapes of MCP clients' own files into ours: `mcpServers` into `upstreams`.

use crate::config::problem::KeyPath;
use crate::config::problem::Problem;
use crate::config::tree::Entry;
use crate::config::tree::Node;
use crate::config::tree::Value;

/// The two names of the map of upstreams.
const OURS: &str = "upstreams";
const THEIRS: &str = "mcpServers";

/// Returns the same path as if it had been written under `upstreams`.
pub(super) fn canonical(path: &KeyPath) -> KeyPath {
    path.renamed_root(THEIRS, OURS)
}

/// Renames `mcpServers` to `upstreams` in a layer whose shape is right.
pub(super) fn normalize(root: &mut Node, problems: &mut Vec<Problem>) {
    let Some(entries) = root.entries_mut() else { return };
    let has = |name: &str| entries.iter().any(|entry| entry.key == name);
    if has(OURS) && has(THEIRS) {
        let theirs = entries.extract_if(.., |entry| entry.key == THEIRS);
        for entry in theirs {
            let message = "`upstreams` and `mcpServers` are both in this file";
            let problem = Problem::at(&entry.place, &KeyPath::of(&[THEIRS]), message);
            problems.push(problem.hint("move the entries of one below the other"));
        }
    }
    for section in entries.iter_mut().filter(|entry| entry.key == THEIRS) {
        OURS.clone_into(&mut section.key);
        for server in section.node.entries_mut().into_iter().flatten() {
            let path = KeyPath::of(&[THEIRS, &server.key]);
            if let Some(keys) = server.node.entries_mut() {
                normalize_server(keys, &path, problems);
            }
        }
    }
}

/// Calls `type` `transport`, which it is called here, and turns `enabled` round.
fn normalize_server(keys: &mut Vec<Entry>, path: &KeyPath, problems: &mut Vec<Problem>) {
    if keys.iter().any(|entry| entry.key == "transport") {
        keys.retain(|entry| entry.key != "type");
    }
    for entry in keys.iter_mut().filter(|entry| entry.key == "type") {
        "transport".clone_into(&mut entry.key);
    }
    let says_disabled = keys.iter().any(|entry| entry.key == "disabled");
    for entry in keys.iter_mut().filter(|entry| entry.key == "enabled") {
        if says_disabled {
            let message = format!("`enabled` and `disabled` are both in `{path}`");
            let problem = Problem::at(&entry.place, &path.key("enabled"), message);
            problems.push(problem.hint("keep one of them"));
        }
        "disabled".clone_into(&mut entry.key);
        if let Value::Bool(enabled) = &mut entry.node.value {
            *enabled = !*enabled;
        }
    }
}
