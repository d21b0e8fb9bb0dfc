//! JSON-RPC lines as raw text: what comes in, what goes out.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::stream::Stream;

/// A line from the client, everything that is not envelope still raw.
#[derive(Deserialize)]
pub(crate) struct Incoming {
    pub(crate) id: Option<Box<RawValue>>,
    pub(crate) method: Option<String>,
    #[serde(default)]
    pub(crate) params: Params,
    pub(crate) result: Option<Box<RawValue>>,
    pub(crate) error: Option<Box<RawValue>>,
}

/// The members of `params` that the toy looks at, and the text of all of them.
#[derive(Default)]
pub(crate) struct Params {
    pub(crate) text: String,
    pub(crate) parts: Parts,
}

/// The members of `params` that the toy looks at.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Parts {
    #[serde(rename = "_meta")]
    pub(crate) meta: Meta,
    pub(crate) arguments: Option<Box<RawValue>>,
    pub(crate) capabilities: Option<serde_json::Value>,
    pub(crate) cursor: Option<String>,
    pub(crate) input_responses: Option<BTreeMap<String, Box<RawValue>>>,
    pub(crate) level: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) notifications: Option<serde_json::Value>,
    pub(crate) protocol_version: Option<String>,
    #[serde(rename = "ref")]
    pub(crate) reference: Option<serde_json::Value>,
    pub(crate) argument: Option<serde_json::Value>,
    pub(crate) request_id: Option<Box<RawValue>>,
    pub(crate) request_state: Option<String>,
    pub(crate) task: Option<serde_json::Value>,
    pub(crate) task_id: Option<String>,
    pub(crate) uri: Option<String>,
}

/// The members of `_meta` that the toy looks at.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Meta {
    #[serde(rename = "progressToken")]
    pub(crate) progress_token: Option<Box<RawValue>>,
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    pub(crate) revision: Option<String>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities")]
    pub(crate) capabilities: Option<serde_json::Value>,
    #[serde(rename = "io.modelcontextprotocol/logLevel")]
    pub(crate) log_level: Option<String>,
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let parts = serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?;
        Ok(Self { text: raw.get().to_owned(), parts })
    }
}

tokio::task_local! {
    /// Where what a request has to say goes; without one, to stdout.
    pub(crate) static STREAM: Arc<Stream>;
}

/// The writing end: stdout, or the stream of the request that is served.
#[derive(Default)]
pub(crate) struct Out {
    one_at_a_time: Mutex<()>,
    /// Where what belongs to no request goes, if not to stdout.
    aside: Option<Arc<Stream>>,
}

impl Out {
    /// Makes one that says what belongs to no request on `stream`.
    pub(crate) fn beside(stream: Arc<Stream>) -> Self {
        Self { aside: Some(stream), ..Self::default() }
    }

    /// Writes one line; a client that has gone away is noticed on stdin.
    pub(crate) fn line(&self, line: &str) {
        match STREAM.try_with(Arc::clone) {
            Ok(stream) => stream.push(line),
            Err(_) => self.line_aside(line),
        }
    }

    /// Writes one line that belongs to no request.
    pub(crate) fn line_aside(&self, line: &str) {
        match &self.aside {
            Some(stream) => stream.push(line),
            None => self.bytes(format!("{line}\n").as_bytes()),
        }
    }

    /// Writes the beginning of a line to stdout.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        let _one_at_a_time = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = std::io::stdout().lock();
        let written = out.write_all(bytes).and_then(|()| out.flush());
        drop(written);
    }

    pub(crate) fn result(&self, id: &str, result: &str) {
        self.line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
    }

    pub(crate) fn error(&self, id: &str, error: &Refusal) {
        let message = quote(&error.message);
        let data = error.data.as_ref().map(|data| format!(r#","data":{data}"#));
        let data = data.unwrap_or_default();
        let error = format!(r#"{{"code":{},"message":{message}{data}}}"#, error.code);
        self.line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
    }

    /// Answers with the text of an error object.
    pub(crate) fn error_text(&self, id: &str, error: &str) {
        self.line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
    }

    pub(crate) fn notify(&self, method: &str, params: &str) {
        self.line(&notification(method, params));
    }

    /// Writes a notification that belongs to no request.
    pub(crate) fn notify_aside(&self, method: &str, params: &str) {
        self.line_aside(&notification(method, params));
    }

    pub(crate) fn request(&self, id: &str, method: &str, params: &str) {
        let head = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}""#);
        self.line(&format!(r#"{head},"params":{params}}}"#));
    }
}

/// Writes a notification.
pub(crate) fn notification(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
}

/// A JSON-RPC error to be.
pub(crate) struct Refusal {
    pub(crate) code: i32,
    pub(crate) message: String,
    pub(crate) data: Option<serde_json::Value>,
}

impl Refusal {
    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(crate) fn with(self, data: serde_json::Value) -> Self {
        Self { data: Some(data), ..self }
    }
}

/// Returns `text` as a JSON string.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
