//! What callers may use up: how often they may ask, how much may be under way, and budgets.
//!
//! A request is counted by every limit that is about it, or by none: one that is refused uses up
//! nothing. What time it is, is told by whoever asks. What is used of budgets that last longer than
//! a minute is written down after the fact, by one task (`ledger`).

mod counter;
mod ledger;
mod refusal;
mod rule;
mod sheet;
mod table;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use smallvec::SmallVec;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::quota::Quota;
use crate::quota::rule::Rule;
use crate::quota::table::Asked;
use crate::quota::table::Held;
use crate::quota::table::Table;

pub use self::refusal::Refusal;

/// Who asks for what, as far as limits are about that.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Who calls.
    pub principal: &'a str,
    /// The groups of who calls.
    pub groups: SmallVec<[&'a str; 4]>,
    /// What the client calls itself.
    pub client: Option<&'a str>,
    /// Whose tool, prompt or resource it is.
    pub upstream: &'a str,
    /// The public name of the tool, if one is called.
    pub tool: Option<&'a str>,
    /// How large the arguments are, in bytes.
    pub bytes: usize,
}

/// What time it is, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// On the one that only goes on; rates are by it.
    pub steady: Instant,
    /// On the one that people know, from the first of January 1970 on; budgets are by it.
    pub utc: Duration,
}

impl Now {
    /// Looks at both clocks.
    pub fn read() -> Self {
        let utc = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self { steady: Instant::now(), utc: utc.unwrap_or_default() }
    }
}

/// All limits, and what is used of them; cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Quotas(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    rules: ArcSwap<Vec<Arc<Rule>>>,
    /// The last number that a limit was given.
    last: AtomicU64,
    table: Mutex<Table>,
    /// Told when there is something to write down.
    noted: Notify,
}

/// A request that is within all limits, and is under way until it is said to have ended, or until
/// this is dropped.
#[derive(Debug, Default)]
#[must_use = "the request is no longer under way when this is dropped"]
pub struct Admission {
    quotas: Option<Quotas>,
    held: SmallVec<[Held; 2]>,
}

/// How a limit is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it is called, or what it counts.
    pub limit: String,
    /// How many it counts for itself at the moment.
    pub counters: usize,
    /// How many requests it has refused in this run.
    pub refused: u64,
}

impl Quotas {
    /// Has these limits from now on. What was used of one that there was before, perhaps with other
    /// numbers, stays used.
    pub fn apply(&self, quotas: &[Quota], now: Now) {
        let mut table = self.table();
        let before = self.0.rules.load_full();
        let all = quotas.iter().zip(rule::identities(quotas));
        let rules: Vec<_> = all
            .map(|(quota, identity)| {
                let known = before.iter().find(|known| known.identity == identity);
                let number = known.map(|known| known.number);
                let number = number.unwrap_or_else(|| self.0.last.fetch_add(1, Ordering::Relaxed));
                let refused = known.map(|known| Arc::clone(&known.refused)).unwrap_or_default();
                Arc::new(Rule { number, identity, quota: quota.clone(), refused })
            })
            .collect();
        table.keep(&rules, now);
        self.0.rules.store(Arc::new(rules));
        drop(table);
        // There may be a limit now of which something is written down.
        self.0.noted.notify_one();
    }

    /// Returns whether there are no limits.
    pub fn is_empty(&self) -> bool {
        self.0.rules.load().is_empty()
    }

    /// Counts a request by every limit that is about it, or refuses it, and then counts it nowhere.
    pub fn admit(&self, subject: &Subject<'_>, now: Now) -> Result<Admission, Refusal> {
        let rules = self.0.rules.load();
        let asked = rules.iter().map(|rule| (rule, rule.keys(subject)));
        let asked: Asked<'_> = asked.filter(|(_, keys)| !keys.is_empty()).collect();
        if asked.is_empty() {
            return Ok(Admission::default());
        }
        // Whoever changes the limits meanwhile changes them for the next request.
        let held = self.table().admit(&asked, subject.bytes as u64, now)?;
        if asked.iter().any(|(rule, _)| rule.quota.lasts()) {
            self.0.noted.notify_one();
        }
        let quotas = (!held.is_empty()).then(|| self.clone());
        Ok(Admission { quotas, held })
    }

    /// Counts bytes that somebody was given who had been let through before.
    pub fn spend(&self, subject: &Subject<'_>, now: Now) {
        let rules = self.0.rules.load();
        let mut table = self.table();
        let mut lasts = false;
        for rule in rules.iter().filter(|rule| rule.quota.bytes.is_some()) {
            for key in rule.keys(subject) {
                table.change(rule, &key, |it| it.spend(&rule.quota, subject.bytes as u64, now));
                lasts |= rule.quota.lasts();
            }
        }
        drop(table);
        if lasts {
            self.0.noted.notify_one();
        }
    }

    /// Returns how many counters all limits have.
    pub fn counters(&self) -> usize {
        self.table().len()
    }

    /// Returns how each limit is doing, in the order of the file.
    pub fn report(&self) -> Vec<Report> {
        let rules = self.0.rules.load();
        let table = self.table();
        let report = |rule: &Arc<Rule>| Report {
            limit: refusal::name(&rule.quota),
            counters: table.size(rule),
            refused: rule.refused.load(Ordering::Relaxed),
        };
        rules.iter().map(report).collect()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission {
    /// Says that the request has ended, with a result of so many bytes.
    pub fn end(mut self, bytes: usize, now: Now) {
        let Some(quotas) = self.quotas.take() else { return };
        let mut table = quotas.table();
        for held in &self.held {
            table.end(held);
            table.spend(held, bytes as u64, now);
        }
        drop(table);
        if self.held.iter().any(|held| held.rule.quota.lasts()) {
            quotas.0.noted.notify_one();
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let Some(quotas) = self.quotas.take() else { return };
        let mut table = quotas.table();
        self.held.iter().for_each(|held| table.end(held));
    }
}
