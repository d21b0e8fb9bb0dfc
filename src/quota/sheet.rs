//! What all gateways of one user have used of their budgets: a value, and a file that they share.

use std::collections::BTreeMap;
use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::config::pace::Period;
use crate::config::quota::Budget;
use crate::quota::Now;
use crate::quota::counter;
use crate::quota::counter::Measure;
use crate::quota::counter::Spent;
use crate::quota::rule;
use crate::quota::rule::Key;
use crate::setup::disk;
use crate::setup::disk::Document;

/// The file, below the directory of state.
const FILE: &str = "budgets.json";
/// The file that is locked while it is written.
const LOCK: &str = "budgets.lock";
/// How the name of a file ends that could not be read and was set aside.
const BROKEN: &str = "broken";
/// The largest file, in bytes.
const LARGEST: u64 = 16 << 20;
/// How many lines a file has; those of which most was used stay.
const LINES: usize = 20_000;
/// How the file is written; what is written in another way is left alone.
const VERSION: u32 = 1;
/// How long lines are kept of limits that nobody has any more, or whose debts are paid.
const KEPT: Duration = Duration::from_hours(48);

/// What a line is about: a limit, what of it, and for whom it is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    /// The identity of the limit.
    pub(super) limit: String,
    pub(super) of: Of,
    pub(super) key: Key,
}

/// What budgets are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Of {
    Calls,
    Bytes,
}

impl From<Of> for Measure {
    fn from(of: Of) -> Self {
        match of {
            Of::Calls => Self::Calls,
            Of::Bytes => Self::Bytes,
        }
    }
}

/// What was used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sheet(BTreeMap<Line, Spent>);

/// What one process has used and not written down: how much of which budget.
pub(super) type News = BTreeMap<Line, (Budget, u64)>;

impl Sheet {
    /// Returns every line.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&Line, Spent)> {
        self.0.iter().map(|(line, spent)| (line, *spent))
    }

    /// Adds what was used meanwhile.
    fn add(&mut self, news: &News, now: Now) {
        for (line, (budget, used)) in news {
            let spent = self.0.entry(line.clone()).or_default();
            *spent = spent.at(*budget, line.of.into(), now);
            spent.used = spent.used.saturating_add(*used);
        }
    }

    /// Forgets what is over, and what was used least if there is too much.
    fn trim(&mut self, now: Now) {
        self.0.retain(|line, spent| {
            let Some(budget) = spent.of else { return false };
            let is_old = {
                let age = counter::window(budget, now).saturating_sub(spent.window);
                budget.period.length().saturating_mul(u32::try_from(age).unwrap_or(u32::MAX)) > KEPT
            };
            !is_old || spent.at(budget, line.of.into(), now).used > 0
        });
        let excess = self.0.len().saturating_sub(LINES);
        if excess > 0 {
            let mut all: Vec<_> =
                self.0.iter().map(|(line, spent)| (share(*spent), line.clone())).collect();
            all.sort_unstable();
            for (_, line) in all.into_iter().take(excess) {
                self.0.remove(&line);
            }
        }
    }

    fn encode(&self) -> io::Result<Vec<u8>> {
        let written = |(line, spent): (&Line, &Spent)| {
            let budget = spent.of?;
            let whose = rule::parts(&line.key).map(str::to_owned).collect();
            Some(WrittenLine {
                limit: line.limit.clone(),
                of: line.of,
                whose,
                amount: budget.amount,
                per: budget.period.as_str().to_owned(),
                window: spent.window,
                used: spent.used,
            })
        };
        let budgets = self.0.iter().filter_map(written).collect();
        Ok(serde_json::to_vec(&Written { version: VERSION, budgets })?)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let Version { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(Unreadable::Version(version));
        }
        let Written { budgets, .. } = serde_json::from_slice(bytes)?;
        let mut sheet = Self::default();
        for WrittenLine { limit, of, whose, amount, per, window, used } in budgets {
            let period = [Period::Hour, Period::Day].into_iter().find(|it| it.as_str() == per);
            let period = period.ok_or(Unreadable::Period(per))?;
            let budget = Budget { amount: amount.max(1), period };
            let line = Line { limit, of, key: rule::joined(whose.iter().map(String::as_str)) };
            sheet.0.insert(line, Spent { of: Some(budget), window, used, unwritten: 0 });
        }
        Ok(sheet)
    }
}

/// Returns how much of its budget is used, in thousandths.
fn share(spent: Spent) -> u64 {
    let amount = spent.of.map_or(1, |budget| budget.amount);
    spent.used.saturating_mul(1000) / amount.max(1)
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize, Serialize)]
struct Written {
    version: u32,
    budgets: Vec<WrittenLine>,
}

#[derive(Deserialize, Serialize)]
struct WrittenLine {
    limit: String,
    of: Of,
    whose: Vec<String>,
    amount: u64,
    per: String,
    window: u64,
    used: u64,
}

/// Why a file is not believed.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    /// Another Conflux wrote it, and knows how to read it.
    #[error("it is of version {0}, not {VERSION}")]
    Version(u32),
    /// It is damaged.
    #[error("it is not what Conflux writes: {0}")]
    Damaged(#[from] serde_json::Error),
    /// There are no budgets for this time.
    #[error("`{0}` is no time that budgets are kept for")]
    Period(String),
}

/// Adds `news` to what is written down below the directory `state`, and returns all of it.
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] while somebody else writes; or the disk fails. Nothing is written
/// then.
pub(super) fn record(state: &Path, news: &News, now: Now) -> io::Result<Sheet> {
    let path = state.join(FILE);
    if news.is_empty() && !path.exists() {
        return Ok(Sheet::default());
    }
    disk::make_private(state)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let lock = options.open(state.join(LOCK))?;
    lock.try_lock()?;
    let (document, mut sheet) = read(&path)?;
    if !news.is_empty() {
        sheet.add(news, now);
        sheet.trim(now);
        document.replace(&sheet.encode()?).map_err(io::Error::other)?;
    }
    Ok(sheet)
}

/// Reads the file; one that is damaged is set aside, and begun anew.
fn read(path: &Path) -> io::Result<(Document, Sheet)> {
    let is_large = fs::metadata(path).is_ok_and(|about| about.len() > LARGEST);
    if is_large {
        return Err(io::Error::other(format!("it has more than {LARGEST} bytes")));
    }
    let document = Document::read(path).map_err(io::Error::other)?;
    let Some(bytes) = document.bytes() else { return Ok((document, Sheet::default())) };
    match Sheet::decode(bytes) {
        Ok(sheet) => Ok((document, sheet)),
        Err(error @ Unreadable::Version(_)) => Err(io::Error::other(error)),
        Err(error) => {
            let aside = path.with_extension(BROKEN);
            fs::rename(path, &aside)?;
            tracing::warn!(
                path = %aside.display(), %error, "what was used of budgets is counted anew"
            );
            Ok((Document::read(path).map_err(io::Error::other)?, Sheet::default()))
        }
    }
}
