//! Names fit, differ, and depend on nobody else.

use std::collections::HashMap;
use std::collections::HashSet;

use proptest::prelude::*;

use super::merge;
use super::source;
use crate::catalog::Catalog;
use crate::catalog::Kind;
use crate::catalog::Source;
use crate::catalog::conflict::Conflict;
use crate::catalog::name;

/// Few characters, so that names meet: plain ones, the separator, what must be replaced.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[ab_.]{1,6}",
        2 => "(a|b|__|\\.){1,30}",
        1 => "\\PC{1,20}",
        1 => "[ab]_[0-9a-f]{6}",
    ]
}

prop_compose! {
    /// Upstreams with different prefixes; one may have none.
    fn upstreams()(
        map in prop::collection::hash_map(
            prop_oneof![9 => word(), 1 => Just(String::new())],
            prop::collection::hash_set(word(), 0..8),
            1..6,
        )
    ) -> Vec<Source> {
        map.into_iter()
            .filter(|(prefix, _)| prefix != "conflux")
            .map(|(prefix, tools)| {
                let tools: Vec<String> = tools.into_iter().collect();
                source(&format!("key of {prefix}"), &prefix, &tools, &[])
            })
            .collect()
    }
}

fn publics(catalog: &Catalog) -> HashMap<(String, String), String> {
    let entries = catalog.entries(Kind::Tools);
    entries
        .map(|it| ((it.upstream.as_str().to_owned(), it.local.clone()), it.public.clone()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_name_fits_and_is_the_same_every_time(
        prefix in "\\PC{0,60}", local in "\\PC{1,80}", max in name::SHORTEST_LIMIT..80,
    ) {
        let public = name::public(&prefix, &local, max);
        prop_assert!(public.len() <= max, "{public}");
        prop_assert!(!public.is_empty());
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        prop_assert!(public.chars().all(fits), "{public}");
        prop_assert_eq!(&public, &name::public(&prefix, &local, max));
        let hashed = name::told_apart(&prefix, &local, max, "");
        prop_assert!(hashed.len() <= max && hashed.chars().all(fits), "{hashed}");
        let salted = name::told_apart(&prefix, &local, max, "1");
        prop_assert_ne!(hashed, salted);
    }

    #[test]
    fn every_tool_is_listed_under_a_name_of_its_own(sources in upstreams(), max in 24_usize..60) {
        let catalog = merge(&sources, max);
        let listed: usize = sources.iter().map(|source| source.listing.tools.len()).sum();
        let names: HashSet<&str> =
            catalog.entries(Kind::Tools).map(|entry| entry.public.as_str()).collect();
        prop_assert_eq!(names.len(), listed);
        prop_assert!(catalog.defects().is_empty());
        let lost = |conflict: &Conflict| matches!(conflict, Conflict::Withheld { .. });
        prop_assert!(!catalog.conflicts().iter().any(lost));
    }

    #[test]
    fn an_upstream_that_goes_renames_nothing_of_another(
        sources in upstreams(), gone in any::<prop::sample::Index>(), max in 24_usize..60,
    ) {
        let before = publics(&merge(&sources, max));
        let mut fewer = sources.clone();
        let gone = gone.index(sources.len());
        fewer.remove(gone);
        // One without a prefix gives way to the prefixes in the file; it renames nobody.
        let bare: Option<&Source> = fewer.iter().find(|source| source.prefix.is_empty());
        for (key, public) in publics(&merge(&fewer, max)) {
            if bare.is_none_or(|bare| bare.upstream.as_str() != key.0) {
                prop_assert_eq!(&public, &before[&key]);
            }
        }
    }

    #[test]
    fn names_do_not_depend_on_the_order_of_the_file(sources in upstreams(), max in 24_usize..60) {
        let mut turned = sources.clone();
        turned.reverse();
        prop_assert_eq!(publics(&merge(&sources, max)), publics(&merge(&turned, max)));
    }
}

#[test]
fn hashes_are_the_same_on_every_machine() {
    // The digest of `web`, 0xFF, `a.b`, computed elsewhere.
    assert_eq!(name::told_apart("web", "a.b", 50, ""), "web__a_b_d39a8e");
    assert_eq!(name::public("web", "a.b", 50), "web__a_b");
}

#[test]
fn hashed_names_that_meet_within_an_upstream_are_told_apart_too() {
    // With one character to read, many thousand names share few hashes.
    let tools: Vec<String> = (0..6_000).map(|number| format!("tool-number-{number}")).collect();
    let catalog = merge(&[source("u", "u", &tools, &[])], name::SHORTEST_LIMIT);
    let names: HashSet<&str> =
        catalog.entries(Kind::Tools).map(|entry| entry.public.as_str()).collect();
    assert_eq!(names.len(), tools.len());
    let renamed = |conflict: &&Conflict| matches!(conflict, Conflict::Renamed { .. });
    assert!(catalog.conflicts().iter().filter(renamed).count() > 0, "too few to meet");
}
