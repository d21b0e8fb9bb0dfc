//! Keeps what is remembered from growing for ever: configurations change, and their files stay.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use crate::disk::file;
use crate::disk::wait;
use crate::upstream::memory::Disk;
use crate::upstream::memory::inventory;
use crate::upstream::usage;

/// How long the disk may take.
const LIMIT: Duration = Duration::from_secs(5);
/// How long what nobody confirms is kept.
const OLDEST: Duration = Duration::from_hours(24 * 90);
/// How many files are kept, of all configurations together.
const FILES: usize = 512;
/// How many bytes are kept, of all configurations together.
const BYTES: u64 = 256 * 1024 * 1024;
/// After which time a file that is still being written has no writer any more.
const ABANDONED: Duration = Duration::from_hours(1);
/// How many entries of the directory are looked at; if there are more, the next start goes on.
const SCANNED: usize = 10_000;

/// Removes what is remembered of catalogs and calls and was not confirmed for long, and beyond a
/// number of files and bytes what was not for longest. Whose they are cannot be known: other
/// configurations share the directory.
pub async fn prune(disk: Disk) {
    for name in [inventory::DIRECTORY, usage::DIRECTORY] {
        let directory = disk.directory().join(name);
        let pruned = wait::within(LIMIT, move || sweep(&directory, SystemTime::now())).await;
        if let Err(error) = pruned {
            tracing::debug!(%error, "old {name} could not be removed");
        }
    }
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it is.
    pub(super) path: PathBuf,
    /// When it was last confirmed.
    pub(super) modified: SystemTime,
    /// How many bytes it has.
    pub(super) size: u64,
}

fn sweep(directory: &Path, now: SystemTime) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    // What cannot be looked at may have been renamed or removed meanwhile.
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        let (path, size) = (entry.path(), metadata.len());
        Some(Entry { path, modified: metadata.modified().ok()?, size })
    };
    let entries = entries.take(SCANNED).filter_map(entry).collect();
    for Entry { path, .. } in superfluous(entries, now) {
        drop(fs::remove_file(path));
    }
    Ok(())
}

/// Returns what is to be removed. Pure.
pub(super) fn superfluous(mut entries: Vec<Entry>, now: SystemTime) -> Vec<Entry> {
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.modified));
    let (mut files, mut bytes) = (0, 0_u64);
    entries.retain(|entry| {
        // What comes from the future is new.
        let age = now.duration_since(entry.modified).unwrap_or_default();
        if entry.path.extension().is_some_and(|end| end == file::DRAFT) {
            return age > ABANDONED;
        }
        files += 1;
        bytes = bytes.saturating_add(entry.size);
        age > OLDEST || files > FILES || bytes > BYTES
    });
    entries
}
