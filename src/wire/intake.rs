//! The bytes of one message while they come in: put aside piece by piece, in bounded memory.

use std::time::Duration;

use bytes::Bytes;
use tokio::select;
use tokio::sync::watch;
use tokio::time;

use crate::wire::budget::Budget;
use crate::wire::budget::Room;
use crate::wire::budget::SMALL;

/// How much room a large message takes whose length is not known: a payload of 1 MiB and what
/// stands around it. One that is longer takes twice as much each time.
const FIRST: usize = 5 << 18;

/// Where the bytes of messages of one sender come in, one message after the other.
///
/// A large one waits for room, but not for long: see [`Intake::cover`].
#[derive(Debug)]
pub struct Intake {
    budget: Option<Budget>,
    patience: Duration,
    /// How many things its sender could say that others wait for.
    pressing: Option<watch::Receiver<usize>>,
    /// Whether its sender was waited for, and there has been no room since.
    is_spent: bool,
    pieces: Vec<Bytes>,
    /// What was put aside of a message whose length is known, instead.
    whole: Option<Vec<u8>>,
    size: usize,
    /// What the message at hand takes.
    room: Option<Room>,
    covered: usize,
    is_beyond: bool,
}

/// A message that is whole.
#[derive(Debug)]
pub struct Whole {
    /// Its bytes; if it is large, with the room they take.
    pub bytes: Bytes,
    /// Whether there was no room for it.
    pub is_beyond: bool,
}

impl Intake {
    /// One that counts nothing.
    pub fn free() -> Self {
        Self {
            budget: None,
            patience: Duration::ZERO,
            pressing: None,
            is_spent: false,
            pieces: Vec::new(),
            whole: None,
            size: 0,
            room: None,
            covered: SMALL,
            is_beyond: false,
        }
    }

    /// One whose large messages take their room from `budget`, and wait for it at most `patience`
    /// each.
    pub fn within(budget: Budget, patience: Duration) -> Self {
        Self { budget: Some(budget), patience, ..Self::free() }
    }

    /// Lets nothing wait while there are things that others wait for and that may stand behind a
    /// large message; and only one of several that there is no room for.
    #[must_use]
    pub fn hurried_by(self, pressing: watch::Receiver<usize>) -> Self {
        Self { pressing: Some(pressing), ..self }
    }

    /// Returns how many bytes of the message at hand are put aside.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns whether there is no room for the message at hand.
    pub fn is_beyond(&self) -> bool {
        self.is_beyond
    }

    /// Begins a message that has `size` bytes, and waits for room if it is large. If there is none
    /// in time, the message goes beyond the budget. Cancel safe.
    pub async fn expect(&mut self, size: usize) {
        if size > self.covered {
            self.take_room(size).await;
            self.whole = Some(Vec::with_capacity(size));
        }
    }

    /// Sees to it that the message at hand may have `size` bytes, and waits for room if it is
    /// large. If there is none in time, the message goes beyond the budget. Cancel safe.
    pub async fn cover(&mut self, size: usize) {
        if size <= self.covered {
            return;
        }
        let Some(budget) = &self.budget else { return };
        let mut next = FIRST;
        while next < size {
            next = next.saturating_mul(2);
        }
        let next = next.min(budget.size()).max(size);
        self.take_room(next).await;
    }

    async fn take_room(&mut self, size: usize) {
        let Some(budget) = &self.budget else { return };
        let room = self.room.get_or_insert_with(|| budget.room());
        let is_within = !self.is_beyond
            && (room.try_grow(size) || {
                let pressing = async {
                    match &mut self.pressing {
                        Some(pressing) => drop(pressing.wait_for(|count| *count > 0).await),
                        None => std::future::pending().await,
                    }
                };
                let patience = if self.is_spent { Duration::ZERO } else { self.patience };
                select! {
                    biased;
                    () = room.grow(size) => true,
                    () = pressing => false,
                    () = time::sleep(patience) => false,
                }
            });
        if !is_within {
            room.set(size);
        }
        self.is_beyond = !is_within;
        self.is_spent = !is_within && self.pressing.is_some();
        self.covered = size;
    }

    /// Puts the next bytes of the message aside.
    pub fn push(&mut self, piece: Bytes) {
        self.size += piece.len();
        match &mut self.whole {
            Some(whole) => whole.extend_from_slice(&piece),
            None => self.pieces.push(piece),
        }
    }

    /// Ends the message with its last bytes, which are not copied if they are all there is.
    pub fn finish(&mut self, last: Bytes) -> Whole {
        let size = self.size + last.len();
        if size == last.len() && size <= SMALL {
            return Whole { bytes: last, is_beyond: false };
        }
        let is_beyond = std::mem::take(&mut self.is_beyond);
        self.covered = SMALL;
        let bytes = if size == last.len() { last } else { self.joined(&last) };
        // What came at once has asked for none.
        let room = self.room.take().or_else(|| Some(self.budget.as_ref()?.room()));
        let bytes = match room.filter(|_| size > SMALL) {
            Some(mut room) => {
                room.set(size);
                room.around(bytes)
            }
            None => bytes,
        };
        Whole { bytes, is_beyond }
    }

    fn joined(&mut self, last: &[u8]) -> Bytes {
        let size = self.size + last.len();
        if last.is_empty()
            && let [only] = &mut *self.pieces
        {
            let only = std::mem::take(only);
            drop(self.take());
            return only;
        }
        let mut whole = self.whole.take().unwrap_or_else(|| Vec::with_capacity(size));
        for piece in self.take() {
            // Each is gone once it was copied, so that there is no second message for long.
            whole.extend_from_slice(&piece);
        }
        whole.extend_from_slice(last);
        whole.into()
    }

    /// Gives up the message at hand, and returns what was put aside.
    pub fn abandon(&mut self) -> impl Iterator<Item = Bytes> {
        self.room = None;
        self.covered = SMALL;
        self.is_beyond = false;
        self.whole = None;
        self.take()
    }

    fn take(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        self.size = 0;
        std::mem::take(&mut self.pieces).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::sync::watch;
    use tokio::time::Instant;

    use super::FIRST;
    use super::Intake;
    use super::Whole;
    use crate::wire::budget::Budget;
    use crate::wire::budget::Room;
    use crate::wire::budget::SMALL;

    const PATIENCE: Duration = Duration::from_secs(2);

    fn full(budget: &Budget) -> Room {
        let mut room = budget.room();
        assert!(room.try_grow(budget.size()));
        room
    }

    /// Takes a message of two pieces; returns after how long it was whole.
    async fn take(intake: &mut Intake, size: usize) -> (Whole, Duration) {
        let begun = Instant::now();
        let first = Bytes::from(vec![b'x'; size / 2]);
        intake.cover(first.len()).await;
        intake.push(first);
        intake.cover(size).await;
        (intake.finish(vec![b'x'; size - size / 2].into()), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_takes_its_size_once_that_is_known() {
        let budget = Budget::new(4 * FIRST);
        let mut intake = Intake::within(budget.clone(), PATIENCE);
        intake.push(Bytes::from(vec![b'x'; SMALL]));
        intake.cover(SMALL + 1).await;
        assert_eq!(budget.held(), FIRST);
        intake.push(Bytes::from(vec![b'x'; FIRST]));
        intake.cover(SMALL + FIRST).await;
        assert_eq!(budget.held(), 2 * FIRST);
        let whole = intake.finish(Bytes::from_static(b"end"));
        assert_eq!((whole.bytes.len(), whole.is_beyond), (SMALL + FIRST + 3, false));
        assert_eq!(budget.held(), whole.bytes.len());
        intake.expect(FIRST / 2).await;
        intake.push(Bytes::from(vec![b'x'; FIRST / 2]));
        assert_eq!(budget.held(), SMALL + FIRST + 3 + FIRST / 2);
        assert_eq!(intake.abandon().count(), 0);
        drop(whole);
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn small_ones_and_those_of_nobody_are_not_counted() {
        let budget = Budget::new(4 * FIRST);
        let _full = full(&budget);
        let mut intake = Intake::within(budget.clone(), PATIENCE);
        for (intake, size) in [(&mut intake, SMALL), (&mut Intake::free(), 2 * FIRST)] {
            let (whole, waited) = take(intake, size).await;
            assert_eq!((whole.bytes.len(), whole.is_beyond, waited), (size, false, Duration::ZERO));
        }
        assert_eq!(budget.held(), budget.size());
    }

    #[tokio::test(start_paused = true)]
    async fn what_finds_no_room_in_time_goes_beyond_and_the_next_one_waits_again() {
        let budget = Budget::new(4 * FIRST);
        let full = full(&budget);
        let mut intake = Intake::within(budget.clone(), PATIENCE);
        for _ in 0..2 {
            let (whole, waited) = take(&mut intake, FIRST).await;
            assert_eq!((whole.is_beyond, waited), (true, PATIENCE));
            assert_eq!(budget.held(), budget.size() + FIRST);
        }
        let freed = async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(full);
        };
        let ((whole, waited), ()) = tokio::join!(take(&mut intake, FIRST), freed);
        assert_eq!((whole.is_beyond, waited), (false, PATIENCE / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_hurried_waits_once_and_not_at_all_where_something_presses() {
        let budget = Budget::new(4 * FIRST);
        let full = full(&budget);
        let (pressing, seen) = watch::channel(0);
        let mut intake = Intake::within(budget.clone(), PATIENCE).hurried_by(seen);
        for expected in [PATIENCE, Duration::ZERO, Duration::ZERO] {
            let (whole, waited) = take(&mut intake, FIRST).await;
            assert_eq!((whole.is_beyond, waited), (true, expected));
        }
        drop(full);
        assert!(!take(&mut intake, FIRST).await.0.is_beyond);
        let _full = self::full(&budget);
        let press = async {
            tokio::time::sleep(PATIENCE / 4).await;
            pressing.send_replace(1);
        };
        let ((whole, waited), ()) = tokio::join!(take(&mut intake, FIRST), press);
        assert_eq!((whole.is_beyond, waited), (true, PATIENCE / 4));
    }
}
