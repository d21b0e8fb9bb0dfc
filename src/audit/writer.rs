//! The thread that owns the files: takes what waits, writes it together, signs it from time to
//! time.
//!
//! A thread of its own, because a disk can hold up whoever writes to it for any time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;
use std::time::SystemTime;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::audit;
use crate::audit::Shared;
use crate::audit::error::Error;
use crate::audit::error::Unrecorded;
use crate::audit::journal::Gap;
use crate::audit::journal::Journal;
use crate::audit::journal::Sealed;
use crate::audit::record::Arguments;
use crate::audit::record::Record;

/// How many records are written at once: few enough that whoever waits for one does not wait long.
const BATCH: usize = 256;
/// How long it is looked what else comes before it is written, where nobody waits for that. Whoever
/// records wakes nobody up in this time, and what it costs to write is shared.
const LINGER: Duration = Duration::from_millis(2);
/// How long nothing is looked at while nothing happens and nothing is to be signed.
const IDLE: Duration = Duration::from_hours(1);

/// Something for the writer.
#[derive(Debug)]
pub(super) enum Message {
    /// Writes this, as well as that goes.
    Record(Box<Record>),
    /// Writes this, and says what came of it.
    Confirm(Box<Record>, oneshot::Sender<Result<(), Unrecorded>>),
    /// Ends.
    Close,
}

/// Whoever waits to be told that a record was written.
type Waiting = Vec<oneshot::Sender<Result<(), Unrecorded>>>;

/// The writer and what it knows.
pub(super) struct Writer {
    pub(super) journal: Journal,
    pub(super) queue: Receiver<Message>,
    pub(super) shared: Arc<Shared>,
    /// What could not be written, and why.
    pub(super) gap: Option<Gap>,
    /// Whether somebody may wait for a record at any time.
    pub(super) patience: Patience,
}

/// Whether records may wait for others, to be written with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// They may.
    Some,
    /// Calls wait for some of them.
    None,
}

/// Whether there is more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    More,
    Over,
}

impl Writer {
    /// Writes until it is told to end, or nobody is there who could.
    pub(super) fn run(mut self) {
        if let Err(error) = self.journal.prepare() {
            self.failed(&error);
        }
        loop {
            let next = self.turn();
            if let Some(sealed) = self.journal.seal_if_due() {
                self.sealed(sealed);
            }
            if next == Next::Over {
                break;
            }
        }
        match self.journal.close() {
            Ok(Some(receipt)) => {
                self.shared.sealed(&receipt);
                tracing::info!(checkpoint = receipt, "the audit is closed");
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the audit cannot be closed"),
        }
    }

    /// Waits for something to write, and writes it.
    fn turn(&mut self) -> Next {
        let until = self.journal.due().map(|due| due.saturating_duration_since(Instant::now()));
        let first = match self.queue.recv_timeout(until.unwrap_or(IDLE)) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => return Next::More,
            Err(RecvTimeoutError::Disconnected) => return Next::Over,
        };
        let (mut records, mut waiting, mut next) = (Vec::new(), Waiting::new(), Next::More);
        let mut has_lingered = self.patience == Patience::None;
        let mut message = Some(first);
        loop {
            match message {
                Some(Message::Record(record)) => records.push(*record),
                Some(Message::Confirm(record, told)) => {
                    records.push(*record);
                    waiting.push(told);
                }
                Some(Message::Close) => next = Next::Over,
                None if has_lingered => break,
                None => {
                    has_lingered = true;
                    audit::pause(LINGER);
                }
            }
            if records.len() >= BATCH || next == Next::Over {
                break;
            }
            message = self.queue.try_recv().ok();
        }
        if next == Next::Over {
            self.rest(&mut records, &mut waiting);
        }
        self.write(&records, waiting);
        next
    }

    /// Takes everything that came before the end.
    fn rest(&mut self, records: &mut Vec<Record>, waiting: &mut Waiting) {
        while let Ok(message) = self.queue.try_recv() {
            match message {
                Message::Record(record) => records.push(*record),
                Message::Confirm(record, told) => {
                    records.push(*record);
                    waiting.push(told);
                }
                Message::Close => {}
            }
        }
    }

    fn write(&mut self, records: &[Record], waiting: Waiting) {
        let held = records.iter().filter_map(|it| it.what.arguments.as_ref()).map(Arguments::held);
        let held: usize = held.sum();
        let missed = self.shared.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            let why = || "too many records waited to be written".to_owned();
            let gap = self.gap.get_or_insert_with(|| Gap { lost: 0, why: why() });
            gap.lost += missed;
        }
        if records.is_empty() && self.gap.is_none() {
            return;
        }
        let written = self.journal.write(self.gap.as_ref(), records);
        self.shared.release(records.len(), held);
        let outcome = match written {
            Ok(()) => {
                self.written(records.len() as u64);
                Ok(())
            }
            Err(error) => {
                let why = error.to_string();
                self.failed(&error);
                let gap = self.gap.get_or_insert(Gap { lost: 0, why: String::new() });
                gap.lost += records.len() as u64;
                gap.why.clone_from(&why);
                self.shared.lost.fetch_add(records.len() as u64, Ordering::Relaxed);
                Err(Unrecorded::Failed { why })
            }
        };
        for told in waiting {
            // Whoever no longer waits was told something else already.
            drop(told.send(outcome.clone()));
        }
    }

    fn written(&mut self, records: u64) {
        self.shared.written.fetch_add(records, Ordering::Relaxed);
        if let Some(stream) = self.journal.stream() {
            self.shared.writes_to(stream);
        }
        let gap = self.gap.take();
        if self.shared.recovered() || gap.is_some() {
            let lost = gap.map_or(0, |gap| gap.lost);
            tracing::warn!(lost, "audit records are written again");
        }
    }

    fn failed(&self, error: &Error) {
        if self.shared.failed(&error.to_string()) {
            tracing::warn!(%error, "audit records cannot be written");
        }
    }

    fn sealed(&self, sealed: Result<Sealed, Error>) {
        match sealed {
            Ok(Sealed { receipt, rotated }) => {
                if self.shared.sealed(&receipt) {
                    tracing::warn!("audit records are signed again");
                }
                tracing::info!(checkpoint = receipt, "an audit checkpoint");
                if rotated {
                    self.shared.rotated.notify_one();
                }
            }
            Err(error) => {
                if is_news(&mut self.shared.state().unsigned, &error.to_string()) {
                    tracing::warn!(%error, "audit records cannot be signed");
                }
            }
        }
    }
}

impl Shared {
    /// Notes a failure; returns whether it is news.
    fn failed(&self, why: &str) -> bool {
        is_news(&mut self.state().problem, why)
    }

    /// Notes that all is well again; returns whether it was not.
    fn recovered(&self) -> bool {
        self.state().problem.take().is_some()
    }

    fn writes_to(&self, stream: &str) {
        let mut state = self.state();
        if state.stream.as_deref() != Some(stream) {
            state.stream = Some(stream.to_owned());
        }
    }

    /// Notes a checkpoint; returns whether there could be none before.
    fn sealed(&self, receipt: &str) -> bool {
        let mut state = self.state();
        state.checkpoint = Some((receipt.to_owned(), SystemTime::now()));
        state.unsigned.take().is_some()
    }
}

/// Notes why something does not work; returns whether that was not known.
fn is_news(known: &mut Option<String>, why: &str) -> bool {
    let is_news = known.as_deref() != Some(why);
    *known = Some(why.to_owned());
    is_news
}
