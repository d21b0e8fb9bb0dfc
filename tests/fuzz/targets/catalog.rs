//! What upstreams list, merged: every entry is found by its public name, every address by its own.
//!
//! The input has a byte 0x1E between each two of: the tools, prompts, resources and templates of
//! one upstream, those of another, an address, a result.

use std::collections::HashSet;
use std::sync::Arc;

use conflux::catalog;
use conflux::catalog::Catalog;
use conflux::catalog::Kind;
use conflux::catalog::Listing;
use conflux::catalog::Owner;
use conflux::catalog::ResultKind;
use conflux::catalog::Rules;
use conflux::catalog::Source;
use conflux::ids::UpstreamId;
use conflux::wire::Raw;

const LONGEST_NAME: usize = 40;

fn items(text: &[u8]) -> Vec<Raw> {
    Raw::from_bytes(text.to_vec().into()).ok().and_then(|raw| raw.elements()).unwrap_or_default()
}

fn source<'a>(name: &str, mut fields: impl Iterator<Item = &'a [u8]>) -> Source {
    let mut next = || items(fields.next().unwrap_or_default());
    let (tools, prompts, resources, templates) = (next(), next(), next(), next());
    let listing = Listing { tools, prompts, resources, templates, ..Listing::default() };
    let upstream = UpstreamId::new(name);
    let (prefix, listing) = (name.to_owned(), Arc::new(listing));
    Source { upstream, prefix, over_http: false, listing }
}

fn check_entries(catalog: &Catalog) {
    for kind in Kind::ALL {
        let listed = catalog.list(kind).elements().expect("a list is an array");
        let mut publics = HashSet::new();
        for entry in catalog.entries(kind) {
            assert!(publics.insert(entry.public.clone()), "{:?} comes twice", entry.public);
            let key = entry.definition.member(kind.key()).and_then(|key| key.string());
            assert_eq!(key.as_deref(), Some(entry.public.as_str()), "what is listed is the name");
            assert!(listed.contains(&entry.definition));
            let owner = Owner { upstream: entry.upstream.clone(), local: entry.local.clone() };
            match kind {
                Kind::Tools => assert_eq!(catalog.tool(&entry.public), Some(entry)),
                Kind::Prompts => assert_eq!(catalog.prompt(&entry.public), Some(entry)),
                Kind::Resources | Kind::Skills => {
                    assert_eq!(catalog.resolve(&entry.public), Some(owner));
                }
                Kind::Templates => assert_eq!(catalog.template_owner(&entry.public), Some(owner)),
            }
            if matches!(kind, Kind::Tools | Kind::Prompts) {
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
                assert!(entry.public.len() <= LONGEST_NAME && entry.public.bytes().all(fits));
            }
        }
        assert_eq!(listed.len(), publics.len());
    }
}

/// An address that an upstream sends is led back to that upstream once a client asks for it.
fn check_way_back(catalog: &Catalog, upstream: &UpstreamId, local: &str) {
    if let Some(public) = catalog.alias(upstream, local) {
        let owner = catalog.resolve(&public).expect("an alias is understood");
        assert_eq!((&owner.upstream, owner.local.as_str()), (upstream, local), "{public}");
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let fields: Vec<&[u8]> = bytes.split(|byte| *byte == 0x1E).collect();
    let field = |index: usize| fields.get(index).copied().unwrap_or_default();
    let one = source("one", (0..4).map(field));
    let two = source("two", (4..8).map(field));
    let rules = Rules { max_length: LONGEST_NAME, ..Rules::default() };
    let both = catalog::merge(&[one.clone(), two.clone()], &rules);
    check_entries(&both);

    let alone = catalog::merge(std::slice::from_ref(&two), &rules);
    for kind in [Kind::Tools, Kind::Prompts] {
        let name = |entry: &catalog::Entry| (entry.local.clone(), entry.public.clone());
        let mine = both.entries(kind).filter(|entry| entry.upstream == two.upstream);
        let alone = alone.entries(kind).map(name);
        assert!(mine.map(name).eq(alone), "a name does not depend on who else is there");
    }

    let uri = String::from_utf8_lossy(field(8));
    if let Some(owner) = both.resolve(&uri) {
        check_way_back(&both, &owner.upstream, &owner.local);
    }
    let Ok(result) = Raw::from_bytes(field(9).to_vec().into()) else { return };
    for kind in
        [ResultKind::Tool, ResultKind::Prompt, ResultKind::Resource, ResultKind::SamplingParams]
    {
        let before = catalog::mentioned(&result, kind);
        for upstream in [&one.upstream, &two.upstream] {
            for local in &before {
                check_way_back(&both, upstream, local);
            }
            let public = |uri: &String| both.alias(upstream, uri).unwrap_or_else(|| uri.clone());
            let after = both.rewrite_result(upstream, kind, &result);
            let expected: Vec<String> = before.iter().map(public).collect();
            assert_eq!(catalog::mentioned(&after, kind), expected);
            if expected == before {
                assert_eq!(after.get(), result.get(), "every other byte stays");
            }
        }
    }
}
