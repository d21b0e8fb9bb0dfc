//! What some of those who ask see, all of them the same: the lists of it are written once.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::OnceLock;

use crate::catalog::Audience;
use crate::catalog::Audiences;
use crate::catalog::Catalog;
use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::catalog::Prepared;
use crate::catalog::tokens;
use crate::ids::UpstreamId;
use crate::wire::Raw;

/// A part of a catalog.
#[derive(Debug)]
pub(in crate::router) struct Seen {
    catalog: Arc<Catalog>,
    /// Whether that is everything.
    is_everything: bool,
    /// For each kind, whether each of its entries is seen.
    kinds: [Box<[bool]>; Kind::ALL.len()],
    /// The definitions of the tools of Conflux itself that are seen.
    own: Vec<Raw>,
    upstreams: HashSet<UpstreamId>,
    lists: [OnceLock<Arc<Prepared>>; Kind::ALL.len()],
    audiences: Audiences,
    tokens: OnceLock<usize>,
}

impl Seen {
    pub(super) fn new(
        catalog: &Arc<Catalog>,
        is_seen: impl Fn(Kind, usize) -> bool,
        is_own_seen: impl Fn(&str) -> bool,
    ) -> Self {
        let kinds = Kind::ALL.map(|kind| -> Box<[bool]> {
            (0..catalog.entries(kind).len()).map(|place| is_seen(kind, place)).collect()
        });
        let name = |raw: &Raw| raw.member("name").and_then(|name| name.string());
        let own = catalog.own_tools().iter();
        let own: Vec<Raw> =
            own.filter(|raw| name(raw).is_some_and(|name| is_own_seen(&name))).cloned().collect();
        let is_everything = own.len() == catalog.own_tools().len()
            && kinds.iter().all(|seen| seen.iter().all(|is_seen| *is_seen));
        let entries = Kind::ALL.into_iter().zip(&kinds).flat_map(|(kind, seen)| {
            catalog.entries(kind).zip(seen).filter(|(_, is_seen)| **is_seen)
        });
        let upstreams = entries.map(|(entry, _)| entry.upstream.clone()).collect();
        Self {
            catalog: Arc::clone(catalog),
            is_everything,
            own,
            upstreams,
            kinds,
            lists: Default::default(),
            audiences: Audiences::default(),
            tokens: OnceLock::new(),
        }
    }

    /// Returns whether nothing is hidden.
    pub(in crate::router) fn is_everything(&self) -> bool {
        self.is_everything
    }

    /// Returns everything of one kind that is seen, in the order it is listed.
    pub(in crate::router) fn entries(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        let seen = Kind::ALL.into_iter().zip(&self.kinds).find(|(other, _)| *other == kind);
        let seen = seen.map(|(_, seen)| seen).into_iter().flatten();
        self.catalog.entries(kind).zip(seen).filter(|(_, is_seen)| **is_seen).map(|(it, _)| it)
    }

    /// Returns whether something of one kind is seen.
    pub(in crate::router) fn shows(&self, kind: Kind, public: &str) -> bool {
        let seen = Kind::ALL.into_iter().zip(&self.kinds).find(|(other, _)| *other == kind);
        let place = self.catalog.position(kind, public);
        seen.zip(place).is_some_and(|((_, seen), place)| seen.get(place) == Some(&true))
    }

    /// Returns the tools of Conflux itself that are seen.
    pub(in crate::router) fn own(&self) -> &[Raw] {
        &self.own
    }

    /// Returns whether anything of an upstream is seen.
    pub(in crate::router) fn sees(&self, upstream: &UpstreamId) -> bool {
        self.upstreams.contains(upstream)
    }

    /// Returns the list of one kind.
    pub(in crate::router) fn prepared(&self, kind: Kind) -> &Arc<Prepared> {
        if self.is_everything {
            return self.catalog.prepared(kind);
        }
        let list = self.lists.iter().zip(Kind::ALL).find(|(_, other)| *other == kind);
        let Some((list, _)) = list else { return self.catalog.prepared(kind) };
        list.get_or_init(|| {
            let own = if kind == Kind::Tools { self.own.as_slice() } else { &[] };
            let entries = self.entries(kind).map(|entry| &entry.definition).chain(own);
            Arc::new(Prepared::new(kind.member(), entries))
        })
    }

    /// Returns the list of tools for an audience, as [`Catalog::tools_for`] does.
    pub(in crate::router) fn tools_for(
        &self,
        audience: Audience,
        make: impl FnOnce() -> Option<Vec<Raw>>,
    ) -> Arc<Prepared> {
        // Even if it is everything: others may know of upstreams that have nothing.
        self.audiences.list(audience, make, || self.prepared(Kind::Tools))
    }

    /// Returns how many tools are on the list.
    pub(in crate::router) fn listed_tools(&self) -> usize {
        self.entries(Kind::Tools).count() + self.own.len()
    }

    /// Returns about how many tokens that costs a model.
    pub(in crate::router) fn tokens(&self) -> usize {
        *self.tokens.get_or_init(|| tokens::estimate(self.prepared(Kind::Tools).list().get()))
    }
}
