//! Calls by the name of the tool, if somebody wants that: so many names and no more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::telemetry::metrics::words::Outcome;

/// How many names are told apart. Each takes some lines of what is scraped, for as long as Conflux
/// runs.
pub(in crate::telemetry) const NAMES: usize = 500;
/// What all others are together; no tool is called so, because public names have a prefix.
const OTHER: &str = "other";

type Counts = [AtomicU64; Outcome::ALL.len()];

/// Calls by the name of the tool.
#[derive(Debug, Default)]
pub(super) struct Tools(Mutex<BTreeMap<String, Arc<Counts>>>);

impl Tools {
    /// Counts a call. Whoever says a name must know that there is such a tool: names that clients
    /// make up are nobody's.
    pub(super) fn note(&self, name: &str, outcome: Outcome) {
        let counts = self.counts(name);
        if let Some(count) = counts.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counts(&self, name: &str) -> Arc<Counts> {
        let mut names = self.lock();
        if let Some(known) = names.get(name) {
            return Arc::clone(known);
        }
        let name = if names.len() < NAMES { name } else { OTHER };
        Arc::clone(names.entry(name.to_owned()).or_default())
    }

    /// Returns how often calls of each tool ended how.
    pub(super) fn known(&self) -> Vec<(String, Outcome, u64)> {
        let names = self.lock();
        let each = names.iter().flat_map(|(name, counts)| {
            let counts = counts.iter().map(|count| count.load(Ordering::Relaxed));
            let pairs = Outcome::ALL.iter().copied().zip(counts);
            pairs.map(move |(outcome, count)| (name.clone(), outcome, count))
        });
        each.filter(|(_, _, count)| *count > 0).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Counts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
