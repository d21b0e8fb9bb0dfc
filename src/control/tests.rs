//! What follows from what happens, without any process.

use crate::catalog;
use crate::catalog::Listing;
use crate::catalog::Rules;
use crate::catalog::Source;
use crate::control::announce::Announced;
use crate::control::instructions;
use crate::control::plan::Listings;
use crate::exchange::mailbox::ListKind;
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

fn announced(listing: Listing) -> Announced {
    let rules = Rules { max_length: 50, permits: &|_, _| true, own: Vec::new() };
    let source = Source {
        upstream: id("a"),
        prefix: "a".to_owned(),
        over_http: false,
        listing: listing.into(),
    };
    Announced::of(&catalog::merge(&[source], &rules))
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

#[test]
fn only_a_difference_is_announced() {
    let before = announced(listing(&["x"]));
    assert!(before.differs(&announced(listing(&["x"]))).is_empty());
    assert_eq!(before.differs(&announced(listing(&["x", "y"]))), [ListKind::Tools]);
    let template = Raw::of(&serde_json::json!({ "uriTemplate": "a://{x}", "name": "t" }));
    let resource = Raw::of(&serde_json::json!({ "uri": "a://1", "name": "r" }));
    let (templates, resources) = (vec![template], vec![resource]);
    let both = Listing { resources, templates, ..listing(&["x"]) };
    assert_eq!(before.differs(&announced(both)), [ListKind::Resources]);
}

#[test]
fn instructions_are_put_together_under_their_upstream() {
    let text = |prefix: &str, name: &str, text: Option<&str>| {
        (prefix.to_owned(), id(name), text.map(str::to_owned))
    };
    let merged = instructions::merge(
        [
            text("files", "files", Some("Call `list` first.\n")),
            text("quiet", "quiet", None),
            text("blank", "blank", Some("  ")),
            text("", "plain", Some("No prefix here.")),
        ]
        .into_iter(),
    );
    let expected = "# files (its tools and prompts begin with `files__`)\n\nCall `list` first.\n\n\
                    # plain\n\nNo prefix here.\n";
    assert_eq!(merged.as_deref(), Some(expected));
    assert_eq!(instructions::merge(std::iter::empty()), None);
}

#[test]
fn instructions_are_bounded() {
    let long = "ä".repeat(100_000);
    let many = (0..100).map(|number| (String::new(), id(&number.to_string()), Some(long.clone())));
    let merged = instructions::merge(many).unwrap();
    assert!(merged.len() < 33 * 1024, "{}", merged.len());
    assert!(merged.ends_with("(The instructions of further servers are left out.)\n"));
}
