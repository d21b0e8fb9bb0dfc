//! What the headers of a request must say: what the client takes, and of a modern request what its
//! body says too (2026-07-28, Streamable HTTP, "Request Metadata").

use std::borrow::Cow;
use std::fmt::Display;

use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header;
use hyper::header::AsHeaderName;
use hyper::header::HeaderName;
use hyper::header::HeaderValue;

use crate::downstream::http::status::Refusal;
use crate::wire::era::Era;
use crate::wire::era::Revision;
use crate::wire::frame::Request;
use crate::wire::header as names;
use crate::wire::meta::RequestMeta;
use crate::wire::method;
use crate::wire::mirror::Mirror;
use crate::wire::quote;

/// The revision of a session, or of a modern request.
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static(names::PROTOCOL_VERSION);
/// The session a message belongs to.
pub(super) const SESSION_ID: HeaderName = HeaderName::from_static(names::SESSION_ID);
const METHOD: HeaderName = HeaderName::from_static(names::METHOD);
const NAME: HeaderName = HeaderName::from_static(names::NAME);

/// What nearly every client says that it takes.
const BOTH: &[u8] = b"application/json, text/event-stream";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// Refuses a POST whose body is no JSON, or is packed: what is small may be huge once unpacked.
pub(super) fn is_plain_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let refused = |problem: String| Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, &problem));
    let kind = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    if !media_type(kind).eq_ignore_ascii_case(JSON) {
        return refused(format!("`Content-Type` is `{kind}`, but must be `{JSON}`"));
    }
    let encodings = headers.get_all(header::CONTENT_ENCODING);
    match encodings.iter().find(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        Some(value) => refused(format!("`Content-Encoding` is {value:?}; send the body as it is")),
        None => Ok(()),
    }
}

/// Refuses a client that does not take what it may get: messages and streams.
pub(super) fn takes_both(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.get(header::ACCEPT).is_some_and(|value| value.as_bytes() == BOTH) {
        return Ok(());
    }
    takes(headers, &[JSON, EVENTS])
}

/// Refuses a client that does not take a stream of events.
pub(super) fn takes_events(headers: &HeaderMap) -> Result<(), Refusal> {
    takes(headers, &[EVENTS])
}

fn takes(headers: &HeaderMap, wanted: &[&str]) -> Result<(), Refusal> {
    let named = headers.get_all(header::ACCEPT);
    let texts = || named.iter().filter_map(|value| value.to_str().ok());
    // Who does not say what it takes, takes everything.
    let is_open = texts().next().is_none();
    let is_taken = |kind: &str| {
        is_open || texts().any(|text| text.split(',').any(|range| fits(media_type(range), kind)))
    };
    if wanted.iter().all(|kind| is_taken(kind)) {
        return Ok(());
    }
    let problem = format!("`Accept` must list {}", quoted(wanted));
    Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, &problem))
}

fn fits(range: &str, kind: &str) -> bool {
    match range.strip_suffix("/*") {
        Some("*") => true,
        Some(group) => kind.split('/').next().is_some_and(|own| own.eq_ignore_ascii_case(group)),
        None => range.eq_ignore_ascii_case(kind),
    }
}

fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

fn quoted(kinds: &[&str]) -> String {
    kinds.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(" and ")
}

/// Returns the one value of a header that is text.
pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Returns whether the headers claim a modern revision.
pub(super) fn claim_modern(headers: &HeaderMap) -> bool {
    let claimed = text(headers, PROTOCOL_VERSION).and_then(Revision::parse);
    claimed.is_some_and(|revision| revision.era() == Era::Modern)
}

/// Compares the headers of a modern request with its body; fails with what does not fit.
///
/// What is missing in the body is for whoever reads that.
pub(super) fn check(
    headers: &HeaderMap,
    request: &Request,
    meta: &RequestMeta,
    mirrors: &[Mirror],
) -> Result<(), String> {
    let version = meta.protocol_version.as_ref().and_then(|version| quote::unquoted(version.get()));
    let header = one(headers, &PROTOCOL_VERSION)?.ok_or_else(|| missing("MCP-Protocol-Version"))?;
    if version.is_some_and(|version| version.as_bytes() != header) {
        return Err(differs("MCP-Protocol-Version", header, "`_meta`"));
    }
    let header = one(headers, &METHOD)?.ok_or_else(|| missing("Mcp-Method"))?;
    if header != request.method.as_bytes() {
        return Err(differs("Mcp-Method", header, "`method`"));
    }
    if let Some(key) = named_by(&request.method) {
        name(headers, request, key)?;
    }
    if mirrors.is_empty() {
        return Ok(());
    }
    let arguments = request.params.as_ref().and_then(|params| params.member("arguments"));
    for mirror in mirrors {
        let value = decoded(headers, mirror.header())?;
        if !mirror.agrees(value.as_deref(), arguments.as_ref()) {
            return Err(match one(headers, mirror.header())? {
                Some(header) => differs(mirror.header(), header, "`arguments`"),
                None => missing(mirror.header()),
            });
        }
    }
    Ok(())
}

/// The parameter that `Mcp-Name` repeats.
fn named_by(method: &str) -> Option<&'static str> {
    match method {
        method::TOOLS_CALL | method::PROMPTS_GET => Some("name"),
        method::RESOURCES_READ => Some("uri"),
        // The extension for tasks (SEP-2663, "Streamable HTTP: Routing Headers").
        method::TASKS_GET | method::TASKS_UPDATE | method::TASKS_CANCEL => Some("taskId"),
        _ => None,
    }
}

fn name(headers: &HeaderMap, request: &Request, key: &str) -> Result<(), String> {
    let member = request.params.as_ref().and_then(|params| params.member(key));
    let Some(expected) = member.as_ref().and_then(|member| quote::unquoted(member.get())) else {
        return Ok(());
    };
    let Some(value) = decoded(headers, &NAME)? else { return Err(missing("Mcp-Name")) };
    if value == expected {
        return Ok(());
    }
    Err(differs("Mcp-Name", value.as_bytes(), &format!("`params.{key}`")))
}

fn decoded<N>(headers: &HeaderMap, name: N) -> Result<Option<Cow<'_, str>>, String>
where
    N: AsHeaderName + Copy + Display,
{
    let Some(header) = one(headers, name)? else { return Ok(None) };
    names::decode(header).map(Some).ok_or_else(|| {
        format!("`{name}` holds what a header cannot carry; encode it as `=?base64?…?=`")
    })
}

/// Returns the one value of a header; two that differ could be read in two ways.
fn one<N>(headers: &HeaderMap, name: N) -> Result<Option<&[u8]>, String>
where
    N: AsHeaderName + Copy + Display,
{
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let first = values.next();
    if values.any(|value| Some(value) != first) {
        return Err(format!("`{name}` is there more than once"));
    }
    Ok(first)
}

fn missing(name: &str) -> String {
    format!("`{name}` is missing")
}

fn differs(name: &str, header: &[u8], body: &str) -> String {
    format!("`{name}` is `{}`, which is not what {body} says", String::from_utf8_lossy(header))
}
