//! What policies can name: everything there is, under the names it has where everything is seen.

use std::sync::Arc;

use tokio::sync::watch;

use crate::catalog;
use crate::catalog::Catalog;
use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::catalog::Listing;
use crate::catalog::Rules;
use crate::catalog::Source;
use crate::catalog::name;
use crate::config;
use crate::config::Config;
use crate::config::policy::CONFLUX;
use crate::config::problem::Problem;
use crate::ids::Generation;
use crate::ids::UpstreamId;
use crate::policy::Policy;
use crate::policy::Tool;
use crate::policy::vocabulary::Vocabulary;
use crate::router::Router;
use crate::router::own::names;
use crate::router::permits;
use crate::router::world::Known;
use crate::router::world::World;

/// An upstream and what is known of it.
struct Part<'a> {
    config: Arc<config::Upstream>,
    known: Option<&'a Known>,
}

impl Part<'_> {
    /// Whether it is known what it has of one kind, be it from an earlier run.
    fn has_listed(&self, kind: Kind) -> bool {
        self.known.is_some_and(|it| !it.unread.contains(&kind) || it.remembered.is_some())
    }

    fn listing(&self) -> Arc<Listing> {
        self.known.map(|known| Arc::clone(&known.listing)).unwrap_or_default()
    }
}

impl Router {
    /// Returns what policies could name if this configuration were in force: what its upstreams
    /// have listed, under the names it gives.
    pub fn vocabulary(&self, config: &Config) -> Vocabulary {
        let world = self.shared.world.load();
        let (enabled, disabled): (Vec<_>, Vec<_>) =
            config.upstreams.values().partition(|upstream| !upstream.disabled);
        let part = |upstream: &config::Upstream| Part {
            config: Arc::new(upstream.clone()),
            known: world.upstreams.get(&upstream.id),
        };
        let parts: Vec<_> = enabled.into_iter().map(part).collect();
        let disabled = disabled.iter().map(|it| (it.id.clone(), it.prefix.clone()));
        let disabled: Vec<_> = disabled.collect();
        vocabulary(&parts, &disabled, config.names.max_length)
    }

    /// Returns everything in the policy in force that speaks of nothing.
    pub fn policy_problems(&self) -> Vec<Problem> {
        let world = self.shared.world.load();
        let Some(policy) = &world.policy else { return Vec::new() };
        let instance = &self.shared.instance;
        let found = policy.check(&of_world(&world)).into_iter();
        found.map(|problem| instance.without_secrets(problem)).collect()
    }

    /// Returns the policy in force.
    pub fn policy(&self) -> Option<Arc<Policy>> {
        self.shared.world.load().policy.clone()
    }

    /// Returns where it is told that another world was published.
    pub fn published(&self) -> watch::Receiver<Generation> {
        self.shared.published.subscribe()
    }

    /// Returns the catalog of everything.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.snapshot().catalog)
    }
}

fn of_world(world: &World) -> Vocabulary {
    let part = |known| Part { config: Arc::clone(Known::config(known)), known: Some(known) };
    let parts: Vec<_> = world.upstreams.values().map(part).collect();
    vocabulary(&parts, &world.disabled_prefixes, world.max_name_length)
}

fn vocabulary(
    parts: &[Part<'_>],
    disabled: &[(UpstreamId, String)],
    max_length: usize,
) -> Vocabulary {
    let catalog = merge(parts, disabled, max_length);
    let prefixes_without = |kind: Kind| {
        let unlisted = parts.iter().filter(move |part| !part.has_listed(kind));
        let unlisted = unlisted.map(|part| name::stem(&part.config.prefix));
        unlisted.chain(disabled.iter().map(|(_, prefix)| name::stem(prefix))).collect()
    };
    let original = |entry: &Entry| {
        let part = parts.iter().find(|part| part.config.id == entry.upstream)?;
        permits::original(&part.listing(), entry)
    };
    let tools = catalog.entries(Kind::Tools);
    let tools = tools.map(|entry| permits::tool(entry, entry.public.clone(), &original));
    let own = catalog.own_tools().iter().map(permits::own_tool);
    let ids = parts.iter().map(|part| &part.config.id).chain(disabled.iter().map(|(id, _)| id));
    let ids = ids.map(UpstreamId::as_str).chain([CONFLUX]);
    Vocabulary {
        upstreams: ids.map(str::to_owned).collect(),
        tools: tools.chain(own).collect::<Vec<Tool>>(),
        prompts: catalog.entries(Kind::Prompts).map(|entry| entry.public.clone()).collect(),
        unlisted_tools: prefixes_without(Kind::Tools),
        unlisted_prompts: prefixes_without(Kind::Prompts),
    }
}

fn merge(parts: &[Part<'_>], disabled: &[(UpstreamId, String)], max_length: usize) -> Catalog {
    let source = |part: &Part<'_>| Source {
        upstream: part.config.id.clone(),
        prefix: part.config.prefix.clone(),
        over_http: part.config.is_remote(),
        listing: part.listing(),
    };
    let sources: Vec<_> = parts.iter().map(source).collect();
    let config = |id: &UpstreamId| {
        let part = parts.iter().find(|part| part.config.id == *id)?;
        Some(Arc::clone(&part.config))
    };
    let rules = Rules {
        max_length,
        reserved: disabled.iter().map(|(id, prefix)| (prefix.clone(), id.clone())).collect(),
        permits: &|id, local| config(id).is_some_and(|it| it.tools.permits(local)),
        upstream: &config,
        own: names::definitions(),
        ..Rules::default()
    };
    catalog::merge(&sources, &rules)
}
