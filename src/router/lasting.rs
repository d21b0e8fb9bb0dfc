//! How long a list stays fresh, as time goes by.

use indexmap::IndexMap;
use tokio::time::Instant;

use crate::catalog::Kind;
use crate::wire::freshness::Freshness;

/// Until when a list is fresh, and whether it may be shown to others than who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting {
    until: Instant,
    is_public: bool,
}

impl Lasting {
    /// Starts the clock of a list that came at `from`.
    pub fn new(from: Instant, freshness: Freshness) -> Self {
        // A moment that far away may not exist; then nothing is promised.
        let until = from.checked_add(freshness.ttl).unwrap_or(from);
        Self { until, is_public: freshness.is_public }
    }

    /// Returns what holds for a list that is made of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { until: self.until.min(other.until), is_public: self.is_public && other.is_public }
    }

    /// Returns what is left at `now`.
    pub fn at(&self, now: Instant) -> Freshness {
        let ttl = self.until.saturating_duration_since(now);
        Freshness { ttl, is_public: self.is_public }
    }

    /// Returns whether nothing is left at `now`.
    pub fn is_over(&self, now: Instant) -> bool {
        self.until <= now
    }
}

/// Returns how long each merged list stays fresh: as long as all of its parts.
///
/// Each item is what one upstream said of its lists; while somebody never listed, nothing lasts.
pub(super) fn merged<'a>(
    parts: impl Iterator<Item = Option<&'a IndexMap<Kind, Lasting>>>,
) -> IndexMap<Kind, Lasting> {
    let Some(parts) = parts.collect::<Option<Vec<_>>>() else { return IndexMap::new() };
    let of_kind = |kind| {
        let parts = parts.iter().filter_map(|lists| lists.get(&kind).copied());
        Some((kind, parts.reduce(Lasting::and)?))
    };
    Kind::ALL.into_iter().filter_map(of_kind).collect()
}
