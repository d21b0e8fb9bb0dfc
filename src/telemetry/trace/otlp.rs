//! Spans as a collector takes them (OTLP 1.x, `opentelemetry/proto/trace/v1/trace.proto`).
//!
//! The messages are written out, because `opentelemetry-proto` brings an SDK along that nothing
//! here needs. The numbers of fields never change; tests read what is sent with the official ones.

use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::config::secrets::Secrets;
use crate::telemetry::trace::span;

/// Which conventions the attributes follow.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.40.0";
/// That the trace is recorded, and that it is known whether the parent is of another process.
const FLAGS: u32 = 0x101;
/// That it is.
const REMOTE: u32 = 0x200;
/// `STATUS_CODE_ERROR`.
const ERROR: i32 = 2;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 2, 3")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Flag(bool),
    #[prost(int64, tag = "3")]
    Number(i64),
}

/// What a collector answers.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Response {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

/// What of it a collector did not take.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PartialSuccess {
    /// How many spans.
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    /// Why.
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

/// Makes the request that exports `spans` of the process that `resource` describes; no text in it
/// shows a secret.
pub(super) fn request(
    resource: &[(String, String)],
    spans: &[span::Span],
    secrets: &Secrets,
) -> Request {
    let attributes = resource
        .iter()
        .map(|(key, value)| pair(&masked(secrets, key), Value::Text(masked(secrets, value))));
    let scope = Scope { name: "conflux".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let scope_spans = ScopeSpans {
        scope: Some(scope),
        spans: spans.iter().map(|span| written(span, secrets)).collect(),
        schema_url: SCHEMA.to_owned(),
    };
    let resource_spans = ResourceSpans {
        resource: Some(Resource { attributes: attributes.collect() }),
        scope_spans: vec![scope_spans],
        schema_url: SCHEMA.to_owned(),
    };
    Request { resource_spans: vec![resource_spans] }
}

fn written(span: &span::Span, secrets: &Secrets) -> Span {
    let attributes = span.attributes.iter().map(|(key, value)| {
        let value = match value {
            span::Value::Text(text) => Value::Text(masked(secrets, text)),
            span::Value::Number(number) => Value::Number(*number),
            span::Value::Flag(flag) => Value::Flag(*flag),
        };
        pair(key, value)
    });
    let message = |why: &String| Status { message: masked(secrets, why), code: ERROR };
    Span {
        trace_id: span.context.trace.to_be_bytes().to_vec(),
        span_id: span.context.span.to_be_bytes().to_vec(),
        trace_state: span.state.as_deref().map(|it| masked(secrets, it)).unwrap_or_default(),
        parent_span_id: span.parent.map(|it| it.to_be_bytes().to_vec()).unwrap_or_default(),
        name: masked(secrets, &span.name),
        kind: span.kind as i32,
        start_time_unix_nano: nanos(span.begun),
        end_time_unix_nano: nanos(span.begun + span.took),
        attributes: attributes.collect(),
        status: span.error.as_ref().map(message),
        flags: if span.has_remote_parent() { FLAGS | REMOTE } else { FLAGS },
    }
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}

fn masked(secrets: &Secrets, text: &str) -> String {
    secrets.mask(text).into_owned()
}

fn nanos(time: SystemTime) -> u64 {
    let since: Duration = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
