//! Makes a catalog from what the upstreams listed: one pass per question, nothing hidden.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::OnceLock;

use crate::catalog::Audiences;
use crate::catalog::Catalog;
use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::catalog::Rules;
use crate::catalog::Source;
use crate::catalog::item;
use crate::catalog::item::Findings;
use crate::catalog::item::Item;
use crate::catalog::name;
use crate::catalog::naming::Named;
use crate::catalog::naming::Naming;
use crate::catalog::rewrite;
use crate::catalog::section::Section;
use crate::catalog::shaping;
use crate::catalog::traits::Traits;
use crate::catalog::uri::Addresses;
use crate::catalog::uri::Claim;
use crate::wire::Raw;
use crate::wire::meta;

/// What one upstream lists, read.
struct Shelf<'a> {
    source: &'a Source,
    tools: Vec<Item<'a>>,
    prompts: Vec<Item<'a>>,
    resources: Vec<Item<'a>>,
    templates: Vec<Item<'a>>,
    skills: Vec<Item<'a>>,
}

/// Merges what the upstreams listed, which are given in the order of the file.
///
/// Pure: equal sources and rules give equal catalogs.
pub fn merge(sources: &[Source], rules: &Rules<'_>) -> Catalog {
    let mut findings = Findings::default();
    let shelves: Vec<Shelf<'_>> =
        sources.iter().map(|source| Shelf::read(source, rules, &mut findings)).collect();
    let Findings { mut conflicts, defects } = findings;

    let mut tools = Naming::new(Kind::Tools, sources, rules);
    let mut prompts = Naming::new(Kind::Prompts, sources, rules);
    for shelf in &shelves {
        tools.add(shelf.source, &shelf.tools, &mut conflicts);
        prompts.add(shelf.source, &shelf.prompts, &mut conflicts);
    }
    let (tools, prompts) = (tools.finish(), prompts.finish());

    let mut addresses = Addresses::new(sources.iter().map(|source| &source.upstream));
    let resources = on_shelves(&shelves, |shelf| &shelf.resources);
    let skills = on_shelves(&shelves, |shelf| &shelf.skills);
    // What is listed, upstream by upstream, goes before what is only mentioned.
    let listed: Vec<Address<'_>> = shelves.iter().flat_map(addresses_on).collect();
    let mentions = mentions(&tools);
    let mut seen = HashSet::new();
    let all = listed.iter().chain(&mentions).map(|(source, uri)| claim(source, uri));
    let claims: Vec<Claim<'_>> = all.filter(|claim| seen.insert(*claim)).collect();
    let main_files: HashSet<Claim<'_>> = self::claims(&skills).into_iter().collect();
    let publics = addresses.claim_resources(&claims, &main_files, &mut conflicts);
    let publics: HashMap<Claim<'_>, String> = claims.iter().copied().zip(publics).collect();
    let public = |(source, item): &Placed<'_, '_>| {
        let public = publics.get(&claim(source, &item.local)).cloned();
        public.unwrap_or_else(|| item.local.clone())
    };
    let resource_uris = resources.iter().map(public).collect();
    let templates = on_shelves(&shelves, |shelf| &shelf.templates);
    let template_texts = addresses.claim_templates(&self::claims(&templates), &mut conflicts);

    let tools = tools.iter().map(|named| tool(named, &addresses)).collect();
    let prompts = prompts.iter().map(entry_of).collect();
    Catalog {
        tools: Section::new(Kind::Tools, tools, &rules.own),
        prompts: Section::new(Kind::Prompts, prompts, &[]),
        resources: addressed(Kind::Resources, &resources, resource_uris),
        templates: addressed(Kind::Templates, &templates, template_texts),
        skills: self::skills(&skills, &addresses),
        addresses,
        conflicts,
        defects,
        lists: Audiences::default(),
        search: OnceLock::new(),
    }
}

impl<'a> Shelf<'a> {
    fn read(source: &'a Source, rules: &Rules<'_>, findings: &mut Findings) -> Self {
        let [tools, prompts, resources, templates, skills] =
            Kind::ALL.map(|kind| item::read_all(source, kind, findings));
        let tools = match (rules.upstream)(&source.upstream) {
            Some(config) => shaping::shape(source, &config.overrides, tools, &mut findings.defects),
            None => tools,
        };
        Self { source, tools, prompts, resources, templates, skills }
    }
}

/// An address, and whose it is.
type Address<'a> = (&'a Source, String);

type Placed<'a, 's> = (&'a Source, &'s Item<'a>);

fn on_shelves<'a, 's>(
    shelves: &'s [Shelf<'a>],
    items: impl Fn(&'s Shelf<'a>) -> &'s Vec<Item<'a>>,
) -> Vec<Placed<'a, 's>> {
    let on_one = |shelf| items(shelf).iter().map(move |item| (shelf.source, item));
    shelves.iter().flat_map(on_one).collect()
}

fn claims<'s>(placed: &[Placed<'s, 's>]) -> Vec<Claim<'s>> {
    placed.iter().map(|(source, item)| claim(source, &item.local)).collect()
}

fn claim<'s>(source: &'s Source, local: &'s str) -> Claim<'s> {
    Claim { upstream: &source.upstream, local }
}

/// The user interfaces that tools mention: upstreams need not list them, but own them all the same.
fn mentions<'a>(tools: &[Named<'a, '_>]) -> Vec<Address<'a>> {
    let mut mentions = Vec::new();
    for named in tools {
        let uris = rewrite::mentions(&named.item.object);
        mentions.extend(uris.into_iter().map(|uri| (named.source, uri)));
    }
    mentions
}

/// Every address that one upstream lists: its resources, and the files of its skills, which need
/// not be listed as resources.
fn addresses_on<'a>(shelf: &Shelf<'a>) -> Vec<Address<'a>> {
    let resources = shelf.resources.iter().map(|item| item.local.clone());
    let files = shelf.skills.iter().flat_map(|item| rewrite::files(item.raw));
    resources.chain(files).map(|uri| (shelf.source, uri)).collect()
}

fn skills(placed: &[Placed<'_, '_>], addresses: &Addresses) -> Section {
    let entries = placed.iter().map(|(source, item)| {
        let upstream = &source.upstream;
        let alias = |uri: &str| addresses.alias(upstream, uri);
        Entry {
            upstream: upstream.clone(),
            local: item.local.clone(),
            name: item.local.clone(),
            public: alias(&item.local).unwrap_or_else(|| item.local.clone()),
            definition: rewrite::skill(item.raw, &alias).detached(),
            traits: Traits::default(),
            shape: None,
        }
    });
    Section::new(Kind::Skills, entries.collect(), &[])
}

fn tool(named: &Named<'_, '_>, addresses: &Addresses) -> Entry {
    let mut entry = entry_of(named);
    let upstream = &named.source.upstream;
    if addresses.has_aliases(upstream) {
        let alias = |uri: &str| addresses.alias(upstream, uri);
        entry.definition = rewrite::definition(&entry.definition, &alias);
    }
    entry.traits = Traits::read(&entry.definition, named.item.raw);
    entry
}

fn entry_of(named: &Named<'_, '_>) -> Entry {
    let Named { source, item, public } = named;
    let mut definition = listed(item, "name", public);
    if !name::is_unaltered(&source.prefix, &item.local, public) {
        let original = Raw::of(item.local.as_str());
        let note = [(meta::CONFLUX_NAME, original.get())];
        definition = meta::edit(Some(&definition), &note, &[]).unwrap_or(definition);
    }
    let (upstream, local) = (source.upstream.clone(), item.local.clone());
    let shape = item.shaped.as_ref().map(|shaped| Arc::clone(&shaped.shape));
    let traits = Traits::default();
    let (name, public) = (item.name().to_owned(), public.clone());
    Entry { upstream, local, name, public, definition, traits, shape }
}

fn addressed(kind: Kind, placed: &[Placed<'_, '_>], publics: Vec<String>) -> Section {
    let entries = placed.iter().zip(publics).map(|((source, item), public)| Entry {
        upstream: source.upstream.clone(),
        local: item.local.clone(),
        name: item.local.clone(),
        definition: listed(item, kind.key(), &public),
        traits: Traits::default(),
        shape: None,
        public,
    });
    Section::new(kind, entries.collect(), &[])
}

/// The definition of an item as it is listed: repaired, and under its public name or address.
fn listed(item: &Item<'_>, key: &'static str, public: &str) -> Raw {
    if let Some(shaped) = &item.shaped
        && let Ok(object) = shaped.definition.object()
    {
        return object.edit().set(key, Raw::of(public).get().to_owned()).apply().detached();
    }
    if item.repair.is_none() && item.local == public {
        return item.raw.detached();
    }
    let mut edit = item.object.edit();
    if let Some((key, json)) = &item.repair {
        edit = edit.set(key, json.as_str());
    }
    if item.local != public {
        edit = edit.set(key, Raw::of(public).get().to_owned());
    }
    edit.apply()
}
