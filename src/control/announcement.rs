//! When callers are told what is listed anew; pure.
//!
//! Changes are collected for a moment. After a reload they are collected until what is new has
//! listed or failed, so that callers are told once.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::UpstreamId;

/// How long changes are collected before callers are told of them.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// What is to be announced.
#[derive(Debug, Default)]
pub(super) struct Announcement {
    due: Option<Instant>,
    awaited: HashSet<UpstreamId>,
    /// How long they are awaited at most.
    until: Option<Instant>,
}

impl Announcement {
    /// Notes at `now` that something may be listed anew.
    pub(super) fn news(&mut self, now: Instant) {
        self.due.get_or_insert(now + DEBOUNCE);
    }

    /// Has announcements wait for an upstream, but not beyond `until`; what waits already does not
    /// wait longer for that.
    pub(super) fn wait_for(&mut self, upstream: UpstreamId, until: Instant) {
        self.awaited.insert(upstream);
        self.until.get_or_insert(until);
    }

    /// Notes that an upstream has listed, has failed or is gone.
    pub(super) fn heard(&mut self, upstream: &UpstreamId) {
        self.awaited.remove(upstream);
        if self.awaited.is_empty() {
            self.until = None;
        }
    }

    /// Returns when callers are to be told, if there is anything.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.map(|due| self.until.map_or(due, |until| until.max(due)))
    }

    /// Notes that callers are told; nobody is waited for any more.
    pub(super) fn made(&mut self) {
        *self = Self::default();
    }
}
