//! One JSON-RPC message: the envelope is read, `params` and `result` stay raw.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::wire::Raw;
use crate::wire::Written;
use crate::wire::index::Index;
use crate::wire::object::Object;
use crate::wire::quote;
use crate::wire::reader::Broken;
use crate::wire::reader::Reader;

/// Members of what a message carries that are looked into: two readers must not see two things in
/// them, and Conflux is one of the readers.
const LOOKED_INTO: [&str; 2] = ["arguments", "_meta"];

/// What stands before the value of most messages fits into so much.
const HEAD_SIZE: usize = 96;

/// The id of a request, as its sender wrote it: a string or an integer of any length.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Id(Raw);

impl Id {
    /// Takes a JSON value as an id, if JSON-RPC as MCP narrows it allows that.
    pub fn parse(raw: Raw) -> Option<Self> {
        let text = raw.get();
        let is_string = text.starts_with('"');
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        (is_string || is_integer).then_some(Self(raw))
    }

    /// Returns the id Conflux gives to a request of its own.
    pub fn number(number: u64) -> Self {
        Self(Raw::number(number))
    }

    /// Returns the number of an id that Conflux gave; peers may send it back as a string.
    pub fn as_number(&self) -> Option<u64> {
        self.0.get().trim_matches('"').parse().ok()
    }

    /// Returns the id as it stands on the wire.
    pub fn raw(&self) -> &Raw {
        &self.0
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get())
    }
}

/// A request and what it asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its id.
    pub id: Id,
    /// What it asks for.
    pub method: ByteString,
    /// An object, where there are parameters.
    pub params: Option<Raw>,
}

/// A notification.
#[derive(Clone, Debug)]
pub struct Notification {
    /// What it is about.
    pub method: ByteString,
    /// An object, where there are parameters.
    pub params: Option<Raw>,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Response {
    /// The id of the request; absent or null when its sender could not tell.
    pub id: Option<Id>,
    /// The `result`, or the `error` object.
    pub outcome: Result<Raw, Raw>,
}

/// One message.
#[derive(Clone, Debug)]
pub enum Message {
    /// Wants an answer.
    Request(Request),
    /// Wants none.
    Notification(Notification),
    /// Is one.
    Response(Response),
}

/// Why bytes are no message.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Defect {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// An array of messages, which only 2025-03-26 knows.
    #[error("a batch")]
    Batch(Raw),
    /// JSON, but no message. The id is there if it could be told beyond doubt.
    #[error("{problem}")]
    Shape {
        /// The id the answer should carry.
        id: Option<Id>,
        /// What is wrong.
        problem: String,
    },
}

/// The members of a message.
#[derive(Default, Deserialize)]
#[serde(expecting = "an object")]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<Value<'a>>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<Value<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<Value<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<Value<'a>>,
}

/// The value of a member, and where the members in it stand, if it was looked for them.
struct Value<'a> {
    text: &'a str,
    index: Option<Arc<Index>>,
}

/// Tells a member that is `null` from one that is not there.
fn present<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Value<'de>>, D::Error> {
    <&RawValue>::deserialize(reader).map(|raw| Some(Value { text: raw.get(), index: None }))
}

/// Reads the bytes of one message.
///
/// One pass is enough for a message that is as it should be.
pub fn read(bytes: Bytes) -> Result<Message, Defect> {
    let syntax = |error: serde_json::Error| Defect::Syntax(error.to_string());
    let text = Raw::utf8(bytes).map_err(syntax)?;
    match Envelope::read(&text) {
        Ok(envelope) => message(&text, envelope),
        Err(Broken) => read_oddity(&Raw::parse(text).map_err(syntax)?),
    }
}

/// Reads one message that is known to be JSON, such as an element of a batch.
pub fn read_value(whole: &Raw) -> Result<Message, Defect> {
    match Envelope::read(whole.text()) {
        Ok(envelope) => message(whole.text(), envelope),
        Err(Broken) => read_oddity(whole),
    }
}

/// Reads what has something unusual about it, and tells what is wrong with it, if anything is.
pub(in crate::wire) fn read_oddity(whole: &Raw) -> Result<Message, Defect> {
    // A derived reader would take an array for the members of a message in their order.
    if whole.get().trim_start().starts_with('[') {
        return Err(Defect::Batch(whole.clone()));
    }
    match serde_json::from_str::<Envelope<'_>>(whole.get()) {
        Ok(envelope) => message(whole.text(), envelope),
        Err(error) => Err(shape(whole.text(), without_place(&error))),
    }
}

impl<'a> Envelope<'a> {
    /// Reads a message that has nothing unusual about it: no member of ours twice or of another
    /// kind than it should be, no key twice where that is looked for.
    fn read(text: &'a str) -> Result<Self, Broken> {
        let mut envelope = Self::default();
        let mut reader = Reader::new(text);
        reader.object(|reader, key| envelope.read_member(&key.name, reader))?;
        reader.end()?;
        Ok(envelope)
    }

    fn read_member(&mut self, key: &str, reader: &mut Reader<'a>) -> Result<(), Broken> {
        match key {
            "jsonrpc" => once(&mut self.jsonrpc, reader.string()?),
            "method" => once(&mut self.method, reader.string()?),
            "id" => once(&mut self.id, Value { text: reader.part()?, index: None }),
            "params" => {
                let start = reader.position();
                let index = Index::certain(reader, &LOOKED_INTO)?;
                let text = reader.since(start)?;
                // Where it is not known where the members are, they are looked at in another way.
                once(&mut self.params, Value { text, index: Some(index.ok_or(Broken)?) })
            }
            "result" => once(&mut self.result, Value::read(reader)?),
            "error" => once(&mut self.error, Value::read(reader)?),
            _ => reader.value().map(drop),
        }
    }
}

fn once<T>(member: &mut Option<T>, value: T) -> Result<(), Broken> {
    if member.replace(value).is_some() { Err(Broken) } else { Ok(()) }
}

impl<'a> Value<'a> {
    /// Reads a value, and where its members stand if it is an object.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Broken> {
        if !reader.is_at_object() {
            return Ok(Self { text: reader.part()?, index: None });
        }
        let start = reader.position();
        let index = Index::as_far_as_certain(reader, &LOOKED_INTO)?;
        Ok(Self { text: reader.since(start)?, index })
    }

    fn in_text(self, text: &ByteString) -> Raw {
        Raw::found(text, self.text).with_index(self.index)
    }
}

fn message(text: &ByteString, envelope: Envelope<'_>) -> Result<Message, Defect> {
    let fail = |problem: &str| shape(text, problem.to_owned());
    if envelope.jsonrpc.as_deref() != Some("2.0") {
        return Err(fail("`jsonrpc` must be \"2.0\""));
    }
    let id = match envelope.id {
        None => None,
        Some(id) if id.text == "null" && envelope.method.is_none() => None,
        Some(id) => match Id::parse(id.in_text(text)) {
            Some(id) => Some(id),
            None => return Err(fail("`id` must be a string or an integer")),
        },
    };
    let Some(method) = envelope.method else {
        let outcome = match (envelope.result, envelope.error) {
            (Some(result), None) => Ok(result.in_text(text)),
            (None, Some(error)) => Err(error.in_text(text)),
            (Some(_), Some(_)) => return Err(fail("both `result` and `error`")),
            (None, None) => return Err(fail("neither `method` nor `result` nor `error`")),
        };
        return Ok(Message::Response(Response { id, outcome }));
    };
    let params = envelope.params.filter(|params| params.text != "null");
    let params = params.map(|params| params.in_text(text));
    if let Some(problem) = params.as_ref().and_then(params_problem) {
        return Err(shape(text, problem));
    }
    let method = match method {
        Cow::Borrowed(method) => text.slice_ref(method),
        Cow::Owned(method) => method.into(),
    };
    Ok(match id {
        Some(id) => Message::Request(Request { id, method, params }),
        None => Message::Notification(Notification { method, params }),
    })
}

/// What is wrong with `params`: policy and upstream must not read two different things.
///
/// Where the members are known, they have been looked at.
fn params_problem(params: &Raw) -> Option<String> {
    if params.index().is_some() {
        return None;
    }
    let object = match params.object() {
        Ok(object) => object,
        Err(error) => return Some(format!("`params`: {error}")),
    };
    LOOKED_INTO.into_iter().find_map(|key| {
        let text = object.get(key)?;
        let Err(error @ crate::wire::object::Error::Duplicate(_)) = Object::parse(text) else {
            return None;
        };
        Some(format!("`params.{key}`: {error}"))
    })
}

fn shape(text: &ByteString, problem: String) -> Defect {
    Defect::Shape { id: certain_id(text), problem }
}

/// The id of a defective message, if there is exactly one and it is well formed.
fn certain_id(text: &ByteString) -> Option<Id> {
    let object = Object::parse_allowing_duplicates(text).ok()?;
    if object.count("id") != 1 || object.count("method") == 0 {
        return None;
    }
    Id::parse(Raw::found(text, object.get("id")?))
}

/// The words of a JSON error without the position, which means nothing on one line.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

impl Message {
    /// Makes a notification.
    pub fn notification(method: &str, params: Option<Raw>) -> Self {
        Self::Notification(Notification { method: method.into(), params })
    }

    /// Makes the answer to the request `id`.
    pub fn response(id: &Id, outcome: Result<&Raw, &Raw>) -> Self {
        let outcome = outcome.cloned().map_err(Clone::clone);
        Self::Response(Response { id: Some(id.clone()), outcome })
    }

    /// Writes the message.
    pub fn write(&self) -> Written {
        match self {
            Self::Request(Request { id, method, params }) => request(id, method, params.as_ref()),
            Self::Notification(Notification { method, params }) => {
                notification(method, params.as_ref())
            }
            Self::Response(Response { id, outcome }) => response(id.as_ref(), outcome.as_ref()),
        }
    }
}

/// Writes a request.
pub fn request(id: &Id, method: &str, params: Option<&Raw>) -> Written {
    let mut head = start();
    head.push_str(",\"id\":");
    head.push_str(id.raw().get());
    finish(head, method, params)
}

/// Writes a notification.
pub fn notification(method: &str, params: Option<&Raw>) -> Written {
    finish(start(), method, params)
}

/// Writes the answer to the request `id`; without one, an error that names none.
pub fn response(id: Option<&Id>, outcome: Result<&Raw, &Raw>) -> Written {
    let (key, value) = match outcome {
        Ok(result) => (",\"result\":", result),
        Err(error) => (",\"error\":", error),
    };
    let mut head = start();
    head.push_str(",\"id\":");
    head.push_str(id.map_or("null", |id| id.raw().get()));
    head.push_str(key);
    Written::around(head.into_bytes(), value.clone())
}

/// Writes the `error` object of an answer.
pub fn error(code: i32, message: &str, data: Option<&Raw>) -> Raw {
    #[derive(Serialize)]
    struct Error<'a> {
        code: i32,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a Raw>,
    }
    Raw::of(&Error { code, message, data })
}

fn start() -> String {
    let mut head = String::with_capacity(HEAD_SIZE);
    head.push_str("{\"jsonrpc\":\"2.0\"");
    head
}

fn finish(mut head: String, method: &str, params: Option<&Raw>) -> Written {
    head.push_str(",\"method\":");
    quote::push(&mut head, method);
    let Some(params) = params else {
        head.push('}');
        return head.into_bytes().into();
    };
    head.push_str(",\"params\":");
    Written::around(head.into_bytes(), params.clone())
}
