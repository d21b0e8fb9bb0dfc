//! Gives each tool or prompt its public name, and tells apart what would meet.

use std::collections::HashMap;
use std::collections::HashSet;

use crate::catalog::Conflict;
use crate::catalog::Kind;
use crate::catalog::Rules;
use crate::catalog::Source;
use crate::catalog::conflict;
use crate::catalog::hints;
use crate::catalog::item::Item;
use crate::catalog::name;
use crate::config::hints::Wanted;
use crate::ids::UpstreamId;

/// An item and its public name.
#[derive(Debug)]
pub(in crate::catalog) struct Named<'a, 'i> {
    pub(in crate::catalog) source: &'a Source,
    pub(in crate::catalog) item: &'i Item<'a>,
    pub(in crate::catalog) public: String,
}

/// The names of one kind while they are given.
pub(in crate::catalog) struct Naming<'a: 'r, 'i, 'r> {
    kind: Kind,
    rules: &'r Rules<'r>,
    /// Whose names start with a prefix, whether or not they are up.
    prefixes: HashMap<&'r str, &'r UpstreamId>,
    named: Vec<Named<'a, 'i>>,
    /// By public name: the place in `named`.
    taken: HashMap<String, usize>,
}

/// A name within its own upstream, and what it met there.
struct Proposal {
    public: String,
    conflict: Option<Conflict>,
}

impl<'a: 'r, 'i, 'r> Naming<'a, 'i, 'r> {
    pub(in crate::catalog) fn new(kind: Kind, sources: &'a [Source], rules: &'r Rules<'r>) -> Self {
        let seen = sources.iter().map(|source| (&source.prefix, &source.upstream));
        let reserved = rules.reserved.iter().map(|(prefix, upstream)| (prefix, upstream));
        let mut prefixes = HashMap::new();
        for (prefix, upstream) in seen.chain(reserved).filter(|(prefix, _)| !prefix.is_empty()) {
            prefixes.entry(prefix.as_str()).or_insert(upstream);
        }
        Self { kind, rules, prefixes, named: Vec::new(), taken: HashMap::new() }
    }

    /// Names everything one upstream lists.
    pub(in crate::catalog) fn add(
        &mut self,
        source: &'a Source,
        items: &'i [Item<'a>],
        conflicts: &mut Vec<Conflict>,
    ) {
        // Names are given before anything is denied, so that a rule renames nothing.
        let proposals = self.propose(source, items);
        let config = (self.rules.upstream)(&source.upstream);
        let wanted = config.as_ref().map(|config| config.tools.wanted());
        for (item, proposal) in items.iter().zip(proposals) {
            if !self.is_offered(source, item, wanted) {
                continue;
            }
            conflicts.extend(proposal.conflict);
            self.settle(source, item, proposal.public, conflicts);
        }
    }

    pub(in crate::catalog) fn finish(self) -> Vec<Named<'a, 'i>> {
        let Self { kind, rules, mut named, .. } = self;
        let is_shown = |named: &Named<'_, '_>| {
            (rules.shows)(&named.public) && is_wanted(rules.wanted, named.item)
        };
        named.retain(|named| kind != Kind::Tools || is_shown(named));
        named
    }

    /// Whether an upstream's item is one of those that its configuration offers.
    fn is_offered(&self, source: &Source, item: &Item<'_>, wanted: Option<&Wanted>) -> bool {
        let permits = self.rules.permits;
        let is_offered = || item.is_variant() || permits(&source.upstream, &item.local);
        self.kind != Kind::Tools || (is_offered() && is_wanted(wanted, item))
    }

    /// Tells the names of one upstream apart; one that needs no alteration keeps the plain form.
    fn propose(&self, source: &Source, items: &[Item<'_>]) -> Vec<Proposal> {
        let mut proposals: Vec<Proposal> =
            items.iter().map(|item| self.wanted(source, item)).collect();
        let different: HashSet<&str> = proposals.iter().map(|it| it.public.as_str()).collect();
        if different.len() == items.len() {
            return proposals;
        }
        let mut wanting: HashMap<String, Vec<usize>> = HashMap::with_capacity(items.len());
        for (index, proposal) in proposals.iter().enumerate() {
            wanting.entry(proposal.public.clone()).or_default().push(index);
        }
        let keeps = |index: usize, public: &str| {
            let unaltered = items
                .get(index)
                .is_some_and(|item| name::is_unaltered(&source.prefix, item.name(), public));
            unaltered || wanting.get(public).is_some_and(|group| group.len() == 1)
        };
        let (mut taken, mut renamed) = (HashSet::new(), Vec::new());
        for (index, proposal) in proposals.iter().enumerate() {
            if keeps(index, &proposal.public) {
                taken.insert(proposal.public.clone());
            } else {
                renamed.push(index);
            }
        }
        for index in renamed {
            let (Some(item), Some(proposal)) = (items.get(index), proposals.get_mut(index)) else {
                continue;
            };
            let group = wanting.get(&proposal.public).map(Vec::as_slice).unwrap_or_default();
            let others = || group.iter().copied().filter(|other| *other != index);
            let other = others().find(|other| keeps(*other, &proposal.public)).or(others().next());
            let Some(other) = other.and_then(|other| items.get(other)) else { continue };
            let public = self.free_name(source, item, &mut taken);
            let wanted = std::mem::replace(&mut proposal.public, public.clone());
            proposal.conflict = Some(Conflict::Renamed {
                kind: self.kind,
                wanted,
                item: named_item(source, item),
                public,
                other: named_item(source, other),
            });
        }
        proposals
    }

    /// The name an item would have if it were alone in its upstream.
    fn wanted(&self, source: &Source, item: &Item<'_>) -> Proposal {
        let (prefix, local, max) = (&source.prefix, item.name(), self.rules.max_length);
        let public = name::public(prefix, local, max);
        let claimed = name::prefix(&public).and_then(|prefix| self.prefixes.get(prefix));
        let Some(owner) = claimed.filter(|_| prefix.is_empty() && !name::is_own(&public)) else {
            return Proposal { public, conflict: None };
        };
        // Without a prefix of its own it would stand among another upstream's names.
        let wanted = public;
        let public = name::told_apart(prefix, local, max, "");
        let (item, owner) = (named_item(source, item), UpstreamId::clone(owner));
        let conflict =
            Conflict::Foreign { kind: self.kind, wanted, item, public: public.clone(), owner };
        Proposal { public, conflict: Some(conflict) }
    }

    fn free_name(&self, source: &Source, item: &Item<'_>, taken: &mut HashSet<String>) -> String {
        let max = self.rules.max_length;
        let salted = |salt: &str| name::told_apart(&source.prefix, item.name(), max, salt);
        let mut public = salted("");
        let mut attempt = 0_u32;
        while !taken.insert(public.clone()) {
            attempt += 1;
            public = salted(&attempt.to_string());
        }
        public
    }

    /// Gives an item its name, unless an upstream before it in the file has it.
    fn settle(
        &mut self,
        source: &'a Source,
        item: &'i Item<'a>,
        wanted: String,
        conflicts: &mut Vec<Conflict>,
    ) {
        let kind = self.kind;
        if name::is_own(&wanted) {
            conflicts.push(Conflict::Reserved { kind, wanted, item: named_item(source, item) });
            return;
        }
        let Some(other) = self.taken.get(&wanted).and_then(|other| self.named.get(*other)) else {
            return self.give(source, item, wanted);
        };
        let other = named_item(other.source, other.item);
        let max = self.rules.max_length;
        let salt = source.upstream.as_str();
        let public = name::told_apart(&source.prefix, item.name(), max, salt);
        let local = named_item(source, item);
        if self.taken.contains_key(&public) {
            conflicts.push(Conflict::Withheld { kind, wanted, item: local, other });
            return;
        }
        let conflict =
            Conflict::Renamed { kind, wanted, item: local, public: public.clone(), other };
        conflicts.push(conflict);
        self.give(source, item, public);
    }

    fn give(&mut self, source: &'a Source, item: &'i Item<'a>, public: String) {
        self.taken.insert(public.clone(), self.named.len());
        self.named.push(Named { source, item, public });
    }
}

/// Whether the annotations of a tool are among the wanted ones.
fn is_wanted(wanted: Option<&Wanted>, item: &Item<'_>) -> bool {
    let wanted = wanted.filter(|wanted| wanted.is_any());
    let definition = item.shaped.as_ref().map_or(item.raw, |shaped| &shaped.definition);
    wanted.is_none_or(|wanted| wanted.admits(hints::read(definition)))
}

fn named_item(source: &Source, item: &Item<'_>) -> conflict::Item {
    let configured = (item.name() != item.local).then(|| item.name().to_owned());
    conflict::Item { configured, ..conflict::Item::new(&source.upstream, &item.local) }
}
