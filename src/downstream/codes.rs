//! What is said when a request has no result: the only place that picks JSON-RPC codes.
//!
//! An upstream that failed a `tools/call` is reported as a tool result, because the model reads
//! that; everything else is a JSON-RPC error. Texts are for people and models: what failed, what
//! the upstream wrote to stderr, what to do next.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use crate::exchange::ask::Kind;
use crate::exchange::caller::Capabilities;
use crate::exchange::task;
use crate::quota;
use crate::router;
use crate::telemetry::trace;
use crate::upstream;
use crate::upstream::error::Executed;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::era::Era;
use crate::wire::era::Revision;
use crate::wire::frame;
use crate::wire::frame::Defect;
use crate::wire::method;

/// A `result`, or an `error` object.
pub(super) type Outcome = Result<Raw, Raw>;

/// The word for a limit that is reached, in data.
const LIMITED: &str = "limited";
/// The word for what cannot be recorded.
const UNRECORDED: &str = "unrecorded";

/// The codes that belong to the specification since 2026-07-28.
const RESERVED: RangeInclusive<i64> = -32099..=-32020;

/// What is to be done about a record that cannot be written.
const RECORDING: &str = "This gateway carries nothing out that it cannot record (`audit: \
                         required`). What to do: try again later; whoever runs it sees with \
                         `conflux status` what keeps records from being written.";

/// Says why the request with this id has no result, in the words of the caller's era.
pub(super) fn outcome(
    error: &router::Error,
    id: trace::Id,
    client: &Capabilities,
    method: &str,
) -> Outcome {
    let plain = |code| Err(frame::error(code, &capitalized(&error.to_string()), None));
    match error {
        router::Error::UnknownMethod(_) => plain(code::METHOD_NOT_FOUND),
        router::Error::InvalidParams(_)
        | router::Error::Forbidden(_)
        | router::Error::UnknownTask
        | router::Error::UnknownTool(_)
        | router::Error::UnknownPrompt(_) => plain(code::INVALID_PARAMS),
        router::Error::UnknownResource(uri) => {
            Err(unknown_resource(error, uri, client.revision().era()))
        }
        router::Error::InsufficientScope(needed) => {
            let data = Raw::of(&serde_json::json!({ "scopes": needed }));
            let text = capitalized(&error.to_string());
            Err(frame::error(code::INSUFFICIENT_SCOPE, &text, Some(&data)))
        }
        router::Error::Limited(refusal) => {
            failed(&limit_reached(refusal), Failure::limited(refusal, id), method)
        }
        router::Error::Answered(raw) => answered(raw, client, method),
        router::Error::Upstream(error) => {
            failed(&explanation(error), Failure::of(error, id), method)
        }
        router::Error::Unrecorded(_) => {
            let text = format!("{}. {RECORDING}", capitalized(&error.to_string()));
            failed(&text, Failure::unrecorded(id), method)
        }
        router::Error::Cancelled => Err(stopping()),
    }
}

/// The answer to bytes that are no message.
///
/// With it comes the id it should carry, if that could be told.
pub(super) fn defect(defect: &Defect) -> (Option<&Id>, Raw) {
    match defect {
        Defect::Syntax(_) => (None, refusal(code::PARSE_ERROR, &format!("Parse error: {defect}"))),
        Defect::Batch(_) => (None, invalid("batches exist in 2025-03-26 only")),
        Defect::Shape { id, problem } => (id.as_ref(), invalid(problem)),
    }
}

/// The error for a message that is no valid request.
pub(super) fn invalid(problem: &str) -> Raw {
    refusal(code::INVALID_REQUEST, &format!("Invalid request: {problem}"))
}

/// The error for a request whose id another one has.
pub(super) fn id_in_use() -> Raw {
    invalid("a request with this id is in flight")
}

/// The error for parameters that are wrong.
pub(super) fn invalid_params(problem: &str) -> Raw {
    refusal(code::INVALID_PARAMS, &format!("Invalid params: {problem}"))
}

/// The error for a method that does not exist in the caller's era.
pub(super) fn no_such_method(method: &str) -> Raw {
    refusal(code::METHOD_NOT_FOUND, &format!("Unknown method `{method}`"))
}

/// The error for a modern request in a revision that Conflux does not speak.
pub(super) fn unsupported_version(requested: &str) -> Raw {
    #[derive(Serialize)]
    struct Data<'a> {
        supported: Vec<&'static str>,
        requested: &'a str,
    }
    let data = Data { supported: supported_versions(), requested };
    let text = format!("Unsupported protocol version `{requested}`");
    frame::error(code::UNSUPPORTED_VERSION, &text, Some(&Raw::of(&data)))
}

/// The error for a modern request about tasks whose client does not know them.
pub(super) fn missing_tasks() -> Raw {
    let required = serde_json::json!({ "extensions": { task::EXTENSION: {} } });
    let data = Raw::of(&serde_json::json!({ "requiredCapabilities": required }));
    let text = format!("The client must declare the extension `{}`", task::EXTENSION);
    frame::error(code::MISSING_CLIENT_CAPABILITY, &text, Some(&data))
}

/// The error for a modern request whose headers do not go with its body.
pub(super) fn header_mismatch(problem: &str) -> Raw {
    refusal(code::HEADER_MISMATCH, &format!("Header mismatch: {problem}"))
}

/// The revisions Conflux speaks, newest first.
pub(super) fn supported_versions() -> Vec<&'static str> {
    Revision::ALL.iter().rev().map(|revision| revision.as_str()).collect()
}

/// The error for a request beyond the client's share.
pub(super) fn too_many(limit: usize) -> Raw {
    let text = format!("Too many requests in flight: the limit is {limit}; wait for an answer");
    refusal(code::INTERNAL_ERROR, &text)
}

/// The error for a large request for which there is no room.
pub(super) fn no_room(size: usize) -> Raw {
    let mib = size / 1024 / 1024;
    let text = format!(
        "Too much is under way: large requests may have {mib} MiB together. This one was not \
         carried out; send it again when another one has been answered"
    );
    refusal(code::INTERNAL_ERROR, &text)
}

/// The error for a request that Conflux had to give up because it stops.
pub(super) fn stopping() -> Raw {
    refusal(code::INTERNAL_ERROR, "The request was ended because Conflux is stopping")
}

/// The error for a request whose handling failed in a way that should not exist.
pub(super) fn panicked() -> Raw {
    let text = "Conflux failed on this request; please report it with the log";
    refusal(code::INTERNAL_ERROR, text)
}

/// The error an upstream gets when the client's answer to it is over the limit.
pub(super) fn answer_too_large(limit: usize) -> Raw {
    refusal(code::INTERNAL_ERROR, &format!("The client's answer is over {limit} bytes"))
}

fn refusal(code: i32, text: &str) -> Raw {
    frame::error(code, text, None)
}

fn unknown_resource(error: &router::Error, uri: &str, era: Era) -> Raw {
    #[derive(Serialize)]
    struct Data<'a> {
        uri: &'a str,
    }
    let code = match era {
        Era::Legacy => code::RESOURCE_NOT_FOUND,
        Era::Modern => code::INVALID_PARAMS,
    };
    frame::error(code, &capitalized(&error.to_string()), Some(&Raw::of(&Data { uri })))
}

/// The upstream's own error, said otherwise where the caller would not know it or be misled.
fn answered(error: &Raw, client: &Capabilities, method: &str) -> Outcome {
    let Ok(object) = error.object() else { return Err(error.clone()) };
    let code = object.get("code").and_then(|text| text.parse::<i64>().ok());
    let said = code.map_or(Said::AsItIs, |code| said(code, error, client, method));
    match said {
        Said::AsItIs => Err(error.clone()),
        Said::WithCode(code) => Err(object.edit().set("code", code.to_string()).apply()),
        Said::InWords(text) if method == method::TOOLS_CALL => Ok(tool_error(&text)),
        Said::InWords(text) => {
            let (code, text) = (code::INTERNAL_ERROR.to_string(), Raw::of(&text));
            Err(object.edit().set("code", code).set("message", text.get()).apply())
        }
    }
}

/// How an upstream's error is said.
enum Said {
    AsItIs,
    WithCode(i32),
    /// As a text that a model can read, and pass on to the person it works for.
    InWords(String),
}

fn said(code: i64, error: &Raw, client: &Capabilities, method: &str) -> Said {
    let is = |other: i32| code == i64::from(other);
    let message = || error.member("message").and_then(|it| it.string()).unwrap_or_default();
    let about_address = || error.member("data").is_some_and(|data| data.member("uri").is_some());
    match client.revision().era() {
        _ if is(code::URL_ELICITATION_REQUIRED) => {
            let knows = client.revision() == Revision::V2025_11_25 && client.can(Kind::ElicitUrl);
            if knows { Said::AsItIs } else { Said::InWords(visits(error, &message())) }
        }
        // They are about the way between Conflux and the upstream; the client would take them for
        // its own, and change its revision or its headers.
        _ if is(code::UNSUPPORTED_VERSION) || is(code::HEADER_MISMATCH) => {
            Said::WithCode(code::INTERNAL_ERROR)
        }
        Era::Legacy if is(code::MISSING_CLIENT_CAPABILITY) => Said::InWords(message()),
        Era::Legacy if is(code::INVALID_PARAMS) => {
            // The modern era has no code of its own for what is not there.
            let is_missing = method.starts_with("resources/") && about_address();
            if is_missing { Said::WithCode(code::RESOURCE_NOT_FOUND) } else { Said::AsItIs }
        }
        Era::Modern if is(code::RESOURCE_NOT_FOUND) => Said::WithCode(code::INVALID_PARAMS),
        Era::Modern if RESERVED.contains(&code) && !is(code::MISSING_CLIENT_CAPABILITY) => {
            Said::WithCode(code::INTERNAL_ERROR)
        }
        Era::Legacy | Era::Modern => Said::AsItIs,
    }
}

/// Which addresses an upstream wants visited first, for a client that cannot be asked to.
fn visits(error: &Raw, message: &str) -> String {
    let data = error.member("data").and_then(|data| data.member("elicitations"));
    let mut text = format!("{message}\n\nBefore this is done again, these must be opened:");
    for visit in data.and_then(|all| all.elements()).into_iter().flatten() {
        let member = |key| visit.member(key).and_then(|it| it.string()).unwrap_or_default();
        text.push_str("\n- ");
        text.push_str(&member("url"));
        text.push(' ');
        text.push_str(&member("message"));
    }
    text
}

/// What programs read about an upstream that failed, or a limit that is reached.
#[derive(Serialize)]
struct Failure<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'a str>,
    kind: &'a str,
    executed: &'a str,
    retry_after_ms: Option<u64>,
    /// What stands in all that is noted of the request.
    id: String,
}

impl<'a> Failure<'a> {
    fn of(error: &'a upstream::Error, id: trace::Id) -> Self {
        Self {
            upstream: Some(error.upstream.as_str()),
            limit: None,
            kind: error.kind.as_str(),
            executed: error.executed.as_str(),
            retry_after_ms: error.retry_after.map(millis),
            id: id.to_string(),
        }
    }

    fn limited(refusal: &'a quota::Refusal, id: trace::Id) -> Self {
        Self {
            upstream: None,
            limit: Some(refusal.limit()),
            kind: LIMITED,
            executed: Executed::No.as_str(),
            retry_after_ms: refusal.retry_after.map(millis),
            id: id.to_string(),
        }
    }

    fn unrecorded(id: trace::Id) -> Self {
        Self {
            upstream: None,
            limit: None,
            kind: UNRECORDED,
            executed: Executed::No.as_str(),
            retry_after_ms: None,
            id: id.to_string(),
        }
    }
}

/// A tool result that tells a model why there is no other.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolResult<'a> {
    content: [Text<'a>; 1],
    is_error: bool,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Meta<'a>>,
}

#[derive(Serialize)]
struct Text<'a> {
    r#type: &'static str,
    text: &'a str,
}

#[derive(Serialize)]
struct Meta<'a> {
    #[serde(rename = "dev.conflux/error")]
    error: Failure<'a>,
}

fn tool_error(text: &str) -> Raw {
    let content = [Text { r#type: "text", text }];
    Raw::of(&ToolResult { content, is_error: true, meta: None })
}

/// Tells a model in a tool result, or whoever asked for something else in an error, why there is
/// nothing else.
fn failed(text: &str, error: Failure<'_>, method: &str) -> Outcome {
    if method != method::TOOLS_CALL {
        return Err(frame::error(code::INTERNAL_ERROR, text, Some(&Raw::of(&error))));
    }
    let content = [Text { r#type: "text", text }];
    Ok(Raw::of(&ToolResult { content, is_error: true, meta: Some(Meta { error }) }))
}

fn limit_reached(refusal: &quota::Refusal) -> String {
    format!("{}. The request was not carried out.", capitalized(&refusal.to_string()))
}

/// Returns after which time somebody may try again whom this error tells of a limit; nothing if it
/// tells of something else.
pub(super) fn retry_after(error: &Raw) -> Option<Duration> {
    let data = error.member("data").filter(|data| {
        data.member("kind").is_some_and(|kind| kind.string().as_deref() == Some(LIMITED))
    })?;
    let wait = data.member("retry_after_ms").and_then(|wait| wait.read().ok());
    Some(Duration::from_millis(wait.unwrap_or_default()))
}

fn millis(time: Duration) -> u64 {
    // Who comes back a moment too early has to come once more.
    let nanos = time.as_nanos().div_ceil(1_000_000);
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// What people and models read about an upstream that failed.
fn explanation(error: &upstream::Error) -> String {
    let mut text = format!("{error}.");
    if error.executed == Executed::Unknown {
        text.push_str(" The request may have been carried out.");
    }
    if !error.stderr.is_empty() {
        text.push_str("\n\nstderr:");
        for line in &error.stderr {
            text.push_str("\n  ");
            text.push_str(line);
        }
        text.push('\n');
    }
    text.push_str("\nWhat to do: ");
    text.push_str(error.kind.advice());
    text.push('.');
    text
}

/// A sentence fragment as the start of a message.
fn capitalized(fragment: &str) -> String {
    let mut letters = fragment.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
