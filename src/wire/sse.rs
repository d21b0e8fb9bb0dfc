//! Server-sent events with a limit, as both HTTP transports use them.
//!
//! The format is the WHATWG's (HTML, section 9.2): lines of `field: value`, an empty line at the
//! end of each event, comments that begin with a colon.

use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;

use crate::wire::Id;
use crate::wire::skim;

/// How long the name of an event, its id or any other field but `data` may be, in bytes.
const FIELD_LIMIT: usize = 8 * 1024;

/// A comment, which keeps a quiet stream from being taken for a dead one.
pub const KEEP_ALIVE: &[u8] = b":\n\n";

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What kind of event it is; nothing stands for `message`.
    pub kind: Option<String>,
    /// Where a stream can be resumed after this event.
    pub id: Option<String>,
    /// How long to wait before the stream is opened again.
    pub retry: Option<Duration>,
    /// What it says.
    pub data: Bytes,
}

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole event.
    Event(Event),
    /// An event over the limit; it is dropped, and this is what could be told about its data.
    TooLong {
        /// The id of the message in it, if it has one.
        id: Option<Id>,
        /// What that message is, if that could be told.
        kind: Option<skim::Kind>,
    },
}

impl Event {
    /// Writes the event. Its data must not hold line breaks.
    pub fn write(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.data.len() + 64);
        let mut field = |name: &str, value: &[u8]| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.push(b'\n');
        };
        if let Some(kind) = &self.kind {
            field("event", kind.as_bytes());
        }
        if let Some(id) = &self.id {
            field("id", id.as_bytes());
        }
        if let Some(retry) = self.retry {
            field("retry", retry.as_millis().to_string().as_bytes());
        }
        field("data", &self.data);
        out.push(b'\n');
        out.into()
    }
}

/// Takes a stream apart; the data of one event may have at most `limit` bytes.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    /// What was fed and not looked at yet.
    input: BytesMut,
    /// The line at hand, as far as it is known.
    line: BytesMut,
    /// The event at hand, without its data.
    event: Event,
    data: BytesMut,
    has_data: bool,
    dropping: Option<Dropping>,
    at_start: bool,
    /// The last byte was a carriage return, so that a line feed would belong to it.
    after_return: bool,
}

/// An event over the limit.
#[derive(Debug, Default)]
struct Dropping {
    skim: skim::Skim,
    is_reported: bool,
    /// The line at hand is `data`, and its bytes are for the skim.
    in_data: bool,
}

impl Decoder {
    /// Starts with an empty stream.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            input: BytesMut::new(),
            line: BytesMut::new(),
            event: Event::default(),
            data: BytesMut::new(),
            has_data: false,
            dropping: None,
            at_start: true,
            after_return: false,
        }
    }

    /// Adds what was read. Nothing is looked at before [`Decoder::next`].
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Returns the next event, if one is complete. An event without data counts if it has an id
    /// or says how long to wait.
    #[expect(clippy::should_implement_trait, reason = "more may come after it returned nothing")]
    pub fn next(&mut self) -> Option<Incoming> {
        while !self.input.is_empty() {
            if std::mem::take(&mut self.after_return) && self.input.first() == Some(&b'\n') {
                drop(self.input.split_to(1));
                continue;
            }
            let end = self.input.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = self.input.split_to(end.unwrap_or(self.input.len()));
            self.extend_line(&part);
            if end.is_some() {
                self.after_return = self.input.first() == Some(&b'\r');
                drop(self.input.split_to(1));
                if let Some(incoming) = self.end_line() {
                    return Some(incoming);
                }
            } else if let Some(incoming) = self.report(false) {
                return Some(incoming);
            }
        }
        None
    }

    fn extend_line(&mut self, part: &[u8]) {
        if let Some(dropping) = &mut self.dropping
            && dropping.in_data
        {
            dropping.skim.feed(part);
            return;
        }
        self.line.extend_from_slice(part);
        let is_data = self.line.starts_with(b"data:");
        let room = if is_data { self.limit.saturating_sub(self.data.len()) } else { FIELD_LIMIT };
        if self.dropping.is_none() && self.line.len() <= room.saturating_add(b"data: ".len()) {
            return;
        }
        if !is_data {
            // A comment or a field nobody knows may be as long as it likes; it is not kept.
            self.line.truncate(FIELD_LIMIT.min(self.line.len()));
            return;
        }
        let dropping = self.dropping.get_or_insert_default();
        dropping.skim.feed(&self.data);
        dropping.skim.feed(value(&self.line, b"data").unwrap_or_default());
        dropping.in_data = true;
        self.data.clear();
        self.line.clear();
    }

    fn end_line(&mut self) -> Option<Incoming> {
        if let Some(dropping) = &mut self.dropping
            && std::mem::take(&mut dropping.in_data)
        {
            dropping.skim.feed(b"\n");
            return self.report(false);
        }
        let mut line = self.line.split();
        if std::mem::take(&mut self.at_start) && line.starts_with(b"\xEF\xBB\xBF") {
            drop(line.split_to(3));
        }
        if line.is_empty() {
            return self.end_event();
        }
        if let Some(data) = value(&line, b"data") {
            self.add_data(data);
        } else if let Some(kind) = value(&line, b"event") {
            self.event.kind = text(kind).filter(|kind| !kind.is_empty());
        } else if let Some(id) = value(&line, b"id") {
            self.event.id = text(id).filter(|id| !id.contains('\0'));
        } else if let Some(retry) = value(&line, b"retry") {
            let millis = text(retry).and_then(|text| text.parse().ok());
            self.event.retry = millis.map(Duration::from_millis).or(self.event.retry);
        }
        None
    }

    fn add_data(&mut self, data: &[u8]) {
        if self.has_data {
            self.data.extend_from_slice(b"\n");
        }
        self.data.extend_from_slice(data);
        self.has_data = true;
        if self.data.len() > self.limit {
            let dropping = self.dropping.get_or_insert_default();
            dropping.skim.feed(&self.data);
            self.data.clear();
        }
    }

    fn end_event(&mut self) -> Option<Incoming> {
        let mut event = std::mem::take(&mut self.event);
        event.data = self.data.split().freeze();
        let has_data = std::mem::take(&mut self.has_data);
        if self.dropping.is_some() {
            let report = self.report(true);
            self.dropping = None;
            return report;
        }
        let says_something = has_data || event.id.is_some() || event.retry.is_some();
        says_something.then_some(Incoming::Event(event))
    }

    /// Reports an event that is too long, once, as soon as enough is known of it.
    fn report(&mut self, is_end: bool) -> Option<Incoming> {
        let dropping = self.dropping.as_mut()?;
        let (id, kind) = (dropping.skim.id().cloned(), dropping.skim.kind());
        let is_known = id.is_some() && kind.is_some();
        if dropping.is_reported || !(is_known || is_end) {
            return None;
        }
        dropping.is_reported = true;
        Some(Incoming::TooLong { id, kind })
    }
}

/// Returns the value of the field `name`, if that is the field of this line.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.strip_prefix(b":") {
        Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        None => rest.is_empty().then_some(rest),
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}
