//! Which bytes of a message are replaced.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json;

/// What the relay must know of a message from the client.
#[derive(Debug)]
pub(super) struct Request {
    /// Where its id is; notifications have none.
    pub(super) id: Option<Range<usize>>,
    /// Where the prefix of the tool's name is.
    prefix: Option<Range<usize>>,
    pub(super) upstream: usize,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
}

/// Reads a message from the client.
pub(super) fn request(message: &[u8]) -> Option<Request> {
    let envelope = json::envelope(message)?;
    let id = envelope.id.map(|id| json::place(message, id.get()));
    let is_call = envelope.method.as_deref() == Some("tools/call");
    let params = envelope.params.filter(|_| is_call);
    let name = params.and_then(|params| serde_json::from_str::<Named<'_>>(params.get()).ok()?.name);
    let split = name.and_then(|name| {
        let (number, rest) = name.get().strip_prefix("\"u")?.split_once("__")?;
        let place = json::place(message, rest);
        Some((number.parse().ok()?, place.start - number.len() - 3..place.start))
    });
    let (upstream, prefix) = split.map_or((0, None), |(number, place)| (number, Some(place)));
    Some(Request { id, prefix, upstream })
}

impl Request {
    /// Adds the message with another id and the server's own name of the tool.
    pub(super) fn write(&self, message: &[u8], id: u64, out: &mut Vec<u8>) {
        let id = id.to_string();
        let mut edits = [
            (self.id.clone().unwrap_or(0..0), id.as_bytes()),
            (self.prefix.clone().unwrap_or(0..0), &[][..]),
        ];
        if self.id.is_none() {
            edits[0].1 = &[];
        }
        edits.sort_by_key(|(place, _)| place.start);
        splice(message, &edits, out);
    }
}

/// Where the id of an answer is, and which it is.
pub(super) fn answer(message: &[u8]) -> Option<(Range<usize>, u64)> {
    let id = json::envelope(message)?.id?;
    Some((json::place(message, id.get()), id.get().parse().ok()?))
}

/// Adds `message` with some places replaced, which are in order.
pub(super) fn splice(message: &[u8], edits: &[(Range<usize>, &[u8])], out: &mut Vec<u8>) {
    let mut at = 0;
    for (place, with) in edits {
        out.extend_from_slice(message.get(at..place.start).unwrap_or_default());
        out.extend_from_slice(with);
        at = place.end;
    }
    out.extend_from_slice(message.get(at..).unwrap_or_default());
}

/// Requests that wait for their answer, by the ids they were given.
pub(super) struct Pending<T> {
    waiting: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Pending<T> {
    pub(super) fn new() -> Self {
        Self { waiting: Vec::new(), free: Vec::new() }
    }

    /// Keeps something under an id of its own.
    pub(super) fn add(&mut self, what: T) -> u64 {
        let at = self.free.pop().unwrap_or(self.waiting.len());
        match self.waiting.get_mut(at) {
            Some(slot) => *slot = Some(what),
            None => self.waiting.push(Some(what)),
        }
        at as u64
    }

    pub(super) fn take(&mut self, id: u64) -> Option<T> {
        let at = usize::try_from(id).ok()?;
        let found = self.waiting.get_mut(at)?.take()?;
        self.free.push(at);
        Some(found)
    }
}
