//! Proof of who called what: one record for each decision and each request, in files that show
//! every later change.
//!
//! Whoever has something to record hands it over and goes on; one thread masks, writes and signs.
//! Where records are `required`, a call waits until its own was handed to the system. Records are
//! lines of JSON, each with the SHA-256 of the line before; checkpoints among them are signed
//! (Ed25519) and have the root of a tree over the segment (RFC 6962). Nothing here refuses a call
//! or knows what may be done: it is told.

/// Why records cannot be written or read.
pub mod error;
/// The newest records, and those that come.
pub mod follow;
/// A database made of the records.
pub mod index;
/// The key that checkpoints are signed with.
pub mod key;
/// What is looked for, and what is found.
pub mod query;
/// Checkpoints that are kept elsewhere.
pub mod receipt;
/// What is recorded.
pub mod record;
/// Finds records.
pub mod search;
/// Finds what was changed.
pub mod verify;

mod digest;
mod files;
mod journal;
mod ledger;
mod line;
mod mask;
mod merkle;
mod retention;
mod seal;
mod stream;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TrySendError;
use std::thread;
use std::time::Duration;
use std::time::SystemTime;

use serde_json::Value;
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::oneshot;
use tokio::time;

use crate::audit::error::Unrecorded;
use crate::audit::journal::Journal;
use crate::audit::record::Arguments;
use crate::audit::record::Record;
use crate::audit::writer::Message;
use crate::audit::writer::Patience;
use crate::audit::writer::Writer;
use crate::config::Audit;
use crate::config::audit::Mode;
use crate::config::secrets::Secrets;
use crate::wire::Raw;

/// How many records may wait to be written: what comes in a second on a busy machine. What is over
/// is counted, and a call that must be recorded is refused.
const QUEUE: usize = 4096;
/// How many bytes of arguments may wait with them, in all; of what is over only the beginning is
/// kept.
const HELD: usize = 8 << 20;
/// How long a call waits for its record to be handed to the system.
const CONFIRM_LIMIT: Duration = Duration::from_secs(2);
/// How long it may take to write what waits, and the last checkpoint.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// Where everything is recorded; cloning shares it. By default nothing is.
#[derive(Clone, Debug, Default)]
pub struct Log(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    mode: Mode,
    /// How much of large arguments is kept, in bytes.
    limit: usize,
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    /// Resolves when the writer has ended.
    ended: tokio::sync::Mutex<oneshot::Receiver<()>>,
}

/// What the writer and whoever records both know.
#[derive(Debug, Default)]
struct Shared {
    /// How many records found no place in the queue since the writer looked.
    missed: AtomicU64,
    /// How many were lost in all.
    lost: AtomicU64,
    written: AtomicU64,
    /// How many records wait to be written.
    waiting: AtomicUsize,
    /// How many bytes of arguments wait.
    held: AtomicUsize,
    /// Tells that a segment is full.
    rotated: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    stream: Option<String>,
    /// Why nothing can be written.
    problem: Option<String>,
    /// Why what is written cannot be signed.
    unsigned: Option<String>,
    checkpoint: Option<(String, SystemTime)>,
}

/// Waits, on a thread that nobody else waits for.
#[expect(clippy::disallowed_methods, reason = "there is no runtime on the thread of the writer")]
fn pause(time: Duration) {
    thread::sleep(time);
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that so many records no longer wait, with so many bytes of arguments.
    fn release(&self, records: usize, bytes: usize) {
        self.waiting.fetch_sub(records, Ordering::Relaxed);
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Log {
    /// Returns one that records nothing.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Begins to record, if the configuration says so, without any of `secrets`.
    pub fn start(config: &Audit, secrets: &Secrets) -> Self {
        if config.mode == Mode::Off {
            return Self(None);
        }
        let (queue, waiting) = mpsc::sync_channel(QUEUE);
        let (ending, ended) = oneshot::channel();
        let shared = Arc::new(Shared::default());
        let journal = Journal::new(config.clone(), secrets.clone());
        let is_required = config.mode == Mode::Required;
        let patience = if is_required { Patience::None } else { Patience::Some };
        let writer =
            Writer { journal, queue: waiting, shared: Arc::clone(&shared), gap: None, patience };
        let run = move || {
            writer.run();
            drop(ending);
        };
        if let Err(error) = thread::Builder::new().name("audit".to_owned()).spawn(run) {
            // The queue is closed then, which whoever records is told.
            tracing::warn!(%error, "audit records cannot be written: there is no thread for it");
            shared.state().problem = Some(error.to_string());
        }
        Self(Some(Arc::new(Inner {
            mode: config.mode,
            limit: config.argument_limit,
            queue,
            shared,
            ended: tokio::sync::Mutex::new(ended),
        })))
    }

    /// Returns whether anything is recorded.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Returns whether a request may go on only when its decision was recorded.
    pub fn is_required(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.mode == Mode::Required)
    }

    /// Takes what is needed of arguments, as long as there is room for so many.
    pub fn arguments(&self, raw: Raw) -> Option<Arguments> {
        let inner = self.0.as_ref()?;
        let arguments = Arguments::of(raw, inner.limit);
        let Arguments::Whole(raw) = &arguments else { return Some(arguments) };
        if inner.shared.held.load(Ordering::Relaxed) + raw.get().len() > HELD {
            return Some(Arguments::cut(raw, inner.limit));
        }
        Some(arguments)
    }

    /// Records something, and neither waits nor fails: what finds no place is counted.
    pub fn record(&self, record: Record) {
        let Some(inner) = &self.0 else { return };
        // A full queue is no news to whoever records, and a closed one ends with the process.
        drop(inner.hand_over(record, Message::Record));
    }

    /// Records something that must be recorded, and waits until it was handed to the system; not
    /// for longer than a named time.
    ///
    /// If the caller leaves meanwhile, the record is written all the same.
    pub async fn confirm(&self, record: Record) -> Result<(), Unrecorded> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let (told, outcome) = oneshot::channel();
        inner.hand_over(record, |record| Message::Confirm(record, told))?;
        match time::timeout(CONFIRM_LIMIT, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Unrecorded::Over),
            Err(_) => Err(Unrecorded::Slow { limit: CONFIRM_LIMIT }),
        }
    }

    /// Waits until a segment is full; for whoever keeps the index. Cancel safe.
    pub async fn rotated(&self) {
        match &self.0 {
            Some(inner) => inner.shared.rotated.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Writes what waits, and signs it for the last time; not for longer than a named time.
    pub async fn close(&self) {
        let Some(inner) = &self.0 else { return };
        let close = || async {
            // A full queue is emptied sooner or later, or this takes too long.
            while let Err(TrySendError::Full(_)) = inner.queue.try_send(Message::Close) {
                time::sleep(Duration::from_millis(1)).await;
            }
            let mut ended = inner.ended.lock().await;
            drop((&mut *ended).await);
        };
        if time::timeout(CLOSE_LIMIT, close()).await.is_err() {
            tracing::warn!("the last audit records were not written: the disk is slow");
        }
    }

    /// Returns how many records were lost in all; nothing if nothing is recorded.
    pub fn lost(&self) -> Option<u64> {
        Some(self.0.as_ref()?.shared.lost.load(Ordering::Relaxed))
    }

    /// Returns how many records wait to be written; nothing if nothing is recorded.
    pub fn waiting(&self) -> Option<usize> {
        Some(self.0.as_ref()?.shared.waiting.load(Ordering::Relaxed))
    }

    /// Returns how it is, as data; nothing if nothing is recorded.
    pub fn status(&self) -> Option<Value> {
        let inner = self.0.as_ref()?;
        let (shared, state) = (&inner.shared, inner.shared.state());
        let checkpoint = state.checkpoint.as_ref().map(|(text, at)| {
            let at = humantime::format_rfc3339_millis(*at).to_string();
            json!({ "at": at, "text": text })
        });
        Some(json!({
            "mode": inner.mode.as_str(),
            "stream": state.stream,
            "written": shared.written.load(Ordering::Relaxed),
            "lost": shared.lost.load(Ordering::Relaxed),
            "problem": state.problem,
            "unsigned": state.unsigned,
            "checkpoint": checkpoint,
        }))
    }
}

impl Inner {
    fn hand_over(
        &self,
        mut record: Record,
        message: impl FnOnce(Box<Record>) -> Message,
    ) -> Result<(), Unrecorded> {
        record.shorten();
        let held = record.what.arguments.as_ref().map_or(0, Arguments::held);
        self.shared.held.fetch_add(held, Ordering::Relaxed);
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        let refused = match self.queue.try_send(message(Box::new(record))) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(_)) => Unrecorded::Full,
            Err(TrySendError::Disconnected(_)) => Unrecorded::Over,
        };
        self.shared.release(1, held);
        self.shared.missed.fetch_add(1, Ordering::Relaxed);
        self.shared.lost.fetch_add(1, Ordering::Relaxed);
        Err(refused)
    }
}
