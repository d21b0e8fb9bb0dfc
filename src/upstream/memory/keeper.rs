//! Writes down what an upstream lists, some time after it did: nobody ever waits for that.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::upstream::lists::Listed;
use crate::upstream::memory::Catalog;
use crate::upstream::memory::Disk;
use crate::upstream::memory::Inventory;

/// How long lists are collected before they are written; the end of everything does not wait.
const COLLECTED: Duration = Duration::from_secs(2);

/// Where it is said what an upstream lists.
#[derive(Debug)]
pub(in crate::upstream) struct Keeper {
    /// Where to keep it; nothing if it is not kept.
    place: Option<Place>,
    /// Tells the task that writes, which there is once something was said.
    said: OnceLock<watch::Sender<Inventory>>,
}

#[derive(Debug)]
struct Place {
    config: Arc<config::Upstream>,
    disk: Disk,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Keeper {
    /// Keeps what is said in the file for `config`, until everything stops.
    pub(in crate::upstream) fn new(
        config: Arc<config::Upstream>,
        disk: Disk,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let place = Place { config, disk, tasks, stop };
        Self { place: Some(place), said: OnceLock::new() }
    }

    /// Keeps nothing.
    #[cfg(test)]
    pub(in crate::upstream) fn nowhere() -> Self {
        Self { place: None, said: OnceLock::new() }
    }

    /// Says what could be listed.
    pub(in crate::upstream) fn learn(&self, listed: &Listed) {
        let Some(place) = &self.place else { return };
        self.said.get_or_init(|| place.begin()).send_modify(|known| known.learn(listed));
    }
}

impl Place {
    fn begin(&self) -> watch::Sender<Inventory> {
        let (said, listed) = watch::channel(Inventory::default());
        let (config, disk) = (Arc::clone(&self.config), self.disk.clone());
        self.tasks.spawn(keep(config, disk, listed, self.stop.clone()));
        said
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
        // A disk that cannot be written to is left alone for the rest of the run.
        if !Catalog::new(&disk, &config).keep(now).await {
            return;
        }
    }
}
