//! How many subscriptions of one client watch each resource.
//!
//! Only the first asks the upstream, and only the last takes that back. Changes to one resource
//! take turns, so that an ending subscription never ends one that has just begun; different
//! resources do not wait for each other.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync;

/// Counts by the address of the resource.
#[derive(Debug, Default)]
pub(super) struct Watches {
    counts: Mutex<HashMap<String, Count>>,
}

type Count = Arc<sync::Mutex<usize>>;

impl Watches {
    /// Counts one more; if it is the first, `subscribe` decides whether it counts.
    pub(super) async fn add(&self, address: &str, subscribe: impl Future<Output = bool>) -> bool {
        let count = self.count(address);
        let mut turn = count.lock().await;
        let accepted = *turn > 0 || subscribe.await;
        if accepted {
            *turn += 1;
        }
        drop(turn);
        self.tidy(address, &count);
        accepted
    }

    /// Counts one less; after the last one `unsubscribe` runs.
    pub(super) async fn remove(&self, address: &str, unsubscribe: impl Future<Output = bool>) {
        let count = self.count(address);
        let mut turn = count.lock().await;
        *turn = turn.saturating_sub(1);
        if *turn == 0 {
            // Whether the upstream agrees changes nothing for this client.
            let _agreed = unsubscribe.await;
        }
        drop(turn);
        self.tidy(address, &count);
    }

    fn count(&self, address: &str) -> Count {
        Arc::clone(self.lock().entry(address.to_owned()).or_default())
    }

    /// Forgets a count of nothing that nobody else has in hand.
    fn tidy(&self, address: &str, count: &Count) {
        let mut counts = self.lock();
        let is_alone = Arc::strong_count(count) == 2;
        if is_alone && count.try_lock().is_ok_and(|count| *count == 0) {
            counts.remove(address);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
