//! One walk through all lines of a stream.

use std::fs::File;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::audit::digest::Digest;
use crate::audit::error::Error;
use crate::audit::files::MAX_LINE;
use crate::audit::files::Stream;
use crate::audit::key::PublicKey;
use crate::audit::merkle::Tree;
use crate::audit::seal;
use crate::audit::seal::Seal;
use crate::audit::verify::Finding;
use crate::audit::verify::witness::Point;
use crate::audit::verify::witness::unsigned;

/// What is known after the lines that were read.
pub(super) struct Walk<'a> {
    stream: &'a Stream,
    keys: &'a [PublicKey],
    points: Vec<Point>,
    /// The segment that is read, and the line in it.
    segment: u32,
    line: u64,
    tree: Tree,
    /// The tree of the segment before.
    before: Option<Tree>,
    /// The digest of the last line; nothing if it is not known what it must be.
    prev: Option<Digest>,
    /// Whether something is wrong with this segment already: what follows from it is no news.
    is_broken: bool,
    /// The number of the last line.
    pub(super) seq: u64,
    /// The number of the last line that a good checkpoint covers.
    pub(super) sealed: u64,
    pub(super) records: u64,
    pub(super) lost: u64,
    pub(super) is_torn: bool,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(stream: &'a Stream, keys: &'a [PublicKey], points: Vec<Point>) -> Self {
        Self {
            stream,
            keys,
            points,
            segment: 0,
            line: 0,
            tree: Tree::default(),
            before: None,
            prev: Some(Digest::default()),
            is_broken: false,
            seq: 0,
            sealed: 0,
            records: 0,
            lost: 0,
            is_torn: false,
            findings: Vec::new(),
        }
    }

    /// Reads all segments behind those that were removed on purpose, up to `floor`.
    pub(super) fn run(&mut self, floor: Option<(u32, Digest)>) -> Result<(), Error> {
        let first = self.stream.segments.keys().next().copied();
        let mut expected = 1;
        if let (Some((removed, head)), Some(first)) = (floor, first)
            && first > 1
        {
            // Of those that are to be removed some may be there still.
            let next = removed.saturating_add(1);
            expected = first.min(next);
            self.prev = (first == next).then_some(head);
        }
        let last = self.stream.segments.keys().next_back().copied();
        for (number, path) in &self.stream.segments {
            (self.segment, self.line, self.is_broken) = (*number, 0, false);
            self.before = (*number > expected || self.seq > 0).then(|| self.tree.clone());
            self.tree = Tree::default();
            if *number != expected {
                let what = format!("segments {expected} to {} are missing", number - 1);
                self.finding(None, what);
                self.is_broken = true;
                self.prev = None;
                self.before = None;
            }
            self.segment(path, Some(*number) == last)?;
            expected = number.saturating_add(1);
        }
        self.missing();
        Ok(())
    }

    /// Reports that lines follow the end, or that the end is not there.
    pub(super) fn ends_at(&mut self, seq: u64) {
        if self.seq > seq {
            self.finding(None, format!("{} lines follow its end", self.seq - seq));
        }
    }

    pub(super) fn finding(&mut self, line: Option<u64>, what: impl Into<String>) {
        let segment = Some(self.segment).filter(|segment| *segment > 0);
        let finding = Finding { segment, line, ..Finding::of(&self.stream.id, what) };
        self.findings.push(finding);
    }

    /// Reports the first thing that is wrong with a segment.
    fn broken(&mut self, what: impl Into<String>) {
        if !self.is_broken {
            self.finding(Some(self.line), what);
        }
        self.is_broken = true;
    }

    fn segment(&mut self, path: &Path, is_last: bool) -> Result<(), Error> {
        let file = match File::open(path) {
            // It was removed in the meantime, which the ledger says.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.finding(None, "the segment is missing");
                return Ok(());
            }
            file => file.map_err(Error::at(path))?,
        };
        let mut file = BufReader::with_capacity(1 << 16, file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut file).take(MAX_LINE).read_until(b'\n', &mut line);
            if read.map_err(Error::at(path))? == 0 {
                break;
            }
            self.line += 1;
            let Some(whole) = line.strip_suffix(b"\n") else {
                self.is_torn = true;
                if !is_last {
                    self.broken("the line is cut off");
                }
                break;
            };
            self.line(whole);
        }
        if self.line == 0 && is_last {
            // Its process was killed just then, or is about to write to it.
            self.is_torn = true;
        } else if self.line == 0 {
            self.broken("the segment is empty");
        }
        Ok(())
    }

    fn line(&mut self, bytes: &[u8]) {
        let text = str::from_utf8(bytes).ok();
        let value: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
        let (Some(text), Some(value)) = (text, value) else {
            self.broken("this is no record: the line was changed");
            return self.follows(bytes, self.seq.saturating_add(1));
        };
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        let digest = |key: &str| value.get(key)?.as_str().and_then(Digest::parse);
        let seq = number("seq").unwrap_or_default();
        let is_next = Some(seq) == self.seq.checked_add(1) || (self.seq == 0 && self.line == 1);
        if self.prev.is_some_and(|prev| digest("prev") != Some(prev)) || !is_next {
            let before = "it does not follow the line before it: one of them was changed, or lines \
                          were added, removed or moved";
            self.broken(before);
        }
        let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
        if (kind == "segment") != (self.line == 1) {
            self.broken("the first line of a segment, and no other, says which segment it is");
        }
        match kind {
            "segment" => self.header(text, &value),
            "checkpoint" => self.checkpoint(text, &value),
            "gap" => self.lost = self.lost.saturating_add(number("lost").unwrap_or_default()),
            "decision" | "request" => self.records += 1,
            _ => self.broken("this is no record that this version of Conflux knows"),
        }
        let is_sealed = kind == "checkpoint" && !self.is_broken;
        self.follows(bytes, seq);
        if is_sealed {
            self.sealed = seq;
        }
    }

    /// Goes on behind a line.
    fn follows(&mut self, bytes: &[u8], seq: u64) {
        let head = Digest::of(bytes);
        for point in self.points.extract_if(.., |point| point.seq == seq).collect::<Vec<_>>() {
            if point.head != head {
                let whose = point.whose;
                self.finding(Some(self.line), format!("it is not the line that {whose} knows"));
            }
        }
        self.tree.add(Digest::leaf(bytes));
        (self.prev, self.seq) = (Some(head), seq);
    }

    fn header(&mut self, text: &str, value: &Value) {
        self.signed(text, value);
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        let is_own = value.get("stream").and_then(Value::as_str) == Some(&self.stream.id)
            && number("segment") == Some(self.segment.into());
        if !is_own {
            self.broken("it is the beginning of another segment");
        }
        let root = value.get("previous_root").and_then(Value::as_str).and_then(Digest::parse);
        let differs = self.before.as_ref().is_some_and(|before| {
            number("previous_size") != Some(before.size()) || root != Some(before.root())
        });
        if differs {
            self.broken("the segment before it is not the one that it follows");
        }
    }

    fn checkpoint(&mut self, text: &str, value: &Value) {
        self.signed(text, value);
        let root = value.get("root").and_then(Value::as_str).and_then(Digest::parse);
        let size = value.get("size").and_then(Value::as_u64);
        if size != Some(self.tree.size()) || root != Some(self.tree.root()) {
            self.broken("the checkpoint is one of other lines than those before it");
        }
    }

    fn signed(&mut self, text: &str, value: &Value) {
        if seal::check(text, self.keys) == Seal::Bad {
            let key = value.get("key").and_then(Value::as_str);
            self.broken(unsigned(key, self.keys));
        }
    }

    /// Reports what somebody vouched for that is not there.
    fn missing(&mut self) {
        let missed: Vec<_> = self.points.drain(..).filter(|point| point.seq > self.seq).collect();
        let furthest = missed.into_iter().max_by_key(|point| point.seq);
        if let Some(Point { seq, whose, .. }) = furthest {
            let what =
                format!("{} lines that {whose} knows are missing at its end", seq - self.seq);
            self.finding(None, what);
        }
    }
}
