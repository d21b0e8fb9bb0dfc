//! What every request of a caller passes on its way to an upstream: it waits for its turn.
//!
//! A place is held for as long as the upstream has to do with one request. Who waits does so in the
//! order of arrival, and stops when nobody wants the answer any more.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

use crate::config;

/// The gate of one upstream, whatever its sessions; cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<ArcSwap<Turns>>);

#[derive(Debug)]
struct Turns {
    limits: config::Concurrency,
    places: Arc<Semaphore>,
    queue: Semaphore,
}

/// A request that the upstream has to do with, until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _held: OwnedSemaphorePermit,
}

/// As many requests as may be under way are, and as many as may wait do.
#[derive(Debug)]
pub(super) struct Full;

impl Gate {
    /// Makes the gate of an upstream that has these limits.
    pub(super) fn new(limits: config::Concurrency) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Turns::new(limits))))
    }

    /// Has other limits from now on. Who has a place or waits for one does not count any more, so
    /// that for a while there may be more under way.
    pub(super) fn adjust(&self, limits: config::Concurrency) {
        if self.limits() != limits {
            self.0.store(Arc::new(Turns::new(limits)));
        }
    }

    /// Returns how many requests may be under way, and how many may wait.
    pub(super) fn limits(&self) -> config::Concurrency {
        self.0.load().limits
    }

    /// Waits for a place, unless too many do already. Cancel safe; then the turn is lost.
    pub(super) async fn enter(&self) -> Result<Place, Full> {
        let turns = self.0.load_full();
        let places = Arc::clone(&turns.places);
        // Nobody is overtaken: there are none to take while somebody waits.
        if let Ok(held) = Arc::clone(&places).try_acquire_owned() {
            return Ok(Place { _held: held });
        }
        let _waits = turns.queue.try_acquire().map_err(|_| Full)?;
        let held = places.acquire_owned().await.expect("it is never closed");
        Ok(Place { _held: held })
    }
}

impl Turns {
    fn new(limits: config::Concurrency) -> Self {
        let (places, queue) = (Semaphore::new(limits.calls), Semaphore::new(limits.queue));
        Self { limits, places: Arc::new(places), queue }
    }
}

/// Returns whether requests of this method pass the gate.
///
/// What is asked about tasks does not: it waits for something that holds no place, and has to be
/// asked for that to come to its end.
pub(super) fn guards(method: &str) -> bool {
    !method.starts_with("tasks/")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::Gate;
    use crate::config::Concurrency;

    #[tokio::test]
    async fn places_are_given_in_the_order_of_arrival_and_no_more_may_wait_than_that() {
        let gate = Gate::new(Concurrency { calls: 1, queue: 2 });
        let first = gate.enter().await.unwrap();
        let (mut second, mut third) = (Box::pin(gate.enter()), Box::pin(gate.enter()));
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        assert!(gate.enter().await.is_err());
        drop(first);
        assert!((&mut third).now_or_never().is_none(), "the third overtook the second");
        let second = (&mut second).now_or_never().unwrap().unwrap();
        // One more may wait again.
        let mut fourth = Box::pin(gate.enter());
        assert!((&mut fourth).now_or_never().is_none());
        // Who no longer waits takes no place from anybody.
        drop(third);
        drop(second);
        assert!((&mut fourth).now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn other_limits_hold_for_who_comes_later() {
        let gate = Gate::new(Concurrency { calls: 1, queue: 1 });
        let _first = gate.enter().await.unwrap();
        let mut second = Box::pin(gate.enter());
        assert!((&mut second).now_or_never().is_none());
        gate.clone().adjust(Concurrency { calls: 2, queue: 0 });
        let (_third, _fourth) = (gate.enter().await.unwrap(), gate.enter().await.unwrap());
        assert!(gate.enter().await.is_err());
        assert!((&mut second).now_or_never().is_none(), "it waits for the first");
    }

    #[tokio::test]
    async fn without_a_queue_nobody_waits() {
        let gate = Gate::new(Concurrency { calls: 1, queue: 0 });
        let place = gate.enter().await.unwrap();
        assert!(gate.enter().await.is_err());
        drop(place);
        assert!(gate.enter().await.is_ok());
    }
}
