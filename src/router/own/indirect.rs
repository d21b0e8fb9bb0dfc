//! `conflux__call`: a call of a tool that is not listed, which from here on is like any other.

use std::fmt::Display;

use serde_json::json;

use crate::router::own::arguments::Arguments;
use crate::router::own::names;
use crate::wire::Raw;
use crate::wire::quote;

/// Returns the definition.
pub(super) fn definition() -> Raw {
    Raw::of(&json!({
        "name": names::CALL,
        "title": "Call a tool",
        "description": "Calls a tool that `conflux__search` found, by the name and with the \
            arguments that its `inputSchema` asks for. The result is that of the tool.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "The tool's name, as it was found" },
                "arguments": { "type": "object", "description": "The tool's arguments" },
            },
            "required": ["name"],
            "additionalProperties": false,
        },
    }))
}

/// Returns the parameters of the call that is meant by a call with these: the name and the
/// arguments are other ones, all else stays. Or what a model has to do better.
pub(super) fn params(outer: &Raw) -> Result<Raw, String> {
    let given = outer.member("arguments");
    let read = Arguments::read(given.as_ref(), &["name", "arguments"])?;
    let name = read.text("name")?.ok_or("`name` is missing: the name of the tool to call")?;
    if name == names::CALL {
        return Err(format!("`{name}` cannot call itself; name the tool that is meant"));
    }
    let inner = read.json("arguments").map(arguments).transpose()?;
    let outer = outer.object().map_err(|error| error.to_string())?;
    let edit = outer.edit().set("name", quote::quoted(&name));
    Ok(match inner {
        Some(json) => edit.set("arguments", json).apply(),
        None => edit.remove("arguments").apply(),
    })
}

/// Reads the arguments of the tool: an object, or what some models make of one, a string in which
/// one is written.
fn arguments(json: &str) -> Result<String, String> {
    let text = quote::unquoted(json).unwrap_or_else(|| json.into());
    let wrong = |error: &dyn Display| format!("`arguments` must be an object: {error}");
    let inner = Raw::parse(text.trim().to_owned()).map_err(|error| wrong(&error))?;
    inner.object().map_err(|error| wrong(&error))?;
    Ok(inner.get().to_owned())
}
