//! One stream of a session: a bounded memory of what was said on it, and whoever reads it now.
//!
//! A client may lose a stream and come back for what followed (2025-11-25, "Resumability and
//! Redelivery"). What it has been handed gives way first, then news it has not; a question or an
//! answer that nobody has been handed never does.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::downstream::outbox::Item;
use crate::downstream::outbox::Kind;
use crate::downstream::outbox::Outgoing;

/// How many events are remembered.
const EVENT_LIMIT: usize = 256;
/// How many bytes are remembered; the last event is, however long it is.
const BYTE_LIMIT: usize = 1024 * 1024;
/// How many events may wait for a slow reader; who has one more to say waits with it.
const UNREAD_LIMIT: usize = 64;

/// Where a reader is: the stream, and the last event of it that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The number of the stream within its session.
    pub(super) stream: u64,
    /// The number of the event within its stream; 0 is before the first.
    pub(super) event: u64,
}

/// What becomes of what is said while nobody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// It is remembered, within bounds: what is said has to do with a request under way.
    Remembers,
    /// It waits where it is, because there it is bounded too.
    Waits,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Replay {
    number: u64,
    absence: Absence,
    state: Mutex<State>,
    /// Wakes the reader.
    said: Notify,
    /// Wakes whoever has something to say.
    heard: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Event>,
    bytes: usize,
    /// The number of the newest event.
    last: u64,
    /// The number of the newest event that a reader was handed.
    handed: u64,
    /// The number of the newest reader; those before it are gone.
    reader: u64,
    is_read: bool,
    is_over: bool,
}

#[derive(Debug)]
struct Event {
    number: u64,
    is_news: bool,
    frame: Bytes,
}

/// Reads a stream from somewhere on.
#[derive(Debug)]
pub(super) struct Reader {
    replay: Arc<Replay>,
    number: u64,
    at: u64,
}

impl Position {
    /// Reads the id of an event.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (stream, event) = text.split_once('-')?;
        Some(Self { stream: stream.parse().ok()?, event: event.parse().ok()? })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.stream, self.event)
    }
}

impl Replay {
    /// Makes a stream in which nothing has been said.
    pub(super) fn new(number: u64, absence: Absence) -> Arc<Self> {
        let (said, heard) = (Notify::new(), Notify::new());
        Arc::new(Self { number, absence, state: Mutex::default(), said, heard })
    }

    /// Returns its number within its session.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Begins to read after the event `after`, or after everything that was handed out. Whoever
    /// read before is done.
    pub(super) fn read(self: &Arc<Self>, after: Option<u64>) -> Reader {
        let mut state = self.lock();
        state.reader += 1;
        state.is_read = true;
        let (number, at) = (state.reader, after.unwrap_or(state.handed));
        drop(state);
        self.said.notify_waiters();
        self.heard.notify_waiters();
        Reader { replay: Arc::clone(self), number, at }
    }

    /// Takes `first` and everything in `outgoing`, until an answer ends the stream.
    pub(super) async fn follow(self: Arc<Self>, first: Option<Item>, mut outgoing: Outgoing) {
        let mut next = first;
        loop {
            self.room().await;
            let item = match next.take() {
                Some(item) => item,
                None => match outgoing.next().await {
                    Some(item) => item,
                    None => break,
                },
            };
            let is_last = matches!(item.kind, Kind::Answer(_));
            self.say(item);
            if is_last {
                break;
            }
        }
        self.end();
    }

    /// Ends the stream; what was said can still be read.
    pub(super) fn end(&self) {
        self.lock().is_over = true;
        self.said.notify_waiters();
        self.heard.notify_waiters();
    }

    /// Returns whether nothing more will be said.
    pub(super) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// Returns whether everything was handed to a reader.
    pub(super) fn is_handed(&self) -> bool {
        let state = self.lock();
        state.handed == state.last
    }

    /// Returns how many bytes are remembered.
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Adds one event. Never waits.
    fn say(&self, item: Item) {
        let mut state = self.lock();
        state.last += 1;
        let (number, is_news) = (state.last, item.kind == Kind::News);
        let frame = item.frame.into_bytes();
        state.bytes += frame.len();
        state.events.push_back(Event { number, is_news, frame });
        state.trim();
        drop(state);
        self.said.notify_waiters();
    }

    /// Waits until there is room for one more event.
    async fn room(&self) {
        loop {
            let mut heard = pin!(self.heard.notified());
            heard.as_mut().enable();
            if self.lock().has_room(self.absence) {
                return;
            }
            heard.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self, absence: Absence) -> bool {
        let unread = usize::try_from(self.last - self.handed).unwrap_or(usize::MAX);
        if self.is_over {
            return true;
        }
        match (self.is_read, absence) {
            (true, _) => unread < UNREAD_LIMIT,
            (false, Absence::Remembers) => true,
            (false, Absence::Waits) => false,
        }
    }

    /// Forgets what may be forgotten until all is within bounds.
    fn trim(&mut self) {
        while self.events.len() > EVENT_LIMIT || self.bytes > BYTE_LIMIT {
            let (handed, last) = (self.handed, self.last);
            let oldest = self.events.front().map(|event| event.number);
            let oldest_is_handed = oldest.is_some_and(|oldest| oldest <= handed && oldest < last);
            let index = if oldest_is_handed {
                Some(0)
            } else {
                self.events.iter().position(|event| event.is_news && event.number < last)
            };
            let Some(event) = index.and_then(|index| self.events.remove(index)) else { return };
            self.bytes -= event.frame.len();
        }
    }
}

impl Reader {
    /// Returns where it is.
    pub(super) fn position(&self) -> Position {
        Position { stream: self.replay.number, event: self.at }
    }

    /// Returns whether another reader came.
    pub(super) fn is_outdated(&self) -> bool {
        self.replay.lock().reader != self.number
    }

    /// Waits for the next event; nothing at the end, or if another reader came. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<(Position, Bytes)> {
        loop {
            let replay = Arc::clone(&self.replay);
            let mut said = pin!(replay.said.notified());
            said.as_mut().enable();
            {
                let mut state = replay.lock();
                if state.reader != self.number {
                    return None;
                }
                let index = state.events.partition_point(|event| event.number <= self.at);
                if let Some(Event { number, frame, .. }) = state.events.get(index) {
                    let (number, frame) = (*number, frame.clone());
                    self.at = number;
                    state.handed = state.handed.max(number);
                    drop(state);
                    replay.heard.notify_waiters();
                    return Some((self.position(), frame));
                }
                if state.is_over {
                    return None;
                }
            }
            said.await;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.replay.lock();
        if state.reader == self.number {
            state.is_read = false;
            drop(state);
            self.replay.heard.notify_waiters();
        }
    }
}
