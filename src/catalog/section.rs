//! Everything of one kind: prepared for listing, and found by its public name.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::catalog::prepared::Prepared;
use crate::wire::Raw;

#[derive(Debug)]
pub(in crate::catalog) struct Section {
    entries: Vec<Entry>,
    index: HashMap<String, usize, RandomState>,
    own: Vec<Raw>,
    own_index: HashMap<String, usize, RandomState>,
    prepared: Arc<Prepared>,
}

impl Section {
    /// Prepares `entries`, whose public names differ, and behind them what Conflux itself offers.
    pub(in crate::catalog) fn new(kind: Kind, entries: Vec<Entry>, own: &[Raw]) -> Self {
        let items = entries.iter().map(|entry| &entry.definition).chain(own);
        let prepared = Arc::new(Prepared::new(kind.member(), items));
        let numbered = entries.iter().enumerate();
        let index = numbered.map(|(number, entry)| (entry.public.clone(), number)).collect();
        let named = own.iter().enumerate();
        let named = named.filter_map(|(place, raw)| Some((raw.member("name")?.string()?, place)));
        Self { index, own: own.to_vec(), own_index: named.collect(), prepared, entries }
    }

    pub(in crate::catalog) fn find(&self, public: &str) -> Option<&Entry> {
        self.entries.get(self.position(public)?)
    }

    pub(in crate::catalog) fn position(&self, public: &str) -> Option<usize> {
        self.index.get(public).copied()
    }

    pub(in crate::catalog) fn find_own(&self, public: &str) -> Option<&Raw> {
        self.own.get(*self.own_index.get(public)?)
    }

    pub(in crate::catalog) fn own(&self) -> &[Raw] {
        &self.own
    }

    /// Returns how many there are, those of Conflux itself among them.
    pub(in crate::catalog) fn listed(&self) -> usize {
        self.entries.len() + self.own.len()
    }

    pub(in crate::catalog) fn prepared(&self) -> &Arc<Prepared> {
        &self.prepared
    }

    pub(in crate::catalog) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}
