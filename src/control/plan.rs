//! Which upstream has listed what, and which has to be asked (again); pure.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::time::Instant;

use crate::catalog::Kind;
use crate::catalog::Listing;
use crate::ids::UpstreamId;
use crate::router::Lasting;
use crate::router::Settled;
use crate::upstream::Moment;
use crate::wire::Raw;
use crate::wire::freshness::Freshness;

/// The pause before an upstream is asked again that could not list everything.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest of these pauses, which double.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How long changes of an upstream are collected before it is asked for them.
const FIRST_COLLECTED: Duration = Duration::from_millis(100);
/// The longest that is, for one that tells of changes again and again; it doubles.
const LONGEST_COLLECTED: Duration = Duration::from_secs(5);
/// How long an upstream that was asked for a change must be quiet to count as calm.
const CALM: Duration = Duration::from_secs(1);
/// How often it is asked again by itself; then it waits until somebody wants to see a list, so that
/// it is not kept awake for ever.
const TRIES: u32 = 6;

/// The last known listing of every upstream, and what is being done about it.
#[derive(Debug)]
pub(super) struct Listings {
    all: IndexMap<UpstreamId, One>,
    /// What holds however little is known.
    least: Settled,
}

/// Of how many upstreams something was heard in this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Those that listed or failed at least once.
    pub(super) settled: usize,
    /// Those that listed something.
    pub(super) listed: usize,
}

#[derive(Debug, Default)]
struct One {
    listing: Arc<Listing>,
    /// The kinds of which its list was had at least once in this run.
    read: Vec<Kind>,
    /// When it listed what is known of the other kinds, if it did so in an earlier run.
    remembered: Option<Moment>,
    /// How long each list it was asked for may be kept.
    lasts: IndexMap<Kind, Lasts>,
    asked: Asked,
    /// Whether it listed or failed at least once.
    is_settled: bool,
    /// How often in a row it could not list everything, though it was ready.
    failures: u32,
    /// Until when it is left alone for that.
    rests_until: Option<Instant>,
    /// How often in a row it told of changes soon after it was asked for the last.
    changes: u32,
    /// When it is asked for what changed.
    changed_due: Option<Instant>,
    /// Until when another change counts as soon.
    soon_until: Option<Instant>,
    /// Why it, or one of its lists, could not be listed the last time.
    failure: Option<String>,
}

/// One list of an upstream: its items and how long they may be kept, or why it could not be had.
pub(super) type List = Result<(Vec<Raw>, Option<Lasts>), String>;

/// How long one list of an upstream may be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lasts {
    /// As the upstream said.
    pub(super) lasting: Lasting,
    /// Whether the upstream tells when the list changes, so that it need not be asked again.
    pub(super) is_told: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asked {
    #[default]
    No,
    Yes,
    /// It is being asked, and something changed since.
    Stale,
}

impl Listings {
    /// Nobody has listed anything.
    pub(super) fn new(upstreams: impl IntoIterator<Item = UpstreamId>) -> Self {
        let all = upstreams.into_iter().map(|id| (id, One::default())).collect();
        Self { all, least: Settled::No }
    }

    /// Knows an upstream that has not listed anything; one before it under the same key may have.
    pub(super) fn renew(&mut self, id: &UpstreamId) {
        let one = One { listing: self.get(id), ..One::default() };
        self.all.insert(id.clone(), one);
    }

    /// Forgets an upstream that is gone.
    pub(super) fn forget(&mut self, id: &UpstreamId) {
        self.all.shift_remove(id);
    }

    /// Takes what an upstream listed in an earlier run for what it lists, until it is asked.
    pub(super) fn recall(&mut self, id: &UpstreamId, lists: Vec<(Kind, Vec<Raw>)>, from: Moment) {
        let Some(one) = self.all.get_mut(id) else { return };
        let mut listing = Listing::default();
        for (kind, items) in lists {
            listing.set(kind, items);
        }
        (one.listing, one.remembered) = (Arc::new(listing), Some(from));
    }

    /// Returns when an upstream listed what is shown of it, if a part of that is from an earlier
    /// run.
    pub(super) fn remembered(&self, id: &UpstreamId) -> Option<Moment> {
        let one = self.all.get(id).filter(|one| one.read.len() < Kind::ALL.len())?;
        one.remembered
    }

    /// Returns what an upstream listed last.
    pub(super) fn get(&self, id: &UpstreamId) -> Arc<Listing> {
        self.all.get(id).map(|one| Arc::clone(&one.listing)).unwrap_or_default()
    }

    /// Returns the kinds of which an upstream's list was never had in this run.
    pub(super) fn unread(&self, id: &UpstreamId) -> Vec<Kind> {
        let is_unread = |kind: &Kind| self.all.get(id).is_none_or(|one| !one.read.contains(kind));
        Kind::ALL.into_iter().filter(is_unread).collect()
    }

    /// Returns whether an upstream is being asked.
    pub(super) fn is_asked(&self, id: &UpstreamId) -> bool {
        self.all.get(id).is_some_and(|one| one.asked != Asked::No)
    }

    /// Notes that an upstream is to be asked; false if it is being asked already, and then it is to
    /// be asked again.
    pub(super) fn begin(&mut self, id: &UpstreamId) -> bool {
        let Some(one) = self.all.get_mut(id) else { return false };
        let is_free = one.asked == Asked::No;
        one.asked = if is_free { Asked::Yes } else { Asked::Stale };
        (one.rests_until, one.changed_due) = (None, None);
        is_free
    }

    /// Notes at `now` that lists of an upstream changed: it is asked for them soon, and less soon
    /// the more often it says so.
    pub(super) fn changed(&mut self, id: &UpstreamId, now: Instant) {
        let Some(one) = self.all.get_mut(id).filter(|one| one.changed_due.is_none()) else {
            return;
        };
        let is_soon = one.soon_until.is_some_and(|until| now < until);
        one.changes = if is_soon { one.changes.saturating_add(1) } else { 0 };
        let due = now + growing(FIRST_COLLECTED, one.changes, LONGEST_COLLECTED);
        (one.changed_due, one.soon_until) = (Some(due), Some(due + CALM));
    }

    /// Notes what an upstream listed at `now`; true if it has to be asked again.
    ///
    /// Of a list that could not be had, what was listed before stays.
    pub(super) fn listed(
        &mut self,
        id: &UpstreamId,
        lists: Vec<(Kind, List)>,
        now: Instant,
    ) -> bool {
        let Some(one) = self.all.get_mut(id) else { return false };
        let mut listing = Listing::clone(&one.listing);
        let mut failures = Vec::new();
        for (kind, list) in lists {
            let (items, lasts) = match list {
                Ok(list) => list,
                Err(failure) => {
                    failures.push(format!("{kind}s: {failure}"));
                    // Nobody may keep for long what lacks a part.
                    let lasting = Lasting::new(now, Freshness::default());
                    one.lasts.insert(kind, Lasts { lasting, is_told: true });
                    continue;
                }
            };
            listing.set(kind, items);
            match lasts {
                Some(lasts) => drop(one.lasts.insert(kind, lasts)),
                None => drop(one.lasts.shift_remove(&kind)),
            }
            if !one.read.contains(&kind) {
                one.read.push(kind);
            }
        }
        // What is the same stays the same value, so that nothing is merged anew.
        if *one.listing != listing {
            one.listing = Arc::new(listing);
        }
        one.is_settled = true;
        if failures.is_empty() {
            (one.failures, one.rests_until, one.failure) = (0, None, None);
        } else {
            one.rests_until = Some(now + growing(FIRST_PAUSE, one.failures, LONGEST_PAUSE));
            one.failures = one.failures.saturating_add(1);
            one.failure = Some(failures.join("; "));
        }
        std::mem::take(&mut one.asked) == Asked::Stale
    }

    /// Notes that an upstream failed; what it listed before stays. Whoever is asking it is told so.
    ///
    /// Returns whether that is news.
    pub(super) fn failed(&mut self, id: &UpstreamId, failure: String) -> bool {
        let Some(one) = self.all.get_mut(id) else { return false };
        one.is_settled = true;
        let before = one.failure.replace(failure);
        before != one.failure
    }

    /// Notes that asking an upstream came to nothing, because it failed.
    pub(super) fn unasked(&mut self, id: &UpstreamId) {
        if let Some(one) = self.all.get_mut(id) {
            // Once it is ready it is asked anew, whatever changed meanwhile.
            one.asked = Asked::No;
        }
    }

    /// Returns when the next upstream is to be asked again by itself.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.all.values().filter_map(One::due).min()
    }

    /// Takes those that are to be asked again by themselves.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<UpstreamId> {
        let is_due = |one: &One| one.due().is_some_and(|due| due <= now);
        let due = self.all.iter_mut().filter(|(_, one)| is_due(one));
        let take = |(id, one): (&UpstreamId, &mut One)| {
            (one.rests_until, one.changed_due) = (None, None);
            id.clone()
        };
        due.map(take).collect()
    }

    /// Returns those that have to be asked at `now` so that everything is listed: of which a list
    /// was never had in this run, and that are neither being asked nor left alone.
    pub(super) fn lacking(&self, now: Instant) -> Vec<UpstreamId> {
        let is_lacking = |one: &One| {
            let rests = one.rests_until.is_some_and(|until| until > now);
            one.read.len() < Kind::ALL.len() && one.asked == Asked::No && !rests
        };
        let lacking = self.all.iter().filter(|(_, one)| is_lacking(one));
        lacking.map(|(id, _)| id.clone()).collect()
    }

    /// Returns those of which a list is too old, and that do not tell when it changes.
    pub(super) fn outdated(&self, now: Instant) -> Vec<UpstreamId> {
        let is_old = |lasts: &Lasts| !lasts.is_told && lasts.lasting.is_over(now);
        let is_free = |one: &One| one.asked == Asked::No;
        let old = self.all.iter().filter(|(_, one)| one.lasts.values().any(is_old) && is_free(one));
        old.map(|(id, _)| id.clone()).collect()
    }

    /// Returns how long each list of an upstream may be kept.
    pub(super) fn lasting(&self, id: &UpstreamId) -> IndexMap<Kind, Lasting> {
        let lists = self.all.get(id).into_iter().flat_map(|one| &one.lasts);
        lists.map(|(kind, lasts)| (*kind, lasts.lasting)).collect()
    }

    /// Returns why upstreams could not be asked the last time.
    pub(super) fn failures(&self) -> IndexMap<UpstreamId, String> {
        let failed = |(id, one): (&UpstreamId, &One)| Some((id.clone(), one.failure.clone()?));
        self.all.iter().filter_map(failed).collect()
    }

    /// Has everything count as settled to this degree from now on, whoever is missing.
    pub(super) fn settle(&mut self, least: Settled) {
        self.least = self.least.max(least);
    }

    /// Returns whether there is nobody to wait for.
    pub(super) fn settled(&self) -> Settled {
        let are = |is: fn(&One) -> bool| self.all.values().all(is);
        let known = if are(|one| one.is_settled) {
            Settled::Live
        } else if are(|one| one.is_settled || one.remembered.is_some()) {
            Settled::Enough
        } else {
            Settled::No
        };
        known.max(self.least)
    }

    /// Returns of how many something was heard.
    pub(super) fn heard(&self) -> Heard {
        let count = |is: fn(&&One) -> bool| self.all.values().filter(is).count();
        Heard { settled: count(|one| one.is_settled), listed: count(|one| !one.read.is_empty()) }
    }
}

impl One {
    /// When it is to be asked again by itself.
    fn due(&self) -> Option<Instant> {
        let retry = self.rests_until.filter(|_| self.failures <= TRIES);
        retry.into_iter().chain(self.changed_due).min()
    }
}

/// Returns a pause that doubles each time, up to `longest`.
fn growing(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(longest)
}
