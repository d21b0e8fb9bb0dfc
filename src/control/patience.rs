//! How long lists wait for upstreams that are still starting; pure (decision 15).
//!
//! The start budget bounds every wait. A configuration that does not say how long it is leaves it
//! to Conflux to wait for less: as long as upstreams keep coming.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::StartBudget;
use crate::control::plan::Heard;
use crate::router::Settled;

/// For how long no upstream may have come before lists are shown without the missing ones: more
/// than lies between the starts of programs that are there, less than people wait for gladly.
const QUIET: Duration = Duration::from_millis(750);

/// How long lists have waited, and for whom.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Since when they wait, and for how long they may.
    begun: Option<(Instant, StartBudget)>,
    heard: Heard,
    /// When something else was heard than before.
    heard_at: Option<Instant>,
    settled: Settled,
}

impl Patience {
    /// Lets lists wait from `now` on, unless they did so before.
    pub(super) fn begin(&mut self, now: Instant, budget: StartBudget) {
        self.begun.get_or_insert((now, budget));
    }

    /// Returns whether any list ever waited.
    pub(super) fn is_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Notes of how many upstreams something was heard until `now`.
    pub(super) fn hear(&mut self, heard: Heard, now: Instant) {
        if heard != self.heard {
            (self.heard, self.heard_at) = (heard, Some(now));
        }
    }

    /// Returns when [`Self::over`] says something else by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.settled {
            Settled::No => self.quiet_from().into_iter().chain(self.end()).min(),
            Settled::Enough => self.end(),
            Settled::Live => None,
        }
    }

    /// Returns what is over at `now`: the wait of lists, or that of everybody.
    pub(super) fn over(&mut self, now: Instant) -> Settled {
        let is_over = |end: Option<Instant>| end.is_some_and(|end| end <= now);
        let settled = if is_over(self.end()) {
            Settled::Live
        } else if is_over(self.quiet_from()) {
            Settled::Enough
        } else {
            Settled::No
        };
        self.settled = self.settled.max(settled);
        self.settled
    }

    /// When the budget is spent.
    fn end(&self) -> Option<Instant> {
        self.begun.map(|(begun, budget)| begun + budget.limit())
    }

    /// When it has been quiet for long enough, if nothing more is heard until then.
    fn quiet_from(&self) -> Option<Instant> {
        let (begun, budget) = self.begun?;
        match budget {
            StartBudget::Said(_) => None,
            // While there is nothing to show, showing it helps nobody.
            StartBudget::Unsaid(_) if self.heard.listed == 0 => None,
            StartBudget::Unsaid(_) => Some(self.heard_at.map_or(begun, |at| at.max(begun)) + QUIET),
        }
    }
}
