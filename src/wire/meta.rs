//! The keys of `_meta` that Conflux reads and writes; every other key passes by.

use crate::wire::Raw;
use crate::wire::object::Object;

/// The revision a modern request speaks.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client of a modern request can do.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Which program sent a modern request.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// The lowest level of log messages a modern request wants.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Which program wrote a modern result.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Which modern subscription a notification belongs to.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// Under which token progress is wanted.
pub const PROGRESS_TOKEN: &str = "progressToken";
/// What a request says to its receiver alone: how it is to be read, and under which token progress
/// is wanted. Nobody behind the receiver would understand it.
pub const FOR_THE_RECEIVER: [&str; 5] =
    [PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROGRESS_TOKEN];
/// Which span of which trace a request belongs to (SEP-414; W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";
/// What others have to say of that trace.
pub const TRACESTATE: &str = "tracestate";
/// What goes along with it (W3C Baggage).
pub const BAGGAGE: &str = "baggage";
/// Which task a message belongs to (2025-11-25).
pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
/// What Conflux has to say about an error.
pub const CONFLUX_ERROR: &str = "dev.conflux/error";
/// Which upstream a message comes from.
pub const CONFLUX_UPSTREAM: &str = "dev.conflux/upstream";
/// The name an upstream gave, where the public one had to be altered.
pub const CONFLUX_NAME: &str = "dev.conflux/name";

/// The keys of a request's `_meta` that Conflux reads.
#[derive(Clone, Debug, Default)]
pub struct RequestMeta {
    /// The revision, in a modern request.
    pub protocol_version: Option<Raw>,
    /// The client's capabilities, in a modern request.
    pub client_capabilities: Option<Raw>,
    /// The client's name, in a modern request.
    pub client_info: Option<Raw>,
    /// The level of log messages, in a modern request.
    pub log_level: Option<Raw>,
    /// The token for progress.
    pub progress_token: Option<Raw>,
}

impl RequestMeta {
    /// Reads the `_meta` of a request's parameters.
    pub fn read(params: Option<&Raw>) -> Self {
        let Some(params) = params else { return Self::default() };
        let Ok(object) = params.object() else { return Self::default() };
        let Some(meta) = object.inside("_meta") else { return Self::default() };
        let part = |key| meta.get(key).map(|text| params.part(text));
        Self {
            protocol_version: part(PROTOCOL_VERSION),
            client_capabilities: part(CLIENT_CAPABILITIES),
            client_info: part(CLIENT_INFO),
            log_level: part(LOG_LEVEL),
            progress_token: part(PROGRESS_TOKEN),
        }
    }
}

/// Sets and removes keys of the `_meta` of `body`, which may be absent; all else stays as it is.
///
/// A `_meta` that has nothing left because of a removal is taken out.
pub fn edit(body: Option<&Raw>, set: &[(&str, &str)], remove: &[&str]) -> Option<Raw> {
    let Some(body) = body else {
        return (!set.is_empty()).then(|| edited(&Raw::assembled("{}".to_owned()), set, remove));
    };
    Some(edited(body, set, remove))
}

fn edited(body: &Raw, set: &[(&str, &str)], remove: &[&str]) -> Raw {
    let Ok(object) = body.object() else { return body.clone() };
    let has_meta = object.get("_meta").is_some_and(|text| text.starts_with('{'));
    if !has_meta && set.is_empty() {
        return body.clone();
    }
    let meta = if has_meta { object.inside("_meta") } else { Object::parse("{}").ok() };
    let Some(meta) = meta else { return body.clone() };
    let is_set = set.iter().all(|(key, json)| meta.get(key) == Some(*json));
    if has_meta && is_set && remove.iter().all(|key| meta.get(key).is_none()) {
        return body.clone();
    }
    if set.is_empty() && meta.iter().all(|(key, _)| remove.contains(&key)) {
        return object.edit().remove("_meta").apply();
    }
    let change = remove.iter().fold(meta.edit(), |change, key| change.remove(key));
    let change = set.iter().fold(change, |change, (key, json)| change.set(key, *json));
    object.edit().put("_meta", &change.apply()).apply()
}
