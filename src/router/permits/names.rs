//! The names that things have where everything is seen, by which rules speak of them: other views
//! may name them otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::Catalog;
use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::ids::UpstreamId;

/// Public names by what they are made of.
#[derive(Debug)]
pub(in crate::router) struct Names {
    catalog: Arc<Catalog>,
    all: HashMap<(UpstreamId, Kind, String), String>,
}

impl Names {
    /// Takes them from the catalog of everything.
    pub(in crate::router) fn of(catalog: &Arc<Catalog>) -> Self {
        let mut names = HashMap::new();
        for kind in [Kind::Tools, Kind::Prompts] {
            for entry in catalog.entries(kind) {
                let key = (entry.upstream.clone(), kind, entry.name.clone());
                names.insert(key, entry.public.clone());
            }
        }
        Self { catalog: Arc::clone(catalog), all: names }
    }

    /// Returns whether they are those of this catalog.
    pub(in crate::router) fn is_of(&self, catalog: &Arc<Catalog>) -> bool {
        Arc::ptr_eq(&self.catalog, catalog)
    }

    /// Returns the name of an entry of another catalog.
    pub(in crate::router) fn find(&self, kind: Kind, entry: &Entry) -> Option<&str> {
        let key = (entry.upstream.clone(), kind, entry.name.clone());
        self.all.get(&key).map(String::as_str)
    }
}
