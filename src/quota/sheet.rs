//! What all gateways of one user have used of their budgets: a value, and a file that they share.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::config::pace::Period;
use crate::config::quota::Budget;
use crate::disk::file::Outlives;
use crate::disk::lock::Lock;
use crate::disk::shared;
use crate::disk::shared::Shared;
use crate::disk::shared::Unreadable;
use crate::quota::Now;
use crate::quota::counter;
use crate::quota::counter::Measure;
use crate::quota::counter::Spent;
use crate::quota::rule;
use crate::quota::rule::Key;

/// The file, below the directory of state.
const FILE: &str = "budgets.json";
/// The file that is locked while it is written.
const LOCK: &str = "budgets.lock";
/// How many lines a file has, if there is room for so many; those of which most was used stay.
const LINES: usize = 20_000;
/// How much the file takes besides its lines, in bytes, and a line besides its key.
const AROUND: u64 = 64;
const AROUND_KEY: u64 = 256;
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
        let room = Self::LARGEST - AROUND;
        if self.0.len() <= LINES && self.0.keys().map(size).sum::<u64>() <= room {
            return;
        }
        let mut all: Vec<_> =
            self.0.iter().map(|(line, spent)| (share(*spent), line.clone())).collect();
        all.sort_unstable();
        let mut left = room;
        for (place, (_, line)) in all.into_iter().rev().enumerate() {
            match left.checked_sub(size(&line)).filter(|_| place < LINES) {
                Some(rest) => left = rest,
                None => drop(self.0.remove(&line)),
            }
        }
    }
}

impl Shared for Sheet {
    const LARGEST: u64 = 16 << 20;
    // A budget that somebody has used up is used up when the power is back.
    const OUTLIVES: Outlives = Outlives::Power;
    const ANEW: &'static str = "what was used of budgets is counted anew";

    fn encode(&self) -> serde_json::Result<Vec<u8>> {
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
        serde_json::to_vec(&Written { version: VERSION, budgets })
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let Written { budgets, .. } = shared::decoded(bytes, VERSION)?;
        let mut sheet = Self::default();
        for WrittenLine { limit, of, whose, amount, per, window, used } in budgets {
            let period = [Period::Hour, Period::Day].into_iter().find(|it| it.as_str() == per);
            let no_period = || format!("`{per}` is no time that budgets are kept for");
            let period = period.ok_or_else(|| Unreadable::Senseless(no_period()))?;
            let budget = Budget { amount: amount.max(1), period };
            let line = Line { limit, of, key: rule::joined(whose.iter().map(String::as_str)) };
            sheet.0.insert(line, Spent { of: Some(budget), window, used, unwritten: 0 });
        }
        Ok(sheet)
    }
}

/// Returns how much room a line takes in the file at most, in bytes: each character of its key may
/// be one that is written as two, and what stands between its parts is written as three.
fn size(line: &Line) -> u64 {
    AROUND_KEY + 3 * u64::try_from(line.key.len()).unwrap_or(u64::MAX / 4)
}

/// Returns how much of its budget is used, in thousandths.
fn share(spent: Spent) -> u64 {
    let amount = spent.of.map_or(1, |budget| budget.amount);
    spent.used.saturating_mul(1000) / amount.max(1)
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
    let lock = Lock::try_take(&state.join(LOCK))?;
    let mut sheet: Sheet = shared::read_to_change(&path, &lock)?.unwrap_or_default();
    if !news.is_empty() {
        sheet.add(news, now);
        sheet.trim(now);
        shared::write(&path, &sheet, &lock)?;
    }
    Ok(sheet)
}
