//! What changes with an upstream, as far as something it has answered may be another thing since.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// How many addresses are remembered that were said to have changed. Of what is older, all may
/// have.
const REMEMBERED: usize = 64;

/// What has changed with one upstream, whatever its sessions; cloning shares it.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// How often it may have become another one altogether: it began anew, or lists changed.
    era: u64,
    /// How often it said that a resource changed.
    updates: u64,
    /// The last of these updates, and their addresses, the oldest first.
    last: VecDeque<(u64, String)>,
}

/// A moment in the life of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    era: u64,
    updates: u64,
}

impl Changes {
    /// Notes that it began anew, or that its lists are other ones.
    pub(super) fn anew(&self) {
        let mut seen = self.seen();
        seen.era += 1;
        seen.last.clear();
    }

    /// Notes that the resource `uri` changed.
    pub(super) fn updated(&self, uri: String) {
        let mut seen = self.seen();
        seen.updates += 1;
        if seen.last.len() == REMEMBERED {
            seen.last.pop_front();
        }
        let number = seen.updates;
        seen.last.push_back((number, uri));
    }

    /// Returns which moment it is.
    pub(super) fn now(&self) -> Stamp {
        let seen = self.seen();
        Stamp { era: seen.era, updates: seen.updates }
    }

    /// Returns whether an answer of `then` may be another one by now: one about this address, or
    /// about none.
    pub(super) fn since(&self, then: Stamp, uri: Option<&str>) -> bool {
        let seen = self.seen();
        if seen.era != then.era {
            return true;
        }
        let Some(uri) = uri.filter(|_| seen.updates != then.updates) else { return false };
        let is_forgotten = seen.last.front().is_none_or(|(number, _)| *number > then.updates + 1);
        // What is told may lie below what was read, or the other way round.
        let is_near = |other: &str| other.starts_with(uri) || uri.starts_with(other);
        let mut later = seen.last.iter().filter(|(number, _)| *number > then.updates);
        is_forgotten || later.any(|(_, other)| is_near(other))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Changes;
    use super::REMEMBERED;

    #[test]
    fn an_update_is_about_its_address_and_what_lies_above_and_below() {
        let changes = Changes::default();
        let then = changes.now();
        changes.updated("file:///a/b".to_owned());
        for (uri, is_other) in
            [("file:///a", true), ("file:///a/b/c", true), ("file:///b", false), ("x:", false)]
        {
            assert_eq!(changes.since(then, Some(uri)), is_other, "{uri}");
        }
        assert!(!changes.since(then, None), "it is about no address");
        assert!(!changes.since(changes.now(), Some("file:///a")));
    }

    #[test]
    fn what_is_forgotten_may_have_been_any_address() {
        let changes = Changes::default();
        let then = changes.now();
        for number in 0..REMEMBERED {
            changes.updated(format!("x:{number}"));
        }
        assert!(!changes.since(then, Some("y:")));
        let later = changes.now();
        changes.updated("z:".to_owned());
        assert!(changes.since(then, Some("y:")));
        assert!(!changes.since(later, Some("y:")));
    }

    #[test]
    fn of_one_that_began_anew_everything_may_be_another_thing() {
        let changes = Changes::default();
        let then = changes.now();
        changes.anew();
        assert!(changes.since(then, None) && changes.since(then, Some("x:")));
        assert!(!changes.since(changes.now(), None));
    }
}
