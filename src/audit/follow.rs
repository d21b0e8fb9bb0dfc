//! The newest records of all streams, and those that come.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read as _;
use std::io::Seek as _;
use std::io::SeekFrom;
use std::ops::Bound;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::audit::error::Error;
use crate::audit::files;
use crate::audit::files::Life;
use crate::audit::files::Stream;
use crate::audit::query::Record;
use crate::audit::stream::file_name;

/// How much of the end of a stream is looked at for its newest records, in bytes.
const TAIL: u64 = 1 << 20;
/// How many streams are looked at for theirs: those that were written to last.
const STREAMS: usize = 64;

/// Somebody who reads what is recorded.
#[derive(Debug)]
pub struct Follower {
    directory: PathBuf,
    /// The streams that go on, and how far they were read.
    open: BTreeMap<String, Place>,
    /// The names of all streams that were seen.
    seen: BTreeSet<String>,
}

/// How far a stream was read.
#[derive(Clone, Copy, Debug)]
struct Place {
    segment: u32,
    offset: u64,
}

impl Follower {
    /// Begins with the newest records, the oldest of them first; no more than `count`.
    pub fn open(directory: &Path, count: usize) -> Result<(Self, Vec<Record>), Error> {
        let mut follower =
            Self { directory: directory.to_owned(), open: BTreeMap::new(), seen: BTreeSet::new() };
        let mut streams = files::streams(directory)?;
        streams.sort_by_cached_key(|stream| std::cmp::Reverse(written(stream)));
        let mut records = Vec::new();
        for (position, stream) in streams.iter().enumerate() {
            follower.seen.insert(stream.id.clone());
            let Some((segment, path)) = stream.segments.last_key_value() else { continue };
            let size = fs::metadata(path).map_err(Error::at(path))?.len();
            let start = if position < STREAMS { size.saturating_sub(TAIL) } else { size };
            let (lines, offset) = read(path, start)?;
            records.extend(lines.iter().filter_map(|line| Record::parse(&stream.id, line)));
            if stream.life() == Life::Running {
                follower.open.insert(stream.id.clone(), Place { segment: *segment, offset });
            }
        }
        Ok((follower, newest(records, count)))
    }

    /// Returns what was recorded since the last time, the oldest first.
    pub fn news(&mut self) -> Result<Vec<Record>, Error> {
        for stream in self.unseen()? {
            self.seen.insert(stream.clone());
            self.open.insert(stream, Place { segment: 1, offset: 0 });
        }
        let mut records = Vec::new();
        for (id, mut place) in self.open.clone() {
            let stream = Stream::read(&id, self.directory.join(&id))?;
            // Looked at first: what is written before its process ends is read all the same.
            let life = stream.life();
            loop {
                let path = stream.directory.join(file_name(place.segment));
                let (lines, offset) = read(&path, place.offset)?;
                records.extend(lines.iter().filter_map(|line| Record::parse(&id, line)));
                place.offset = offset;
                let later = (Bound::Excluded(place.segment), Bound::Unbounded);
                let Some((next, _)) = stream.segments.range(later).next() else { break };
                place = Place { segment: *next, offset: 0 };
            }
            match life {
                Life::Running => drop(self.open.insert(id, place)),
                Life::Over => drop(self.open.remove(&id)),
            }
        }
        let count = records.len();
        Ok(newest(records, count))
    }

    fn unseen(&self) -> Result<Vec<String>, Error> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::at(&self.directory))?,
        };
        let directories = entries.flatten().filter(|it| it.file_type().is_ok_and(|it| it.is_dir()));
        let names = directories.map(|it| it.file_name().to_string_lossy().into_owned());
        Ok(names.filter(|name| !self.seen.contains(name)).collect())
    }
}

fn written(stream: &Stream) -> SystemTime {
    let last = stream.segments.values().next_back();
    let found = last.and_then(|path| fs::metadata(path).ok()?.modified().ok());
    found.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn newest(mut records: Vec<Record>, count: usize) -> Vec<Record> {
    records.sort_by_key(|record| record.time);
    records.split_off(records.len().saturating_sub(count))
}

/// Reads complete lines from a place on, and returns where they end.
fn read(path: &Path, start: u64) -> Result<(Vec<String>, u64), Error> {
    let read = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(start))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let complete = memchr::memrchr(b'\n', &text).map_or(0, |at| at + 1);
        let lines = text.get(..complete).unwrap_or_default();
        let lines = String::from_utf8_lossy(lines).lines().map(str::to_owned).collect();
        Ok((lines, start + complete as u64))
    };
    match read() {
        // It is not there yet, or not any more.
        Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => Ok((Vec::new(), start)),
        read => read.map_err(Error::at(path)),
    }
}
