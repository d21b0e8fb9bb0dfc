//! What is decided once for each who asks.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::Names;
use super::Permits;
use super::Verdict;
use crate::catalog;
use crate::catalog::Audience;
use crate::catalog::Catalog;
use crate::catalog::Kind;
use crate::catalog::Listing;
use crate::catalog::Rules;
use crate::catalog::Source;
use crate::config::sample;
use crate::exchange::principal::Bounds;
use crate::exchange::principal::Identity;
use crate::exchange::principal::Principal;
use crate::ids::UpstreamId;
use crate::policy::Outcome;
use crate::policy::Policy;
use crate::router::own::names;
use crate::wire::Raw;

const RULES: &str = r#"
    - { allow: "a__*" , groups: team }
    - { allow: { resources: "doc://*" }, groups: team }
    - { allow: "*__read" , principals: [ann, bob] }
    - { deny: a__write, arguments: { path: x } }
    - { allow: conflux__status, clients: cursor }
"#;

fn policy(rules: &str) -> Arc<Policy> {
    let home = TempDir::new().unwrap();
    let text = format!("upstreams: {{ a: {{ command: toy }} }}\npolicy:\n  rules:\n{rules}");
    Arc::new(Policy::new(&sample::load(home.path(), &text).policy).unwrap())
}

fn source(name: &str, prefix: &str) -> Source {
    let tool = |name: &str| Raw::of(&json!({ "name": name, "inputSchema": { "type": "object" } }));
    let uri = format!("doc://{name}");
    let listing = Listing {
        tools: vec![tool("read"), tool("write")],
        prompts: vec![Raw::of(&json!({ "name": "hello" }))],
        resources: vec![Raw::of(&json!({ "uri": uri, "name": "doc" }))],
        ..Listing::default()
    };
    let (upstream, listing) = (UpstreamId::new(name), Arc::new(listing));
    Source { upstream, prefix: prefix.to_owned(), over_http: false, listing }
}

fn catalog() -> Arc<Catalog> {
    let rules = Rules { own: names::definitions(), ..Rules::default() };
    Arc::new(catalog::merge(&[source("a", "a"), source("b", "b")], &rules))
}

fn permits(policy: &Arc<Policy>) -> Permits {
    Permits::new(Some(policy), &catalog(), None, None, &|_| None)
}

fn somebody(name: &str, groups: &[&str]) -> Principal {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Identity { name: name.to_owned(), groups, actor: None, bounds: Bounds::default() }.into()
}

fn seen(permits: &Permits, principal: &Principal, client: Option<&str>) -> Vec<String> {
    let seen = permits.seen(&permits.row(principal, client));
    let own = seen.own().iter().filter_map(|own| own.member("name")?.string());
    let kinds = Kind::ALL.into_iter().flat_map(|kind| seen.entries(kind));
    kinds.map(|entry| entry.public.clone()).chain(own).collect()
}

#[test]
fn everybody_sees_what_they_may_use() {
    let permits = permits(&policy(RULES));
    let (ann, team) = (somebody("ann", &[]), somebody("carol", &["team"]));
    assert_eq!(seen(&permits, &ann, None), ["a__read", "b__read"]);
    assert_eq!(seen(&permits, &team, None), ["a__read", "a__write", "doc://a", "doc://b"]);
    assert_eq!(seen(&permits, &ann, Some("Cursor")), ["a__read", "b__read", "conflux__status"]);
    assert!(seen(&permits, &Principal::anonymous(), None).is_empty());
    let row = permits.row(&team, None);
    let write = permits.slot(Kind::Tools, "a__write").unwrap();
    let depends = Verdict { outcome: Outcome::Depends, rule: Some(3) };
    assert_eq!(permits.verdict(&row, write), depends);
    assert!(permits.sees(&row, "b") && !permits.sees(&permits.row(&ann, None), "c"));
}

#[test]
fn those_who_see_the_same_share_its_lists() {
    let permits = permits(&policy(RULES));
    let [ann, bob] =
        ["ann", "bob"].map(|name| permits.seen(&permits.row(&somebody(name, &[]), None)));
    assert!(Arc::ptr_eq(&ann, &bob));
    assert!(Arc::ptr_eq(ann.prepared(Kind::Tools), bob.prepared(Kind::Tools)));
    let items = ann.prepared(Kind::Tools).list().elements().unwrap();
    assert_eq!((items.len(), ann.listed_tools()), (2, 2));
    assert_eq!(ann.prepared(Kind::Prompts).list().get(), "[]");
    let audience = Audience { searches: true, client: None };
    let few = ann.tools_for(audience, || Some(Vec::new()));
    assert_eq!(few.list().get(), "[]");
    assert!(Arc::ptr_eq(&few, &bob.tools_for(audience, || None)));
    assert!(!ann.is_everything() && ann.shows(Kind::Tools, "a__read"));
    assert!(!ann.shows(Kind::Tools, "a__write") && !ann.shows(Kind::Prompts, "a__hello"));
}

#[test]
fn whoever_sees_everything_shares_the_lists_of_everybody() {
    let permits = permits(&policy("    - allow: {}\n"));
    let seen = permits.seen(&permits.row(&somebody("ann", &[]), None));
    assert!(seen.is_everything());
    assert!(Arc::ptr_eq(seen.prepared(Kind::Tools), permits.catalog().prepared(Kind::Tools)));
}

#[test]
fn names_that_clients_make_up_cost_nothing_if_no_rule_looks_at_them() {
    let permits = permits(&policy("    - allow: \"a__*\"\n"));
    let rows = ["x", "y"].map(|client| permits.row(&Principal::process(), Some(client)));
    assert!(Arc::ptr_eq(&rows[0], &rows[1]));
    let permits = self::permits(&policy(RULES));
    let rows = ["x", "y"].map(|client| permits.row(&Principal::process(), Some(client)));
    assert!(!Arc::ptr_eq(&rows[0], &rows[1]));
    let long = ["x", "y"].map(|end| format!("Cursor{}{end}", "é".repeat(300)));
    let rows = long.map(|client| permits.row(&Principal::process(), Some(&client)));
    assert!(Arc::ptr_eq(&rows[0], &rows[1]), "what is kept of a name is bounded");
}

#[test]
fn rules_speak_of_names_where_everything_is_seen() {
    let policy = policy(RULES);
    let names = Arc::new(Names::of(&catalog()));
    let alone = Arc::new(catalog::merge(&[source("a", "")], &Rules::default()));
    let permits = Permits::new(Some(&policy), &alone, Some(&names), None, &|_| None);
    assert_eq!(seen(&permits, &somebody("ann", &[]), None), ["read"]);
    // What has no name there is nobody's.
    let other = Arc::new(catalog::merge(&[source("c", "")], &Rules::default()));
    let permits = Permits::new(Some(&policy), &other, Some(&names), None, &|_| None);
    let team = somebody("ann", &["team"]);
    assert_eq!(seen(&permits, &team, None), ["doc://c"]);
}

#[test]
fn bounds_hold_with_and_without_rules() {
    let tools = sample::load(
        TempDir::new().unwrap().path(),
        "upstreams: { a: { command: toy } }\npinned: [\"a__*\"]\n",
    );
    let bounds = Bounds { tools: Some(tools.exposure.pinned), ..Bounds::default() };
    let name = "token:ci".to_owned();
    let groups = vec!["team".to_owned()];
    let bounded: Principal = Identity { name, groups, actor: None, bounds }.into();
    let open = Permits::new(None, &catalog(), None, None, &|_| None);
    let listed = seen(&open, &bounded, None);
    let expected = ["a__read", "a__write", "a__hello", "b__hello", "doc://a", "doc://b"];
    assert_eq!(listed, expected, "bounds are about tools");
    assert!(open.is_open_to(&somebody("ann", &[])) && !open.is_open_to(&bounded));
    let rules = "    - { allow: { tools: \"*__read\" } }\n";
    assert_eq!(seen(&permits(&policy(rules)), &bounded, None), ["a__read"]);
}
