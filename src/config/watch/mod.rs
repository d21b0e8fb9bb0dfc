//! Tells when the files of a configuration hold something else than before.
//!
//! Directories are watched, not files: editors and Kubernetes put another file, or another link,
//! in the place of one. What counts is what can be read in the end, so whatever else happens in
//! these directories means nothing. Where a directory cannot be watched, nothing is told.

#[cfg(test)]
mod tests;
mod trail;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use notify::Event;
use notify::EventKind;
use notify::RecommendedWatcher;
use notify::RecursiveMode;
use notify::Watcher as _;
use notify::event::AccessKind;
use notify::event::AccessMode;
use notify::event::ModifyKind;
use sha2::Digest as _;
use sha2::Sha256;
use tokio::sync::Notify;
use tokio::sync::watch;
use tokio::task;
use tokio::time;
use tokio::time::Instant;

use crate::config::watch::trail::Trail;

/// How long nothing must happen before it is looked what came of it.
const QUIET: Duration = Duration::from_millis(100);
/// How long that is for who wants to read the files at once.
const BRIEF: Duration = Duration::from_millis(20);
/// How long that is if a file is still open for writing: whoever wrote may write more.
const OPEN: Duration = Duration::from_secs(5);
/// When it is looked at the latest.
const LATEST: Duration = Duration::from_secs(30);
/// The same where nothing is open.
const BUSY: Duration = Duration::from_secs(1);
/// How much of a file is looked at, in bytes; what is longer is no configuration.
const LARGEST: u64 = 16 * 1024 * 1024;

/// What every file holds, as a hash; nothing if it cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight(Vec<Option<[u8; 32]>>);

impl Sight {
    /// Looks what the files hold.
    pub fn of(files: &[PathBuf]) -> Self {
        Self(files.iter().map(|path| hash(path).ok()).collect())
    }
}

/// What is known of those who write; cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Writers(Arc<Seen>);

impl Writers {
    /// Waits until nothing happens to the files any more, and nobody writes; within bounds.
    pub async fn are_done(&self) {
        let begun = Instant::now();
        while let Some(due) = self.0.due(begun, BRIEF) {
            time::sleep_until(due).await;
        }
    }

    /// Returns how often something happened.
    pub fn count(&self) -> u64 {
        self.0.lock().count
    }
}

/// Says `changed` when the watched files hold something else than what is `known`, until it is
/// dropped. If nothing is known, it says so when they are watched: something may have happened
/// before.
pub async fn run(
    mut files: watch::Receiver<Vec<PathBuf>>,
    mut known: Option<Sight>,
    writers: Writers,
    changed: Arc<Notify>,
) {
    let Writers(seen) = writers;
    // A pipe, say, was read to its end.
    let is_odd = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| !found.is_file());
    if let Some(path) = files.borrow().iter().find(|path| is_odd(path)) {
        tracing::debug!(path = %path.display(), "the configuration is not followed: it is no file");
        return;
    }
    let heard = Arc::clone(&seen);
    let watcher = match notify::recommended_watcher(move |event| heard.take(event)) {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "changes of the configuration are not noticed");
            return;
        }
    };
    let mut eye = Eye { watcher, watched: BTreeMap::new(), failed: BTreeSet::new() };
    loop {
        let all = files.borrow_and_update().clone();
        eye.turn_to(&all, &seen);
        let sight = sight(all).await;
        if known.as_ref() != Some(&sight) {
            known = Some(sight);
            changed.notify_one();
        }
        tokio::select! {
            () = seen.woken.notified() => seen.quiet().await,
            has_changed = files.changed() => if has_changed.is_err() { return },
        }
    }
}

/// What was heard and not looked at yet.
#[derive(Debug, Default)]
struct Seen {
    woken: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The files that count.
    ends: BTreeSet<PathBuf>,
    /// Those among them that are being written.
    open: BTreeSet<PathBuf>,
    last: Option<Instant>,
    count: u64,
}

impl Seen {
    /// Takes what the system tells; called in a thread of its own.
    fn take(&self, event: notify::Result<Event>) {
        let mut state = self.lock();
        if let Ok(Event { kind, paths, .. }) = event {
            match kind {
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => state.closed(&paths),
                // That it is read is our own doing.
                EventKind::Access(_) => return,
                EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_)) => {
                    state.opened(&paths);
                }
                EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
                    state.closed(&paths);
                }
                EventKind::Modify(_) | EventKind::Any | EventKind::Other => {}
            }
        }
        // Whatever else it is, such as events that were lost: looking does no harm.
        state.last = Some(Instant::now());
        state.count += 1;
        drop(state);
        self.woken.notify_one();
    }

    /// Waits until nothing happens any more, and nobody writes.
    async fn quiet(&self) {
        let begun = Instant::now();
        while let Some(due) = self.due(begun, QUIET) {
            tokio::select! {
                () = time::sleep_until(due) => {}
                () = self.woken.notified() => {}
            }
        }
        self.lock().open.clear();
    }

    /// Returns until when to wait, for somebody who has waited since `begun` for nothing to happen
    /// for `quiet`; nothing if that is long enough.
    fn due(&self, begun: Instant, quiet: Duration) -> Option<Instant> {
        let state = self.lock();
        let last = state.last?;
        let (pause, latest) = if state.open.is_empty() { (quiet, BUSY) } else { (OPEN, LATEST) };
        let due = (last + pause).min(begun + latest);
        (due > Instant::now()).then_some(due)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes that files are being written, where the end of that is told, too.
    fn opened(&mut self, paths: &[PathBuf]) {
        if cfg!(target_os = "linux") {
            let is_file = |path: &Path| fs::symlink_metadata(path).is_ok_and(|it| it.is_file());
            let ours = paths.iter().filter(|path| self.ends.contains(*path) && is_file(path));
            self.open.extend(ours.cloned());
        }
    }

    fn closed(&mut self, paths: &[PathBuf]) {
        for path in paths {
            self.open.remove(path);
        }
    }
}

/// What directories are watched with.
#[derive(Debug)]
struct Eye {
    watcher: RecommendedWatcher,
    /// The directories, and which they were: another one may have taken the place of one.
    watched: BTreeMap<PathBuf, Option<u64>>,
    /// Those of which it was said that they cannot be watched.
    failed: BTreeSet<PathBuf>,
}

impl Eye {
    /// Watches what leads to these files, and nothing else.
    fn turn_to(&mut self, files: &[PathBuf], seen: &Seen) {
        let trail = files.iter().fold(Trail::default(), Trail::to);
        seen.lock().ends = trail.ends;
        let now: BTreeMap<_, _> =
            trail.directories.into_iter().map(|path| (path.clone(), number(&path))).collect();
        for gone in self.watched.iter().filter(|(path, number)| now.get(*path) != Some(number)) {
            if let Err(error) = self.watcher.unwatch(gone.0) {
                tracing::trace!(%error, "a directory was not watched any more");
            }
        }
        let new = now.iter().filter(|(path, number)| self.watched.get(*path) != Some(number));
        let mut watched = now.clone();
        for (path, _) in new {
            if let Err(error) = self.watcher.watch(path, RecursiveMode::NonRecursive) {
                watched.remove(path);
                if self.failed.insert(path.clone()) {
                    let hint = "SIGHUP has it read again";
                    tracing::warn!(%error, hint, "changes of the configuration are not noticed");
                }
            }
        }
        self.watched = watched;
    }
}

/// Returns what tells a directory from another one of the same name.
#[cfg(unix)]
fn number(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|it| std::os::unix::fs::MetadataExt::ino(&it))
}

#[cfg(not(unix))]
fn number(_path: &Path) -> Option<u64> {
    None
}

/// Looks what the files hold, where that holds nobody up.
async fn sight(files: Vec<PathBuf>) -> Sight {
    task::spawn_blocking(move || Sight::of(&files)).await.unwrap_or_default()
}

fn hash(path: &Path) -> io::Result<[u8; 32]> {
    // Whatever else it is may never end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(Sha256::digest(&bytes).into())
}
