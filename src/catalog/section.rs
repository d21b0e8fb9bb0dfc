//! Everything of one kind: prepared for listing, and found by its public name.

use std::collections::HashMap;

use crate::catalog::Entry;
use crate::wire::Raw;

#[derive(Debug)]
pub(in crate::catalog) struct Section {
    entries: Vec<Entry>,
    index: HashMap<String, usize>,
    own: HashMap<String, Raw>,
    list: Raw,
}

impl Section {
    /// Prepares `entries`, whose public names differ, and behind them what Conflux itself offers.
    pub(in crate::catalog) fn new(entries: Vec<Entry>, own: &[Raw]) -> Self {
        let list = Raw::array(entries.iter().map(|entry| &entry.definition).chain(own));
        let numbered = entries.iter().enumerate();
        let index = numbered.map(|(number, entry)| (entry.public.clone(), number)).collect();
        let named = own.iter().filter_map(|raw| Some((raw.member("name")?.string()?, raw.clone())));
        Self { index, own: named.collect(), list, entries }
    }

    pub(in crate::catalog) fn find(&self, public: &str) -> Option<&Entry> {
        self.entries.get(*self.index.get(public)?)
    }

    pub(in crate::catalog) fn find_own(&self, public: &str) -> Option<&Raw> {
        self.own.get(public)
    }

    pub(in crate::catalog) fn list(&self) -> &Raw {
        &self.list
    }

    pub(in crate::catalog) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}
