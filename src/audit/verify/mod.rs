//! Finds what was changed since it was recorded: edits, insertions, removals, another order, and
//! ends that are missing.
//!
//! Three things are compared: the chain of lines in each stream, the signed checkpoints in it, and
//! the signed ledger with its head, which say which streams there are and how far they had come.
//! Who has the key can make all of them anew; a checkpoint that was kept elsewhere shows even that.

mod book;
mod walk;
mod witness;

use std::fs;
use std::path::Path;

use crate::audit::error::Error;
use crate::audit::files;
use crate::audit::files::Life;
use crate::audit::files::Stream;
use crate::audit::key::PublicKey;
use crate::audit::ledger::LEDGER;
use crate::audit::receipt::Receipt;
use crate::audit::verify::book::Book;
use crate::audit::verify::walk::Walk;
use crate::audit::verify::witness::Point;

/// How often all is looked at again because somebody wrote meanwhile.
const ATTEMPTS: usize = 3;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The streams, the oldest first.
    pub streams: Vec<Found>,
    /// What is not as it was recorded.
    pub findings: Vec<Finding>,
}

/// A stream that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub id: String,
    /// How it ended.
    pub state: State,
    /// How many segments it has.
    pub segments: usize,
    /// How many decisions and requests are recorded in it.
    pub records: u64,
    /// How many were lost before they could be written, by its own word.
    pub lost: u64,
    /// How many lines at its end no signature covers.
    pub unsealed: u64,
    /// Whether the last line is only half there.
    pub is_torn: bool,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its process writes to it.
    Running,
    /// Its process ended it.
    Closed,
    /// Its process was gone, and another one signed what it had left.
    Found,
    /// Its process is gone, and nobody has said how far it had come.
    CutOff,
}

/// Something that is not as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The stream, or the file of the ledger.
    pub place: String,
    /// The segment, if it is in one.
    pub segment: Option<u32>,
    /// The line, counted from 1 in its file.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl State {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Closed => "closed",
            Self::Found => "sealed later",
            Self::CutOff => "cut off",
        }
    }
}

impl Finding {
    fn of(place: &str, what: impl Into<String>) -> Self {
        Self { place: place.to_owned(), segment: None, line: None, what: what.into() }
    }
}

/// Looks at everything in a directory, with the keys that are trusted, and compares it with a
/// checkpoint that was kept elsewhere.
pub fn verify(
    directory: &Path,
    keys: &[PublicKey],
    receipt: Option<&Receipt>,
) -> Result<Report, Error> {
    let mut attempts = 1;
    loop {
        let before = there_is(directory);
        let report = once(directory, keys, receipt)?;
        // Whoever rotates or removes meanwhile says so in the ledger, before it is done or after.
        let is_settled = report.findings.is_empty() || before == there_is(directory);
        if is_settled || attempts == ATTEMPTS {
            return Ok(report);
        }
        attempts += 1;
    }
}

/// Returns the ledger, and which segments there are.
fn there_is(directory: &Path) -> (Option<Vec<u8>>, Option<Vec<Stream>>) {
    (fs::read(directory.join(LEDGER)).ok(), files::streams(directory).ok())
}

fn once(directory: &Path, keys: &[PublicKey], receipt: Option<&Receipt>) -> Result<Report, Error> {
    let mut report = Report::default();
    // First the ledger: what is written meanwhile is more than it says, never less.
    let book = Book::read(directory, keys, receipt, &mut report.findings)?;
    let streams = files::streams(directory)?;
    // Of one that was removed on purpose its directory may be there still.
    let is_left = |stream: &&Stream| !(stream.segments.is_empty() && book.is_removed(&stream.id));
    for stream in streams.iter().filter(is_left) {
        let found = look(stream, &book, keys, receipt, &mut report.findings)?;
        report.streams.push(found);
    }
    let is_there = |id: &str| streams.iter().any(|stream| stream.id == id);
    for id in book.expected().filter(|id| !is_there(id)) {
        report.findings.push(Finding::of(id, "the whole stream is missing"));
    }
    if let Some(receipt) = receipt
        && !is_there(&receipt.stream)
        && !book.is_removed(&receipt.stream)
        && !book.expected().any(|id| id == receipt.stream)
    {
        let what = "the whole stream is missing, which the checkpoint is of";
        report.findings.push(Finding::of(&receipt.stream, what));
    }
    Ok(report)
}

/// Looks at one stream.
fn look(
    stream: &Stream,
    book: &Book,
    keys: &[PublicKey],
    receipt: Option<&Receipt>,
    findings: &mut Vec<Finding>,
) -> Result<Found, Error> {
    let life = stream.life();
    let known = book.stream(&stream.id);
    let mut points: Vec<Point> = known.points();
    let receipt = receipt.filter(|receipt| receipt.stream == stream.id);
    points.extend(receipt.map(|receipt| Point {
        seq: receipt.seq,
        head: receipt.head,
        whose: "the checkpoint that was kept elsewhere",
    }));
    let mut walk = Walk::new(stream, keys, points);
    walk.run(known.floor)?;
    if let Some(end) = known.end {
        walk.ends_at(end.seq);
    }
    if known.was_opened == book::Opened::No && life == Life::Over && walk.records > 0 {
        walk.finding(None, "the ledger does not know this stream");
    }
    let state = match (life, known.ended) {
        (Life::Running, _) => State::Running,
        (Life::Over, Some(state)) => state,
        (Life::Over, None) => State::CutOff,
    };
    if state == State::Closed && walk.is_torn {
        walk.finding(None, "something follows its end, which is whole");
    }
    let Walk { records, lost, seq, sealed, is_torn, .. } = walk;
    findings.append(&mut walk.findings);
    // What another process signed afterwards is signed up to its end.
    let unsealed = if state == State::Found { 0 } else { seq.saturating_sub(sealed) };
    let (id, segments) = (stream.id.clone(), stream.segments.len());
    Ok(Found { id, state, segments, records, lost, unsealed, is_torn })
}
