//! What one who asks may do, thing by thing; each is decided when it is first wanted.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crate::exchange::principal::Principal;
use crate::policy::Outcome;

/// What was decided about something, whatever the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::router) struct Verdict {
    /// What becomes of it.
    pub(in crate::router) outcome: Outcome,
    /// The number of the rule that decided.
    pub(in crate::router) rule: Option<usize>,
}

/// How many bits tell the outcome.
const BITS: u32 = 2;

impl Verdict {
    /// What nobody allows.
    pub(in crate::router) fn refused() -> Self {
        Self { outcome: Outcome::Refused, rule: None }
    }

    /// What nobody denies, because there are no rules.
    pub(in crate::router) fn allowed() -> Self {
        Self { outcome: Outcome::Allowed, rule: None }
    }

    /// As one number that is not 0.
    fn packed(self) -> u32 {
        let outcome = match self.outcome {
            Outcome::Refused => 1,
            Outcome::Depends => 2,
            Outcome::Allowed => 3,
        };
        let rule = self.rule.and_then(|rule| u32::try_from(rule).ok()?.checked_add(1));
        // Nobody writes a billion rules; if somebody does, their numbers are not told.
        let rule = rule.filter(|rule| rule.leading_zeros() >= BITS).unwrap_or_default();
        rule << BITS | outcome
    }

    fn unpacked(packed: u32) -> Option<Self> {
        let outcome = match packed & ((1 << BITS) - 1) {
            1 => Outcome::Refused,
            2 => Outcome::Depends,
            3 => Outcome::Allowed,
            _ => return None,
        };
        let rule = (packed >> BITS).checked_sub(1).and_then(|rule| usize::try_from(rule).ok());
        Some(Self { outcome, rule })
    }
}

/// Verdicts for one who asks.
#[derive(Debug)]
pub(in crate::router) struct Row {
    pub(super) principal: Principal,
    /// What the client calls itself, in lower case.
    pub(super) client: String,
    /// A packed verdict for each slot; 0 is none.
    verdicts: Box<[AtomicU32]>,
    /// How many are not decided yet.
    left: AtomicUsize,
}

impl Row {
    pub(super) fn new(principal: Principal, client: Option<&str>, slots: usize) -> Self {
        let client = client.unwrap_or_default().to_lowercase();
        let verdicts = (0..slots).map(|_| AtomicU32::new(0)).collect();
        Self { principal, client, verdicts, left: AtomicUsize::new(slots) }
    }

    /// Returns the verdict for a slot, decided now if it never was.
    pub(super) fn get_or_decide(&self, slot: usize, decide: impl FnOnce() -> Verdict) -> Verdict {
        let Some(kept) = self.verdicts.get(slot) else { return Verdict::refused() };
        if let Some(verdict) = Verdict::unpacked(kept.load(Ordering::Relaxed)) {
            return verdict;
        }
        let verdict = decide();
        // Two may decide at the same time, alike; one of them counts.
        if kept.swap(verdict.packed(), Ordering::Relaxed) == 0 {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
        verdict
    }

    /// Returns whether everything is decided.
    pub(super) fn is_complete(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Row;
    use super::Verdict;
    use crate::exchange::principal::Principal;
    use crate::policy::Outcome;

    #[test]
    fn a_verdict_is_what_it_was_when_it_is_taken_out() {
        for outcome in [Outcome::Refused, Outcome::Depends, Outcome::Allowed] {
            for rule in [None, Some(0), Some(1), Some(70_000)] {
                let verdict = Verdict { outcome, rule };
                assert_eq!(Verdict::unpacked(verdict.packed()), Some(verdict));
            }
        }
        let lost = Verdict { outcome: Outcome::Allowed, rule: Some(usize::MAX) };
        assert_eq!(Verdict::unpacked(lost.packed()), Some(Verdict { rule: None, ..lost }));
        assert_eq!(Verdict::unpacked(0), None);
    }

    #[test]
    fn each_slot_is_decided_once() {
        let row = Row::new(Principal::process(), Some("Claude"), 2);
        let allowed = Verdict { outcome: Outcome::Allowed, rule: Some(1) };
        assert_eq!((row.client.as_str(), row.is_complete()), ("claude", false));
        assert_eq!(row.get_or_decide(0, || allowed), allowed);
        assert_eq!(row.get_or_decide(0, Verdict::refused), allowed);
        assert!(!row.is_complete());
        assert_eq!(row.get_or_decide(1, Verdict::refused), Verdict::refused());
        assert!(row.is_complete());
        assert_eq!(row.get_or_decide(2, || allowed), Verdict::refused());
    }
}
