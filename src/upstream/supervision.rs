//! When a failed upstream may be started again; pure.
//!
//! What fails is left alone for a while that grows. The first failures only delay whoever calls;
//! after some in a row calls are not kept waiting any more.

use std::time::Duration;

use tokio::time::Instant;

use crate::upstream::backoff::Backoff;
use crate::upstream::error::Error;
use crate::upstream::error::Kind;
use crate::upstream::state::State;

/// How long an upstream must have been ready for its failures to be forgotten.
const HEALTHY: Duration = Duration::from_mins(1);
/// After how many failures in a row calls no longer wait for the next start.
const PATIENCE: u32 = 5;
/// The shortest time from one start to the next.
const APART: Duration = Duration::from_secs(1);
/// The longest pause for an upstream whose address does not answer, so that it is seen soon when
/// it does; that costs nobody much.
const ABSENT_PAUSE: Duration = Duration::from_secs(20);
/// How often in a row a session may be lost soon before that counts as a failure.
const LOSSES: u32 = 3;
/// How long a session lasts that is not lost soon.
const STEADY: Duration = Duration::from_secs(10);

/// What became of the starts of one upstream.
#[derive(Debug, Default)]
pub(super) struct Supervision {
    backoff: Backoff,
    failures: u32,
    losses: u32,
    /// When it was started last.
    begun: Option<Instant>,
    /// Since when it is ready.
    ready: Option<Instant>,
    was_ready: bool,
    /// Why it failed last, in words.
    told: Option<String>,
}

impl Supervision {
    /// Returns when the next start may be, at the earliest.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.begun.map(|begun| begun + APART)
    }

    /// Returns whether it was started before.
    pub(super) fn was_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Returns whether it was ready at least once.
    pub(super) fn was_ready(&self) -> bool {
        self.was_ready
    }

    /// Notes that it is being started.
    pub(super) fn begins(&mut self, now: Instant) {
        self.begun = Some(now);
    }

    /// Notes that it can be asked.
    pub(super) fn succeeds(&mut self, now: Instant) {
        (self.ready, self.was_ready) = (Some(now), true);
    }

    /// Returns whether it did not fail for the same reason the last time, or works since: one that
    /// is away for a day need not be told of thousands of times.
    pub(super) fn is_news(&mut self, error: &Error) -> bool {
        let words = error.to_string();
        let is_known = self.ready.is_none() && self.told.as_ref() == Some(&words);
        self.told = Some(words);
        !is_known
    }

    /// Notes that it could not be started, or ended; returns the state that follows.
    pub(super) fn fails(&mut self, error: Error, now: Instant) -> State {
        if self.lasted(now) >= HEALTHY {
            (self.backoff, self.failures) = (Backoff::default(), 0);
        }
        self.failures += 1;
        let pause = self.backoff.next();
        let is_absent = error.kind == Kind::Unreachable;
        let pause = if is_absent { pause.min(ABSENT_PAUSE) } else { pause };
        let pause = pause.max(error.retry_after.unwrap_or_default());
        let until = self.earliest().map_or(now + pause, |earliest| earliest.max(now + pause));
        if self.failures < PATIENCE {
            State::BackingOff { error, until }
        } else {
            State::Failed { error, until }
        }
    }

    /// Notes that it let go of a session; returns whether another one may be opened at once.
    pub(super) fn loses(&mut self, now: Instant) -> bool {
        if self.lasted(now) >= STEADY {
            self.losses = 0;
        }
        self.losses += 1;
        if self.losses < LOSSES {
            return true;
        }
        self.losses = 0;
        false
    }

    /// Notes that it was put away because nobody used it.
    pub(super) fn rests(&mut self, now: Instant) {
        if self.lasted(now) >= HEALTHY {
            (self.backoff, self.failures) = (Backoff::default(), 0);
        }
    }

    fn lasted(&mut self, now: Instant) -> Duration {
        self.ready.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Supervision;
    use crate::config::secrets::Secrets;
    use crate::ids::UpstreamId;
    use crate::upstream::error::Error;
    use crate::upstream::error::Executed;
    use crate::upstream::error::Kind;
    use crate::upstream::errors::Errors;
    use crate::upstream::state::Next;

    fn error(kind: Kind) -> Error {
        let errors = Errors::new(UpstreamId::new("toy"), Secrets::default());
        errors.error(kind, "exit code 3", Executed::No)
    }

    /// Starts, and fails after having been ready for so many seconds, or without having been.
    ///
    /// Returns the state's word, and the pause until the next start.
    fn fail(
        it: &mut Supervision,
        now: &mut Instant,
        kind: Kind,
        ready: Option<u64>,
    ) -> (&'static str, Duration) {
        it.begins(*now);
        if let Some(seconds) = ready {
            it.succeeds(*now);
            *now += Duration::from_secs(seconds);
        }
        let state = it.fails(error(kind), *now);
        let due = state.due().unwrap();
        let pause = due - *now;
        *now = due;
        (state.word(), pause)
    }

    #[test]
    fn pauses_grow_and_after_five_failures_nobody_is_kept_waiting() {
        let (mut it, mut now) = (Supervision::default(), Instant::now());
        let mut whole = 1.0_f64;
        for failure in 1..=20 {
            let (word, pause) = fail(&mut it, &mut now, Kind::CannotStart, None);
            assert_eq!(word, if failure < 5 { "backing_off" } else { "failed" }, "{failure}");
            let least = if failure == 1 { whole } else { whole / 2.0 };
            let range = Duration::from_secs_f64(least)..=Duration::from_secs_f64(whole);
            assert!(range.contains(&pause), "{failure}: {pause:?}, not in {range:?}");
            whole = (whole * 2.0).min(60.0);
        }
    }

    #[test]
    fn only_a_minute_of_health_makes_failures_forgotten() {
        for (ready, expected) in [(None, "failed"), (Some(59), "failed"), (Some(60), "backing_off")]
        {
            let (mut it, mut now) = (Supervision::default(), Instant::now());
            for _ in 0..4 {
                fail(&mut it, &mut now, Kind::Exited, None);
            }
            assert_eq!(fail(&mut it, &mut now, Kind::Exited, ready).0, expected, "{ready:?}");
        }
    }

    #[test]
    fn an_address_where_nobody_is_is_tried_every_twenty_seconds_at_least() {
        let (mut it, mut now) = (Supervision::default(), Instant::now());
        for _ in 0..50 {
            let (_, pause) = fail(&mut it, &mut now, Kind::Unreachable, None);
            assert!(pause <= Duration::from_secs(20), "{pause:?}");
        }
    }

    #[test]
    fn one_that_wants_to_be_left_alone_is() {
        let (mut it, now) = (Supervision::default(), Instant::now());
        let later = Some(Duration::from_secs(100));
        let error = Error { retry_after: later, ..error(Kind::Status(503)) };
        assert_eq!(it.fails(error, now).due(), Some(now + Duration::from_secs(100)));
    }

    #[test]
    fn a_failure_is_told_once_until_it_is_another_or_it_worked_meanwhile() {
        let (mut it, now) = (Supervision::default(), Instant::now());
        let told = |kind, it: &mut Supervision| {
            let is_news = it.is_news(&error(kind));
            it.fails(error(kind), now);
            is_news
        };
        let kinds = [Kind::Exited, Kind::Exited, Kind::CannotStart, Kind::Exited, Kind::Exited];
        let found = kinds.map(|kind| told(kind, &mut it));
        assert_eq!(found, [true, false, true, true, false]);
        it.succeeds(now);
        assert!(told(Kind::Exited, &mut it), "it worked");
    }

    #[test]
    fn a_refused_login_has_its_own_word() {
        let (mut it, mut now) = (Supervision::default(), Instant::now());
        assert_eq!(fail(&mut it, &mut now, Kind::Status(401), None).0, "auth_required");
    }

    #[test]
    fn sessions_lost_soon_are_reopened_twice() {
        let (mut it, mut now) = (Supervision::default(), Instant::now());
        let mut lose = |seconds| {
            it.begins(now);
            it.succeeds(now);
            now += Duration::from_secs(seconds);
            it.loses(now)
        };
        let reopened: Vec<bool> = [9, 9, 9, 9, 9, 10, 9, 9].map(&mut lose).into();
        assert_eq!(reopened, [true, true, false, true, true, true, true, false]);
    }

    #[test]
    fn a_request_waits_for_one_start_and_no_more() {
        let mut it = Supervision::default();
        let now = Instant::now();
        let later = now + Duration::from_mins(2);
        let expected =
            [(1, ["start", "fail", "start", "fail"]), (5, ["fail", "fail", "start", "fail"])];
        let mut failures = 0;
        for (count, expected) in expected {
            let mut state = None;
            while failures < count {
                state = Some(it.fails(error(Kind::Exited), now));
                failures += 1;
            }
            let state = state.unwrap();
            let next = |(now, has_tried)| match state.next(now, has_tried) {
                Next::Start => "start",
                Next::Fail(error) => {
                    assert!(error.retry_after.is_some(), "{error}");
                    "fail"
                }
                Next::Use(_) | Next::Wait => "other",
            };
            let found = [(now, false), (now, true), (later, false), (later, true)].map(next);
            assert_eq!(found, expected, "{count}");
        }
    }
}
