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
use crate::upstream::Recalled;
use crate::upstream::memory::Catalog;
use crate::upstream::memory::Disk;
use crate::upstream::memory::LIMIT;
use crate::upstream::memory::Memory;
use crate::upstream::memory::Remembered;

/// How many upstreams are read at the same time: a thread for each would take longer to start than
/// a disk that is well takes to answer, and one that is not holds up no more than these.
const READERS: usize = 4;

/// What is being read.
#[derive(Debug)]
pub struct Recalling {
    readers: Vec<JoinHandle<()>>,
    found: Arc<Mutex<BTreeMap<usize, (UpstreamId, Recalled)>>>,
}

impl Recalling {
    /// Begins to read from the disk what is known of `upstreams` from earlier runs.
    pub fn begin<'c>(upstreams: impl Iterator<Item = &'c config::Upstream>, disk: &Disk) -> Self {
        let files =
            |it: &config::Upstream| (it.id.clone(), Memory::new(disk, it), Catalog::new(disk, it));
        let left: Vec<_> = upstreams.map(files).collect();
        let readers = READERS.min(left.len());
        let left = Arc::new(Mutex::new(left.into_iter().enumerate()));
        let found = Arc::new(Mutex::new(BTreeMap::new()));
        let read = |_| {
            let (left, found) = (Arc::clone(&left), Arc::clone(&found));
            task::spawn_blocking(move || {
                let next = || locked(&left).next();
                while let Some((number, (id, memory, catalog))) = next() {
                    let known = known(&memory, &catalog);
                    locked(&found).insert(number, (id, known));
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

fn known(memory: &Memory, catalog: &Catalog) -> Recalled {
    let Remembered { instructions, extensions, era: _, transport: _ } = memory.read();
    Recalled { instructions, extensions, inventory: catalog.read() }
}
