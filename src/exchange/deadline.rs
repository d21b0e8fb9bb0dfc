//! How long a request may take, whatever it waits for: a start, a place, the answer, a repetition.
//!
//! The clock begins with the request. It stands still while the caller is asked something, because
//! nobody else can hurry a person; even that has an end, so that no request lasts for ever.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Waker;
use std::time::Duration;

use smallvec::SmallVec;
use tokio::time;
use tokio::time::Instant;

/// The longest that any request may take of which nothing else is said.
const LONGEST: Duration = Duration::from_hours(24);
/// For how long, in all, the questions of one request may make its clock stand still.
const ASKING_LIMIT: Duration = Duration::from_hours(1);

/// How long a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Without progress.
    pub call: Duration,
    /// In all, if each report of progress allows it `call` anew.
    pub progress: Option<Duration>,
}

impl Limits {
    /// A time that nothing extends.
    pub const fn of(call: Duration) -> Self {
        Self { call, progress: None }
    }
}

/// When a request ends that was not answered; everybody who works on it shares it.
#[derive(Debug)]
pub struct Deadline(Mutex<Clock>);

#[derive(Debug)]
struct Clock {
    begun: Instant,
    limits: Limits,
    /// When it ends if nothing is asked.
    until: Instant,
    /// How many questions are unanswered.
    asked: usize,
    /// Since when there are any.
    since: Instant,
    /// How long the clock stood still before that.
    still: Duration,
    /// Tasks that wait for its end, or did; they look again when it is another one. Few, because
    /// few tasks work on one request.
    waiting: SmallVec<[Waker; 1]>,
}

/// A question that is unanswered; dropped when it no longer is.
#[derive(Debug)]
pub struct Asking(Arc<Deadline>);

impl Deadline {
    /// Begins to count now.
    pub fn begin(limits: Limits) -> Self {
        let begun = Instant::now();
        let (until, still) = (begun + limits.call, Duration::ZERO);
        let (asked, waiting) = (0, SmallVec::new());
        Self(Mutex::new(Clock { begun, limits, until, asked, since: begun, still, waiting }))
    }

    /// The deadline of a request of which it is not known yet how long it may take.
    pub(in crate::exchange) fn open() -> Self {
        Self::begin(Limits::of(LONGEST))
    }

    /// Says how long the request may take, counted from its beginning.
    pub fn set(&self, limits: Limits) {
        let mut clock = self.lock();
        clock.until = clock.begun + clock.still + limits.call;
        clock.limits = limits;
        clock.moved();
    }

    /// Returns how long ago the request came.
    pub fn elapsed(&self) -> Duration {
        self.lock().begun.elapsed()
    }

    /// Returns how long the request may take.
    pub fn limits(&self) -> Limits {
        self.lock().limits
    }

    /// Returns how long it may take as things are, without the time in which its caller was asked.
    pub fn allowed(&self) -> Duration {
        let clock = self.lock();
        clock.until.saturating_duration_since(clock.begun + clock.still)
    }

    /// Returns whether there will be time left in a while, if nothing changes.
    pub fn allows(&self, wait: Duration) -> bool {
        Instant::now() + wait < self.lock().due()
    }

    /// Notes that the request makes progress.
    pub fn progressed(&self) {
        let mut clock = self.lock();
        let Some(most) = clock.limits.progress else { return };
        let last = clock.begun + clock.still + most;
        let until = (Instant::now() + clock.limits.call).min(last);
        if until > clock.until {
            clock.until = until;
            clock.moved();
        }
    }

    /// Stops the clock until what is returned is dropped.
    pub(in crate::exchange) fn asking(self: &Arc<Self>) -> Asking {
        let mut clock = self.lock();
        if clock.asked == 0 {
            clock.since = Instant::now();
        }
        clock.asked += 1;
        clock.moved();
        Asking(Arc::clone(self))
    }

    /// Waits until the time is over. Cancel safe.
    pub async fn passed(&self) {
        let mut sleep = pin!(time::sleep_until(self.lock().due()));
        poll_fn(|context| {
            let due = self.lock().awaited(context.waker());
            if sleep.deadline() != due {
                sleep.as_mut().reset(due);
            }
            sleep.as_mut().poll(context)
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, Clock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock {
    /// When it ends, as far as that is known now.
    fn due(&self) -> Instant {
        if self.asked == 0 { self.until } else { self.until + self.may_stand() }
    }

    /// Does the same for a task that waits until then; it is woken when that changes.
    fn awaited(&mut self, waker: &Waker) -> Instant {
        if !self.waiting.iter().any(|known| known.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
        self.due()
    }

    /// Has everybody who waits for its end look when that is now.
    fn moved(&mut self) {
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }

    fn may_stand(&self) -> Duration {
        ASKING_LIMIT.saturating_sub(self.still)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut clock = self.0.lock();
        clock.asked -= 1;
        if clock.asked == 0 {
            let stood = clock.since.elapsed().min(clock.may_stand());
            clock.until += stood;
            clock.still += stood;
        }
        clock.moved();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time;
    use tokio::time::Instant;

    use super::ASKING_LIMIT;
    use super::Deadline;
    use super::Limits;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns after how many seconds the deadline passes, from now.
    async fn seconds(deadline: &Deadline) -> u64 {
        let now = Instant::now();
        deadline.passed().await;
        now.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn it_counts_from_the_beginning_whenever_it_is_set() {
        let deadline = Deadline::open();
        time::advance(4 * SECOND).await;
        deadline.set(Limits::of(10 * SECOND));
        assert!(deadline.allows(5 * SECOND) && !deadline.allows(6 * SECOND));
        assert_eq!(seconds(&deadline).await, 6);
        assert_eq!(seconds(&deadline).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn progress_extends_it_only_where_that_is_wanted_and_up_to_an_end() {
        let never = Deadline::begin(Limits::of(10 * SECOND));
        let limits = Limits { call: 10 * SECOND, progress: Some(25 * SECOND) };
        let extended = Deadline::begin(limits);
        let short = Deadline::begin(Limits { progress: Some(5 * SECOND), ..limits });
        for passed in [9, 18, 24] {
            time::advance(Duration::from_secs(if passed == 24 { 6 } else { 9 })).await;
            for deadline in [&never, &extended, &short] {
                deadline.progressed();
            }
        }
        assert_eq!(never.allowed(), 10 * SECOND);
        assert_eq!(short.allowed(), 10 * SECOND);
        assert_eq!(seconds(&extended).await, 1);
        assert_eq!(extended.allowed(), 25 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn it_stands_still_while_anything_is_asked() {
        let deadline = Arc::new(Deadline::begin(Limits::of(10 * SECOND)));
        time::advance(7 * SECOND).await;
        let first = deadline.asking();
        time::advance(60 * SECOND).await;
        let second = deadline.asking();
        drop(first);
        time::advance(60 * SECOND).await;
        drop(second);
        assert_eq!(deadline.allowed(), 10 * SECOND);
        assert_eq!(seconds(&deadline).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_it_sees_that_it_moved() {
        let deadline = Arc::new(Deadline::begin(Limits::of(10 * SECOND)));
        let ask = async {
            time::sleep(9 * SECOND).await;
            let asking = deadline.asking();
            time::sleep(30 * SECOND).await;
            drop(asking);
        };
        let (seconds, ()) = tokio::join!(seconds(&deadline), ask);
        assert_eq!(seconds, 40);
    }

    #[tokio::test(start_paused = true)]
    async fn questions_do_not_make_it_endless() {
        let deadline = Arc::new(Deadline::begin(Limits::of(10 * SECOND)));
        for _ in 0..6 {
            let asking = deadline.asking();
            time::advance(ASKING_LIMIT / 5).await;
            drop(asking);
        }
        // A fifth of the limit was more than the clock may stand still.
        assert_eq!(seconds(&deadline).await, 0);
        let unanswered = Arc::new(Deadline::begin(Limits::of(10 * SECOND)));
        let _asking = unanswered.asking();
        assert_eq!(seconds(&unanswered).await, ASKING_LIMIT.as_secs() + 10);
    }
}
