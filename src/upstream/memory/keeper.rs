//! Writes down what an upstream lists, some time after it did: nobody ever waits for that.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::upstream::Listed;
use crate::upstream::Surroundings;
use crate::upstream::memory::Catalog;
use crate::upstream::memory::Disk;
use crate::upstream::memory::Inventory;

/// How long lists are collected before they are written; the end of everything does not wait.
const COLLECTED: Duration = Duration::from_secs(2);

/// Where it is said what an upstream lists.
#[derive(Debug)]
pub(in crate::upstream) struct Keeper(watch::Sender<Inventory>);

impl Keeper {
    /// Keeps what is said in the file for `config`, until everything stops.
    pub(in crate::upstream) fn begin(config: Arc<config::Upstream>, around: &Surroundings) -> Self {
        let (sender, listed) = watch::channel(Inventory::default());
        around.tasks.spawn(keep(config, around.state.clone(), listed, around.stop.clone()));
        Self(sender)
    }

    /// Keeps nothing.
    #[cfg(test)]
    pub(in crate::upstream) fn nowhere() -> Self {
        Self(watch::Sender::new(Inventory::default()))
    }

    /// Says what could be listed.
    pub(in crate::upstream) fn learn(&self, listed: &Listed) {
        self.0.send_modify(|known| known.learn(listed));
    }
}

async fn keep(
    config: Arc<config::Upstream>,
    disk: Disk,
    mut listed: watch::Receiver<Inventory>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            changed = listed.changed() => if changed.is_err() { return },
            () = stop.cancelled() => if !listed.has_changed().unwrap_or(false) { return },
        }
        tokio::select! {
            () = time::sleep(COLLECTED) => {}
            () = stop.cancelled() => {}
        }
        let now = listed.borrow_and_update().clone();
        // The file is named only now: a start, which somebody waits for, needs no name for it.
        // A disk that cannot be written to is left alone for the rest of the run.
        if !Catalog::new(&disk, &config).keep(now).await {
            return;
        }
    }
}
