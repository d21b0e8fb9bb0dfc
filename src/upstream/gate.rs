//! What every request of a caller passes on its way to an upstream: it waits for its turn, and is
//! turned away while the upstream does not do its work.
//!
//! A place is held for as long as the upstream has to do with one request. Who waits does so in the
//! order of arrival, and stops when nobody wants the answer any more.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use arc_swap::ArcSwap;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::time;
use tokio::time::Instant;

use crate::config::Concurrency;
use crate::exchange::deadline::Deadline;
use crate::telemetry::metrics;
use crate::upstream::breaker::Breaker;
use crate::upstream::breaker::Change;
use crate::upstream::breaker::Outcome;
use crate::upstream::breaker::Pass;
use crate::upstream::breaker::Trouble;
use crate::upstream::breaker::Verdict;
use crate::upstream::error::Error;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::errors::Errors;

/// The gate of one upstream, whatever its sessions; cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    turns: ArcSwap<Turns>,
    breaker: Mutex<Breaker>,
    errors: Errors,
    metrics: Arc<metrics::Upstream>,
}

/// How many may be under way, and how many wait.
#[derive(Debug)]
struct Turns {
    limits: Concurrency,
    places: Arc<Semaphore>,
    queue: Semaphore,
}

/// A request that the upstream has to do with, until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    gate: Gate,
    /// Nothing once it is said what came of it.
    pass: Option<Pass>,
    _held: OwnedSemaphorePermit,
}

impl Gate {
    /// Makes the gate of an upstream that has these limits.
    pub(super) fn new(
        limits: Concurrency,
        errors: Errors,
        metrics: Arc<metrics::Upstream>,
    ) -> Self {
        let turns = ArcSwap::from_pointee(Turns::new(limits));
        Self(Arc::new(Shared { turns, breaker: Mutex::default(), errors, metrics }))
    }

    /// Has other limits from now on. Who has a place or waits for one does not count any more, so
    /// that for a while there may be more under way.
    pub(super) fn adjust(&self, limits: Concurrency) {
        if self.0.turns.load().limits != limits {
            self.0.turns.store(Arc::new(Turns::new(limits)));
        }
    }

    /// Waits for a place, unless too many do already, or the upstream is not asked for now. Cancel
    /// safe; then the turn is lost.
    pub(super) async fn enter(&self, deadline: &Deadline) -> Result<Place, Error> {
        let held = self.turn(deadline).await?;
        loop {
            let verdict = self.breaker().ask(Instant::now);
            match verdict {
                Verdict::Pass(pass) => {
                    let gate = self.clone();
                    return Ok(Place { gate, pass: Some(pass), _held: held });
                }
                Verdict::Wait(until, error) => {
                    may_wait(until, error, deadline)?;
                    time::sleep_until(until).await;
                }
                Verdict::Fail(trouble) => return Err(self.not_asked(&trouble)),
            }
        }
    }

    /// Returns why a request would be turned away now, before anything is done for it.
    pub(super) fn check(&self, deadline: &Deadline) -> Result<(), Error> {
        let verdict = self.breaker().look(Instant::now);
        match verdict {
            Verdict::Pass(_) => Ok(()),
            Verdict::Wait(until, error) => may_wait(until, error, deadline),
            Verdict::Fail(trouble) => Err(self.not_asked(&trouble)),
        }
    }

    /// Returns what keeps the upstream from being asked, if anything does.
    pub(super) fn trouble(&self) -> Option<Error> {
        let breaker = self.breaker();
        if let Some(trouble) = breaker.trouble() {
            return Some(self.not_asked(trouble));
        }
        match breaker.look(Instant::now) {
            Verdict::Wait(until, error) => Some(postponed(error, until)),
            Verdict::Pass(_) | Verdict::Fail(_) => None,
        }
    }

    /// Returns what makes the errors of the upstream.
    pub(super) fn errors(&self) -> &Errors {
        &self.0.errors
    }

    /// Returns where the upstream's numbers are.
    pub(super) fn metrics(&self) -> &Arc<metrics::Upstream> {
        &self.0.metrics
    }

    /// Returns how many requests the upstream has to do with, and how many wait for their turn.
    pub(super) fn load(&self) -> (usize, usize) {
        let turns = self.0.turns.load();
        let Concurrency { calls, queue } = turns.limits;
        let (free, left) = (turns.places.available_permits(), turns.queue.available_permits());
        (calls.saturating_sub(free), queue.saturating_sub(left))
    }

    /// Says that the upstream has a new session.
    pub(super) fn renewed(&self) {
        self.breaker().renewed(Instant::now());
    }

    async fn turn(&self, deadline: &Deadline) -> Result<OwnedSemaphorePermit, Error> {
        self.check(deadline)?;
        let turns = self.0.turns.load_full();
        let places = Arc::clone(&turns.places);
        // Nobody is overtaken: there are none to take while somebody waits.
        if let Ok(held) = Arc::clone(&places).try_acquire_owned() {
            return Ok(held);
        }
        let _waits = turns.queue.try_acquire().map_err(|_| self.full(turns.limits))?;
        Ok(places.acquire_owned().await.expect("it is never closed"))
    }

    fn note(&self, pass: Pass, outcome: Outcome) {
        let change = self.breaker().note(pass, outcome, Instant::now);
        let upstream = self.0.errors.upstream();
        match change {
            Change::None => {}
            Change::Opened => {
                if let Some(error) = self.trouble() {
                    tracing::warn!(%upstream, %error, "fails");
                    self.0.errors.say(&format!("fails: {error}"));
                }
            }
            Change::Closed => {
                tracing::info!(%upstream, "works again");
                self.0.errors.say("works again");
            }
        }
    }

    fn full(&self, limits: Concurrency) -> Error {
        let Concurrency { calls, queue } = limits;
        let detail = format!("{calls} requests are under way, and {queue} wait for their turn");
        self.0.errors.error(Kind::Busy, &detail, Executed::No)
    }

    fn not_asked(&self, trouble: &Trouble) -> Error {
        let Trouble { failures, last, until, .. } = trouble;
        let wait = until.saturating_duration_since(Instant::now());
        let (kind, why) = (last.kind, &last.detail);
        let next = if wait.is_zero() { "now".to_owned() } else { format!("in {wait:.1?}") };
        let detail = format!(
            "{failures} requests in a row failed; the last time it {kind}: {why}; the next one \
             tries {next}"
        );
        Error {
            stderr: last.stderr.clone(),
            retry_after: Some(wait),
            ..self.0.errors.error(Kind::Suspended, &detail, Executed::No)
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.0.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Says what came of the request.
    pub(super) fn leave(mut self, outcome: Outcome) {
        if let Some(pass) = self.pass.take() {
            self.gate.note(pass, outcome);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.gate.note(pass, Outcome::Unknown);
        }
    }
}

/// Lets a request wait for what the upstream asked for, if there is time for that.
fn may_wait(until: Instant, error: Error, deadline: &Deadline) -> Result<(), Error> {
    let wait = until.saturating_duration_since(Instant::now());
    if deadline.allows(wait) { Ok(()) } else { Err(postponed(error, until)) }
}

/// What the upstream said to somebody else who came too early.
fn postponed(error: Error, until: Instant) -> Error {
    let retry_after = Some(until.saturating_duration_since(Instant::now()));
    Error { executed: Executed::No, retry_after, ..error }
}

impl Turns {
    fn new(limits: Concurrency) -> Self {
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
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::Gate;
    use crate::config::Concurrency;
    use crate::config::secrets::Secrets;
    use crate::exchange::deadline::Deadline;
    use crate::exchange::deadline::Limits;
    use crate::ids::UpstreamId;
    use crate::telemetry::Metrics;
    use crate::upstream::breaker::Outcome;
    use crate::upstream::error::Executed;
    use crate::upstream::error::Kind;
    use crate::upstream::errors::Errors;

    const SECOND: Duration = Duration::from_secs(1);

    fn gate(calls: usize, queue: usize) -> (Gate, Errors, Deadline) {
        let errors = Errors::new(UpstreamId::new("toy"), Secrets::default());
        let metrics = Metrics::default().upstream(errors.upstream());
        let gate = Gate::new(Concurrency { calls, queue }, errors.clone(), metrics);
        (gate, errors, Deadline::begin(Limits::of(10 * SECOND)))
    }

    #[tokio::test]
    async fn places_are_given_in_the_order_of_arrival_and_no_more_may_wait_than_that() {
        let (gate, _, deadline) = gate(1, 2);
        let enter = || Box::pin(gate.enter(&deadline));
        let first = enter().await.unwrap();
        let (mut second, mut third) = (enter(), enter());
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        assert_eq!(enter().await.unwrap_err().kind, Kind::Busy);
        drop(first);
        assert!((&mut third).now_or_never().is_none(), "the third overtook the second");
        let second = (&mut second).now_or_never().unwrap().unwrap();
        // One more may wait again.
        let mut fourth = enter();
        assert!((&mut fourth).now_or_never().is_none());
        // Who no longer waits takes no place from anybody.
        drop(third);
        drop(second);
        assert!((&mut fourth).now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn other_limits_hold_for_who_comes_later() {
        let (gate, _, deadline) = gate(1, 1);
        let _first = gate.enter(&deadline).await.unwrap();
        let mut second = Box::pin(gate.enter(&deadline));
        assert!((&mut second).now_or_never().is_none());
        gate.clone().adjust(Concurrency { calls: 2, queue: 0 });
        let _third = gate.enter(&deadline).await.unwrap();
        let _fourth = gate.enter(&deadline).await.unwrap();
        assert!(gate.enter(&deadline).await.is_err());
        assert!((&mut second).now_or_never().is_none(), "it waits for the first");
    }

    #[tokio::test]
    async fn without_a_queue_nobody_waits() {
        let (gate, _, deadline) = gate(1, 0);
        let place = gate.enter(&deadline).await.unwrap();
        assert!(gate.enter(&deadline).await.is_err());
        drop(place);
        assert!(gate.enter(&deadline).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_when_the_upstream_is_given_up_is_told_at_once() {
        let (gate, errors, deadline) = gate(6, 8);
        let mut places = Vec::new();
        for _ in 0..6 {
            places.push(gate.enter(&deadline).await.unwrap());
        }
        let _hangs = places.pop();
        let mut waiting: Vec<_> = (0..8).map(|_| Box::pin(gate.enter(&deadline))).collect();
        assert!(waiting.iter_mut().all(|waits| waits.now_or_never().is_none()));
        let error = errors.error(Kind::TimedOut, "slow", Executed::Unknown);
        for place in places {
            place.leave(Outcome::Failed(error.clone()));
        }
        waiting.push(Box::pin(gate.enter(&deadline)));
        for waits in waiting {
            let refused = waits.await.unwrap_err();
            assert_eq!((refused.kind, refused.executed), (Kind::Suspended, Executed::No));
            assert!(refused.retry_after.unwrap() <= SECOND);
            assert!(refused.detail.contains("did not answer in time: slow"), "{refused}");
        }
        assert_eq!(gate.trouble().unwrap().kind, Kind::Suspended);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_upstream_asked_for_is_waited_for_where_there_is_time() {
        for (seconds, is_waited_for) in [(9, true), (11, false)] {
            let (gate, errors, deadline) = gate(4, 4);
            let error = errors.error(Kind::Status(429), "too many", Executed::No);
            let place = gate.enter(&deadline).await.unwrap();
            place.leave(Outcome::Later(error, seconds * SECOND));
            let begun = tokio::time::Instant::now();
            let entered = gate.enter(&deadline).await;
            assert_eq!(entered.is_ok(), is_waited_for);
            match entered {
                Ok(_) => assert_eq!(begun.elapsed().as_secs(), u64::from(seconds)),
                Err(error) => assert_eq!(error.retry_after, Some(seconds * SECOND)),
            }
        }
    }
}
