//! Removes what need not be kept any more, and writes down that it did.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::audit::digest::Digest;
use crate::audit::error::Error;
use crate::audit::files;
use crate::audit::files::Life;
use crate::audit::files::Stream;
use crate::audit::ledger::Entry;
use crate::audit::ledger::Ledger;
use crate::config::audit::Keep;

/// A segment that nobody writes to any more.
#[derive(Clone, Debug)]
struct Settled {
    /// When the last line was written.
    at: SystemTime,
    stream: String,
    number: u32,
    path: PathBuf,
    size: u64,
}

/// What is removed of one stream.
struct Removal {
    entry: Entry,
    paths: Vec<PathBuf>,
    /// Its directory, if nothing is left in it.
    directory: Option<PathBuf>,
}

/// Removes segments, the oldest first, until no more is kept than should be. It says so in the
/// ledger before it does it.
pub(super) fn prune<'l>(
    directory: &Path,
    keep: Keep,
    now: SystemTime,
    lock: impl FnOnce() -> Result<Ledger<'l>, Error>,
) -> Result<(), Error> {
    let look = || {
        let streams = files::streams(directory)?;
        let (settled, total) = settled(&streams);
        let old = chosen(settled, total, keep, now);
        Ok::<_, Error>((streams, old))
    };
    if look()?.1.is_empty() {
        return Ok(());
    }
    let mut ledger = lock()?;
    // Until it was locked another process may have removed some.
    let (streams, old) = look()?;
    let mut removals = Vec::new();
    for stream in &streams {
        let Some(removal) = removal(stream, &old)? else { continue };
        ledger.add(&stream.id, &removal.entry);
        if removal.directory.is_some() {
            ledger.head.running.remove(&stream.id);
        }
        removals.push(removal);
    }
    if removals.is_empty() {
        return Ok(());
    }
    // It stays locked until they are gone: no other process may say less than this one did.
    ledger.write()?;
    for removal in removals {
        for path in &removal.paths {
            fs::remove_file(path).map_err(Error::at(path))?;
        }
        if let Some(directory) = &removal.directory {
            fs::remove_dir(directory).map_err(Error::at(directory))?;
        }
        tracing::info!(segments = removal.paths.len(), "old audit records were removed");
    }
    Ok(())
}

/// Returns the segments that nobody writes to, the oldest first, and the size of all.
fn settled(streams: &[Stream]) -> (Vec<Settled>, u64) {
    let (mut settled, mut total) = (Vec::new(), 0);
    for stream in streams {
        let last = stream.segments.keys().next_back().copied();
        let is_running = stream.life() == Life::Running;
        for (number, path) in &stream.segments {
            let Ok(found) = fs::metadata(path) else { continue };
            total += found.len();
            if is_running && last == Some(*number) {
                continue;
            }
            let at = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let (stream, path) = (stream.id.clone(), path.clone());
            settled.push(Settled { at, stream, number: *number, path, size: found.len() });
        }
    }
    settled.sort_by_key(|one| (one.at, one.number));
    (settled, total)
}

/// Returns which of them go, by their stream.
fn chosen(
    settled: Vec<Settled>,
    mut total: u64,
    keep: Keep,
    now: SystemTime,
) -> BTreeMap<String, Vec<Settled>> {
    let mut old: BTreeMap<String, Vec<Settled>> = BTreeMap::new();
    for segment in settled {
        let is_old = match keep {
            Keep::Age(age) => now.duration_since(segment.at).is_ok_and(|it| it > age),
            Keep::Size(most) => total > most,
        };
        if !is_old {
            break;
        }
        total -= segment.size;
        old.entry(segment.stream.clone()).or_default().push(segment);
    }
    old
}

/// Says what is removed of a stream: segments from its first on, without a hole.
fn removal(
    stream: &Stream,
    old: &BTreeMap<String, Vec<Settled>>,
) -> Result<Option<Removal>, Error> {
    let Some(old) = old.get(&stream.id) else { return Ok(None) };
    let is_old = |number: &&u32| old.iter().any(|segment| segment.number == **number);
    let from_first: Vec<u32> = stream.segments.keys().take_while(is_old).copied().collect();
    let Some(segment) = from_first.last().copied() else { return Ok(None) };
    let kept = |it: &&Settled| from_first.contains(&it.number);
    let paths: Vec<_> = old.iter().filter(kept).map(|segment| segment.path.clone()).collect();
    let last = stream.segments.get(&segment).map(|path| files::last_line(path)).transpose()?;
    let head = last.flatten().map_or_else(Digest::default, |it| Digest::of(it.as_bytes()));
    let whole = from_first.len() == stream.segments.len();
    let entry = Entry::Removed { segment, head, whole };
    Ok(Some(Removal { entry, paths, directory: whole.then(|| stream.directory.clone()) }))
}
