//! What follows from what happens, without any process.

use crate::catalog::Listing;
use crate::control::plan::Listings;
use crate::ids::UpstreamId;
use crate::wire::Raw;

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
    assert!(!listings.listed(&id("a"), listing(&["x"])));
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
    assert!(listings.listed(&id("a"), listing(&["x"])), "what came is stale");
    assert!(listings.begin(&id("a")));
    assert!(!listings.listed(&id("a"), listing(&["x"])));
}

#[test]
fn what_was_listed_outlives_a_failure() {
    let mut listings = Listings::new([id("a")]);
    listings.begin(&id("a"));
    listings.listed(&id("a"), listing(&["x"]));
    listings.begin(&id("a"));
    listings.failed(&id("a"), "gone".to_owned());
    assert_eq!(*listings.get(&id("a")).unwrap(), listing(&["x"]));
    assert!(listings.begin(&id("a")), "it can be asked again");
}
