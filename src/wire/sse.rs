//! Server-sent events with a limit, as both HTTP transports use them.
//!
//! The format is the WHATWG's (HTML, section 9.2): lines of `field: value`, an empty line at the
//! end of each event, comments that begin with a colon.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Buf as _;
use bytes::Bytes;
use bytes::BytesMut;

use crate::wire::Id;
use crate::wire::intake::Intake;
use crate::wire::skim;

/// How long a line may be that is no `data`, in bytes: the name of an event, its id.
const FIELD_LIMIT: usize = 8 * 1024;
/// How much data is put aside at once.
const PIECE: usize = 64 * 1024;
/// What a stream may begin with, and what stands before the data of an event.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const DATA: &[u8] = b"data:";

/// A comment, which keeps a quiet stream from being taken for a dead one.
pub const KEEP_ALIVE: &[u8] = b":\n\n";

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What kind of event it is; nothing stands for `message`. One longer than a line may be is
    /// cut.
    pub kind: Option<String>,
    /// Where a stream can be resumed after this event. One longer than a line may be, or no text,
    /// is ignored.
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
    /// Writes the event.
    ///
    /// Each line of the data becomes a field of its own, so that every kind of line break is read
    /// back as a line feed. A name or an id that a line cannot hold is left out.
    pub fn write(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.data.len() + 64);
        let mut field = |name: &str, value: &[u8]| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.push(b'\n');
        };
        let fits = |text: &&String| !text.contains(['\n', '\r']);
        if let Some(kind) = self.kind.as_ref().filter(fits) {
            field("event", kind.as_bytes());
        }
        if let Some(id) = self.id.as_ref().filter(|id| fits(id) && !id.contains('\0')) {
            field("id", id.as_bytes());
        }
        if let Some(retry) = self.retry {
            field("retry", retry.as_millis().to_string().as_bytes());
        }
        for line in lines(&self.data) {
            field("data", line);
        }
        out.push(b'\n');
        out.into()
    }
}

/// Takes a stream apart; the data of one event may have at most `limit` bytes.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    /// What was fed and not looked at yet.
    input: Bytes,
    place: Place,
    /// The line at hand, unless it is `data`; at most one byte more than it may have.
    line: Vec<u8>,
    /// The event at hand, without its data.
    event: Event,
    /// The last of its data.
    data: Vec<u8>,
    /// What came before that, if it is long.
    intake: Intake,
    has_data: bool,
    dropping: Option<Dropping>,
    at_start: bool,
    /// The last byte was a carriage return, so that a line feed would belong to it.
    after_return: bool,
}

/// Where in a line the stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a line that is no `data`, or not yet known to be.
    Field,
    /// Right behind `data:`, where one space does not count.
    DataStart,
    /// In the data.
    Data,
}

/// An event over the limit.
#[derive(Debug, Default)]
struct Dropping {
    skim: skim::Skim,
    is_reported: bool,
}

impl Decoder {
    /// Starts with an empty stream.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            input: Bytes::new(),
            place: Place::Field,
            line: Vec::new(),
            event: Event::default(),
            data: Vec::new(),
            intake: Intake::free(),
            has_data: false,
            dropping: None,
            at_start: true,
            after_return: false,
        }
    }

    /// Has the data of large events come in through `intake`.
    #[must_use]
    pub fn through(self, intake: Intake) -> Self {
        Self { intake, ..self }
    }

    /// Waits until there is room for what is read next, if the event at hand is large. Cancel safe.
    pub async fn make_room(&mut self) {
        let size = self.intake.size();
        if size > 0 {
            self.intake.cover(size + self.data.len() + 1).await;
        }
    }

    /// Adds what was read. Nothing is looked at before [`Decoder::next`].
    pub fn feed(&mut self, bytes: Bytes) {
        if self.input.is_empty() {
            self.input = bytes;
        } else {
            let rest = std::mem::take(&mut self.input);
            let mut both = BytesMut::with_capacity(rest.len() + bytes.len());
            both.extend_from_slice(&rest);
            both.extend_from_slice(&bytes);
            self.input = both.freeze();
        }
    }

    /// Returns the next event, if one is complete. An event without data counts if it has an id
    /// or says how long to wait.
    #[expect(clippy::should_implement_trait, reason = "more may come after it returned nothing")]
    pub fn next(&mut self) -> Option<Incoming> {
        let mut input = std::mem::take(&mut self.input);
        let mut incoming = None;
        while incoming.is_none() && !input.is_empty() {
            if std::mem::take(&mut self.after_return) && input.first() == Some(&b'\n') {
                input.advance(1);
                continue;
            }
            let end = next_break(&input);
            let part = end.unwrap_or(input.len());
            self.extend_line(input.get(..part).unwrap_or_default());
            input.advance(part);
            if end.is_some() {
                self.after_return = input.first() == Some(&b'\r');
                input.advance(1);
                incoming = self.end_line();
            } else {
                incoming = self.report(false);
            }
        }
        self.input = input;
        incoming
    }

    /// Returns how many bytes are held, used or not.
    #[cfg(test)]
    pub(in crate::wire) fn held(&self) -> usize {
        self.input.len() + self.line.capacity() + self.data.capacity() + self.intake.size()
    }

    /// Returns how many bytes wait to be looked at.
    #[cfg(test)]
    pub(in crate::wire) fn waiting(&self) -> usize {
        self.input.len()
    }

    fn extend_line(&mut self, part: &[u8]) {
        if self.place != Place::Field {
            return self.extend_data(part);
        }
        // Once the line is this long it is known whether it is data.
        let start = (BYTE_ORDER_MARK.len() + DATA.len()).saturating_sub(self.line.len());
        let (start, rest) = part.split_at_checked(start).unwrap_or((part, &[]));
        self.line.extend_from_slice(start);
        if self.at_start && self.line.starts_with(BYTE_ORDER_MARK) {
            self.line.drain(..BYTE_ORDER_MARK.len());
            self.at_start = false;
        }
        if self.line.starts_with(DATA) {
            let value = self.line.split_off(DATA.len());
            self.line.clear();
            self.start_data();
            self.extend_data(&value);
            return self.extend_data(rest);
        }
        // A comment or a field nobody knows may be as long as it likes; it is not kept.
        let room = (FIELD_LIMIT + 1).saturating_sub(self.line.len());
        self.line.extend_from_slice(rest.get(..room).unwrap_or(rest));
    }

    fn start_data(&mut self) {
        if std::mem::replace(&mut self.has_data, true) {
            self.push(b"\n");
        }
        self.place = Place::DataStart;
    }

    fn extend_data(&mut self, mut part: &[u8]) {
        if part.is_empty() {
            return;
        }
        if self.place == Place::DataStart {
            part = part.strip_prefix(b" ").unwrap_or(part);
            self.place = Place::Data;
        }
        self.push(part);
    }

    /// Adds to the data of the event, or lets it go by if that is too much.
    fn push(&mut self, part: &[u8]) {
        let size = self.intake.size() + self.data.len() + part.len();
        if self.dropping.is_none() && size <= self.limit {
            return self.keep(part);
        }
        let dropping = self.dropping.get_or_insert_default();
        for piece in self.intake.abandon() {
            dropping.skim.feed(&piece);
        }
        if !dropping.is_reported {
            dropping.skim.feed(&std::mem::take(&mut self.data));
            dropping.skim.feed(part);
        }
    }

    /// Adds to the data. A buffer that grows would hold much of it twice for a moment.
    fn keep(&mut self, mut part: &[u8]) {
        while self.data.len() + part.len() > PIECE {
            let (fitting, rest) =
                part.split_at_checked(PIECE - self.data.len()).unwrap_or((part, &[]));
            self.data.extend_from_slice(fitting);
            part = rest;
            self.intake.push(std::mem::take(&mut self.data).into());
            self.data.reserve_exact(PIECE);
        }
        self.data.extend_from_slice(part);
    }

    fn end_line(&mut self) -> Option<Incoming> {
        self.at_start = false;
        if std::mem::replace(&mut self.place, Place::Field) != Place::Field {
            return self.report(false);
        }
        if self.line.is_empty() {
            return self.end_event();
        }
        let mut line = std::mem::take(&mut self.line);
        self.read_field(&line);
        line.clear();
        self.line = line;
        self.report(false)
    }

    fn read_field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
        let is_kept = line.len() <= FIELD_LIMIT && matches!(value, Cow::Borrowed(_));
        match name {
            b"data" => {
                self.start_data();
                self.place = Place::Field;
            }
            b"event" => self.event.kind = Some(value.into_owned()).filter(|kind| !kind.is_empty()),
            b"id" if is_kept && !value.contains('\0') => {
                self.event.id = Some(value.into_owned());
            }
            b"retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                let retry = value.parse().ok().map(Duration::from_millis);
                self.event.retry = retry.or(self.event.retry);
            }
            _ => {}
        }
    }

    fn end_event(&mut self) -> Option<Incoming> {
        let mut event = std::mem::take(&mut self.event);
        let last = std::mem::take(&mut self.data);
        event.data = self.intake.finish(last.into()).bytes;
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
        if dropping.is_reported || !(is_end || dropping.skim.is_done()) {
            return None;
        }
        dropping.is_reported = true;
        Some(Incoming::TooLong { id: dropping.skim.id().cloned(), kind: dropping.skim.kind() })
    }
}

fn next_break(text: &[u8]) -> Option<usize> {
    memchr::memchr2(b'\n', b'\r', text)
}

/// The lines of a text, whichever way they end.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = next_break(text) else { return rest.take() };
        let (line, behind) = text.split_at_checked(end)?;
        rest = behind.strip_prefix(b"\r\n").or_else(|| behind.get(1..));
        Some(line)
    })
}
