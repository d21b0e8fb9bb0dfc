//! What spans are called and what is said of them (semantic conventions for MCP).

use std::borrow::Cow;

use crate::config::secrets::Secrets;
use crate::telemetry::metrics::Method;
use crate::telemetry::metrics::Outcome;
use crate::telemetry::shown;
use crate::telemetry::trace::Value;
use crate::wire::Raw;
use crate::wire::method;

/// What kind of error it was.
pub const ERROR_TYPE: &str = "error.type";
/// The upstream in question.
pub const UPSTREAM: &str = "conflux.upstream";
/// The code of a JSON-RPC error.
const STATUS_CODE: &str = "rpc.response.status_code";
/// The longest method that is told, in characters.
const WORD: usize = 64;

/// Says what a request is about, and returns what its span is called. What nobody has is not part
/// of that: names that clients make up are too many.
///
/// Secrets are masked before anything is cut, after which a part of one would be left.
pub fn about(
    attributes: &mut Vec<(&'static str, Value)>,
    method: &str,
    params: Option<&Raw>,
    is_there: bool,
    secrets: &Secrets,
) -> String {
    let word = Method::of(method).as_str();
    let said: String = secrets.mask(method).chars().take(WORD).collect();
    attributes.push(("mcp.method.name", said.into()));
    if method == method::TOOLS_CALL {
        attributes.push(("gen_ai.operation.name", "execute_tool".into()));
    }
    let (key, attribute) = match method {
        method::TOOLS_CALL => ("name", "gen_ai.tool.name"),
        method::PROMPTS_GET => ("name", "gen_ai.prompt.name"),
        method::RESOURCES_READ
        | method::RESOURCES_SUBSCRIBE
        | method::RESOURCES_UNSUBSCRIBE
        | method::SKILLS_GET
        | method::DIRECTORY_READ => ("uri", "mcp.resource.uri"),
        _ => return word.to_owned(),
    };
    let Some(name) = params.and_then(|params| params.member(key)?.string()) else {
        return word.to_owned();
    };
    let name = secrets.mask(&name);
    let name = if key == "uri" { shown::address(&name) } else { shown::name(&name) };
    let called = if is_there && key == "name" { format!("{word} {name}") } else { word.to_owned() };
    attributes.push((attribute, name.into()));
    called
}

/// Says that a request was answered with this `error` object: its code, never its words, which may
/// repeat what was asked.
pub fn answered(attributes: &mut Vec<(&'static str, Value)>, error: &Raw) {
    let code = error.member("code");
    let code = code.and_then(|code| code.get().parse::<i64>().ok());
    let code = code.map_or_else(|| "_OTHER".to_owned(), |code| code.to_string());
    attributes.push((STATUS_CODE, code.clone().into()));
    attributes.push((ERROR_TYPE, code.into()));
}

/// Says how a request ended, unless that was said, and returns what makes an error of its span.
pub fn failed(attributes: &mut Vec<(&'static str, Value)>, outcome: Outcome) -> Option<String> {
    attributes.push(("conflux.outcome", Value::Text(Cow::Borrowed(outcome.as_str()))));
    if outcome == Outcome::Ok {
        return None;
    }
    if !attributes.iter().any(|(key, _)| *key == ERROR_TYPE) {
        attributes.push((ERROR_TYPE, outcome.as_str().into()));
    }
    Some(String::new())
}
