//! What one request sees of the world: the catalog and the upstreams of one generation.

use std::borrow::Cow;
use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use crate::catalog;
use crate::catalog::Catalog;
use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::catalog::Listing;
use crate::catalog::Rules;
use crate::catalog::Source;
use crate::catalog::name;
use crate::config;
use crate::config::auth::Scopes;
use crate::config::exposure::Exposure;
use crate::config::exposure::Mode;
use crate::exchange::principal::Bounds;
use crate::ids::Generation;
use crate::ids::UpstreamId;
use crate::router::Lasting;
use crate::router::instructions;
use crate::router::lasting;
use crate::router::permits;
use crate::router::permits::Names;
use crate::router::permits::Permits;
use crate::router::told::Told;
use crate::router::view::Lens;
use crate::router::world::Known;
use crate::router::world::World;
use crate::upstream;
use crate::upstream::Moment;
use crate::wire::Raw;

/// One generation; it never changes.
#[derive(Debug)]
pub struct Snapshot {
    /// Its number.
    pub generation: Generation,
    /// What is listed, and who owns it.
    pub catalog: Arc<Catalog>,
    /// Every upstream in view that is not disabled, in the order of the file.
    pub upstreams: IndexMap<UpstreamId, upstream::Handle, RandomState>,
    /// Those that are, for reports.
    pub disabled: Vec<UpstreamId>,
    /// Those that are no longer part of the configuration and have not ended yet.
    pub retired: Vec<upstream::Retired>,
    /// Those of which a list was never had in this run, and of which kinds; all if nothing was
    /// listed yet. What is known of them, if anything, is from an earlier run.
    pub unlisted: IndexMap<UpstreamId, Vec<Kind>>,
    /// When those listed that are known from an earlier run.
    pub remembered: IndexMap<UpstreamId, Moment>,
    /// Why upstreams, or single lists of them, could not be listed the last time.
    pub failures: IndexMap<UpstreamId, String>,
    /// How long each list stays fresh; not at all if it is not here.
    pub lasting: IndexMap<Kind, Lasting>,
    /// The extensions each upstream declared last, an object by their ids.
    pub extensions: IndexMap<UpstreamId, Raw>,
    /// What upstreams tell a model about themselves: what their names begin with, and the text.
    texts: Vec<(String, UpstreamId, String)>,
    /// The same, merged.
    instructions: Option<String>,
    /// Who may see and use what; everybody everything if there is nothing.
    pub(super) permits: Option<Arc<Permits>>,
    /// How much of the tools is listed where the lens says nothing else.
    everywhere: Arc<Exposure>,
    /// What tokens of providers must be good for.
    pub(super) scopes: Arc<Scopes>,
    /// How long a public name may be.
    max_name_length: usize,
    lens: Lens,
    /// What the catalog was merged from; beside it, only the configuration counts.
    merged: Vec<Arc<Listing>>,
    configured: u64,
}

impl Snapshot {
    /// Looks at the world. Pure.
    ///
    /// As costly as merging everything that is seen, unless `before`, the last look through the
    /// same lens, was at the same listings.
    pub(super) fn of(
        world: &World,
        lens: &Lens,
        names: Option<&Arc<Names>>,
        before: Option<&Self>,
    ) -> Self {
        let seen = || world.upstreams.iter().filter(|(id, _)| lens.shows(id));
        let merged: Vec<_> = seen().map(|(_, known)| Arc::clone(&known.listing)).collect();
        let is_merged = |before: &&Self| {
            let pairs = before.merged.iter().zip(&merged);
            let is_same =
                before.configured == world.configured && before.merged.len() == merged.len();
            is_same && pairs.into_iter().all(|(a, b)| Arc::ptr_eq(a, b))
        };
        let catalog = match before.filter(is_merged) {
            Some(before) => Arc::clone(&before.catalog),
            None => Arc::new(merge(world, lens)),
        };
        let known = before.and_then(|before| before.permits.as_ref());
        let permits = permitted(world, lens, &catalog, names, known);
        let texts: Vec<_> = seen().filter_map(|(id, known)| text(lens, id, known)).collect();
        let failed =
            |(id, known): (&UpstreamId, &Known)| Some((id.clone(), known.failure.clone()?));
        let declared =
            |(id, known): (&UpstreamId, &Known)| Some((id.clone(), known.extensions.clone()?));
        let unlisted = seen().filter(|(_, known)| !known.unread.is_empty());
        let remembered = |(id, known): (&UpstreamId, &Known)| Some((id.clone(), known.remembered?));
        let lasts = |known: &Known| known.unread.len() < Kind::ALL.len();
        Self {
            generation: world.generation,
            catalog,
            upstreams: seen().map(|(id, known)| (id.clone(), known.handle.clone())).collect(),
            retired: world.retired.iter().filter(|it| lens.shows(it.id())).cloned().collect(),
            disabled: world.disabled.iter().filter(|id| lens.shows(id)).cloned().collect(),
            unlisted: unlisted.map(|(id, known)| (id.clone(), known.unread.clone())).collect(),
            remembered: seen().filter_map(remembered).collect(),
            failures: seen().filter_map(failed).collect(),
            lasting: lasting::merged(
                seen().map(|(_, known)| lasts(known).then_some(&known.lasting)),
            ),
            extensions: seen().filter_map(declared).collect(),
            instructions: instructions::merge(texts.iter().map(parts)),
            texts,
            permits,
            everywhere: Arc::clone(&world.exposure),
            scopes: Arc::clone(&world.scopes),
            max_name_length: world.max_name_length,
            lens: lens.clone(),
            merged,
            configured: world.configured,
        }
    }

    /// Returns how the upstream that owns something is reached.
    pub fn handle(&self, upstream: &UpstreamId) -> Result<&upstream::Handle, upstream::Error> {
        self.upstreams.get(upstream).ok_or_else(|| upstream::Error::stopped(upstream))
    }

    /// Returns the name that something has where everything is seen: the one that rules are about,
    /// through whatever view somebody looks.
    pub(super) fn ruled<'e>(&'e self, entry: &'e Entry) -> Cow<'e, str> {
        let Lens::Server(_) = &self.lens else { return Cow::Borrowed(&entry.public) };
        // What is in its way there, only who looks at everything can know.
        let known = self.permits.as_ref().and_then(|permits| permits.name_of(entry));
        known.map_or_else(|| self.ruled_name(&entry.upstream, &entry.name), Cow::Borrowed)
    }

    /// Returns the name that something of this name would have where everything is seen, if
    /// nothing is in its way.
    pub(super) fn ruled_name<'n>(&self, upstream: &UpstreamId, name: &'n str) -> Cow<'n, str> {
        let Lens::Server(_) = &self.lens else { return Cow::Borrowed(name) };
        self.upstreams.get(upstream).map_or(Cow::Borrowed(name), |handle| {
            name::public(&handle.config().prefix, name, self.max_name_length).into()
        })
    }

    /// Returns whether a tool is within the bounds of somebody, whatever rules say.
    pub(super) fn is_within(&self, bounds: &Bounds, tool: &Entry) -> bool {
        if bounds.tools.is_none() {
            return true;
        }
        match &self.permits {
            // Of what has no name nobody can say whether it is within.
            Some(permits) => permits.name_of(tool).is_some_and(|name| bounds.permit_tool(name)),
            None => bounds.permit_tool(&self.ruled(tool)),
        }
    }

    /// Returns what callers are told of when it differs.
    pub(super) fn told(&self) -> Told {
        let policy = self.permits.as_ref().and_then(|permits| permits.policy());
        Told::of(&self.catalog, self.exposure(), policy)
    }

    /// Returns what upstreams tell a model about themselves, of which that is wanted.
    pub(super) fn instructions(
        &self,
        wants: impl Fn(&UpstreamId, &Self) -> bool,
    ) -> Option<String> {
        if self.permits.is_none() {
            return self.instructions.clone();
        }
        let wanted = self.texts.iter().filter(|(_, id, _)| wants(id, self));
        instructions::merge(wanted.map(parts))
    }

    /// Returns how much of the tools clients are listed.
    pub(super) fn exposure(&self) -> &Exposure {
        self.lens.exposure(&self.everywhere)
    }

    /// Returns whether some clients have to search for tools.
    pub(super) fn is_searched(&self) -> bool {
        self.exposure().mode != Mode::Flat
    }

    /// Returns the upstream under whose prefix a name stands, if its list of this kind was never
    /// had in this run.
    pub fn expected(&self, kind: Kind, public: &str) -> Option<&UpstreamId> {
        let prefix = name::prefix(public)?;
        self.without(kind).find(|id| self.prefix(id) == Some(prefix))
    }

    /// Returns the upstreams without a prefix whose list of this kind was never had: any name could
    /// be theirs.
    pub fn unprefixed(&self, kind: Kind) -> impl Iterator<Item = &UpstreamId> {
        self.without(kind).filter(|id| self.prefix(id) == Some(""))
    }

    /// Returns whether an upstream's list of this kind was never had.
    pub fn lacks(&self, upstream: &UpstreamId, kind: Kind) -> bool {
        self.unlisted.get(upstream).is_some_and(|kinds| kinds.contains(&kind))
    }

    fn without(&self, kind: Kind) -> impl Iterator<Item = &UpstreamId> {
        self.unlisted.iter().filter(move |(_, kinds)| kinds.contains(&kind)).map(|(id, _)| id)
    }

    pub(super) fn prefix(&self, upstream: &UpstreamId) -> Option<&str> {
        Some(self.lens.prefix(self.upstreams.get(upstream)?.config()))
    }
}

fn parts((prefix, id, text): &(String, UpstreamId, String)) -> (&str, &UpstreamId, Option<&str>) {
    (prefix, id, Some(text))
}

/// What an upstream tells a model about itself, if it does.
fn text(lens: &Lens, id: &UpstreamId, known: &Known) -> Option<(String, UpstreamId, String)> {
    let prefix = lens.prefix(known.handle.config()).to_owned();
    Some((prefix, id.clone(), known.instructions.clone()?))
}

/// What the policy says of a catalog; that of `before` if it is the same.
fn permitted(
    world: &World,
    lens: &Lens,
    catalog: &Arc<Catalog>,
    names: Option<&Arc<Names>>,
    before: Option<&Arc<Permits>>,
) -> Option<Arc<Permits>> {
    let policy = world.policy.as_ref();
    if policy.is_none() && !world.has_bounds {
        return None;
    }
    // Where everything is seen, things are called what they are called.
    let names = names.filter(|_| !matches!(lens, Lens::Everything));
    if let Some(before) = before.filter(|before| before.is_of(policy, catalog, names)) {
        return Some(Arc::clone(before));
    }
    // Arguments are those that the server takes, however they are shown.
    let original =
        |entry: &Entry| permits::original(&world.upstreams.get(&entry.upstream)?.listing, entry);
    let permits = Permits::new(policy, catalog, names, lens.profile(), &original);
    Some(Arc::new(permits))
}

/// Merges what is seen of the world through the lens.
fn merge(world: &World, lens: &Lens) -> Catalog {
    let (seen, unseen): (Vec<_>, Vec<_>) =
        world.upstreams.iter().partition(|(id, _)| lens.shows(id));
    let source = |(id, known): (&UpstreamId, &Known)| {
        let config = known.handle.config();
        let prefix = lens.prefix(config).to_owned();
        let over_http = matches!(config.target, config::Target::Remote(_));
        let listing = Arc::clone(&known.listing);
        Source { upstream: id.clone(), prefix, over_http, listing }
    };
    let sources: Vec<_> = seen.into_iter().map(source).collect();
    let reserved = |(id, known): (&UpstreamId, &Known)| {
        (lens.prefix(known.handle.config()).to_owned(), id.clone())
    };
    let permits = |id: &UpstreamId, local: &str| {
        let known = world.upstreams.get(id);
        known.is_some_and(|known| known.handle.config().tools.permits(local))
    };
    let rules = Rules {
        max_length: world.max_name_length,
        reserved: unseen.into_iter().map(reserved).collect(),
        permits: &permits,
        shows: &|public| lens.shows_tool(public),
        upstream: &|id| world.upstreams.get(id).map(|known| Arc::clone(known.handle.config())),
        wanted: lens.wanted(),
        own: lens.own_tools(),
    };
    catalog::merge(&sources, &rules)
}
