//! Everything that is known of the upstreams: what worlds are made of.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::catalog::Kind;
use crate::config;
use crate::config::difference::Difference;
use crate::config::difference::Fate;
use crate::control::plan::Listings;
use crate::ids::Generation;
use crate::ids::UpstreamId;
use crate::policy::Policy;
use crate::router::World;
use crate::router::world::Known;
use crate::upstream;
use crate::upstream::Handle;
use crate::upstream::Inventory;
use crate::upstream::Recalled;
use crate::upstream::Retired;
use crate::wire::Raw;

/// What is known now.
#[derive(Debug)]
pub(super) struct Facts {
    /// The configuration in force.
    pub(super) config: Arc<config::Config>,
    /// Every upstream that is not disabled, in the order of the file.
    pub(super) handles: IndexMap<UpstreamId, Handle>,
    /// What they listed.
    pub(super) listings: Listings,
    /// The extensions each upstream declared last, in this run or an earlier one.
    pub(super) extensions: IndexMap<UpstreamId, Raw>,
    /// What each told a model about itself before it could be asked.
    instructions: IndexMap<UpstreamId, String>,
    /// Who may do what, as the configuration says.
    policy: Option<Arc<Policy>>,
    retired: Vec<Retired>,
    generation: Generation,
    configured: u64,
}

impl Facts {
    /// Makes the upstreams of `config` that are not disabled, of which nothing is known.
    pub(super) fn new(
        config: Arc<config::Config>,
        enabled: Vec<Arc<config::Upstream>>,
        around: &upstream::Surroundings,
    ) -> Self {
        let handle = |it: Arc<config::Upstream>| (it.id.clone(), Handle::new(it, around));
        let handles: IndexMap<_, _> = enabled.into_iter().map(handle).collect();
        Self {
            listings: Listings::new(handles.keys().cloned()),
            policy: Policy::new(&config.policy).map(Arc::new),
            config,
            handles,
            extensions: IndexMap::new(),
            instructions: IndexMap::new(),
            retired: Vec::new(),
            generation: Generation::default(),
            configured: 0,
        }
    }

    /// Takes what is known of an upstream from an earlier run, until it says something else.
    pub(super) fn recall(&mut self, id: &UpstreamId, recalled: Recalled) {
        let Recalled { instructions, extensions, inventory } = recalled;
        self.instructions.extend(instructions.map(|text| (id.clone(), text)));
        self.extensions.extend(extensions.map(|declared| (id.clone(), declared)));
        let Some((inventory, from)) = inventory else { return };
        // A program is asked without headers.
        let handle = self.handles.get(id).filter(|handle| handle.config().is_remote());
        if let Some((handle, tools)) = handle.zip(inventory.tools.as_ref()) {
            handle.assume(tools);
        }
        self.listings.recall(id, lists(inventory), from);
    }

    /// Has another configuration come into force, in which `difference` is what differs. Returns
    /// the upstreams that are new, or have taken the place of another one; until they list, they
    /// show what that one listed.
    pub(super) fn reload(
        &mut self,
        config: Arc<config::Config>,
        difference: &Difference,
        around: &upstream::Surroundings,
    ) -> Vec<UpstreamId> {
        let mut before = std::mem::take(&mut self.handles);
        let mut fresh = Vec::new();
        for (id, entry) in enabled(&config) {
            let (known, new) = (before.swap_remove(id), || Arc::new(entry.clone()));
            let handle = match (known, difference.upstreams.get(id)) {
                (Some(old), Some(Fate::Restarted(_))) => {
                    fresh.push(id.clone());
                    self.retired.push(old.retire());
                    old.succeeded_by(new(), around)
                }
                (Some(old), Some(Fate::Adopted(_))) => old.adopted(new()),
                (Some(old), _) => old,
                (None, _) => {
                    fresh.push(id.clone());
                    Handle::new(new(), around)
                }
            };
            self.handles.insert(id.clone(), handle);
        }
        for (id, gone) in before {
            self.retired.push(gone.retire());
            self.listings.forget(&id);
            self.extensions.shift_remove(&id);
            self.instructions.shift_remove(&id);
        }
        for id in &fresh {
            self.listings.renew(id);
        }
        if config.policy != self.config.policy {
            self.policy = Policy::new(&config.policy).map(Arc::new);
        }
        self.config = config;
        self.configured += 1;
        fresh
    }

    /// Goes on to the next generation.
    pub(super) fn next(&mut self) -> World {
        self.generation = self.generation.next();
        self.retired.retain(|retired| !retired.is_over());
        self.world()
    }

    /// Puts together what is known now.
    pub(super) fn world(&self) -> World {
        let listings = &self.listings;
        let mut failures = listings.failures();
        let known = |(id, handle): (&UpstreamId, &Handle)| {
            let instructions = handle.status().agreed.and_then(|agreed| agreed.instructions);
            let known = Known {
                handle: handle.clone(),
                listing: listings.get(id),
                unread: listings.unread(id),
                remembered: listings.remembered(id),
                lasting: listings.lasting(id),
                failure: failures.shift_remove(id),
                instructions: instructions.or_else(|| self.instructions.get(id).cloned()),
                extensions: self.extensions.get(id).cloned(),
            };
            (id.clone(), known)
        };
        let disabled = self.config.upstreams.values().filter(|upstream| upstream.disabled);
        let profile = |(name, profile): (&String, &config::Profile)| {
            (name.clone(), Arc::new(profile.clone()))
        };
        World {
            generation: self.generation,
            upstreams: self.handles.iter().map(known).collect(),
            disabled: disabled.clone().map(|upstream| upstream.id.clone()).collect(),
            disabled_prefixes: disabled
                .map(|upstream| (upstream.id.clone(), upstream.prefix.clone()))
                .collect(),
            retired: self.retired.clone(),
            configured: self.configured,
            max_name_length: self.config.names.max_length,
            start_budget: self.config.limits.start_budget.limit(),
            profiles: self.config.profiles.iter().map(profile).collect(),
            profile: self.config.profile.clone(),
            has_bounds: self.config.auth.is_some(),
            policy: self.policy.clone(),
            exposure: Arc::new(self.config.exposure.clone()),
            scopes: self
                .config
                .auth
                .as_ref()
                .map(|auth| auth.scopes.clone().into())
                .unwrap_or_default(),
        }
    }
}

/// Returns the upstreams that are not disabled.
pub(super) fn enabled(
    config: &config::Config,
) -> impl Iterator<Item = (&UpstreamId, &config::Upstream)> {
    config.upstreams.iter().filter(|(_, upstream)| !upstream.disabled)
}

fn lists(inventory: Inventory) -> Vec<(Kind, Vec<Raw>)> {
    let Inventory { tools, prompts, resources, templates, skills } = inventory;
    let lists = Kind::ALL.into_iter().zip([tools, prompts, resources, templates, skills]);
    lists.filter_map(|(kind, items)| Some((kind, items?))).collect()
}
