//! Newline framing with a limit, as stdio uses it.

use bytes::Buf as _;
use bytes::Bytes;
use bytes::BytesMut;
use tokio::io;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::task;

use crate::wire::Id;
use crate::wire::intake::Intake;
use crate::wire::intake::Whole;
use crate::wire::skim;

/// How much is read at once at most: a pipe's usual capacity.
const CHUNK: usize = 64 * 1024;
/// What is left of a buffer that is as good as full, if a long line fills it.
const CRUMB: usize = 4 * 1024;
/// How much is read at once before more than that has come: most of those who are connected say
/// little, and there may be hundreds of them.
const LEAST: usize = 8 * 1024;

/// What came in.
#[derive(Debug)]
pub enum Line {
    /// One line, without its end.
    Whole(Bytes),
    /// The same, but there was no room for it: if it can be sent again, it should be.
    Beyond(Bytes),
    /// A line over the limit; it is dropped, and this is what could be told about it.
    TooLong {
        /// Its id, if it has one.
        id: Option<Id>,
        /// What it is, if that could be told.
        kind: Option<skim::Kind>,
    },
}

/// Reads lines of at most `limit` bytes.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    limit: usize,
    buffer: BytesMut,
    /// How much is read at once now.
    chunk: usize,
    /// How many bytes of the buffer are known to hold no line end.
    searched: usize,
    /// With so many bytes left in the buffer others have their turn; nothing if they had it.
    half: usize,
    /// The beginning of a line that is longer than the buffer.
    ///
    /// A buffer that grows would hold such a line twice for a moment, and be larger than the line
    /// from then on.
    intake: Intake,
    dropping: Option<Dropping>,
    at_end: bool,
}

#[derive(Debug, Default)]
struct Dropping {
    skim: skim::Skim,
    reported: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Starts reading lines of at most `limit` bytes from `reader`.
    pub fn new(reader: R, limit: usize) -> Self {
        let (buffer, chunk) = (BytesMut::with_capacity(LEAST), LEAST);
        let intake = Intake::free();
        let (searched, half, dropping, at_end) = (0, 0, None, false);
        Self { reader, limit, buffer, chunk, searched, half, intake, dropping, at_end }
    }

    /// Has long lines come in through `intake`, where they may have to wait for room.
    #[must_use]
    pub fn through(self, intake: Intake) -> Self {
        Self { intake, ..self }
    }

    /// Returns the next line that is not empty; nothing at the end of the input.
    ///
    /// Cancel safe: what was read stays in the buffer. A last line without an end counts.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            self.take_turns().await;
            if let Some(line) = self.take() {
                return Ok(Some(line));
            }
            if self.at_end {
                return Ok(None);
            }
            self.make_room().await;
            self.at_end = self.reader.read_buf(&mut self.buffer).await? == 0;
            self.half = self.buffer.len() / 2;
            if self.buffer.len() == self.buffer.capacity() {
                self.chunk = (2 * self.chunk).min(CHUNK);
            }
        }
    }

    /// Returns whether the input has ended; the line that was returned last has no end then.
    pub fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Returns how many bytes are held, used or not.
    #[cfg(test)]
    pub(in crate::wire) fn held(&self) -> usize {
        self.buffer.capacity() + self.intake.size()
    }

    /// Lets others work when half of what was read at once is handed on: it is on its way then
    /// while the other half is worked on here, and nobody waits for all of it.
    async fn take_turns(&mut self) {
        if (1..=self.half).contains(&self.buffer.len()) {
            self.half = 0;
            task::yield_now().await;
        }
    }

    /// Makes room for what is read next.
    async fn make_room(&mut self) {
        let (length, left) = (self.buffer.len(), self.buffer.capacity() - self.buffer.len());
        let is_long = self.intake.size() > 0 || length >= CHUNK / 2;
        if left < if is_long { CRUMB } else { self.chunk / 4 } {
            if is_long {
                self.intake.push(self.buffer.split().freeze());
                self.searched = 0;
            }
            self.buffer.reserve(self.chunk);
        }
        if self.intake.size() > 0 {
            self.intake.cover(self.intake.size() + self.buffer.len() + 1).await;
        }
    }

    /// Takes the next line out of the buffer, if one is complete.
    fn take(&mut self) -> Option<Line> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            let found = memchr::memchr(b'\n', unsearched);
            let Some(found) = found.map(|position| self.searched + position) else {
                return self.take_unfinished();
            };
            let line = self.buffer.split_to(found).freeze();
            self.buffer.advance(1);
            self.searched = 0;
            if self.is_too_long(line.len()) {
                if let Some(line) = self.drop_bytes(&line, true) {
                    return Some(line);
                }
                continue;
            }
            if let Some(line) = self.whole(line) {
                return Some(line);
            }
        }
    }

    fn is_too_long(&self, more: usize) -> bool {
        self.dropping.is_some() || self.intake.size() + more > self.limit
    }

    /// Returns the line that ends with `last`, unless it is empty.
    fn whole(&mut self, last: Bytes) -> Option<Line> {
        let Whole { bytes, is_beyond } = self.intake.finish(last);
        if bytes.trim_ascii().is_empty() {
            return None;
        }
        Some(if is_beyond { Line::Beyond(bytes) } else { Line::Whole(bytes) })
    }

    fn take_unfinished(&mut self) -> Option<Line> {
        self.searched = self.buffer.len();
        if self.is_too_long(self.buffer.len()) {
            let bytes = self.buffer.split().freeze();
            self.searched = 0;
            return self.drop_bytes(&bytes, self.at_end);
        }
        if !self.at_end {
            return None;
        }
        self.searched = 0;
        let last = self.buffer.split().freeze();
        self.whole(last)
    }

    /// Drops bytes of a line that is too long; reports it once, as soon as its id is known.
    fn drop_bytes(&mut self, bytes: &[u8], is_end: bool) -> Option<Line> {
        let dropping = self.dropping.get_or_insert_default();
        for piece in self.intake.abandon() {
            dropping.skim.feed(&piece);
        }
        if !dropping.reported {
            dropping.skim.feed(bytes);
        }
        let (id, kind) = (dropping.skim.id().cloned(), dropping.skim.kind());
        let report = !dropping.reported && (dropping.skim.is_done() || is_end);
        dropping.reported |= report;
        if is_end {
            self.dropping = None;
        }
        report.then_some(Line::TooLong { id, kind })
    }
}
