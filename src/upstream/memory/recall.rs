//! Reads what is known of many upstreams from earlier runs, while a start waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use futures_util::future;
use tokio::task;
use tokio::task::JoinHandle;
use tokio::time;

use crate::config;
use crate::ids::UpstreamId;
use crate::upstream::memory::Catalog;
use crate::upstream::memory::Disk;
use crate::upstream::memory::Inventory;
use crate::upstream::memory::LIMIT;
use crate::upstream::memory::Memory;
use crate::upstream::memory::Moment;
use crate::upstream::memory::Remembered;
use crate::upstream::memory::fingerprint;
use crate::upstream::memory::inventory;
use crate::wire::Raw;
use crate::wire::era::Era;

/// How many upstreams are read at the same time: a thread for each would take longer to start than
/// a disk that is well takes to answer, and one that is not holds up no more than these.
const READERS: usize = 2;

/// What is known of an upstream from an earlier run of the same configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recalled {
    /// What it told a model.
    pub instructions: Option<String>,
    /// The extensions it declared, an object by their ids.
    pub extensions: Option<Raw>,
    /// What it listed, and when.
    pub inventory: Option<(Inventory, Moment)>,
}

/// What is being read.
#[derive(Debug)]
pub struct Recalling {
    readers: Vec<JoinHandle<()>>,
    found: Arc<Mutex<BTreeMap<usize, (UpstreamId, Recalled)>>>,
}

impl Disk {
    /// Returns which era an upstream spoke last, and what it listed last, as far as that is
    /// remembered. Reads the disk, for as long as that takes.
    pub fn known(&self, config: &config::Upstream) -> (Option<Era>, Option<Inventory>) {
        let inventory = Catalog::new(self, config).read();
        (Memory::new(self, config).read().era, inventory.map(|(inventory, _)| inventory))
    }
}

impl Recalling {
    /// Begins to read from the disk what is known of `upstreams` from earlier runs.
    pub fn begin(upstreams: impl Iterator<Item = Arc<config::Upstream>>, disk: &Disk) -> Self {
        let left: Vec<_> = upstreams.collect();
        let readers = READERS.min(left.len());
        let left = Arc::new(Mutex::new(left.into_iter().enumerate()));
        let found = Arc::new(Mutex::new(BTreeMap::new()));
        let read = |_| {
            let (disk, left, found) = (disk.clone(), Arc::clone(&left), Arc::clone(&found));
            task::spawn_blocking(move || {
                if !is_begun(&disk) {
                    return;
                }
                let next = || locked(&left).next();
                while let Some((number, upstream)) = next() {
                    let known = known(&upstream, &disk);
                    locked(&found).insert(number, (upstream.id.clone(), known));
                }
            })
        };
        Self { readers: (0..readers).map(read).collect(), found }
    }

    /// Waits for it, and returns what is known, in the order of the upstreams. Of whom the disk
    /// does not say anything in time, nothing is known.
    pub async fn finish(self) -> Vec<(UpstreamId, Recalled)> {
        // A reader that hangs is left behind; what it had read by then counts.
        if time::timeout(LIMIT, future::join_all(self.readers)).await.is_err() {
            tracing::debug!("the disk is slow, so not everything is remembered");
        }
        std::mem::take(&mut *locked(&self.found)).into_values().collect()
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether anything was ever remembered: at the very first start there is nothing to look for.
fn is_begun(disk: &Disk) -> bool {
    let is_there = |name| disk.directory().join(name).is_dir();
    is_there(super::DIRECTORY) || is_there(inventory::DIRECTORY)
}

fn known(upstream: &config::Upstream, disk: &Disk) -> Recalled {
    let (id, fingerprint) = (&upstream.id, fingerprint(upstream));
    let Remembered { instructions, extensions, era: _, transport: _ } =
        Memory::of(disk, id, &fingerprint).read();
    Recalled { instructions, extensions, inventory: Catalog::of(disk, id, fingerprint).read() }
}
