//! Notes calls as they are made, and writes them down after the fact: no call ever waits for that.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;

use tokio::sync::Notify;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::disk::directory;
use crate::disk::lock::Lock;
use crate::disk::wait;
use crate::upstream::lists::List;
use crate::upstream::memory::Disk;
use crate::upstream::usage;
use crate::upstream::usage::Day;
use crate::upstream::usage::sheet;
use crate::upstream::usage::sheet::Known;
use crate::upstream::usage::sheet::Sheet;

/// How long notes are collected before they are written; the end of everything does not wait.
const COLLECTED: Duration = Duration::from_secs(2);
/// How long to wait if somebody else writes for longer than that takes.
const POSTPONED: Duration = Duration::from_secs(30);
/// How long the disk may take while nobody waits for it.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How often it is looked which day it is: clocks are set, and machines sleep over midnight.
const LOOKED: Duration = Duration::from_mins(10);
/// The file that is locked while something is written; beside the directory, where nothing is
/// removed that is old.
const LOCK: &str = "usage.lock";

/// What this process has seen and not written yet, of all upstreams; cloning shares it.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    today: AtomicU32,
    /// By the name of the file. Each tool is here at most once, whatever happens how often.
    notes: Mutex<BTreeMap<String, Sheet>>,
    noted: Notify,
    is_closed: AtomicBool,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::begun(Day::today())
    }
}

impl Ledger {
    /// Begins one on a day, which it is until it is kept.
    pub(super) fn begun(today: Day) -> Self {
        Self(Arc::new(Shared {
            today: AtomicU32::new(today.number()),
            notes: Mutex::default(),
            noted: Notify::new(),
            is_closed: AtomicBool::new(false),
        }))
    }

    /// Opens the account of an upstream.
    pub(in crate::upstream) fn account(&self, config: Arc<config::Upstream>) -> Account {
        Account { ledger: self.clone(), config, stem: OnceLock::new(), tools: Mutex::default() }
    }

    /// Writes down what is noted, until `stop`; what is noted by then is written, too.
    pub async fn keep(self, disk: Disk, stop: CancellationToken) {
        let mut pause = COLLECTED;
        loop {
            // In each round: notes that keep coming never let the wait below come to its end.
            self.0.today.store(Day::today().number(), Ordering::Relaxed);
            tokio::select! {
                () = self.0.noted.notified() => {}
                () = midnight() => continue,
                () = stop.cancelled() => {}
            }
            tokio::select! {
                () = time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
            let is_over = stop.is_cancelled();
            pause = match self.write(&disk).await {
                Ok(()) => COLLECTED,
                Err(error) if wait::is_busy(&error) && !is_over => POSTPONED,
                // A disk that cannot be written to is left alone for the rest of the run.
                Err(error) => {
                    disk.failed(&disk.directory().join(usage::DIRECTORY), &error);
                    break;
                }
            };
            if is_over {
                break;
            }
        }
        // Nobody collects any more what is noted.
        self.0.is_closed.store(true, Ordering::Relaxed);
        self.notes().clear();
    }

    /// Writes what is noted; what cannot be written is noted still.
    async fn write(&self, disk: &Disk) -> io::Result<()> {
        let notes = Arc::new(std::mem::take(&mut *self.notes()));
        if notes.is_empty() {
            return Ok(());
        }
        let (state, noted) = (disk.directory().to_owned(), Arc::clone(&notes));
        let outcome = wait::in_turn(WRITE_LIMIT, move || write(&state, &noted)).await;
        if outcome.is_err() {
            let mut left = self.notes();
            for (stem, sheet) in notes.iter() {
                left.entry(stem.clone()).or_default().merge(sheet);
            }
            self.0.noted.notify_one();
        }
        outcome
    }

    fn note(&self, stem: &str, tools: impl Iterator<Item = (String, Known)>) {
        if self.0.is_closed.load(Ordering::Relaxed) {
            return;
        }
        let mut notes = self.notes();
        let sheet = notes.entry(stem.to_owned()).or_default();
        for (tool, known) in tools {
            sheet.note(&tool, known);
        }
        sheet.trim();
        drop(notes);
        self.0.noted.notify_one();
    }

    fn today(&self) -> Day {
        Day::numbered(self.0.today.load(Ordering::Relaxed))
    }

    fn notes(&self) -> MutexGuard<'_, BTreeMap<String, Sheet>> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until it may be another day.
async fn midnight() {
    // A moment later, so that it is certainly the next one.
    let left = Day::left(SystemTime::now()) + Duration::from_secs(1);
    time::sleep(left.min(LOOKED)).await;
}

/// Adds what is noted to the files. Fails if that is impossible for all of them.
fn write(state: &Path, notes: &BTreeMap<String, Sheet>) -> io::Result<()> {
    let lock = Lock::try_take(&state.join(LOCK))?;
    let directory = state.join(usage::DIRECTORY);
    directory::make_private(&directory)?;
    for (stem, news) in notes {
        let path = directory.join(format!("{stem}.{}", sheet::ENDING));
        // What is wrong with one file is none of the others' business.
        if let Err(error) = sheet::record(&path, news, &lock) {
            let path = path.display();
            tracing::debug!(%path, %error, "what was called is not noted there");
        }
    }
    Ok(())
}

/// What this process has noted of one upstream; it outlives sessions and catalogs.
#[derive(Debug)]
pub(in crate::upstream) struct Account {
    ledger: Ledger,
    config: Arc<config::Upstream>,
    /// The name of its file, which takes some work to find.
    stem: OnceLock<String>,
    /// The tools that are noted, and the day of the last call that is; no more than those that are
    /// written down.
    tools: Mutex<HashMap<String, Option<Day>>>,
}

impl Account {
    /// Notes that a tool is called; once a day, which `mark` remembers for whoever has it.
    pub(in crate::upstream) fn called(&self, tool: &str, mark: &AtomicU32) {
        let today = self.ledger.today();
        if mark.load(Ordering::Relaxed) != today.number() {
            self.called_first(tool, today);
            mark.store(today.number(), Ordering::Relaxed);
        }
    }

    /// Notes the first call of a day that one catalog knows of; others may know of more.
    #[cold]
    fn called_first(&self, tool: &str, today: Day) {
        if tool.len() > sheet::NAME {
            return;
        }
        let mut tools = self.tools();
        let is_kept = tools.len() < sheet::TOOLS || tools.contains_key(tool);
        let before = is_kept.then(|| tools.insert(tool.to_owned(), Some(today))).flatten();
        drop(tools);
        if before.flatten() != Some(today) {
            let known = Known { since: today, called: Some(today) };
            self.note([(tool.to_owned(), known)].into_iter());
        }
    }

    /// Notes which tools there are. What is not listed any more is in its file alone: a server may
    /// have names that are never listed again.
    pub(in crate::upstream) fn listed(&self, list: &List) {
        let today = self.ledger.today();
        let names = list.items.iter().filter_map(|tool| tool.member("name")?.string());
        let names = names.filter(|name| name.len() <= sheet::NAME);
        let names: HashSet<_> = names.take(sheet::TOOLS).collect();
        let mut tools = self.tools();
        tools.retain(|name, _| names.contains(name));
        let new: Vec<_> = names.into_iter().filter(|name| !tools.contains_key(name)).collect();
        tools.extend(new.iter().map(|name| (name.clone(), None)));
        drop(tools);
        if !new.is_empty() {
            let known = Known { since: today, called: None };
            self.note(new.into_iter().map(|name| (name, known)));
        }
    }

    fn note(&self, tools: impl Iterator<Item = (String, Known)>) {
        self.ledger.note(self.stem.get_or_init(|| usage::stem(&self.config)), tools);
    }

    fn tools(&self) -> MutexGuard<'_, HashMap<String, Option<Day>>> {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
