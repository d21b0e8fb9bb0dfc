//! The checks of how the calls of an upstream are treated: how long they may take, how many there
//! may be, and what becomes of large results.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::Concurrency;
use crate::config::Results;
use crate::config::Timeout;
use crate::config::file;
use crate::config::problem::KeyPath;
use crate::config::problem::Problem;
use crate::config::validate::Check;

const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const WAIT: RangeInclusive<Duration> = MILLISECOND..=Duration::from_hours(24);
const SPILL: RangeInclusive<usize> = 1 << 10..=16 << 20;
const IDLE: RangeInclusive<Duration> = MILLISECOND..=Duration::from_hours(720);

impl Check<'_> {
    pub(super) fn timeout(&mut self, written: &file::Timeout, path: &KeyPath) -> Timeout {
        let call = self.duration(&written.call, &WAIT, &path.key("call"));
        let key = path.key("progress");
        let progress = written.progress.as_ref().map(|most| self.duration(most, &WAIT, &key));
        if progress.is_some_and(|most| most <= call) {
            let message = format!("`{key}` is not longer than `call`, so it extends nothing");
            let problem = Problem::at(&self.context.places.value(&key), &key, message);
            self.warnings.push(problem.hint("write how long a call may take in all, or remove it"));
        }
        Timeout {
            start: self.duration(&written.start, &WAIT, &path.key("start")),
            call,
            progress,
            idle: self.duration(&written.idle, &IDLE, &path.key("idle")),
        }
    }

    pub(super) fn concurrency(written: &file::Concurrency) -> Concurrency {
        // The schema has their ranges.
        let file::Concurrency { calls, queue } = *written;
        Concurrency { calls, queue }
    }

    /// Checks what becomes of large results.
    pub(super) fn results(&mut self, written: &file::Results, path: &KeyPath) -> Results {
        let spill = written.spill.as_ref();
        Results { spill: spill.map(|written| self.size(written, &SPILL, &path.key("spill"))) }
    }
}
