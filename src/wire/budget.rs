//! How many bytes of large messages may be in memory at a time, and who waits for room.
//!
//! Room belongs to bytes: whoever keeps a part of a message keeps its room, and nobody has to give
//! it back. Small messages are not counted; their number is bounded elsewhere.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// Up to how many bytes a message is small.
pub const SMALL: usize = 64 * 1024;

/// How many bytes large messages may have together; cloning shares them.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    size: usize,
    held: Mutex<usize>,
    /// Who waits does so one after the other, so that a large message is not passed by small ones
    /// for ever.
    turn: Semaphore,
    /// Tells whose turn it is that somebody left.
    freed: Notify,
    spare: Arc<Semaphore>,
}

/// Room for one message; given back when it is dropped.
#[derive(Debug)]
pub struct Room {
    shared: Arc<Shared>,
    size: usize,
}

/// The one place beyond the budget, for a message of which it must be seen what it is.
#[derive(Debug)]
pub struct Spare(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

/// Bytes, and the room they take.
struct Roomed<T> {
    bytes: T,
    _room: Room,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Roomed<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl Budget {
    /// Makes one of `size` bytes. A message that is larger than all of it passes alone.
    pub fn new(size: usize) -> Self {
        Self(Arc::new(Shared {
            size,
            held: Mutex::default(),
            turn: Semaphore::new(1),
            freed: Notify::new(),
            spare: Arc::new(Semaphore::new(1)),
        }))
    }

    /// Returns how many bytes there are in all.
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// Returns how many bytes are taken; more than there are if somebody went beyond.
    pub fn held(&self) -> usize {
        *self.0.held()
    }

    /// Returns room for nothing yet.
    pub fn room(&self) -> Room {
        Room { shared: Arc::clone(&self.0), size: 0 }
    }

    /// Waits for the place beyond the budget, which one message at a time can have. Cancel safe.
    pub async fn spare(&self) -> Spare {
        let spare = Arc::clone(&self.0.spare).acquire_owned().await;
        Spare(spare.expect("it is never closed"))
    }
}

impl Room {
    /// Waits until there is room for `size` bytes in all. Cancel safe: until then it is what it
    /// was.
    pub async fn grow(&mut self, size: usize) {
        let shared = Arc::clone(&self.shared);
        let _turn = shared.turn.acquire().await.expect("it is never closed");
        while !self.fits(size) {
            shared.freed.notified().await;
        }
    }

    /// Does the same if there is room now, and nobody who waits for it; returns whether.
    pub fn try_grow(&mut self, size: usize) -> bool {
        let shared = Arc::clone(&self.shared);
        shared.turn.try_acquire().is_ok_and(|_turn| self.fits(size))
    }

    /// Makes it room for exactly `size` bytes, whether there are so many or not.
    pub fn set(&mut self, size: usize) {
        let mut held = self.shared.held();
        *held = (*held).saturating_sub(self.size).saturating_add(size);
        drop(held);
        let is_less = size < self.size;
        self.size = size;
        if is_less {
            self.shared.freed.notify_one();
        }
    }

    /// Ties the room to `bytes`: it is given back when nobody has any of them any more.
    pub fn around<T: AsRef<[u8]> + Send + 'static>(self, bytes: T) -> Bytes {
        Bytes::from_owner(Roomed { bytes, _room: self })
    }

    fn fits(&mut self, size: usize) -> bool {
        let mut held = self.shared.held();
        let others = held.saturating_sub(self.size);
        let fits = others == 0 || others.saturating_add(size) <= self.shared.size;
        if fits {
            *held = others.saturating_add(size);
            self.size = size;
        }
        fits
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, usize> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::Budget;
    use super::Room;

    fn roomed(budget: &Budget, size: usize) -> Option<Room> {
        let mut room = budget.room();
        room.try_grow(size).then_some(room)
    }

    #[test]
    fn room_is_given_back_with_the_last_of_its_bytes() {
        let budget = Budget::new(100);
        let bytes = roomed(&budget, 60).unwrap().around(vec![b'x'; 60]);
        let part = bytes.slice(10..11);
        drop(bytes);
        assert_eq!(budget.held(), 60);
        assert!(roomed(&budget, 41).is_none());
        assert!(roomed(&budget, 40).is_some());
        drop(part);
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test]
    async fn who_waits_goes_in_turn_and_is_not_passed() {
        let budget = Budget::new(100);
        let (first, second) = (roomed(&budget, 50).unwrap(), roomed(&budget, 50).unwrap());
        let (mut large, mut small) = (budget.room(), budget.room());
        let mut large_waits = Box::pin(large.grow(80));
        assert!((&mut large_waits).now_or_never().is_none());
        let mut small_waits = Box::pin(small.grow(10));
        drop(first);
        // There would be room for the small one, but not if it came to the large one's turn.
        assert!((&mut small_waits).now_or_never().is_none());
        assert!(roomed(&budget, 10).is_none());
        drop(second);
        assert!((&mut large_waits).now_or_never().is_some());
        assert!((&mut small_waits).now_or_never().is_some());
        assert_eq!(budget.held(), 90);
    }

    #[tokio::test]
    async fn who_stops_waiting_holds_nobody_up() {
        let budget = Budget::new(100);
        let _first = roomed(&budget, 50).unwrap();
        let (mut large, mut small) = (budget.room(), budget.room());
        {
            let mut waits = Box::pin(large.grow(80));
            assert!((&mut waits).now_or_never().is_none());
        }
        assert!(small.grow(50).now_or_never().is_some());
        assert_eq!(budget.held(), 100);
    }

    #[test]
    fn what_is_larger_than_all_passes_alone() {
        let budget = Budget::new(100);
        let other = roomed(&budget, 1).unwrap();
        assert!(roomed(&budget, 500).is_none());
        drop(other);
        let mut large = roomed(&budget, 80).unwrap();
        // Its own room is not in its way.
        assert!(large.try_grow(500));
        assert!(roomed(&budget, 1).is_none());
        large.set(99);
        assert!(roomed(&budget, 1).is_some());
    }

    #[test]
    fn what_goes_beyond_counts() {
        let budget = Budget::new(100);
        let first = roomed(&budget, 100).unwrap();
        let mut beyond = budget.room();
        beyond.set(50);
        assert_eq!(budget.held(), 150);
        drop(first);
        assert!(roomed(&budget, 51).is_none() && roomed(&budget, 50).is_some());
    }

    #[tokio::test]
    async fn one_at_a_time_has_the_place_beyond() {
        let budget = Budget::new(100);
        let spare = budget.spare().await;
        assert!(budget.spare().now_or_never().is_none());
        drop(spare);
        assert!(budget.spare().now_or_never().is_some());
    }
}
