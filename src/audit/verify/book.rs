//! What the ledger and its head say about streams.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

use crate::audit::digest::Digest;
use crate::audit::error::Error;
use crate::audit::key::PublicKey;
use crate::audit::ledger;
use crate::audit::ledger::Entry;
use crate::audit::ledger::HEAD;
use crate::audit::ledger::Head;
use crate::audit::ledger::LEDGER;
use crate::audit::receipt::Receipt;
use crate::audit::seal;
use crate::audit::seal::Seal;
use crate::audit::stream::Position;
use crate::audit::verify::Finding;
use crate::audit::verify::State;
use crate::audit::verify::witness::Point;
use crate::audit::verify::witness::unsigned;

/// What is known of all streams.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    streams: BTreeMap<String, Known>,
}

/// Whether a stream was begun by the word of the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Opened {
    Yes,
    #[default]
    No,
}

/// What is known of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) was_opened: Opened,
    /// Where it ended, and how.
    pub(super) end: Option<Position>,
    pub(super) ended: Option<State>,
    /// The last segment that was removed on purpose, and the digest of its last line.
    pub(super) floor: Option<(u32, Digest)>,
    is_removed: bool,
    /// How far it had come at the last checkpoint.
    running: Option<Position>,
}

impl Known {
    /// Returns what its lines are compared with.
    pub(super) fn points(&self) -> Vec<Point> {
        let end = self.end.map(|at| Point { seq: at.seq, head: at.head, whose: "the ledger" });
        let running = self.running.map(|at| Point { seq: at.seq, head: at.head, whose: HEAD });
        end.into_iter().chain(running).collect()
    }
}

impl Book {
    /// Reads both files, and says what is wrong with them.
    pub(super) fn read(
        directory: &Path,
        keys: &[PublicKey],
        receipt: Option<&Receipt>,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, Error> {
        // The head first: the ledger is written before it, so it never says less.
        let head = ledger::read_head(directory)?;
        let path = directory.join(LEDGER);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text.map_err(Error::at(&path))?,
        };
        let mut reading = Reading { keys, findings, book: Self::default(), heads: Vec::new() };
        reading.entries(&text);
        reading.head(head.as_deref());
        if let Some(receipt) = receipt {
            let whose = "the checkpoint that was kept elsewhere";
            reading.compare(receipt.entries, receipt.ledger, whose);
        }
        Ok(reading.book)
    }

    /// Returns what is known of a stream.
    pub(super) fn stream(&self, id: &str) -> Known {
        self.streams.get(id).cloned().unwrap_or_default()
    }

    /// Returns whether a stream was removed on purpose.
    pub(super) fn is_removed(&self, id: &str) -> bool {
        self.streams.get(id).is_some_and(|known| known.is_removed)
    }

    /// Returns the streams that should be there.
    pub(super) fn expected(&self) -> impl Iterator<Item = &str> {
        let there = self.streams.iter().filter(|(_, known)| !known.is_removed);
        there.map(|(id, _)| id.as_str())
    }
}

struct Reading<'a> {
    keys: &'a [PublicKey],
    findings: &'a mut Vec<Finding>,
    book: Book,
    /// The digest of each entry.
    heads: Vec<Digest>,
}

impl Reading<'_> {
    fn entries(&mut self, text: &[u8]) {
        let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        // What stands behind the last end of a line is half an entry, and counts for nothing.
        lines.pop();
        let mut prev = Digest::default();
        for (line, number) in lines.into_iter().zip(1_u64..) {
            let what = self.entry(line, number, prev).err();
            prev = Digest::of(line);
            self.heads.push(prev);
            if let Some(what) = what {
                self.findings.push(Finding { line: Some(number), ..Finding::of(LEDGER, what) });
            }
        }
    }

    fn entry(&mut self, line: &[u8], number: u64, prev: Digest) -> Result<(), String> {
        let broken = || "this is no entry".to_owned();
        let text = str::from_utf8(line).map_err(|_| broken())?;
        let value: Value = serde_json::from_str(text).map_err(|_| broken())?;
        let said = |key: &str| value.get(key).and_then(Value::as_str);
        let follows = value.get("entry").and_then(Value::as_u64) == Some(number)
            && said("prev").and_then(Digest::parse) == Some(prev);
        let (id, entry) = Entry::parse(&value).ok_or_else(broken)?;
        let wrong = if seal::check(text, self.keys) == Seal::Bad {
            Err(unsigned(said("key"), self.keys))
        } else if !follows {
            Err("this entry does not follow the one before it".to_owned())
        } else {
            Ok(())
        };
        self.note(id, entry).and(wrong)
    }

    fn note(&mut self, id: String, entry: Entry) -> Result<(), String> {
        if let Entry::Mended(why) = entry {
            return Err(format!("a gateway found that something was changed: {why}"));
        }
        let known = self.book.streams.entry(id).or_default();
        match entry {
            Entry::Opened => known.was_opened = Opened::Yes,
            Entry::Closed(at) => (known.end, known.ended) = (Some(at), Some(State::Closed)),
            Entry::Found(at) => (known.end, known.ended) = (Some(at), Some(State::Found)),
            Entry::Removed { segment, head, whole } => {
                known.floor = Some((segment, head));
                known.is_removed = whole;
            }
            Entry::Mended(_) => {}
        }
        Ok(())
    }

    fn head(&mut self, text: Option<&str>) {
        let Some(text) = text else {
            // The very first process that writes here is between the two files.
            if self.heads.len() > 1 {
                self.findings.push(Finding::of(HEAD, "the file is missing"));
            }
            return;
        };
        if seal::check(text, self.keys) == Seal::Bad {
            let value: Option<Value> = serde_json::from_str(text).ok();
            let key = value.as_ref().and_then(|value| value.get("key")?.as_str());
            return self.findings.push(Finding::of(HEAD, unsigned(key, self.keys)));
        }
        let Some(head) = Head::parse(text) else {
            return self.findings.push(Finding::of(HEAD, "this is no head of a ledger"));
        };
        self.compare(head.entries, head.ledger, HEAD);
        for (id, at) in head.running {
            self.book.streams.entry(id).or_default().running = Some(at);
        }
    }

    /// Compares the ledger with what somebody says of it.
    fn compare(&mut self, entries: u64, ledger: Digest, whose: &str) {
        let count = self.heads.len() as u64;
        if entries == 0 {
            return;
        }
        let at = usize::try_from(entries - 1).ok().and_then(|at| self.heads.get(at));
        let what = match at {
            None => {
                format!("{} of {entries} entries that {whose} knows are missing", entries - count)
            }
            Some(found) if *found != ledger => {
                format!("entry {entries} is not the one that {whose} knows")
            }
            Some(_) => return,
        };
        self.findings.push(Finding::of(LEDGER, what));
    }
}
