//! Everything below a skill is its upstream's, under an address that leads back.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::json;
use super::merge;
use super::source;
use crate::catalog::Listing;
use crate::catalog::Source;
use crate::ids::UpstreamId;

/// An upstream with these main files, as its skills or as plain resources.
fn with_skills(key: &str, main_files: &[String], are_listed_as_skills: bool) -> Source {
    if !are_listed_as_skills {
        let uris: Vec<&str> = main_files.iter().map(String::as_str).collect();
        return source(key, key, &[], &uris);
    }
    let skills = main_files.iter().map(|uri| json(&format!(r#"{{"uri":"{uri}"}}"#))).collect();
    let listing = Arc::new(Listing { skills, ..Listing::default() });
    Source { listing, ..source(key, key, &[], &[]) }
}

/// Few names, so that skills meet and lie in each other. None begins with the key of an upstream:
/// such an address can be the alias of another one (decision 9).
fn root() -> impl Strategy<Value = String> {
    "(a|b|d)(/(a|b|two)){0,2}"
}

/// What may be asked for of a skill: its directory, in both spellings, and anything below.
fn below() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("/".to_owned()), "(/[abc]){1,3}/?", "/SKILL\\.md"]
}

proptest! {
    #[test]
    fn an_address_leads_back_to_its_upstream(
        scheme in prop::sample::select(vec!["skill", "https"]),
        as_skills in any::<bool>(),
        roots in prop::collection::hash_set(root(), 1..4),
        others in prop::collection::hash_set(root(), 0..4),
        below in below(),
    ) {
        let main_file = |root: &String| format!("{scheme}://{root}/SKILL.md");
        // A plain resource of another scheme says nothing about what is beside it.
        let as_skills = as_skills || scheme != "skill";
        let files = |roots: &HashSet<String>| roots.iter().map(main_file).collect::<Vec<_>>();
        let first = with_skills("one", &files(&others), true);
        let second = with_skills("two", &files(&roots), as_skills);
        let catalog = merge(&[first, second], 50);
        let two = UpstreamId::new("two");
        for root in &roots {
            let local = format!("{scheme}://{root}{below}");
            let public = catalog.alias(&two, &local).unwrap_or_else(|| local.clone());
            let owner = catalog.resolve(&public).unwrap();
            prop_assert_eq!(&owner.local, &local);
            // Inside of one skill there may be one of somebody else.
            let is_inside = |other: &String| {
                let rest = local.strip_prefix(&format!("{scheme}://{other}"));
                let is_around = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
                is_around && other.len() > root.len()
            };
            if !others.iter().any(is_inside) {
                prop_assert_eq!(owner.upstream.as_str(), "two", "{} of {}", public, local);
            }
        }
    }
}
