//! The one resource and the one prompt.

use serde_json::json;

use crate::demo::reply::Client;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::era::Era;
use crate::wire::frame;

const WELCOME: &str = "demo://welcome";
const WELCOME_TEXT: &str = "Welcome. This text was read through Conflux.";

/// Returns the result of `resources/list`.
pub(in crate::demo) fn resources() -> Raw {
    Raw::of(&json!({ "resources": [{
        "uri": WELCOME,
        "name": "welcome",
        "description": "A text to read",
        "mimeType": "text/plain",
    }] }))
}

/// Returns the result of `resources/templates/list`.
pub(in crate::demo) fn templates() -> Raw {
    Raw::of(&json!({ "resourceTemplates": [] }))
}

/// Returns the result of `resources/read`, or its error.
pub(in crate::demo) fn read(client: &Client, params: Option<&Raw>) -> Result<Raw, Raw> {
    let uri = text(params, "uri")?;
    if uri == WELCOME {
        return Ok(Raw::of(&json!({ "contents": [
            { "uri": WELCOME, "mimeType": "text/plain", "text": WELCOME_TEXT },
        ] })));
    }
    let code = match client.era {
        Era::Legacy => code::RESOURCE_NOT_FOUND,
        Era::Modern => code::INVALID_PARAMS,
    };
    let data = Raw::of(&json!({ "uri": uri }));
    Err(frame::error(code, &format!("unknown resource `{uri}`"), Some(&data)))
}

/// Returns the result of `prompts/list`.
pub(in crate::demo) fn prompts() -> Raw {
    Raw::of(&json!({ "prompts": [{
        "name": "introduce",
        "description": "Has the model introduce somebody",
        "arguments": [{ "name": "who", "description": "Whom to introduce", "required": true }],
    }] }))
}

/// Returns the result of `prompts/get`, or its error.
pub(in crate::demo) fn prompt(params: Option<&Raw>) -> Result<Raw, Raw> {
    let name = text(params, "name")?;
    if name != "introduce" {
        return Err(invalid(&format!("unknown prompt `{name}`")));
    }
    let arguments = params.and_then(|params| params.member("arguments"));
    let who = text(arguments.as_ref(), "who")?;
    let text = format!("Introduce {who} in two friendly sentences.");
    Ok(Raw::of(&json!({ "messages": [
        { "role": "user", "content": { "type": "text", "text": text } },
    ] })))
}

/// Returns the error for parameters that are wrong.
pub(in crate::demo) fn invalid(message: &str) -> Raw {
    frame::error(code::INVALID_PARAMS, message, None)
}

/// Reads a parameter that is text.
pub(in crate::demo) fn text(params: Option<&Raw>, key: &str) -> Result<String, Raw> {
    let value = params.and_then(|params| params.member(key)?.string());
    value.ok_or_else(|| invalid(&format!("`{key}` must be a string")))
}
