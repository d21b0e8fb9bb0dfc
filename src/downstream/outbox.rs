//! The one way out to a client: a bounded queue, whoever reads it.
//!
//! What stands in it says how it may be treated: news may be missed where nobody reads, an answer
//! ends the request it belongs to.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::Semaphore;

use crate::downstream::codes;
use crate::downstream::codes::Outcome;
use crate::exchange::principal::Grant;
use crate::exchange::queue;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::Written;
use crate::wire::code;
use crate::wire::frame;
use crate::wire::method;

/// How many messages wait for a slow client; who has one more waits with it.
const QUEUE_CAPACITY: u32 = 64;

/// How many bytes they may have together; one alone may have more.
const QUEUE_BYTES: u32 = 1 << 20;

/// Where everything for one reader is queued; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    queue: queue::Sender<Waiting>,
    gate: Arc<Gate>,
    /// What requests are good for whose answers go here.
    grant: Grant,
}

/// The other end of an outbox.
#[derive(Debug)]
pub(super) struct Outgoing {
    queue: queue::Receiver<Waiting>,
    gate: Arc<Gate>,
}

/// What a message has to pass before it is queued.
#[derive(Debug)]
struct Gate {
    /// The room that is left, in bytes. A small message takes the room of a larger one, so that
    /// there are never too many either.
    room: Semaphore,
    /// Tells that nothing can be read any more.
    end: Notify,
}

/// A message, and the room it takes.
#[derive(Debug)]
struct Waiting {
    item: Item,
    size: u32,
}

/// One message on its way out.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The message, on one line.
    pub(super) frame: Written,
    /// What it is.
    pub(super) kind: Kind,
}

/// How a message on its way out may be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Progress or a log message: whoever does not read may miss it.
    News,
    /// Anything else that comes before an answer, such as a question.
    Word,
    /// The last message of its request.
    Answer(Verdict),
}

/// How a request ended, for transports that say so beside the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has a result.
    Done,
    /// It was carried out, as far as that went, and failed with this JSON-RPC code.
    Failed(i32),
    /// It never got under way, and this JSON-RPC code says why.
    Refused(i32),
    /// Its caller has reached a limit, and may try again after so many seconds.
    Limited(u64),
}

impl Outbox {
    /// Makes a queue and the end that is read.
    pub(super) fn channel() -> (Self, Outgoing) {
        let (queue, waiting) = queue::channel(usize::MAX);
        let gate = Gate { room: Semaphore::new(QUEUE_BYTES as usize), end: Notify::new() };
        let gate = Arc::new(gate);
        let grant = Grant::default();
        (Self { queue, gate: Arc::clone(&gate), grant }, Outgoing { queue: waiting, gate })
    }

    /// Lets it be for requests whose token is good for so much and no more.
    pub(super) fn granting(self, grant: Grant) -> Self {
        Self { grant, ..self }
    }

    /// Returns what requests are good for whose answers go here.
    pub(super) fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Queues one message, waiting while the queue is full. Returns whether anybody may read it.
    pub(super) async fn push(&self, kind: Kind, frame: Written) -> bool {
        let item = Item { frame: frame.on_one_line(), kind };
        let size = u32::try_from(item.frame.size()).unwrap_or(QUEUE_BYTES);
        let size = size.clamp(QUEUE_BYTES / QUEUE_CAPACITY, QUEUE_BYTES);
        let room = &self.gate.room;
        let room = match room.try_acquire_many(size) {
            Ok(room) => Ok(room),
            Err(_) => room.acquire_many(size).await,
        };
        let Ok(room) = room else { return false };
        // Given back by whoever reads it.
        room.forget();
        self.queue.try_send(Waiting { item, size }, |_| true).is_ok()
    }

    /// Queues a notification.
    pub(super) async fn tell(&self, kind: Kind, method: &str, params: Option<&Raw>) {
        // A client that is gone needs none.
        let _is_read = self.push(kind, frame::notification(method, params)).await;
    }

    /// Queues a question; returns whether anybody may read it.
    pub(super) async fn ask(&self, id: &Id, method: &str, params: Option<&Raw>) -> bool {
        self.push(Kind::Word, frame::request(id, method, params)).await
    }

    /// Answers a message that is no request with why it is none.
    pub(super) async fn refuse(&self, id: Option<&Id>, error: &Raw) {
        let verdict = Verdict::Refused(code(error));
        let _is_read = self.push(Kind::Answer(verdict), frame::response(id, Err(error))).await;
    }

    /// Waits until nothing can be read any more.
    pub(super) async fn closed(&self) {
        loop {
            // First, so that no end is missed that comes from now on.
            let end = self.gate.end.notified();
            if self.queue.is_closed() {
                return;
            }
            end.await;
        }
    }

    /// Takes no more messages; those queued are still read.
    pub(super) fn close(&self) {
        self.queue.close();
        self.gate.close();
    }
}

impl Outgoing {
    /// Waits for the next message; nothing once the outbox is closed or forgotten, and empty.
    /// Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Item> {
        let waiting = self.queue.recv().await?;
        Some(self.taken(waiting))
    }

    /// Returns the next message if one is there.
    pub(super) fn try_next(&mut self) -> Option<Item> {
        let waiting = self.queue.try_recv()?;
        Some(self.taken(waiting))
    }

    fn taken(&self, waiting: Waiting) -> Item {
        self.gate.room.add_permits(waiting.size as usize);
        waiting.item
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.queue.close();
        self.gate.close();
    }
}

impl Gate {
    /// Lets nobody through any more, and those go who wait for it.
    fn close(&self) {
        self.room.close();
        self.end.notify_waiters();
    }
}

impl Kind {
    /// Returns how a notification with this method may be treated.
    pub(super) fn of(method: &str) -> Self {
        match method {
            method::PROGRESS | method::MESSAGE => Self::News,
            _ => Self::Word,
        }
    }
}

impl Verdict {
    /// Reads how a request that was carried out ended.
    pub(super) fn of(outcome: &Outcome) -> Self {
        let Err(error) = outcome else { return Self::Done };
        match code(error) {
            code::INTERNAL_ERROR => match codes::retry_after(error) {
                Some(wait) => Self::Limited(seconds(wait)),
                None => Self::Failed(code::INTERNAL_ERROR),
            },
            code => Self::Failed(code),
        }
    }

    /// Reads how a request that never got under way was answered.
    pub(super) fn at_once(outcome: &Outcome) -> Self {
        outcome.as_ref().map_or_else(|error| Self::Refused(code(error)), |_| Self::Done)
    }
}

/// A wait in whole seconds, never less.
fn seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// The code of an `error` object; nothing odd in it makes it another kind of answer.
fn code(error: &Raw) -> i32 {
    error.member("code").and_then(|code| code.read().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::time;

    use super::*;

    /// How many messages of a size may wait for a reader.
    async fn fitting(size: usize) -> usize {
        let (outbox, _outgoing) = Outbox::channel();
        let frame = Written::from(vec![b' '; size]);
        let mut count = 0;
        let pushing = async {
            while outbox.push(Kind::Word, frame.clone()).await {
                count += 1;
            }
        };
        assert!(time::timeout(Duration::from_secs(1), pushing).await.is_err(), "it waits");
        count
    }

    #[tokio::test(start_paused = true)]
    async fn the_larger_messages_are_the_fewer_wait() {
        assert_eq!(fitting(100).await, 64);
        assert_eq!(fitting(100_000).await, 10);
        assert_eq!(fitting(5_000_000).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_room_goes_on_when_there_is_some_or_nobody() {
        let (outbox, mut outgoing) = Outbox::channel();
        let frame = Written::from(vec![b' '; 5_000_000]);
        assert!(outbox.push(Kind::Word, frame.clone()).await);
        let (pushed, next) = tokio::join!(outbox.push(Kind::Word, frame.clone()), outgoing.next());
        assert!(pushed && next.is_some());
        let leaving = async {
            time::sleep(Duration::from_secs(1)).await;
            drop(outgoing);
        };
        let (pushed, ()) = tokio::join!(outbox.push(Kind::Word, frame), leaving);
        assert!(!pushed);
    }
}
