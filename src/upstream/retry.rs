//! Which requests that failed are made once more, and how many of all that may be; pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::upstream::error::Error;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;

/// Of so many requests one may be repeated.
const SHARE: u32 = 5;
/// How many may be repeated whatever happened before, so that single failures are not seen.
const RESERVE: u32 = 10;
/// The most repetitions that are saved up; trouble after a long calm must not be doubled.
const MOST: u32 = 100;
/// After which time one more is free, if there are fewer than [`RESERVE`].
const REFILL: Duration = Duration::from_secs(1);
/// How long what may have been a moment's trouble is given to pass.
const PAUSE: Duration = Duration::from_millis(100);

/// How many requests of one upstream may be repeated: a share of all, and a few.
#[derive(Debug)]
pub(super) struct Budget {
    /// What is left, in parts of which [`SHARE`] make one repetition.
    parts: u32,
    /// When the last free one was given.
    refilled: Instant,
}

/// What is to be done about a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Nothing: it is over.
    No,
    /// Make it once more, in the next session; the one at hand had ended before it was sent.
    Elsewhere,
    /// Make it once more after a while, if the budget allows it.
    After(Duration),
}

impl Again {
    /// Returns how long to wait before the request is made again; nothing if it is not.
    pub(super) fn pause(self) -> Option<Duration> {
        match self {
            Self::No => None,
            Self::Elsewhere => Some(Duration::ZERO),
            Self::After(pause) => Some(pause),
        }
    }
}

impl Budget {
    /// Begins with the reserve.
    pub(super) fn new(now: Instant) -> Self {
        Self { parts: RESERVE * SHARE, refilled: now }
    }

    /// Notes that a request was made.
    pub(super) fn earn(&mut self) {
        self.parts = (self.parts + 1).min(MOST * SHARE);
    }

    /// Takes a repetition, if there is one left.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        self.refill(now);
        let Some(left) = self.parts.checked_sub(SHARE) else { return false };
        self.parts = left;
        true
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled);
        let free = u32::try_from(passed.as_secs() / REFILL.as_secs()).unwrap_or(RESERVE);
        self.refilled += REFILL * free;
        let missing = (RESERVE * SHARE).saturating_sub(self.parts);
        self.parts += missing.min(free.saturating_mul(SHARE));
    }
}

/// Tells whether a request that failed so may be made once more.
///
/// `may_repeat` says whether it does no harm if it was carried out.
pub(super) fn again(error: &Error, may_repeat: bool) -> Again {
    match (error.kind, error.executed, error.retry_after) {
        _ if error.was_never_sent() => Again::Elsewhere,
        // What the upstream refuses it has not carried out, and here it says when it would.
        (Kind::Status(429 | 503), Executed::No, Some(wait)) => Again::After(wait),
        // Nobody was there; the next attempt waits for the next start.
        (Kind::Unreachable, Executed::No, _) => Again::After(Duration::ZERO),
        (Kind::Status(500..) | Kind::ConnectionLost, Executed::Unknown, _) if may_repeat => {
            Again::After(PAUSE)
        }
        _ => Again::No,
    }
}

/// Returns what is said of a request that failed twice.
pub(super) fn after(first: Error, second: Error) -> Error {
    if matches!(second.kind, Kind::Busy | Kind::Suspended) {
        // It was not made again after all.
        return first;
    }
    match first.executed {
        Executed::Unknown => Error { executed: Executed::Unknown, ..second },
        Executed::No => second,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::Again;
    use super::Budget;
    use super::again;
    use crate::config::secrets::Secrets;
    use crate::ids::UpstreamId;
    use crate::upstream::error::Error;
    use crate::upstream::error::Executed;
    use crate::upstream::error::Kind;
    use crate::upstream::errors::Errors;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_what_was_not_delivered_or_does_no_harm_is_made_again() {
        let (no, unknown) = (Executed::No, Executed::Unknown);
        let errors = Errors::new(UpstreamId::new("toy"), Secrets::default());
        let later = Some(3 * SECOND);
        let pause = Again::After(Duration::from_millis(100));
        for (kind, executed, retry_after, plain, harmless) in [
            (Kind::ConnectionLost, no, None, Again::Elsewhere, Again::Elsewhere),
            (Kind::ConnectionLost, unknown, None, Again::No, pause),
            (
                Kind::Unreachable,
                no,
                None,
                Again::After(Duration::ZERO),
                Again::After(Duration::ZERO),
            ),
            (Kind::Status(429), no, later, Again::After(3 * SECOND), Again::After(3 * SECOND)),
            (Kind::Status(503), no, later, Again::After(3 * SECOND), Again::After(3 * SECOND)),
            (Kind::Status(429), no, None, Again::No, Again::No),
            (Kind::Status(502), unknown, None, Again::No, pause),
            (Kind::Status(502), unknown, later, Again::No, pause),
            (Kind::Status(404), no, None, Again::No, Again::No),
            (Kind::TimedOut, unknown, None, Again::No, Again::No),
            (Kind::TimedOut, no, None, Again::No, Again::No),
            (Kind::TooLarge, unknown, None, Again::No, Again::No),
            (Kind::BadAnswer, unknown, None, Again::No, Again::No),
            (Kind::InputRefused, no, None, Again::No, Again::No),
            (Kind::Busy, no, None, Again::No, Again::No),
            (Kind::Suspended, no, later, Again::No, Again::No),
            (Kind::Stopped, no, None, Again::No, Again::No),
        ] {
            let error = Error { retry_after, ..errors.error(kind, "", executed) };
            let found = (again(&error, false), again(&error, true));
            assert_eq!(found, (plain, harmless), "{error}");
        }
    }

    #[test]
    fn the_reserve_comes_back_with_time_and_more_with_requests() {
        let mut now = Instant::now();
        let mut budget = Budget::new(now);
        let spent = |budget: &mut Budget, now| (0..1000).filter(|_| budget.spend(now)).count();
        assert_eq!(spent(&mut budget, now), 10);
        now += 3 * SECOND;
        assert_eq!(spent(&mut budget, now), 3);
        now += 1000 * SECOND;
        assert_eq!(spent(&mut budget, now), 10);
        for _ in 0..50 {
            budget.earn();
        }
        assert_eq!(spent(&mut budget, now), 10);
        for _ in 0..100_000 {
            budget.earn();
        }
        assert_eq!(spent(&mut budget, now), 100);
    }

    proptest! {
        /// However requests come, an outage costs a fifth more of them, and a few.
        #[test]
        fn repetitions_are_a_share_of_all(
            requests in proptest::collection::vec(0..50_u32, 1..500),
        ) {
            let begun = Instant::now();
            let mut budget = Budget::new(begun);
            let (mut now, mut made, mut repeated) = (begun, 0_u64, 0_u64);
            for gap in requests {
                now += Duration::from_millis(gap.into());
                budget.earn();
                made += 1;
                repeated += u64::from(budget.spend(now));
            }
            let seconds = (now - begun).as_secs();
            prop_assert!(repeated <= made / 5 + 10 + seconds, "{repeated} of {made}");
        }
    }
}
