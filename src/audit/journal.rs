//! The stream of this process, and what it has in common with those of others: begun with the
//! first record, signed from time to time, told to the ledger.

use std::path::Path;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::audit::error::Error;
use crate::audit::files;
use crate::audit::files::Life;
use crate::audit::key::Signer;
use crate::audit::ledger::Entry;
use crate::audit::ledger::Head;
use crate::audit::ledger::Ledger;
use crate::audit::line::Line;
use crate::audit::line::Manner;
use crate::audit::receipt;
use crate::audit::record::Record;
use crate::audit::retention;
use crate::audit::stream::Closing;
use crate::audit::stream::Position;
use crate::audit::stream::Stream;
use crate::config::Audit;
use crate::config::secrets::Secrets;
use crate::disk::directory;
use crate::disk::directory::Others;

/// What the ledger says of a stream that was taken away from the process that wrote it.
const REMOVED: &str = "a segment was removed or replaced while it was written to";

/// Records that were lost before those that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) lost: u64,
    pub(super) why: String,
}

/// The stream of this process.
#[derive(Debug)]
pub(super) struct Journal {
    config: Audit,
    manner: Manner,
    open: Option<Open>,
    /// What the ledger is to say of the stream before this one.
    lost: Option<String>,
}

/// A stream that is written to.
#[derive(Debug)]
struct Open {
    stream: Stream,
    signer: Signer,
    /// How many records no checkpoint covers yet, and since when.
    unsealed: usize,
    since: Option<Instant>,
    /// What the ledger says since this process wrote there last; nothing as long as it does not
    /// know of this stream.
    told: Option<Head>,
    /// The stream of this process that somebody took away, until the ledger says so.
    lost: Option<String>,
}

/// What became of a checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    /// The text to keep elsewhere.
    pub(super) receipt: String,
    pub(super) rotated: bool,
}

impl Journal {
    pub(super) fn new(config: Audit, secrets: Secrets) -> Self {
        let manner = Manner { secrets, arguments: config.arguments, limit: config.argument_limit };
        Self { config, manner, open: None, lost: None }
    }

    /// Looks whether there can be records where they should be.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        directory::make(&self.config.directory, Others::MayLook)?;
        Signer::in_state(&self.config.keys)?;
        Ok(())
    }

    /// Returns the name of the stream, once there is one.
    pub(super) fn stream(&self) -> Option<&str> {
        self.open.as_ref().map(|open| open.stream.id())
    }

    /// Returns when the next checkpoint is due; nothing if all is signed.
    pub(super) fn due(&self) -> Option<Instant> {
        let open = self.open.as_ref()?;
        Some(open.since? + self.config.checkpoint_time)
    }

    /// Writes records, all of them or none, after what is to be said about lost ones.
    ///
    /// If somebody takes the stream away that is written to, it goes on in another one.
    pub(super) fn write(&mut self, gap: Option<&Gap>, records: &[Record]) -> Result<(), Error> {
        let written = self.append(gap, records);
        let Err(error @ Error::Gone { .. }) = written else { return written };
        tracing::warn!(%error, "the audit goes on in a new stream");
        self.lost = self.open.take().map(|open| open.stream.id().to_owned());
        self.append(gap, records)
    }

    fn append(&mut self, gap: Option<&Gap>, records: &[Record]) -> Result<(), Error> {
        let Self { config, manner, open, lost } = self;
        let open = match open {
            Some(open) => open,
            closed => {
                let begun = Open::begin(config, lost.clone())?;
                *lost = None;
                closed.insert(begun)
            }
        };
        let mut batch = open.stream.batch();
        if let Some(Gap { lost, why }) = gap {
            batch.add(|seq, prev| {
                let mut line = Line::new(seq, prev, SystemTime::now(), "gap");
                line.number("lost", *lost).text("reason", &manner.secrets.mask(why));
                line.end()
            });
        }
        for record in records {
            batch.add(|seq, prev| manner.line(seq, prev, record));
        }
        open.stream.write(batch)?;
        open.unsealed += records.len() + usize::from(gap.is_some());
        open.since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Signs what was written, if that is due, and begins another segment, if that is.
    pub(super) fn seal_if_due(&mut self) -> Option<Result<Sealed, Error>> {
        let due = self.due();
        let open = self.open.as_mut()?;
        let is_full = open.stream.is_full(self.config.segment, SystemTime::now());
        let is_due = due.is_some_and(|due| due <= Instant::now())
            || open.unsealed >= self.config.checkpoint_records;
        if !(is_due || is_full && open.unsealed > 0) {
            return None;
        }
        let sealed = open.seal(&self.config, is_full);
        // What failed is tried again when the next one is due, not with every record.
        open.unsealed = 0;
        open.since = sealed.is_err().then(Instant::now);
        Some(sealed)
    }

    /// Signs all there is, and ends the stream.
    pub(super) fn close(&mut self) -> Result<Option<String>, Error> {
        let Some(mut open) = self.open.take() else { return Ok(None) };
        let directory = &self.config.directory;
        open.stream.checkpoint(&open.signer, SystemTime::now(), Closing::Yes)?;
        let at = open.stream.position();
        let mut ledger = open.ledger(directory)?;
        ledger.head.running.remove(open.stream.id());
        ledger.add(open.stream.id(), &Entry::Closed(at));
        let head = ledger.save()?;
        Ok(Some(receipt::write(open.stream.id(), at, &head, &open.signer)))
    }
}

impl Open {
    fn begin(config: &Audit, lost: Option<String>) -> Result<Self, Error> {
        let directory = &config.directory;
        directory::make(directory, Others::MayLook)?;
        let signer = Signer::in_state(&config.keys)?;
        let stream = Stream::begin(directory, &signer, SystemTime::now())?;
        let mut open = Self { stream, signer, unsealed: 0, since: None, told: None, lost };
        // Without the ledger there are records all the same; the next checkpoint tries again.
        if let Err(error) = open.tell(directory) {
            tracing::warn!(%error, "the ledger of the audit cannot be written");
        }
        open.prune(config, SystemTime::now());
        Ok(open)
    }

    /// Removes what need not be kept; records are written whether that works or not.
    fn prune(&self, config: &Audit, now: SystemTime) {
        let lock = || self.ledger(&config.directory);
        if let Err(error) = retention::prune(&config.directory, config.keep, now, lock) {
            tracing::warn!(%error, "old audit records cannot be removed");
        }
    }

    fn ledger<'a>(&'a self, directory: &'a Path) -> Result<Ledger<'a>, Error> {
        let (id, told) = (self.stream.id(), self.told.as_ref());
        Ledger::lock(directory, &self.signer, id, told, SystemTime::now())
    }

    /// Says in the ledger how far the stream is; the first time that there is one, and what others
    /// left that are gone.
    fn tell(&mut self, directory: &Path) -> Result<Head, Error> {
        let (id, at) = (self.stream.id(), self.stream.position());
        let mut ledger = self.ledger(directory)?;
        if self.told.is_none() {
            for (id, at) in abandoned(directory, &ledger.head)? {
                ledger.head.running.remove(&id);
                ledger.add(&id, &Entry::Found(at));
            }
            ledger.add(id, &Entry::Opened);
            if let Some(lost) = &self.lost {
                ledger.add(lost, &Entry::Mended(REMOVED.to_owned()));
            }
        }
        ledger.head.running.insert(id.to_owned(), at);
        let head = ledger.save()?;
        (self.told, self.lost) = (Some(head.clone()), None);
        Ok(head)
    }

    fn seal(&mut self, config: &Audit, is_full: bool) -> Result<Sealed, Error> {
        let now = SystemTime::now();
        self.stream.checkpoint(&self.signer, now, Closing::No)?;
        let at = self.stream.position();
        let head = self.tell(&config.directory)?;
        let receipt = receipt::write(self.stream.id(), at, &head, &self.signer);
        if is_full {
            self.stream.rotate(&self.signer, now)?;
            self.prune(config, now);
        }
        Ok(Sealed { receipt, rotated: is_full })
    }
}

/// Returns the streams whose process is gone without having closed them, and where they end. One
/// that is without what the head knows of it was cut or changed by somebody, and stays as it is: it
/// is not signed once more.
fn abandoned(directory: &Path, head: &Head) -> Result<Vec<(String, Position)>, Error> {
    let mut found = Vec::new();
    for (id, known) in &head.running {
        let stream = files::Stream::read(id, directory.join(id))?;
        if stream.life() == Life::Running {
            continue;
        }
        let Some(end) = stream.end()? else { continue };
        if stream.goes_on(*known, end)? {
            found.push((id.clone(), end));
        }
    }
    Ok(found)
}
