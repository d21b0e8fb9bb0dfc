//! What messages say in headers besides their bodies: the revision, the method, the name, and
//! arguments that a tool wants there (2026-07-28, Streamable HTTP, "Request Metadata").

use reqwest::header::ACCEPT;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;

use crate::telemetry::trace::Context;
use crate::upstream::mirrors::Mirrors;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::frame::Request;
use crate::wire::header;
use crate::wire::meta;
use crate::wire::method;
use crate::wire::object::Object;
use crate::wire::quote;

/// What an answer to a message may be.
const ANSWERS: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
/// What a stream is.
pub(super) const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static(header::PROTOCOL_VERSION);
const METHOD: HeaderName = HeaderName::from_static(header::METHOD);
const NAME: HeaderName = HeaderName::from_static(header::NAME);
const SESSION_ID: HeaderName = HeaderName::from_static(header::SESSION_ID);
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The longest text that goes along with a trace, in bytes (W3C Baggage, section 3.3.2).
const BAGGAGE_LIMIT: usize = 8192;
/// How many headers most requests have, those of every request among them.
const ROOM: usize = 12;

/// Returns the headers of every message.
fn common() -> HeaderMap {
    // Room for what is added here and on the way, so that nothing is moved.
    let mut headers = HeaderMap::with_capacity(ROOM);
    headers.extend([(ACCEPT, ANSWERS), (CONTENT_TYPE, JSON)]);
    headers
}

/// Returns the headers of a request in the era its body is of.
pub(super) fn of_request(
    request: &Request,
    session: Session<'_>,
    mirrors: Option<&Mirrors>,
) -> HeaderMap {
    let params = request.params.as_ref().and_then(|params| params.object().ok());
    let Some(meta) = params.as_ref().and_then(|params| params.inside("_meta")) else {
        return of_session(session);
    };
    let revision = meta.get(meta::PROTOCOL_VERSION).and_then(quote::unquoted);
    let mut headers = match revision {
        Some(revision) => modern(&revision, request, mirrors),
        None => of_session(session),
    };
    trace(&mut headers, &meta);
    headers
}

/// Names the trace of a request in headers, too, for those on the way who read no messages.
pub(super) fn name_trace(headers: &mut HeaderMap, request: &Request) {
    let params = request.params.as_ref().and_then(|params| params.object().ok());
    if let Some(meta) = params.as_ref().and_then(|params| params.inside("_meta")) {
        trace(headers, &meta);
    }
}

fn trace(headers: &mut HeaderMap, meta: &Object<'_>) {
    let said = |name: &str| quote::unquoted(meta.get(name)?);
    if said(meta::TRACEPARENT).and_then(|text| Context::parse(&text)).is_none() {
        return;
    }
    for name in [meta::TRACEPARENT, meta::TRACESTATE, meta::BAGGAGE] {
        // What no header can carry is not for those who read headers.
        let value = said(name).filter(|text| text.len() <= BAGGAGE_LIMIT);
        if let Some(value) = value.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// What a legacy session has every message repeat.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Session<'a> {
    /// Its id, if it has one.
    pub(super) id: Option<&'a HeaderValue>,
    /// The revision that was agreed upon.
    pub(super) revision: Option<Revision>,
}

/// Returns the headers of any message in a legacy session.
pub(super) fn of_session(session: Session<'_>) -> HeaderMap {
    let mut headers = common();
    if let Some(id) = session.id {
        headers.insert(SESSION_ID, id.clone());
    }
    // Before, the header is not known.
    if let Some(revision) = session.revision.filter(|it| *it >= Revision::V2025_06_18) {
        put(&mut headers, PROTOCOL_VERSION, revision.as_str());
    }
    headers
}

fn modern(revision: &str, request: &Request, mirrors: Option<&Mirrors>) -> HeaderMap {
    let mut headers = common();
    put(&mut headers, PROTOCOL_VERSION, revision);
    put(&mut headers, METHOD, &request.method);
    let Some(params) = &request.params else { return headers };
    if let Some(name) = name(&request.method, params) {
        put(&mut headers, NAME, &name);
    }
    if request.method == method::TOOLS_CALL {
        for (name, value) in mirrors.map(|mirrors| mirrors.headers(params)).unwrap_or_default() {
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                put(&mut headers, name, &value);
            }
        }
    }
    headers
}

/// Returns the name or the address that a request is about.
fn name(method: &str, params: &Raw) -> Option<String> {
    let key = match method {
        method::TOOLS_CALL | method::PROMPTS_GET => "name",
        method::RESOURCES_READ => "uri",
        _ if method.starts_with("tasks/") => "taskId",
        _ => return None,
    };
    params.member(key)?.string()
}

/// Adds a header whose value is encoded where it must be.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(&header::encode(value)) {
        headers.insert(name, value);
    }
}
