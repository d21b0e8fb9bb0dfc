//! What all processes that record in one directory write together: which streams there are, how
//! they ended, and what was removed on purpose.
//!
//! Two files, under one lock. `ledger.jsonl` is a chain of signed entries, a few for each stream.
//! `head.json` is replaced at every checkpoint and says how far the ledger and the streams that are
//! not closed have come: what is missing from there on was taken away.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;
use std::time::SystemTime;

use serde_json::Value;

use crate::audit::digest::Digest;
use crate::audit::error::Error;
use crate::audit::files;
use crate::audit::key::Signer;
use crate::audit::line::Line;
use crate::audit::line::VERSION;
use crate::audit::seal;
use crate::audit::seal::Seal;
use crate::audit::stream::Position;
use crate::disk::file;
use crate::disk::file::Outlives;
use crate::disk::lock;

/// The name of the chain of entries.
pub(super) const LEDGER: &str = "ledger.jsonl";
/// The name of what says how far all is.
pub(super) const HEAD: &str = "head.json";
/// How long another process may hold the ledger, which it does for one write to the disk.
const LOCK_LIMIT: Duration = Duration::from_secs(2);
/// The largest head that is read, in bytes: ten thousand streams that were cut off.
const MAX_HEAD: u64 = 4 << 20;

/// What is said of files that were true once.
const OLDER: &str = "older files were put in the place of `ledger.jsonl` or `head.json`";

/// What happened to a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It was begun.
    Opened,
    /// It ended here.
    Closed(Position),
    /// Its process was gone, and this is what it left.
    Found(Position),
    /// It has these segments no longer: all up to one, of which the last line has this digest.
    Removed {
        /// The last segment that was removed.
        segment: u32,
        /// The digest of its last line.
        head: Digest,
        /// Whether nothing of the stream is left.
        whole: bool,
    },
    /// Something was not as it was left: the ledger, by the word of the process of this stream, or
    /// the stream itself.
    Mended(String),
}

/// How far all is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// How many entries there are.
    pub(super) entries: u64,
    /// The digest of the last one.
    pub(super) ledger: Digest,
    /// The streams that are not closed.
    pub(super) running: BTreeMap<String, Position>,
}

/// The ledger, as long as nobody else may write to it.
#[derive(Debug)]
pub(super) struct Ledger<'a> {
    directory: &'a Path,
    signer: &'a Signer,
    now: SystemTime,
    file: File,
    pub(super) head: Head,
    /// Entries that are to be written.
    added: String,
}

impl<'a> Ledger<'a> {
    /// Waits until nobody else writes, and reads how far all is. `stream` is whose process asks,
    /// and `told` how far all was when it wrote here last.
    pub(super) fn lock(
        directory: &'a Path,
        signer: &'a Signer,
        stream: &str,
        told: Option<&Head>,
        now: SystemTime,
    ) -> Result<Self, Error> {
        let path = directory.join(LEDGER);
        let file = file::private().read(true).append(true).create(true).open(&path);
        let file = file.map_err(Error::at(&path))?;
        wait(&file, &path)?;
        let mut ledger =
            Self { directory, signer, now, file, head: Head::default(), added: String::new() };
        let wrong = ledger.read()?;
        let is_older = || told.is_some_and(|told| ledger.head.is_older(told, stream));
        if let Some(why) = wrong.or_else(|| is_older().then_some(OLDER)) {
            tracing::warn!(why, "the ledger of the audit is not as it was left");
            ledger.add(stream, &Entry::Mended(why.to_owned()));
        }
        Ok(ledger)
    }

    /// Reads how far all is. Returns what is wrong with it.
    fn read(&mut self) -> Result<Option<&'static str>, Error> {
        let path = self.directory.join(LEDGER);
        self.drop_half_line(&path)?;
        let last = files::last_line(&path)?;
        let value: Option<Value> = last.as_deref().and_then(|it| serde_json::from_str(it).ok());
        let entries = value.and_then(|value| value.get("entry")?.as_u64());
        let head = read_head(self.directory)?;
        let keys = [self.signer.public().clone()];
        let known = head.as_deref().filter(|text| seal::check(text, &keys) == Seal::Good);
        let known = known.and_then(Head::parse);
        self.head.entries = entries.unwrap_or_default();
        self.head.ledger =
            last.as_ref().map_or_else(Digest::default, |it| Digest::of(it.as_bytes()));
        let wrong = match (&head, known, last) {
            (None, _, None) => None,
            // The very first process that wrote here was killed between the two files.
            (None, ..) if self.head.entries <= 1 => None,
            (None, ..) => Some("`head.json` is missing"),
            (Some(_), Some(known), last) => {
                let is_shorter = known.entries > self.head.entries;
                self.head.running = known.running;
                match last {
                    None => Some("`ledger.jsonl` is missing"),
                    Some(_) if is_shorter => Some("entries of `ledger.jsonl` are missing"),
                    Some(last) if seal::check(&last, &keys) == Seal::Bad => {
                        Some("`ledger.jsonl` ends in what this gateway has not signed")
                    }
                    Some(_) => None,
                }
            }
            (Some(_), None, _) => Some("`head.json` is not signed with the key of this gateway"),
        };
        Ok(wrong)
    }

    /// Takes away what a process left half written that was killed just then.
    fn drop_half_line(&self, path: &Path) -> Result<(), Error> {
        let mut last = [0];
        let size = self.file.metadata().map_err(Error::at(path))?.len();
        let read = self.file.read_at(&mut last, size.saturating_sub(1)).map_err(Error::at(path))?;
        if read == 0 || last == *b"\n" {
            return Ok(());
        }
        let text = fs::read(path).map_err(Error::at(path))?;
        let complete = memchr::memrchr(b'\n', &text).map_or(0, |at| at + 1);
        self.file.set_len(complete as u64).map_err(Error::at(path))
    }

    /// Adds an entry; [`Self::save`] writes it.
    pub(super) fn add(&mut self, stream: &str, entry: &Entry) {
        self.head.entries = self.head.entries.saturating_add(1);
        let mut line = Line::object();
        line.number("v", VERSION).number("entry", self.head.entries);
        line.digest("prev", self.head.ledger).time("time", self.now);
        line.text("event", entry.word()).text("stream", stream);
        match entry {
            Entry::Opened => {}
            Entry::Closed(at) | Entry::Found(at) => {
                line.number("segment", at.segment.into()).number("seq", at.seq);
                line.digest("head", at.head);
            }
            Entry::Removed { segment, head, whole } => {
                line.number("segment", (*segment).into()).digest("head", *head);
                line.raw("whole", if *whole { "true" } else { "false" });
            }
            Entry::Mended(why) => {
                line.text("why", why);
            }
        }
        let line = seal::sealed(line, self.signer);
        self.head.ledger = Digest::of(line.as_bytes());
        self.added.push_str(&line);
        self.added.push('\n');
    }

    /// Writes what was added, and how far all is, and lets others write.
    pub(super) fn save(mut self) -> Result<Head, Error> {
        self.write()?;
        Ok(self.head)
    }

    /// Writes what was added, and how far all is.
    pub(super) fn write(&mut self) -> Result<(), Error> {
        if !self.added.is_empty() {
            let write = self.file.write_all(self.added.as_bytes());
            let write = write.and_then(|()| self.file.sync_data());
            write.map_err(Error::at(&self.directory.join(LEDGER)))?;
            self.added.clear();
        }
        let path = self.directory.join(HEAD);
        let text = self.head.line(self.signer, self.now) + "\n";
        file::write(&path, text.as_bytes(), Outlives::Power).map_err(Error::at(&path))
    }
}

/// Returns the text of the head, without its end; nothing if there is none.
pub(super) fn read_head(directory: &Path) -> Result<Option<String>, Error> {
    let path = directory.join(HEAD);
    let found = file::read(&path, MAX_HEAD).map_err(Error::at(&path))?;
    Ok(found.map(|(bytes, _)| {
        let text = String::from_utf8_lossy(&bytes);
        // It is replaced in one step, so one that does not end like that was changed.
        text.strip_suffix('\n').unwrap_or_default().to_owned()
    }))
}

fn wait(file: &File, path: &Path) -> Result<(), Error> {
    lock::wait(file, LOCK_LIMIT).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Error::Busy { path: path.to_owned(), limit: LOCK_LIMIT },
        _ => Error::at(path)(error),
    })
}

impl Entry {
    fn word(&self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed(_) => "closed",
            Self::Found(_) => "found",
            Self::Removed { .. } => "removed",
            Self::Mended(_) => "mended",
        }
    }

    /// Reads what an entry says, and of which stream.
    pub(super) fn parse(value: &Value) -> Option<(String, Self)> {
        let stream = value.get("stream")?.as_str()?.to_owned();
        let entry = match value.get("event")?.as_str()? {
            "opened" => Self::Opened,
            "closed" => Self::Closed(position(value)?),
            "found" => Self::Found(position(value)?),
            "removed" => Self::Removed {
                segment: u32::try_from(value.get("segment")?.as_u64()?).ok()?,
                head: Digest::parse(value.get("head")?.as_str()?)?,
                whole: value.get("whole")?.as_bool()?,
            },
            "mended" => Self::Mended(value.get("why")?.as_str()?.to_owned()),
            _ => return None,
        };
        Some((stream, entry))
    }
}

fn position(value: &Value) -> Option<Position> {
    Some(Position {
        segment: u32::try_from(value.get("segment")?.as_u64()?).ok()?,
        seq: value.get("seq")?.as_u64()?,
        head: Digest::parse(value.get("head")?.as_str()?)?,
    })
}

impl Head {
    /// Returns whether this was how far all was before `told`, by the word of whoever writes that
    /// stream.
    fn is_older(&self, told: &Self, stream: &str) -> bool {
        self.entries < told.entries || self.running.get(stream) != told.running.get(stream)
    }

    fn line(&self, signer: &Signer, now: SystemTime) -> String {
        let mut running = Line::object();
        for (id, at) in &self.running {
            let mut entry = Line::object();
            entry.number("segment", at.segment.into()).number("seq", at.seq);
            entry.digest("head", at.head);
            running.raw(id, &entry.end());
        }
        let mut line = Line::object();
        line.number("v", VERSION).time("time", now).number("entries", self.entries);
        line.digest("ledger", self.ledger).raw("running", &running.end());
        seal::sealed(line, signer)
    }

    /// Reads what a head says.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let running = value.get("running")?.as_object()?.iter();
        let running = running.map(|(id, at)| Some((id.clone(), position(at)?)));
        Some(Self {
            entries: value.get("entries")?.as_u64()?,
            ledger: Digest::parse(value.get("ledger")?.as_str()?)?,
            running: running.collect::<Option<_>>()?,
        })
    }
}
