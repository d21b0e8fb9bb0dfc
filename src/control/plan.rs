//! Which upstream has listed what, and which has to be asked (again); pure.

use std::sync::Arc;

use indexmap::IndexMap;
use tokio::time::Instant;

use crate::catalog::Kind;
use crate::catalog::Listing;
use crate::ids::UpstreamId;
use crate::router::Lasting;

/// The last known listing of every upstream, and what is being done about it.
#[derive(Debug)]
pub(super) struct Listings {
    all: IndexMap<UpstreamId, One>,
    waits: bool,
}

#[derive(Debug, Default)]
struct One {
    listing: Option<Arc<Listing>>,
    /// How long each list it was asked for may be kept.
    lasts: IndexMap<Kind, Lasts>,
    asked: Asked,
    /// Whether it listed or failed at least once.
    is_settled: bool,
    /// Why it could not be asked the last time.
    failure: Option<String>,
}

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
        Self { all, waits: true }
    }

    /// Returns what an upstream listed last.
    pub(super) fn get(&self, id: &UpstreamId) -> Option<Arc<Listing>> {
        self.all.get(id)?.listing.clone()
    }

    /// Returns whether an upstream is being asked.
    pub(super) fn is_asked(&self, id: &UpstreamId) -> bool {
        self.all.get(id).is_some_and(|one| one.asked != Asked::No)
    }

    /// Notes that an upstream is to be asked; false if it is being asked already.
    pub(super) fn begin(&mut self, id: &UpstreamId) -> bool {
        let Some(one) = self.all.get_mut(id) else { return false };
        let is_free = one.asked == Asked::No;
        one.asked = if is_free { Asked::Yes } else { Asked::Stale };
        is_free
    }

    /// Notes what an upstream listed; true if it has to be asked again.
    pub(super) fn listed(
        &mut self,
        id: &UpstreamId,
        listing: Listing,
        lasts: IndexMap<Kind, Lasts>,
    ) -> bool {
        let Some(one) = self.all.get_mut(id) else { return false };
        one.listing = Some(Arc::new(listing));
        one.lasts = lasts;
        one.is_settled = true;
        one.failure = None;
        std::mem::take(&mut one.asked) == Asked::Stale
    }

    /// Notes why an upstream could not be asked; what it listed before stays.
    pub(super) fn failed(&mut self, id: &UpstreamId, failure: String) {
        if let Some(one) = self.all.get_mut(id) {
            one.failure = Some(failure);
            one.is_settled = true;
            one.asked = Asked::No;
        }
    }

    /// Returns those that never listed anything, in order.
    pub(super) fn never_listed(&self) -> Vec<UpstreamId> {
        let unlisted = self.all.iter().filter(|(_, one)| one.listing.is_none());
        unlisted.map(|(id, _)| id.clone()).collect()
    }

    /// Returns those of which a list is too old, and that do not tell when it changes.
    pub(super) fn outdated(&self, now: Instant) -> Vec<UpstreamId> {
        let is_old = |lasts: &Lasts| !lasts.is_told && lasts.lasting.is_over(now);
        let old = self.all.iter().filter(|(_, one)| one.lasts.values().any(is_old));
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

    /// No longer lets a list wait for anybody.
    pub(super) fn give_up_waiting(&mut self) {
        self.waits = false;
    }

    /// Returns whether there is nobody to wait for.
    pub(super) fn are_settled(&self) -> bool {
        !self.waits || self.all.values().all(|one| one.is_settled)
    }
}
