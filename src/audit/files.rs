//! What there is to read: streams, their segments, and the ends of those.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Seek as _;
use std::io::SeekFrom;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;

use crate::audit::digest::Digest;
use crate::audit::error::Error;
use crate::audit::stream::Position;
use crate::audit::stream::file_name;

/// The longest line that is read, in bytes: many times the longest that is written.
pub(super) const MAX_LINE: u64 = 1 << 20;
/// How much is read at a time in search of the beginning of a last line, in bytes.
const STEP: u64 = 16 << 10;

/// A stream that is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) id: String,
    pub(super) directory: PathBuf,
    /// Its segments by their number.
    pub(super) segments: BTreeMap<u32, PathBuf>,
}

/// Whether more may be written to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Its process is there.
    Running,
    /// It is gone.
    Over,
}

/// Returns all streams in a directory, the oldest first; none if there is no directory.
pub(super) fn streams(directory: &Path) -> Result<Vec<Stream>, Error> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::at(directory))?,
    };
    let mut streams = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::at(directory))?;
        let id = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            streams.push(Stream::read(&id, entry.path())?);
        }
    }
    streams.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(streams)
}

impl Stream {
    /// Looks which segments a stream has.
    pub(super) fn read(id: &str, directory: PathBuf) -> Result<Self, Error> {
        let mut segments = BTreeMap::new();
        match fs::read_dir(&directory) {
            // It was removed in the meantime.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            entries => {
                for entry in entries.map_err(Error::at(&directory))? {
                    let entry = entry.map_err(Error::at(&directory))?;
                    // To open a pipe that nobody writes to would never end.
                    let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
                    let path = entry.path();
                    if let Some(number) = number(&path).filter(|_| is_file) {
                        segments.insert(number, path);
                    }
                }
            }
        }
        Ok(Self { id: id.to_owned(), directory, segments })
    }

    /// Looks whether its process is there.
    pub(super) fn life(&self) -> Life {
        // While a segment is begun, the one before is still held.
        let is_held = |path: &PathBuf| {
            let tried = File::open(path).map(|file| file.try_lock_shared());
            matches!(tried, Ok(Err(TryLockError::WouldBlock)))
        };
        let is_held = self.segments.values().rev().take(2).any(is_held);
        if is_held { Life::Running } else { Life::Over }
    }

    /// Returns whether what stands at its `end` was added to a line that it had, and no line up to
    /// that one can have been replaced without a break in the chain.
    pub(super) fn goes_on(&self, had: Position, end: Position) -> Result<bool, Error> {
        match (end.segment.cmp(&had.segment), self.segments.get(&had.segment)) {
            // The first line of a segment is signed, and says what the one before came to.
            (Ordering::Greater, _) => Ok(true),
            (Ordering::Equal, Some(path)) => has_line(path, had).map_err(Error::at(path)),
            (Ordering::Less | Ordering::Equal, _) => Ok(false),
        }
    }

    /// Returns where it ends; nothing if it has no line.
    pub(super) fn end(&self) -> Result<Option<Position>, Error> {
        // The last one has no line yet if its process was killed just then.
        for (segment, path) in self.segments.iter().rev().take(2) {
            let Some(line) = last_line(path)? else { continue };
            let value: Option<Value> = serde_json::from_str(&line).ok();
            let seq = value.and_then(|value| value.get("seq")?.as_u64());
            let head = Digest::of(line.as_bytes());
            return Ok(seq.map(|seq| Position { segment: *segment, seq, head }));
        }
        Ok(None)
    }
}

/// The number in the name of a segment, which has one name and no other.
fn number(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let number = name.strip_suffix(".jsonl")?.parse().ok()?;
    (name == file_name(number)).then_some(number)
}

/// Returns whether a line is in a segment, by its number and its digest.
fn has_line(path: &Path, wanted: Position) -> io::Result<bool> {
    let number = format!("\"seq\":{},", wanted.seq);
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut line = Vec::new();
    while (&mut file).take(MAX_LINE).read_until(b'\n', &mut line)? > 0 {
        let text = line.strip_suffix(b"\n").unwrap_or_default();
        let is_numbered = memchr::memmem::find(text, number.as_bytes()).is_some();
        if is_numbered && Digest::of(text) == wanted.head {
            return Ok(true);
        }
        line.clear();
    }
    Ok(false)
}

/// Returns the last line of a file that is complete, without its end; nothing if there is none.
pub(super) fn last_line(path: &Path) -> Result<Option<String>, Error> {
    let read = || {
        let mut file = File::open(path)?;
        let mut start = file.seek(SeekFrom::End(0))?;
        let mut tail = Vec::new();
        loop {
            let complete = memchr::memrchr(b'\n', &tail).unwrap_or_default();
            let before = tail.get(..complete).unwrap_or_default();
            let line = memchr::memrchr(b'\n', before).map(|at| at + 1);
            let line = line.or_else(|| (start == 0 && complete > 0).then_some(0));
            if let Some(line) = before.get(line.unwrap_or(complete)..).filter(|it| !it.is_empty()) {
                return Ok(Some(String::from_utf8_lossy(line).into_owned()));
            }
            if start == 0 || tail.len() as u64 > MAX_LINE {
                return Ok(None);
            }
            let step = STEP.min(start);
            start -= step;
            file.seek(SeekFrom::Start(start))?;
            let mut part = Vec::new();
            (&mut file).take(step).read_to_end(&mut part)?;
            part.append(&mut tail);
            tail = part;
        }
    };
    read().map_err(Error::at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        assert_eq!(last_line(file.path()).unwrap().as_deref(), expected, "{} bytes", text.len());
    }

    #[test]
    fn the_last_line_is_the_last_that_is_complete() {
        check("", None);
        check("half", None);
        check("one\n", Some("one"));
        check("one\ntwo\n", Some("two"));
        check("one\ntwo\nhal", Some("two"));
        check("one\nhal", Some("one"));
        let long = "x".repeat(50_000);
        check(&format!("{long}\n"), Some(&long));
        check(&format!("a\n{long}\n{long}"), Some(&long));
        check(&format!("a\nb\n{long}"), Some("b"));
    }

    #[test]
    fn only_segments_are_segments() {
        let names = ["000001.jsonl", "1234567.jsonl", "1.jsonl", "+00001.jsonl", "000001.json"];
        let numbers = names.map(|name| number(Path::new(name)));
        assert_eq!(numbers, [Some(1), Some(1_234_567), None, None, None]);
        assert_eq!(number(Path::new("0000001.jsonl")), None, "it is another name for the first");
    }
}
