//! The results that are kept, and for whom: bounded in number, bytes and time, for each principal
//! and for all together.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::Notify;
use tokio::time;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::exchange::principal::Principal;
use crate::ids::UpstreamId;
use crate::upstream::Stamp;
use crate::wire::Raw;

/// How often it is looked what is over; whatever is, nobody gets from then on.
const LOOKED: Duration = Duration::from_mins(1);
/// How many results are kept of what one principal asked; the oldest give way.
const MOST_OF_ONE: usize = 256;
/// How much is kept of what one principal asked, in bytes.
const BYTES_OF_ONE: usize = 16 << 20;
/// How many results are kept for all.
const MOST: usize = 2048;
/// How much is kept for all, in bytes.
const BYTES: usize = 64 << 20;
/// What a result takes besides its text, in bytes.
const OVERHEAD: usize = 256;

/// The results that are kept, the oldest first.
#[derive(Debug, Default)]
pub(in crate::router) struct Cache {
    results: Mutex<IndexMap<Key, Kept>>,
    tallies: Mutex<HashMap<UpstreamId, Tally>>,
    /// Told when there is something that will be over one day.
    kept: Notify,
}

/// How often somebody was given a result that was kept, and how often there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::router) struct Tally {
    pub(in crate::router) hits: u64,
    pub(in crate::router) misses: u64,
}

/// What was asked, and by whom as far as that matters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// A digest of everything a result can depend on.
    pub(super) question: [u8; 32],
    /// For whom it is; nobody in particular if it is for all.
    pub(super) whose: Option<Principal>,
}

/// A result that is kept.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) result: Raw,
    /// Who asked for it, whoever may have it.
    pub(super) by: Principal,
    /// When it came.
    pub(super) from: Instant,
    pub(super) until: Instant,
    /// Which moment it was for its upstream.
    pub(super) stamp: Stamp,
    /// What the configuration said of its upstream.
    pub(super) config: Arc<config::Upstream>,
}

impl Kept {
    fn size(&self) -> usize {
        self.result.get().len() + OVERHEAD
    }
}

impl Cache {
    /// Returns what is kept under the first of these keys of which something good is.
    pub(super) fn find(
        &self,
        upstream: &UpstreamId,
        keys: &[Key],
        is_good: impl Fn(&Kept) -> bool,
    ) -> Option<Kept> {
        let now = Instant::now();
        let mut results = self.results();
        let found = keys.iter().find_map(|key| {
            let kept = results.get(key)?;
            if kept.until > now && is_good(kept) {
                return Some(kept.clone());
            }
            results.shift_remove(key);
            None
        });
        drop(results);
        let mut tallies = self.tallies();
        let tally = tallies.entry(upstream.clone()).or_default();
        match found {
            Some(_) => tally.hits += 1,
            None => tally.misses += 1,
        }
        found
    }

    /// Keeps a result in the place of what was kept under the same key.
    pub(super) fn keep(&self, key: Key, kept: Kept) {
        let now = Instant::now();
        let mut results = self.results();
        results.shift_remove(&key);
        results.retain(|_, kept| kept.until > now);
        let by = kept.by.clone();
        make_room(&mut results, &kept, |other| other.by == by, MOST_OF_ONE, BYTES_OF_ONE);
        make_room(&mut results, &kept, |_| true, MOST, BYTES);
        results.insert(key, kept);
        drop(results);
        self.kept.notify_one();
    }

    /// Returns how often results of an upstream were there that were kept.
    pub(in crate::router) fn tally(&self, upstream: &UpstreamId) -> Tally {
        self.tallies().get(upstream).copied().unwrap_or_default()
    }

    /// Frees what is over, until `stop`: perhaps nobody ever comes again who would have it freed on
    /// the way.
    pub(super) async fn expire(&self, stop: CancellationToken) {
        let looking = async {
            loop {
                if self.results().is_empty() {
                    self.kept.notified().await;
                }
                time::sleep(LOOKED).await;
                let now = Instant::now();
                self.results().retain(|_, kept| kept.until > now);
            }
        };
        let _: Option<()> = stop.run_until_cancelled(looking).await;
    }

    /// Returns how many results are kept.
    pub(in crate::router) fn len(&self) -> usize {
        self.results().len()
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        let results = self.results();
        (results.len(), results.values().map(Kept::size).sum())
    }

    fn results(&self) -> MutexGuard<'_, IndexMap<Key, Kept>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tallies(&self) -> MutexGuard<'_, HashMap<UpstreamId, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the oldest of some results go, until one more is within the bounds.
fn make_room(
    results: &mut IndexMap<Key, Kept>,
    more: &Kept,
    is_counted: impl Fn(&Kept) -> bool,
    most: usize,
    most_bytes: usize,
) {
    let counted = || results.values().filter(|kept| is_counted(kept));
    let mut count = counted().count() + 1;
    let mut bytes = counted().map(Kept::size).sum::<usize>() + more.size();
    if count <= most && bytes <= most_bytes {
        return;
    }
    results.retain(|_, kept| {
        let is_full = count > most || bytes > most_bytes;
        if !is_full || !is_counted(kept) {
            return true;
        }
        count -= 1;
        bytes -= kept.size();
        false
    });
}
