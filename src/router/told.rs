//! What callers were last told of, so that they are told only when something differs.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::catalog::Kind;
use crate::config::exposure::Exposure;
use crate::exchange::mailbox::ListKind;
use crate::policy::Policy;
use crate::wire::Raw;

/// The lists the callers of one view were last told of.
#[derive(Debug, Default)]
pub(super) struct Told {
    lists: Vec<Raw>,
    /// Who sees what of them.
    policy: Option<Arc<Policy>>,
    /// How much of the tools was listed.
    pub(super) exposure: Exposure,
}

/// Which list of the catalog belongs to which notification.
const LISTS: [(Kind, ListKind); 4] = [
    (Kind::Tools, ListKind::Tools),
    (Kind::Prompts, ListKind::Prompts),
    (Kind::Resources, ListKind::Resources),
    (Kind::Templates, ListKind::Resources),
];

impl Told {
    /// The lists of `catalog`, how much of the tools in it is listed, and to whom.
    pub(super) fn of(catalog: &Catalog, exposure: &Exposure, policy: Option<&Arc<Policy>>) -> Self {
        let lists = LISTS.iter().map(|(kind, _)| catalog.list(*kind).clone()).collect();
        Self { lists, policy: policy.cloned(), exposure: exposure.clone() }
    }

    /// Returns which notifications `now` is worth, and keeps it.
    pub(super) fn news(&mut self, now: Self) -> Vec<ListKind> {
        let mut kinds = Vec::new();
        let is_other_policy = match (&self.policy, &now.policy) {
            (Some(one), Some(other)) => !Arc::ptr_eq(one, other),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        };
        for (index, (_, kind)) in LISTS.iter().enumerate() {
            let is_other_list = self.lists.get(index) != now.lists.get(index);
            let is_exposed_otherwise = *kind == ListKind::Tools && self.exposure != now.exposure;
            let is_other = is_other_list || is_exposed_otherwise || is_other_policy;
            if is_other && !kinds.contains(kind) {
                kinds.push(*kind);
            }
        }
        *self = now;
        kinds
    }
}
