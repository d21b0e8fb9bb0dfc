//! The requests of one client that are under way: their ids, their number, how to end them.

use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use foldhash::fast::RandomState;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::wire::Id;

/// A place among the requests under way; a parked exchange keeps its own.
pub(super) type Share = OwnedSemaphorePermit;

/// The requests of one client that are under way.
#[derive(Debug)]
pub(super) struct Flights {
    open: Mutex<HashMap<Id, Entry, RandomState>>,
    shares: Arc<Semaphore>,
    limit: usize,
    next: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    serial: u64,
    cancel: CancellationToken,
}

/// One request under way. Its id is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Arc<Flights>,
    id: Id,
    /// Nothing once it has landed.
    serial: Option<u64>,
}

impl Flights {
    /// Admits at most `limit` requests at a time.
    pub(super) fn new(limit: usize) -> Self {
        Self::sharing(&Arc::new(Semaphore::new(limit)), limit)
    }

    /// Admits requests as long as there are `shares` left, of which there are `limit`.
    pub(super) fn sharing(shares: &Arc<Semaphore>, limit: usize) -> Self {
        let shares = Arc::clone(shares);
        Self { open: Mutex::default(), shares, limit, next: AtomicU64::new(0) }
    }

    /// Returns how many requests may be under way.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Takes a place, unless all are taken.
    pub(super) fn admit(&self) -> Option<Share> {
        Arc::clone(&self.shares).try_acquire_owned().ok()
    }

    /// Returns whether a request with this id is under way.
    pub(super) fn contains(&self, id: &Id) -> bool {
        self.lock().contains_key(id)
    }

    /// Puts a request under way that ends by `cancel`; nothing if its id is in use.
    pub(super) fn board(self: &Arc<Self>, id: &Id, cancel: &CancellationToken) -> Option<Flight> {
        let mut open = self.lock();
        let hash_map::Entry::Vacant(place) = open.entry(id.clone()) else { return None };
        let serial = self.next.fetch_add(1, Ordering::Relaxed);
        place.insert(Entry { serial, cancel: cancel.clone() });
        Some(Flight { flights: Arc::clone(self), id: id.clone(), serial: Some(serial) })
    }

    /// Returns whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Ends the request `id` because its client no longer wants an answer.
    pub(super) fn cancel(&self, id: &Id) {
        // Taken out first: who is no longer under way sends no answer.
        let entry = self.lock().remove(id);
        if let Some(entry) = entry {
            entry.cancel.cancel();
        }
    }

    /// Ends every request; each is still answered.
    pub(super) fn cancel_all(&self) {
        let tokens: Vec<_> = self.lock().values().map(|entry| entry.cancel.clone()).collect();
        for token in tokens {
            token.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Entry, RandomState>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Returns the id of the request.
    pub(super) fn id(&self) -> &Id {
        &self.id
    }

    /// Ends the flight; returns whether the client still wants the answer.
    pub(super) fn land(mut self) -> bool {
        self.take_out()
    }

    fn take_out(&mut self) -> bool {
        let Some(serial) = self.serial.take() else { return false };
        let mut open = self.flights.lock();
        let is_ours = open.get(&self.id).is_some_and(|entry| entry.serial == serial);
        if is_ours {
            open.remove(&self.id);
        }
        is_ours
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.take_out();
    }
}
