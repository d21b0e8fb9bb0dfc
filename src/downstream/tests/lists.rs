//! What a client is listed, and that it is written once for all who ask.

use std::sync::Arc;
use std::time::Duration;

use crate::catalog;
use crate::catalog::Catalog;
use crate::catalog::Kind;
use crate::catalog::Listing;
use crate::catalog::Rules;
use crate::catalog::Source;
use crate::downstream::lists;
use crate::downstream::tests::files;
use crate::downstream::tests::raw;
use crate::router::List;
use crate::wire::Raw;
use crate::wire::freshness::Freshness;

/// One generation of a catalog with these tools.
fn generation(tools: &[&str]) -> Arc<Catalog> {
    let tools = tools.iter().map(|tool| raw(tool)).collect();
    let listing = Arc::new(Listing { tools, ..Listing::default() });
    let source = Source { upstream: files(), prefix: "f".to_owned(), over_http: false, listing };
    Arc::new(catalog::merge(&[source], &Rules::default()))
}

fn fresh(milliseconds: u64) -> Freshness {
    Freshness { ttl: Duration::from_millis(milliseconds), is_public: true }
}

const PLAIN: &str = r#"{"name":"a","inputSchema":{"type":"object"},"x":1.0}"#;
const ODD: &str = r#"{"name":"b","inputSchema":{"type":"object"},"outputSchema":{"type":"array"}}"#;

/// Where the text of what is sent for these lists begins; all of it is alive at once.
fn places(write: fn(&List) -> Raw, lists: &[List]) -> Vec<usize> {
    let sent: Vec<Raw> = lists.iter().map(write).collect();
    sent.iter().map(|result| result.get().as_ptr().addr()).collect()
}

#[test]
fn whoever_asks_in_one_generation_is_sent_the_very_same_bytes() {
    let tools = [PLAIN, ODD];
    let (one, next) = (generation(&tools), generation(&tools));
    let list = |catalog: &Arc<Catalog>, left| {
        List::new(Arc::clone(catalog.prepared(Kind::Tools)), Kind::Tools, left)
    };
    for write in [lists::legacy, lists::modern] {
        let lists =
            [list(&one, fresh(60_999)), list(&one, fresh(60_000)), list(&next, fresh(60_000))];
        let places = places(write, &lists);
        assert_eq!(places[0], places[1], "whole seconds count");
        assert_ne!(places[0], places[2], "another generation has its own");
    }
    let later = [list(&one, fresh(60_000)), list(&one, fresh(30_000))];
    let places = places(lists::modern, &later);
    assert_ne!(places[0], places[1], "what is promised differs");
}

#[test]
fn a_list_that_every_client_can_read_is_there_once() {
    let catalog = generation(&[PLAIN]);
    let list =
        List::new(Arc::clone(catalog.prepared(Kind::Tools)), Kind::Tools, Freshness::default());
    let written = catalog.result(Kind::Tools).get().as_ptr();
    assert_eq!(lists::legacy(&list).get().as_ptr(), written);
    let prompts =
        List::new(Arc::clone(catalog.prepared(Kind::Prompts)), Kind::Prompts, Freshness::default());
    assert_eq!(lists::legacy(&prompts).get(), r#"{"prompts":[]}"#);
}

#[test]
fn each_era_is_told_what_it_knows() {
    let catalog = generation(&[PLAIN, ODD]);
    let list = |left| List::new(Arc::clone(catalog.prepared(Kind::Tools)), Kind::Tools, left);
    let plain = PLAIN.replace(r#""a""#, r#""f__a""#);
    let odd = ODD.replace(r#""b""#, r#""f__b""#);
    let bare = odd.replace(r#","outputSchema":{"type":"array"}"#, "");
    let legacy = format!(r#"{{"tools":[{plain},{bare}]}}"#);
    let server = format!(r#"{{"name":"conflux","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    let meta = format!(r#""_meta":{{"io.modelcontextprotocol/serverInfo":{server}}}"#);
    for (left, terms) in [
        (Freshness::default(), r#""ttlMs":0,"cacheScope":"private""#),
        (fresh(1999), r#""ttlMs":1000,"cacheScope":"public""#),
        (fresh(999), r#""ttlMs":999,"cacheScope":"public""#),
    ] {
        let list = list(left);
        assert_eq!(lists::legacy(&list).get(), legacy);
        let rest = r#""resultType":"complete""#;
        let modern = format!("{{{terms},\"tools\":[{plain},{odd}],{rest},{meta}}}");
        assert_eq!(lists::modern(&list).get(), modern);
    }
}
