//! What everybody may see and use of one catalog: decided once for each who asks, and kept.
//!
//! What depends on the arguments of a call is decided for each call; all else is looked up.

mod names;
mod row;
mod seen;
mod table;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::catalog;
use crate::catalog::Catalog;
use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::catalog::Listing;
use crate::config::hints::Hints;
use crate::exchange::principal::Principal;
use crate::policy::Arguments;
use crate::policy::Decision;
use crate::policy::Outcome;
use crate::policy::Policy;
use crate::policy::Rule;
use crate::policy::Target;
use crate::policy::Tool;
use crate::policy::Who;
use crate::router::permits::table::Table;
use crate::wire::Raw;

pub(super) use self::names::Names;
pub(super) use self::row::Row;
pub(super) use self::row::Verdict;
pub(super) use self::seen::Seen;

/// Of how many who ask it is kept what they may do; those who have not asked for longest give way.
/// Each takes four bytes for each thing there is: twenty megabytes with five thousand tools.
const ROWS: usize = 1024;
/// How much of what a client calls itself rules look at, in bytes.
const CLIENT: usize = 256;
/// Of how many different selections lists are kept; most who ask see one of a few.
const SELECTIONS: usize = 64;
/// What stands for Conflux where upstreams do.
const CONFLUX: &str = crate::config::policy::CONFLUX;

/// A policy and what it is about.
#[derive(Debug)]
pub(super) struct Permits {
    /// Nothing if everybody may do everything, but for the bounds of who asks.
    policy: Option<Arc<Policy>>,
    catalog: Arc<Catalog>,
    names: Option<Arc<Names>>,
    /// The profile in use.
    profile: Option<String>,
    /// What every slot stands for.
    things: Vec<Thing>,
    rows: Table<(Principal, Option<Box<str>>), Row>,
    selections: Table<Box<[u64]>, Seen>,
}

/// What rules speak of.
#[derive(Debug)]
enum Thing {
    Tool(Box<Tool>),
    Prompt {
        upstream: String,
        name: String,
        local: String,
    },
    Resource {
        upstream: String,
        uri: String,
    },
    /// What nobody can have meant, because it has no name where everything is seen.
    Nameless,
}

/// A place for a verdict: everything of one kind after the other, then the tools of Conflux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(usize);

impl Permits {
    /// Puts together what a policy says of a catalog; `names` are those by which it is spoken of
    /// everything that is not named here as it is elsewhere.
    pub(super) fn new(
        policy: Option<&Arc<Policy>>,
        catalog: &Arc<Catalog>,
        names: Option<&Arc<Names>>,
        profile: Option<&str>,
        original: &dyn Fn(&Entry) -> Option<Raw>,
    ) -> Self {
        let entries = Kind::ALL
            .into_iter()
            .flat_map(|kind| catalog.entries(kind).map(move |entry| (kind, entry)));
        let thing = |(kind, entry): (Kind, &Entry)| {
            let public = || match names {
                Some(names) => names.find(kind, entry).map(str::to_owned),
                None => Some(entry.public.clone()),
            };
            let upstream = entry.upstream.as_str().to_owned();
            let local = || entry.local.clone();
            match kind {
                Kind::Tools => public().map_or(Thing::Nameless, |name| {
                    Thing::Tool(Box::new(tool(entry, name, original)))
                }),
                Kind::Prompts => public().map_or(Thing::Nameless, |name| Thing::Prompt {
                    upstream,
                    name,
                    local: local(),
                }),
                Kind::Resources | Kind::Templates | Kind::Skills => {
                    Thing::Resource { upstream, uri: local() }
                }
            }
        };
        let own = catalog.own_tools().iter().map(own_tool);
        let things = entries.map(thing).chain(own.map(|tool| Thing::Tool(Box::new(tool))));
        Self {
            policy: policy.cloned(),
            things: things.collect(),
            catalog: Arc::clone(catalog),
            names: names.map(Arc::clone),
            profile: profile.map(str::to_owned),
            rows: Table::new(ROWS),
            selections: Table::new(SELECTIONS),
        }
    }

    /// Returns whether it was made of these.
    pub(super) fn is_of(
        &self,
        policy: Option<&Arc<Policy>>,
        catalog: &Arc<Catalog>,
        names: Option<&Arc<Names>>,
    ) -> bool {
        self.names.as_ref().map(Arc::as_ptr) == names.map(Arc::as_ptr)
            && self.policy.as_ref().map(Arc::as_ptr) == policy.map(Arc::as_ptr)
            && Arc::ptr_eq(&self.catalog, catalog)
    }

    /// Returns the catalog.
    pub(super) fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Returns the policy, if there is one.
    pub(super) fn policy(&self) -> Option<&Arc<Policy>> {
        self.policy.as_ref()
    }

    /// Returns whether the policy refuses nothing, and what it would have is only said.
    pub(super) fn is_shadow(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.is_shadow())
    }

    /// Returns whether nothing can be hidden from somebody.
    pub(super) fn is_open_to(&self, principal: &Principal) -> bool {
        self.policy.is_none() && principal.bounds().tools.is_none()
    }

    /// Returns what somebody may do, as far as that was decided.
    pub(super) fn row(&self, principal: &Principal, client: Option<&str>) -> Arc<Row> {
        // Otherwise somebody could make up any number of names, each of which costs all decisions.
        let policy = self.policy.as_ref();
        let client = client.filter(|_| policy.is_some_and(|it| it.distinguishes_clients()));
        // Nor any of any length, as some of them are kept.
        let client = client.map(|it| it.get(..it.floor_char_boundary(CLIENT)).unwrap_or_default());
        let key = (principal.clone(), client.map(Box::from));
        self.rows.get_or_make(&key, || Row::new(principal.clone(), client, self.things.len()))
    }

    /// Returns the slot of what is listed under this public name or address.
    pub(super) fn slot(&self, kind: Kind, public: &str) -> Option<Slot> {
        let place = self.catalog.position(kind, public)?;
        Some(self.at(kind, place))
    }

    /// Returns the slot of the thing at this place among those of its kind.
    fn at(&self, kind: Kind, place: usize) -> Slot {
        let before = Kind::ALL.into_iter().take_while(|other| *other != kind);
        let before: usize = before.map(|kind| self.catalog.entries(kind).len()).sum();
        Slot(before + place)
    }

    /// Returns the slot of a tool of Conflux itself.
    pub(super) fn own_slot(&self, name: &str) -> Option<Slot> {
        let own = self.catalog.own_tools().len();
        let first = self.things.len().checked_sub(own)?;
        let is_it = |thing: &Thing| matches!(thing, Thing::Tool(tool) if tool.name == name);
        let place = self.things.iter().skip(first).position(is_it)?;
        Some(Slot(first + place))
    }

    /// Returns the name that a tool has where everything is seen; nothing if it has none there.
    pub(super) fn name_of(&self, tool: &Entry) -> Option<&str> {
        let Slot(place) = self.slot(Kind::Tools, &tool.public)?;
        match self.things.get(place)? {
            Thing::Tool(tool) => Some(&tool.name),
            Thing::Prompt { .. } | Thing::Resource { .. } | Thing::Nameless => None,
        }
    }

    /// Returns what becomes of any use of something, whatever the arguments.
    pub(super) fn verdict(&self, row: &Row, slot: Slot) -> Verdict {
        row.get_or_decide(slot.0, || {
            let Some(policy) = self.policy.as_ref() else { return Verdict::allowed() };
            let decision = self.decide(policy, row, slot, Arguments::Unknown);
            verdict_of(policy, decision.as_ref())
        })
    }

    /// Decides about one use of something with these arguments; nothing if there is no policy.
    pub(super) fn judge(
        &self,
        row: &Row,
        slot: Slot,
        arguments: Arguments<'_>,
    ) -> Option<(Verdict, Option<Decision<'_>>)> {
        let policy = self.policy.as_ref()?;
        let decision = self.decide(policy, row, slot, arguments);
        Some((verdict_of(policy, decision.as_ref()), decision))
    }

    /// Decides about one use of something; nothing if it has no name.
    fn decide<'p>(
        &self,
        policy: &'p Policy,
        row: &Row,
        slot: Slot,
        arguments: Arguments<'_>,
    ) -> Option<Decision<'p>> {
        let target = match self.things.get(slot.0)? {
            Thing::Tool(tool) => Target::Tool(tool),
            Thing::Prompt { upstream, name, local } => Target::Prompt { upstream, name, local },
            Thing::Resource { upstream, uri } => Target::Resource { upstream, uri },
            Thing::Nameless => return None,
        };
        Some(policy.decide(&self.who(row), &target, arguments))
    }

    /// Decides about an address, which need not be listed.
    pub(super) fn address(&self, row: &Row, upstream: &str, uri: &str) -> Verdict {
        let Some(policy) = self.policy.as_ref() else { return Verdict::allowed() };
        let target = Target::Resource { upstream, uri };
        let decision = policy.decide(&self.who(row), &target, Arguments::None);
        verdict_of(policy, Some(&decision))
    }

    /// Returns whether an address is seen.
    pub(super) fn shows_address(&self, row: &Row, upstream: &str, uri: &str) -> bool {
        self.is_shadow() || self.address(row, upstream, uri).outcome == Outcome::Allowed
    }

    /// Returns whether something that nobody has listed yet could be seen, whatever its
    /// annotations.
    pub(super) fn may_show(
        &self,
        row: &Row,
        kind: Kind,
        upstream: &str,
        name: &str,
        local: &str,
    ) -> bool {
        if kind == Kind::Tools && !row.principal.bounds().permit_tool(name) {
            return false;
        }
        let Some(policy) = self.policy.as_ref().filter(|policy| !policy.is_shadow()) else {
            return true;
        };
        let is_seen = |target: &Target<'_>| {
            let decision = policy.decide(&self.who(row), target, Arguments::Unknown);
            decision.outcome != Outcome::Refused
        };
        if kind != Kind::Tools {
            return is_seen(&Target::Prompt { upstream, name, local });
        }
        let (upstream, name, local) = (upstream.to_owned(), name.to_owned(), local.to_owned());
        let mut tool = Tool { upstream, name, local, ..Tool::default() };
        Hints::all().any(|hints| {
            tool.hints = hints;
            is_seen(&Target::Tool(&tool))
        })
    }

    fn who<'w>(&'w self, row: &'w Row) -> Who<'w> {
        Who {
            principal: row.principal.name(),
            groups: row.principal.groups(),
            client: &row.client,
            profile: self.profile.as_deref(),
        }
    }

    /// Returns whether anything of an upstream is seen, without looking at more than it takes.
    pub(super) fn sees(&self, row: &Row, upstream: &str) -> bool {
        let is_its = |thing: &Thing| match thing {
            Thing::Tool(tool) => tool.upstream == upstream,
            Thing::Prompt { upstream: owner, .. } | Thing::Resource { upstream: owner, .. } => {
                owner == upstream
            }
            Thing::Nameless => false,
        };
        let its = self.things.iter().enumerate().filter(|(_, thing)| is_its(thing));
        its.map(|(place, _)| Slot(place)).any(|slot| self.shows(row, slot))
    }

    /// Returns whether something is seen.
    pub(super) fn shows(&self, row: &Row, slot: Slot) -> bool {
        let is_within = match self.things.get(slot.0) {
            Some(Thing::Tool(tool)) => row.principal.bounds().permit_tool(&tool.name),
            // Of what has no name nobody can say whether it is within.
            Some(Thing::Nameless) => row.principal.bounds().tools.is_none(),
            Some(Thing::Prompt { .. } | Thing::Resource { .. }) | None => true,
        };
        is_within && (self.is_shadow() || self.verdict(row, slot).outcome != Outcome::Refused)
    }

    /// Returns everything that somebody sees. Decides whatever was not decided yet, which takes a
    /// while where there is much.
    pub(super) fn seen(&self, row: &Row) -> Arc<Seen> {
        let mut bits = vec![0_u64; self.things.len().div_ceil(64)];
        for place in 0..self.things.len() {
            if self.shows(row, Slot(place))
                && let Some(word) = bits.get_mut(place / 64)
            {
                *word |= 1 << (place % 64);
            }
        }
        let bits: Box<[u64]> = bits.into();
        self.selections.get_or_make(&bits, || {
            let is_seen = |kind, place| {
                let Slot(place) = self.at(kind, place);
                bits.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
            };
            let own = |name: &str| {
                self.own_slot(name).is_some_and(|Slot(place)| {
                    bits.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
                })
            };
            Seen::new(&self.catalog, is_seen, own)
        })
    }

    /// Returns whether it is known what somebody sees, so that [`Self::seen`] takes no time.
    pub(super) fn is_decided(&self, row: &Row) -> bool {
        self.policy.is_none() || self.is_shadow() || row.is_complete()
    }
}

/// Returns a decision as it is kept.
fn verdict_of(policy: &Policy, decision: Option<&Decision<'_>>) -> Verdict {
    let Some(decision) = decision else { return Verdict::refused() };
    let is_it = |rule: &Rule| decision.rule().is_some_and(|it| std::ptr::eq(it, rule));
    Verdict { outcome: decision.outcome, rule: policy.rules().iter().position(is_it) }
}

/// Returns the schema of a tool's arguments as its upstream listed it, if it is shown otherwise.
pub(super) fn original(listing: &Listing, entry: &Entry) -> Option<Raw> {
    entry.shape.as_ref()?;
    let is_it = |tool: &&Raw| {
        tool.member("name").and_then(|it| it.string()).as_deref() == Some(&entry.local)
    };
    listing.tools.iter().find(is_it)?.member("inputSchema")
}

/// Returns what rules can know of a tool that has this name where everything is seen.
pub(super) fn tool(entry: &Entry, name: String, original: &dyn Fn(&Entry) -> Option<Raw>) -> Tool {
    let shown = || entry.definition.member("inputSchema");
    Tool {
        upstream: entry.upstream.as_str().to_owned(),
        name,
        local: entry.local.clone(),
        hints: catalog::hints(&entry.definition),
        schema: original(entry).map_or_else(shown, Some),
        ..Tool::default()
    }
}

/// Returns what rules can know of a tool of Conflux itself.
pub(super) fn own_tool(definition: &Raw) -> Tool {
    let name = definition.member("name").and_then(|name| name.string()).unwrap_or_default();
    Tool {
        upstream: CONFLUX.to_owned(),
        local: name.clone(),
        name,
        hints: catalog::hints(definition),
        schema: definition.member("inputSchema"),
        ..Tool::default()
    }
}
