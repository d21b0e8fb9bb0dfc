//! All counters of all limits: bounded, and changed for a request as a whole or not at all.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use foldhash::fast::RandomState;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::quota::Now;
use crate::quota::counter::Counter;
use crate::quota::counter::Lack;
use crate::quota::counter::Measure;
use crate::quota::refusal::Refusal;
use crate::quota::rule::Key;
use crate::quota::rule::Rule;

/// How many counters one limit has. Who would need one more is refused, and not let through without
/// one; those that say nothing any more go first.
const MOST_OF_ONE: usize = 16_384;
/// How many all limits have together, which bounds what they take to some ten megabytes.
const MOST: usize = 65_536;
/// How often it is looked which counters say nothing any more, while there is no room.
const LOOKED: Duration = Duration::from_secs(1);

/// A request on its way through the limits: each that is about it, and for whom it counts there.
pub(super) type Asked<'a> = SmallVec<[(&'a Arc<Rule>, SmallVec<[Key; 1]>); 4]>;

/// A counter on which a request counts that has not ended.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) rule: Arc<Rule>,
    key: Arc<str>,
}

/// All counters, by the numbers of limits.
#[derive(Debug)]
pub(super) struct Table {
    limits: HashMap<u64, Limit, RandomState>,
    /// How many counters there are.
    count: usize,
    most_of_one: usize,
    most: usize,
    /// When it was looked last which say nothing any more.
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Limit {
    rule: Arc<Rule>,
    counters: HashMap<Arc<str>, Counter, RandomState>,
}

impl Default for Table {
    fn default() -> Self {
        Self::bounded(MOST_OF_ONE, MOST)
    }
}

impl Table {
    pub(super) fn bounded(most_of_one: usize, most: usize) -> Self {
        Self { limits: HashMap::default(), count: 0, most_of_one, most, looked: None }
    }

    /// Has counters for these limits and no others.
    pub(super) fn keep(&mut self, rules: &[Arc<Rule>], now: Now) {
        self.limits.retain(|number, _| rules.iter().any(|rule| rule.number == *number));
        for rule in rules {
            let new = || Limit { rule: Arc::clone(rule), counters: HashMap::default() };
            let limit = self.limits.entry(rule.number).or_insert_with(new);
            let before = mem::replace(&mut limit.rule, Arc::clone(rule));
            if before.quota.rate != rule.quota.rate {
                let counters = limit.counters.values_mut();
                counters.for_each(|counter| counter.renew(rule.quota.rate, now));
            }
        }
        self.count = self.limits.values().map(|limit| limit.counters.len()).sum();
    }

    /// Returns how many counters there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Returns how many counters a limit has.
    pub(super) fn size(&self, rule: &Rule) -> usize {
        self.limits.get(&rule.number).map_or(0, |limit| limit.counters.len())
    }

    /// Counts a request everywhere, or nowhere: then something is lacking. Of several things it is
    /// that for which it takes longest to be there again.
    ///
    /// Returns the counters that are told when it ends.
    pub(super) fn admit(
        &mut self,
        asked: &Asked<'_>,
        bytes: u64,
        now: Now,
    ) -> Result<SmallVec<[Held; 2]>, Refusal> {
        self.make_room(asked, now);
        if let Some((rule, key, lack)) = self.lack(asked, now) {
            rule.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Refusal::new(rule, key, lack));
        }
        let mut held = SmallVec::new();
        for (rule, keys) in asked {
            let Some(limit) = self.limits.get_mut(&rule.number) else { continue };
            let counters = &mut limit.counters;
            for key in keys {
                let is_held = rule.quota.concurrency.is_some() || rule.quota.bytes.is_some();
                let known = counters.get_key_value(key.as_str()).map(|(key, _)| Arc::clone(key));
                let key = known.unwrap_or_else(|| {
                    self.count += 1;
                    key.as_str().into()
                });
                counters.entry(Arc::clone(&key)).or_default().take(&rule.quota, bytes, now);
                if is_held {
                    held.push(Held { rule: Arc::clone(rule), key });
                }
            }
        }
        Ok(held)
    }

    /// Notes that a request has ended.
    pub(super) fn end(&mut self, held: &Held) {
        // Nor was it counted as under way, if the limit said nothing of that when it began.
        if held.rule.quota.concurrency.is_some() {
            self.held(held, Counter::end);
        }
    }

    /// Counts bytes that a request turned out to need.
    pub(super) fn spend(&mut self, held: &Held, bytes: u64, now: Now) {
        self.held(held, |counter| counter.spend(&held.rule.quota, bytes, now));
    }

    fn held(&mut self, held: &Held, change: impl FnOnce(&mut Counter)) {
        let limit = self.limits.get_mut(&held.rule.number);
        // A limit that is gone counts no more.
        if let Some(counter) = limit.and_then(|limit| limit.counters.get_mut(&held.key)) {
            change(counter);
        }
    }

    /// Changes the counter of a limit that a key has, which is a new one if there is room for that.
    pub(super) fn change(&mut self, rule: &Rule, key: &str, change: impl FnOnce(&mut Counter)) {
        let Some(Limit { counters, .. }) = self.limits.get_mut(&rule.number) else { return };
        if let Some(counter) = counters.get_mut(key) {
            return change(counter);
        }
        if counters.len() < self.most_of_one && self.count < self.most {
            self.count += 1;
            change(counters.entry(key.into()).or_default());
        }
    }

    /// Returns every counter of a limit.
    pub(super) fn of(&self, rule: &Rule) -> impl Iterator<Item = (&Arc<str>, &Counter)> {
        self.limits.get(&rule.number).into_iter().flat_map(|limit| &limit.counters)
    }

    fn lack<'a>(&self, asked: &'a Asked<'_>, now: Now) -> Option<(&'a Arc<Rule>, &'a str, Lack)> {
        let mut worst: Option<(&Arc<Rule>, &str, Lack)> = None;
        let mut new = 0;
        for (rule, keys) in asked {
            let Some(Limit { counters, .. }) = self.limits.get(&rule.number) else { continue };
            let mut of_one = counters.len();
            for key in keys {
                let lack = if let Some(counter) = counters.get(key.as_str()) {
                    counter.lack(&rule.quota, now)
                } else {
                    (of_one, new) = (of_one + 1, new + 1);
                    let is_full = of_one > self.most_of_one || self.count + new > self.most;
                    is_full.then_some(Lack { of: Measure::Counters, wait: None })
                };
                let Some(lack) = lack else { continue };
                if worst.is_none_or(|(.., worst)| worst.wait < lack.wait) {
                    worst = Some((rule, key, lack));
                }
            }
        }
        worst
    }

    /// Lets counters go that say nothing any more, if a request needs more than there are.
    fn make_room(&mut self, asked: &Asked<'_>, now: Now) {
        let mut new = 0;
        let mut is_full = false;
        for (rule, keys) in asked {
            let Some(Limit { counters, .. }) = self.limits.get(&rule.number) else { continue };
            let unknown = keys.iter().filter(|key| !counters.contains_key(key.as_str())).count();
            new += unknown;
            is_full |= unknown > 0 && counters.len() + unknown > self.most_of_one;
        }
        is_full |= new > 0 && self.count + new > self.most;
        let is_due = self.looked.is_none_or(|at| now.steady >= at + LOOKED);
        if !is_full || !is_due {
            return;
        }
        self.looked = Some(now.steady);
        for Limit { rule, counters } in self.limits.values_mut() {
            counters.retain(|_, counter| !counter.is_idle(&rule.quota, now));
        }
        self.count = self.limits.values().map(|limit| limit.counters.len()).sum();
    }
}
