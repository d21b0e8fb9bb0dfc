//! One counter of one limit: what is used up, and what there would have to be for one more. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::quota::Budget;
use crate::config::quota::Quota;
use crate::config::quota::Rate;
use crate::quota::Now;

/// What was used of one limit by whoever it is counted for; by default nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter {
    /// When all of the rate would be there again; nothing if it is.
    full_at: Option<Instant>,
    /// How many requests are under way.
    under_way: usize,
    pub(super) calls: Spent,
    pub(super) bytes: Spent,
}

/// What of a limit is used up, so that there is not enough for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lack {
    pub(super) of: Measure,
    /// When there will be enough again, if nobody else comes; nothing if that depends on others.
    pub(super) wait: Option<Duration>,
}

/// What a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Rate,
    Concurrency,
    Calls,
    Bytes,
    /// The limit itself has no more counters.
    Counters,
}

impl Counter {
    /// Returns what is lacking for one more request; of several things that for which it takes
    /// longest to be there again.
    pub(super) fn lack(&self, quota: &Quota, now: Now) -> Option<Lack> {
        let at_once = quota.concurrency.filter(|most| self.under_way >= *most);
        let at_once = at_once.map(|_| Lack { of: Measure::Concurrency, wait: None });
        let rate = quota.rate.and_then(|rate| {
            let wait = self.until(rate, now)?;
            Some(Lack { of: Measure::Rate, wait: Some(wait) })
        });
        let budget = |spent: Spent, budget: Option<Budget>, of| {
            let budget = budget?;
            let wait = spent.wait(budget, of, now)?;
            Some(Lack { of, wait: Some(wait) })
        };
        let calls = budget(self.calls, quota.calls, Measure::Calls);
        let bytes = budget(self.bytes, quota.bytes, Measure::Bytes);
        [at_once, rate, calls, bytes].into_iter().flatten().max_by_key(|lack| lack.wait)
    }

    /// Counts one request with arguments of this size, for which nothing must be lacking.
    pub(super) fn take(&mut self, quota: &Quota, bytes: u64, now: Now) {
        if let Some(rate) = quota.rate {
            self.full_at =
                Some(self.full_at.map_or(now.steady, |at| at.max(now.steady)) + interval(rate));
        }
        if quota.concurrency.is_some() {
            self.under_way += 1;
        }
        if let Some(budget) = quota.calls {
            self.calls = self.calls.at(budget, Measure::Calls, now).and(1);
        }
        self.spend(quota, bytes, now);
    }

    /// Counts bytes that turned out to be needed.
    pub(super) fn spend(&mut self, quota: &Quota, bytes: u64, now: Now) {
        if let Some(budget) = quota.bytes {
            self.bytes = self.bytes.at(budget, Measure::Bytes, now).and(bytes);
        }
    }

    /// Notes that a request that was counted is no longer under way.
    pub(super) fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Returns whether it says no more than a new one would.
    pub(super) fn is_idle(&self, quota: &Quota, now: Now) -> bool {
        let is_unspent = |spent: Spent, budget: Option<Budget>, of| {
            budget.is_none_or(|budget| spent.at(budget, of, now).is_none())
        };
        self.under_way == 0
            && self.full_at.is_none_or(|at| at <= now.steady)
            && is_unspent(self.calls, quota.calls, Measure::Calls)
            && is_unspent(self.bytes, quota.bytes, Measure::Bytes)
    }

    /// Returns how long it takes until there is one more of a rate; nothing if there is.
    fn until(&self, rate: Rate, now: Now) -> Option<Duration> {
        let ahead = self.full_at?.saturating_duration_since(now.steady);
        ahead.checked_sub(tolerance(rate)).filter(|wait| !wait.is_zero())
    }

    /// Has another rate from now on, of which at most all is used.
    pub(super) fn renew(&mut self, rate: Option<Rate>, now: Now) {
        let latest = |rate| now.steady + tolerance(rate) + interval(rate);
        self.full_at = rate.and_then(|rate| self.full_at.map(|at| at.min(latest(rate))));
    }
}

/// Returns how long it takes until there is one more of a rate. Rounded up, so that there are never
/// more than it says.
pub(super) fn interval(rate: Rate) -> Duration {
    let nanos = u64::try_from(rate.period.length().as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(nanos.div_ceil(rate.count.max(1)))
}

/// Returns how far ahead of its rate somebody may be: all that there is at once after a pause, but
/// for the first.
fn tolerance(rate: Rate) -> Duration {
    let more = u32::try_from(rate.burst.saturating_sub(1)).unwrap_or(u32::MAX);
    interval(rate).saturating_mul(more)
}

/// What was used of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    /// The budget it was used of; nothing if none was.
    pub(super) of: Option<Budget>,
    /// Which one it was, counted in times of its length from the first of January 1970 on.
    pub(super) window: u64,
    /// How much, as far as that is known here.
    pub(super) used: u64,
    /// How much of that is written down nowhere.
    pub(super) unwritten: u64,
}

impl Spent {
    /// Returns what is used of the budget of now. What is left over of earlier ones is lost; of
    /// bytes, what was taken beyond them is not.
    #[must_use]
    pub(super) fn at(self, budget: Budget, of: Measure, now: Now) -> Self {
        let window = window(budget, now);
        let fresh = Self { of: Some(budget), window, used: 0, unwritten: 0 };
        let Some(before) = self.of.filter(|before| before.period == budget.period) else {
            return fresh;
        };
        // Who looked at the clock a moment before, or at one that was set back by a little, has no
        // budget that is over.
        let is_ahead = self.window == window.saturating_add(1);
        let window = if is_ahead { self.window } else { window };
        let fresh = Self { window, ..fresh };
        // Whoever had more before owes nothing for it.
        let most = if before.amount == budget.amount { u64::MAX } else { budget.amount };
        let elapsed = window.saturating_sub(self.window);
        let lost = match of {
            _ if elapsed == 0 => 0,
            Measure::Bytes => budget.amount.saturating_mul(elapsed),
            _ => u64::MAX,
        };
        let left = |used: u64| used.min(most).saturating_sub(lost);
        let used = left(self.used);
        let written = left(self.used.saturating_sub(self.unwritten));
        // A clock that was set back makes nothing undone.
        Self { used, unwritten: used.saturating_sub(written), ..fresh }
    }

    fn and(self, more: u64) -> Self {
        let (used, unwritten) =
            (self.used.saturating_add(more), self.unwritten.saturating_add(more));
        Self { used, unwritten, ..self }
    }

    fn is_none(self) -> bool {
        self.used == 0 && self.unwritten == 0
    }

    /// Returns how long it takes until something is there again; nothing if something is.
    fn wait(self, budget: Budget, of: Measure, now: Now) -> Option<Duration> {
        let spent = self.at(budget, of, now);
        if spent.used < budget.amount {
            return None;
        }
        // Of bytes there may be nothing in the next one either.
        let windows = match of {
            Measure::Bytes => spent.used / budget.amount,
            _ => 1,
        };
        let length = budget.period.length();
        let next = spent.window.saturating_add(windows).saturating_mul(length.as_secs());
        Some(Duration::from_secs(next).saturating_sub(now.utc))
    }
}

/// Returns which budget of its length it is now.
pub(super) fn window(budget: Budget, now: Now) -> u64 {
    now.utc.as_secs() / budget.period.length().as_secs()
}
