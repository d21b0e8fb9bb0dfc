//! What one process writes: segments in a directory of its own, every line chained to the one
//! before it.
//!
//! A batch of lines is written whole or not at all, so that what failed can be tried again. The
//! segment that is written to is locked as long as its process lives: that tells whoever reads
//! whether there is more to come.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Seek as _;
use std::io::SeekFrom;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use crate::audit::digest::Digest;
use crate::audit::digest::hex;
use crate::audit::error::Error;
use crate::audit::key::Signer;
use crate::audit::line::Line;
use crate::audit::merkle::Tree;
use crate::audit::seal;
use crate::disk::file;

/// How long a segment is written to: what is kept for days is kept in whole segments.
const SEGMENT_AGE: Duration = Duration::from_hours(24);

/// Where a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The number of the segment.
    pub(super) segment: u32,
    /// The number of the last line, counted through all segments.
    pub(super) seq: u64,
    /// The digest of that line.
    pub(super) head: Digest,
}

/// Where lines are added.
#[derive(Clone, Debug, Default)]
struct End {
    /// The number of the next line.
    seq: u64,
    /// The digest of the last one.
    head: Digest,
    /// The lines of the segment.
    tree: Tree,
}

/// The segment that is written to.
#[derive(Debug)]
struct Segment {
    number: u32,
    path: PathBuf,
    file: File,
    /// Whether the system tells if the file is removed.
    tells_links: bool,
    /// How many bytes of it count; what is behind them was half written.
    len: u64,
    begun: SystemTime,
}

/// What one process writes.
#[derive(Debug)]
pub(super) struct Stream {
    id: String,
    directory: PathBuf,
    segment: Segment,
    end: End,
}

/// Lines that are to be written together.
#[derive(Debug)]
pub(super) struct Batch {
    text: String,
    end: End,
}

/// Whether a checkpoint is the last line of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// It is.
    Yes,
    /// Something may follow.
    No,
}

/// Makes an id that no other stream has, and that tells when it began and in which process.
pub(super) fn new_id(now: SystemTime) -> io::Result<String> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let time = humantime::format_rfc3339_micros(now).to_string().replace(['-', ':', '.'], "");
    Ok(format!("{time}-{}-{}", std::process::id(), hex(&random)))
}

/// Returns the name of a segment.
pub(super) fn file_name(number: u32) -> String {
    format!("{number:06}.jsonl")
}

impl Stream {
    /// Begins a stream in a directory of its own below `all`.
    pub(super) fn begin(all: &Path, signer: &Signer, now: SystemTime) -> Result<Self, Error> {
        let id = new_id(now).map_err(Error::at(all))?;
        let directory = all.join(&id);
        fs::DirBuilder::new().mode(0o700).create(&directory).map_err(Error::at(&directory))?;
        let segment = Segment::create(&directory, 1, now)?;
        let mut stream = Self { id, directory, segment, end: End { seq: 1, ..End::default() } };
        let header = stream.header(signer, now, None);
        let written = stream.write(header);
        if written.is_err() {
            // Nothing was recorded in it yet.
            drop(fs::remove_dir_all(&stream.directory));
        }
        written?;
        Ok(stream)
    }

    /// Returns its name.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Returns where it ends.
    pub(super) fn position(&self) -> Position {
        let End { seq, head, .. } = self.end;
        Position { segment: self.segment.number, seq: seq - 1, head }
    }

    /// Returns whether it is time for another segment.
    pub(super) fn is_full(&self, size: u64, now: SystemTime) -> bool {
        let age = now.duration_since(self.segment.begun).unwrap_or_default();
        self.segment.len >= size || age >= SEGMENT_AGE
    }

    /// Returns a batch without lines.
    pub(super) fn batch(&self) -> Batch {
        Batch { text: String::new(), end: self.end.clone() }
    }

    /// Writes a batch: all of it, or nothing.
    pub(super) fn write(&mut self, batch: Batch) -> Result<(), Error> {
        self.segment.write(&batch.text)?;
        self.end = batch.end;
        Ok(())
    }

    /// Has what was written reach the disk.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.segment.file.sync_data().map_err(Error::at(&self.segment.path))
    }

    /// Signs all that is in the segment.
    pub(super) fn checkpoint(
        &mut self,
        signer: &Signer,
        now: SystemTime,
        closing: Closing,
    ) -> Result<(), Error> {
        let mut batch = self.batch();
        let (size, root) = (batch.end.tree.size(), batch.end.tree.root());
        let (id, segment) = (self.id.as_str(), self.segment.number);
        batch.add(|seq, prev| {
            let mut line = Line::new(seq, prev, now, "checkpoint");
            line.text("stream", id).number("segment", segment.into());
            line.number("size", size).digest("root", root);
            if closing == Closing::Yes {
                line.raw("closed", "true");
            }
            seal::sealed(line, signer)
        });
        self.write(batch)?;
        self.sync()
    }

    /// Goes on in another segment. The one before must end in a checkpoint.
    pub(super) fn rotate(&mut self, signer: &Signer, now: SystemTime) -> Result<(), Error> {
        let (number, before) = (self.segment.number + 1, self.end.tree.clone());
        let mut next = Segment::create(&self.directory, number, now)?;
        std::mem::swap(&mut self.segment, &mut next);
        self.end.tree = Tree::default();
        let header = self.header(signer, now, Some(&before));
        let written = self.write(header);
        if written.is_err() {
            let failed = std::mem::replace(&mut self.segment, next);
            drop(fs::remove_file(failed.path));
            self.end.tree = before;
        }
        written
    }

    /// The first line of a segment: which it is, and what the one before came to.
    fn header(&self, signer: &Signer, now: SystemTime, before: Option<&Tree>) -> Batch {
        let mut batch = self.batch();
        batch.add(|seq, prev| {
            let mut line = Line::new(seq, prev, now, "segment");
            line.text("stream", &self.id).number("segment", self.segment.number.into());
            if let Some(tree) = before {
                line.number("previous_size", tree.size()).digest("previous_root", tree.root());
            }
            line.text("program", concat!("conflux ", env!("CARGO_PKG_VERSION")));
            line.number("pid", std::process::id().into());
            seal::sealed(line, signer)
        });
        batch
    }
}

impl Batch {
    /// Adds a line that is written when its number and the digest of the line before are known.
    pub(super) fn add(&mut self, write: impl FnOnce(u64, Digest) -> String) {
        let line = write(self.end.seq, self.end.head);
        self.end.head = Digest::of(line.as_bytes());
        self.end.tree.add(Digest::leaf(line.as_bytes()));
        self.end.seq += 1;
        self.text.push_str(&line);
        self.text.push('\n');
    }
}

impl Segment {
    fn create(directory: &Path, number: u32, begun: SystemTime) -> Result<Self, Error> {
        let path = directory.join(file_name(number));
        let file = file::private().write(true).create_new(true).open(&path);
        let file = file.map_err(Error::at(&path))?;
        file.lock().map_err(Error::at(&path))?;
        let tells_links = links(&file).map_err(Error::at(&path))? > 0;
        Ok(Self { number, path, file, tells_links, len: 0, begun })
    }

    fn write(&mut self, text: &str) -> Result<(), Error> {
        // What is written into a file without a name is gone with this process.
        if self.tells_links && links(&self.file).map_err(Error::at(&self.path))? == 0 {
            return Err(Error::Gone { path: self.path.clone() });
        }
        let mut write = || {
            // After a failure a part of a line may be there.
            if self.file.seek(SeekFrom::End(0))? != self.len {
                self.file.set_len(self.len)?;
                self.file.seek(SeekFrom::Start(self.len))?;
            }
            self.file.write_all(text.as_bytes())
        };
        let written = write();
        match written {
            Ok(()) => self.len += text.len() as u64,
            // Whatever is left of it is in nobody's way for longer than it must be.
            Err(_) => drop(self.file.set_len(self.len)),
        }
        written.map_err(Error::at(&self.path))
    }
}

/// Returns how many names a file has.
fn links(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.nlink())
}
