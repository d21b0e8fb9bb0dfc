//! The tools the toy offers, as it lists them.

use serde_json::Value;
use serde_json::json;

use crate::flags::Mirror;
use crate::ledger;
use crate::serve::Toy;
use crate::tasks;

/// Name, what it does, names of its arguments.
const TOOLS: &[(&str, &str, &[&str])] = &[
    ("echo", "Returns its arguments, byte for byte.", &[]),
    ("slow", "Answers after so many milliseconds.", &["ms"]),
    ("cancelled", "Tells which calls were cancelled.", &[]),
    ("progress", "Reports progress so many times, then answers.", &["steps", "gap"]),
    ("log", "Sends so many log messages, then answers.", &["level", "count"]),
    ("ask", "Asks the client and returns its answer.", &["kind", "params", "anyway"]),
    ("ask_twice", "Asks the client twice and returns both answers.", &["kind", "params", "anyway"]),
    ("huge", "Returns a text of so many bytes.", &["bytes"]),
    ("change_tools", "Adds tools, one notification for each.", &["times"]),
    ("touch", "Says that a resource changed.", &["uri"]),
    ("end_listens", "Ends every open subscription.", &[]),
    ("link", "Returns a link to a resource and an embedded one.", &["name"]),
    ("fail", "Returns an error as its result.", &["text"]),
    ("refuse", "Answers with a JSON-RPC error.", &["code", "message", "data"]),
    ("die", "Ends the process.", &[]),
    ("count", "Tells how often each tool was called.", &[]),
    ("stderr", "Writes to stderr.", &["text"]),
    ("process", "Tells process id, arguments, directory and environment.", &[]),
    ("received", "Returns the `params` of this call and of `initialize`, and notifications.", &[]),
    ("raw", "Returns the file named by `--reply-file`.", &[]),
];

/// The same, of those that make sense over HTTP only.
const OVER_HTTP: &[(&str, &str, &[&str])] = &[
    ("web", "Tells what was asked so far, and the headers of this request.", &[]),
    ("forget_sessions", "Forgets every session.", &[]),
    ("cut", "Ends its own stream so often before it answers.", &["times"]),
];

/// The tool whose argument is repeated in a header, once it says so.
fn mirrored(toy: &Toy) -> Option<String> {
    let says_so = match toy.flags.mirror? {
        Mirror::Always => true,
        Mirror::Late => toy.web.as_ref().is_some_and(|web| web.lists() > 1),
    };
    let region = if says_so {
        json!({"type": "string", "x-mcp-header": "Region"})
    } else {
        json!({"type": "string"})
    };
    let schema = json!({"type": "object", "properties": {"region": region}});
    let tool =
        json!({"name": MIRRORED, "description": "Works like `echo`.", "inputSchema": schema});
    Some(tool.to_string())
}

/// The tool whose argument is repeated in a header.
pub(crate) const MIRRORED: &str = "mirrored";

/// Returns every definition to list, as JSON text.
pub(crate) fn definitions(toy: &Toy) -> Vec<String> {
    let mut all = match &toy.files.tools {
        Some(given) => given.clone(),
        None => TOOLS.iter().map(own).collect(),
    };
    if toy.flags.tasks {
        all.extend(tasks::definitions());
    }
    let extra = (1..=toy.flags.tools).map(|number| format!("extra_{number}"));
    let added = (1..=toy.state().added).map(|number| format!("added_{number}"));
    if toy.flags.ledger.is_some() {
        all.push(define(ledger::NAME, "Writes the call down.", &["nonce", "ms"]));
    }
    if toy.flags.asking {
        all.push(define("visit", "Wants an address visited first, so many times.", &["times"]));
    }
    let like_echo = extra.chain(added).map(|name| define(&name, "Works like `echo`.", &[]));
    all.extend(like_echo);
    if toy.web.is_some() {
        all.extend(OVER_HTTP.iter().map(own));
    }
    all.extend(mirrored(toy));
    all
}

/// Returns whether `name` is on the list.
pub(crate) fn is_listed(toy: &Toy, name: &str) -> bool {
    definitions(toy).iter().any(|definition| {
        let definition: Value = serde_json::from_str(definition).unwrap_or_default();
        definition.get("name").and_then(Value::as_str) == Some(name)
    })
}

fn own((name, description, arguments): &(&str, &str, &[&str])) -> String {
    define(name, description, arguments)
}

fn define(name: &str, description: &str, arguments: &[&str]) -> String {
    let properties: serde_json::Map<String, Value> =
        arguments.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
    let schema = json!({"type": "object", "properties": properties});
    let quoted = json!(description);
    // Written out, so that the order and the odd member are seen to survive.
    format!(
        r#"{{"name":"{name}","description":{quoted},"inputSchema":{schema},"x-unknown":{{"b":1.0,"a":123456789012345678901234567890}}}}"#
    )
}
