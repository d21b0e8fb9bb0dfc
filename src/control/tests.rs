//! What follows from what happens, without any process.

use std::time::Duration;

use indexmap::IndexMap;
use tokio::time::Instant;

use crate::catalog::Kind;
use crate::catalog::Listing;
use crate::control::plan::Lasts;
use crate::control::plan::Listings;
use crate::ids::UpstreamId;
use crate::router::Lasting;
use crate::wire::Raw;
use crate::wire::freshness::Freshness;

fn id(name: &str) -> UpstreamId {
    UpstreamId::new(name)
}

fn listing(tools: &[&str]) -> Listing {
    let tool = |name: &&str| {
        Raw::of(&serde_json::json!({ "name": name, "inputSchema": { "type": "object" } }))
    };
    Listing { tools: tools.iter().map(tool).collect(), ..Listing::default() }
}

#[test]
fn a_list_waits_until_everybody_listed_or_failed() {
    let mut listings = Listings::new([id("a"), id("b")]);
    assert!(!listings.are_settled());
    assert!(listings.begin(&id("a")));
    assert!(!listings.listed(&id("a"), listing(&["x"]), IndexMap::new()));
    assert!(!listings.are_settled());
    listings.failed(&id("b"), "gone".to_owned());
    assert_eq!(listings.failures()[&id("b")], "gone");
    assert!(listings.are_settled());
    assert_eq!(listings.never_listed(), [id("b")]);
}

#[test]
fn a_list_does_not_wait_longer_than_the_budget() {
    let mut listings = Listings::new([id("a")]);
    listings.give_up_waiting();
    assert!(listings.are_settled());
}

#[test]
fn nobody_has_nothing_to_wait_for() {
    assert!(Listings::new([]).are_settled());
}

#[test]
fn a_change_while_listing_leads_to_one_more_listing() {
    let mut listings = Listings::new([id("a")]);
    assert!(listings.begin(&id("a")));
    assert!(!listings.begin(&id("a")), "it is being asked already");
    assert!(!listings.begin(&id("a")));
    assert!(listings.listed(&id("a"), listing(&["x"]), IndexMap::new()), "what came is stale");
    assert!(listings.begin(&id("a")));
    assert!(!listings.listed(&id("a"), listing(&["x"]), IndexMap::new()));
}

#[test]
fn what_was_listed_outlives_a_failure() {
    let mut listings = Listings::new([id("a")]);
    listings.begin(&id("a"));
    listings.listed(&id("a"), listing(&["x"]), IndexMap::new());
    listings.begin(&id("a"));
    listings.failed(&id("a"), "gone".to_owned());
    assert_eq!(*listings.get(&id("a")).unwrap(), listing(&["x"]));
    assert!(listings.begin(&id("a")), "it can be asked again");
}

#[test]
fn an_old_list_is_asked_for_again_unless_its_upstream_tells_of_changes() {
    let now = Instant::now();
    let lasts = |seconds, is_told| {
        let freshness = Freshness { ttl: Duration::from_secs(seconds), is_public: true };
        let lasting = Lasting::new(now, freshness);
        IndexMap::from([(Kind::Tools, Lasts { lasting, is_told })])
    };
    let mut listings = Listings::new([id("a"), id("b")]);
    listings.listed(&id("a"), listing(&["x"]), lasts(100, false));
    listings.listed(&id("b"), listing(&["x"]), lasts(300, true));
    let outdated = |after| listings.outdated(now + Duration::from_secs(after));
    assert_eq!(outdated(99), []);
    assert_eq!(outdated(1000), [id("a")], "who tells of changes need not be asked");
    assert!(listings.lasting(&id("a")).contains_key(&Kind::Tools));
    assert!(!listings.lasting(&id("a")).contains_key(&Kind::Prompts));
}
