//! What is listed can be used, and nothing else: for all catalogs, policies, callers and views.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::sample::subsequence;
use serde_json::Value;
use serde_json::json;

use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::catalog::Listing;
use crate::config::patterns::Patterns;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Reach;
use crate::exchange::principal::Bounds;
use crate::exchange::principal::Identity;
use crate::ids::CallerId;
use crate::ids::UpstreamId;
use crate::router::Error;
use crate::router::Router;
use crate::router::Settled;
use crate::router::View;
use crate::router::target::Target;
use crate::router::target::Thing;
use crate::router::tests::world;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;

const TOOLS: [&str; 6] = ["read", "write", "write_all", "a.b/c", "a.b_c", "b__read"];
const PROMPTS: [&str; 2] = ["hello", "read"];
const ADDRESSES: [&str; 3] = ["file:///a", "file:///etc/b", "note:c"];
const PATTERNS: [&str; 6] = ["*", "a__*", "*__write*", "*read", "b__*", "*__a*c*"];
const TEXTS: [&str; 3] = ["x", "xy", "y"];

/// What an upstream lists: tools with hints, prompts, resources.
fn listing() -> impl Strategy<Value = Listing> {
    let tool = (select(&TOOLS[..]), option::of(any::<bool>()), option::of(any::<bool>()));
    let tools = vec(tool, 0..5).prop_map(|tools| {
        let mut names = BTreeSet::new();
        let tools = tools.into_iter().filter(|(name, ..)| names.insert(*name));
        let define = |(name, read_only, destructive): (&str, Option<bool>, Option<bool>)| {
            Raw::of(&json!({
                "name": name,
                "inputSchema": { "type": "object", "properties": { "text": { "type": "string" } } },
                "annotations": { "readOnlyHint": read_only.unwrap_or_default(),
                                 "destructiveHint": destructive.unwrap_or(true) },
            }))
        };
        tools.map(define).collect()
    });
    let prompts = subsequence(&PROMPTS[..], 0..=2);
    let resources = subsequence(&ADDRESSES[..], 0..=3);
    (tools, prompts, resources).prop_map(|(tools, prompts, resources)| Listing {
        tools,
        prompts: prompts.iter().map(|name| Raw::of(&json!({ "name": name }))).collect(),
        resources: resources
            .iter()
            .map(|uri| Raw::of(&json!({ "uri": uri, "name": "it" })))
            .collect(),
        ..Listing::default()
    })
}

/// A rule as it is written.
fn rule() -> impl Strategy<Value = Value> {
    let about = prop_oneof![
        4 => vec(select(&PATTERNS[..]), 1..3).prop_map(|all| json!(all)),
        1 => select(&["a", "b"][..]).prop_map(|upstream| json!({ "upstreams": [upstream] })),
        1 => any::<bool>().prop_map(|it| json!({ "annotations": { "readOnlyHint": it } })),
        1 => vec(select(&PATTERNS[..]), 1..2).prop_map(|all| json!({ "prompts": all })),
        1 => select(&["file:*", "*"][..]).prop_map(|uri| json!({ "resources": [uri] })),
        1 => Just(json!({})),
    ];
    let text = option::weighted(0.2, select(&["x", "x*"][..]));
    let groups = option::weighted(0.2, Just("team"));
    (prop_oneof![3 => Just("allow"), 1 => Just("deny")], about, text, groups).prop_map(
        |(effect, about, text, groups)| {
            let is_of_tools = about.is_array();
            let mut rule = json!({ effect: about });
            if let Some(text) = text.filter(|_| is_of_tools) {
                rule["arguments"] = json!({ "text": text });
            }
            if let Some(group) = groups {
                rule["groups"] = json!([group]);
            }
            rule
        },
    )
}

fn view() -> impl Strategy<Value = Option<View>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(View::Server("a".to_owned()))),
        1 => Just(Some(View::Profile("small".to_owned()))),
    ]
}

fn exchange(groups: &[&str], bounds: Option<&str>) -> Exchange {
    let capabilities = Capabilities::parse(Some(Raw::of(&json!({}))), Revision::LATEST);
    let capabilities = Arc::new(capabilities);
    let tools = bounds.map(|it| Patterns::of_names([it]).unwrap());
    let bounds = Bounds { profiles: None, tools };
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    let identity = Identity { name: "corp:ann".to_owned(), groups, actor: None, bounds };
    let caller = Caller::new(CallerId(1), Arc::clone(&capabilities), Reach::InCallsOnly);
    let caller = Arc::new(caller.on_behalf_of(identity.into()));
    Exchange::new(caller, capabilities, Wishes::default()).0
}

/// The public names of everything of a kind that somebody is listed.
async fn listed(router: &Router, kind: Kind, exchange: &Exchange) -> BTreeSet<String> {
    let key = if kind == Kind::Resources { "uri" } else { "name" };
    let list = router.list(kind, None, exchange).await.unwrap();
    let items = list.items().elements().unwrap();
    items.iter().filter_map(|item| item.member(key)?.string()).collect()
}

/// How the gate answers somebody who wants to use something.
fn used(router: &Router, exchange: &Exchange, kind: Kind, entry: &Entry, text: &str) -> Use {
    let snapshot = router.snapshot();
    let params = Raw::of(&json!({ "name": entry.public, "arguments": { "text": text } }));
    let (method, thing) = match kind {
        Kind::Tools => (method::TOOLS_CALL, Thing::Tool(entry)),
        Kind::Prompts => (method::PROMPTS_GET, Thing::Prompt(entry)),
        _ => (method::RESOURCES_READ, Thing::Resource(&entry.public, &entry.local)),
    };
    let (params, upstream) = (Some(&params), &entry.upstream);
    let target = Target { method, thing, upstream, params, sent: params };
    match router.admit(&snapshot, exchange, &target).pass {
        Ok(_) => Use::GoesOn,
        Err(Error::Forbidden(_)) => Use::NotLikeThis,
        Err(Error::UnknownTool(_) | Error::UnknownPrompt(_) | Error::UnknownResource(_)) => {
            Use::Unknown
        }
        Err(other) => panic!("{other}"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    GoesOn,
    NotLikeThis,
    Unknown,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn what_is_listed_can_be_used_and_nothing_else(
        (a, b) in (listing(), listing()),
        rules in vec(rule(), 0..5),
        view in view(),
        is_in_team in any::<bool>(),
        bounds in option::weighted(0.3, select(&["a__*", "*read", "*_b_c"][..])),
    ) {
        let file = json!({
            "upstreams": { "a": { "command": "none" }, "b": { "command": "none" } },
            "profiles": { "small": { "upstreams": ["b"] } },
            "policy": { "rules": rules },
            "auth": {},
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let (router, _home) = world(&file.to_string(), &[("a", a), ("b", b)]);
        router.settle(Settled::Live);
        let all = Arc::new(router);
        let router = view.as_ref().map_or_else(|| Arc::clone(&all), |it| all.view(it).unwrap());
        let exchange = exchange(if is_in_team { &["team"] } else { &[] }, bounds);
        let depends = rules.iter().any(|rule| rule.get("arguments").is_some());
        let snapshot = router.snapshot();
        for kind in [Kind::Tools, Kind::Prompts, Kind::Resources] {
            let listed = runtime.block_on(listed(&router, kind, &exchange));
            for entry in snapshot.catalog.entries(kind) {
                if kind == Kind::Tools && view != Some(View::Profile("small".to_owned())) {
                    // Limits and scopes are about one name, too.
                    let everything = all.snapshot();
                    let named = everything.catalog.tool(&snapshot.ruled(entry));
                    let found = named.map(|named| (&named.upstream, &named.local));
                    prop_assert_eq!(found, Some((&entry.upstream, &entry.local)));
                }
                let uses = TEXTS.map(|text| used(&router, &exchange, kind, entry, text));
                if !listed.contains(&entry.public) {
                    prop_assert_eq!(uses, [Use::Unknown; 3], "{} is not listed", entry.public);
                } else if kind == Kind::Tools && depends {
                    prop_assert!(!uses.contains(&Use::Unknown), "{}: {:?}", entry.public, uses);
                } else {
                    prop_assert_eq!(uses, [Use::GoesOn; 3], "{} is listed", entry.public);
                }
            }
            let names: BTreeSet<_> =
                snapshot.catalog.entries(kind).map(|entry| entry.public.clone()).collect();
            let own: BTreeSet<_> = listed.difference(&names).cloned().collect();
            prop_assert!(own.iter().all(|name| name.starts_with("conflux__")), "{:?}", own);
        }
    }
}

#[tokio::test]
async fn nobody_waits_for_what_they_could_not_see() {
    let file = |policy: Value| {
        let none = json!({ "command": "none" });
        let upstreams = json!({ "a": none, "b": none });
        json!({ "upstreams": upstreams, "auth": {}, "policy": policy }).to_string()
    };
    let sees = |router: &Router, bounds, upstream: &str, name: &str| {
        let (exchange, upstream) = (exchange(&[], bounds), UpstreamId::new(upstream));
        router.snapshot().may_see(&exchange, Kind::Tools, &upstream, name)
    };
    let (all, _home) = world(&file(json!({ "rules": [{ "allow": "a__*" }] })), &[]);
    let alone = |name: &str| all.view(&View::Server(name.to_owned())).unwrap();
    assert!(sees(&all, None, "a", "a__read") && !sees(&all, None, "b", "b__read"));
    assert!(sees(&alone("a"), None, "a", "read") && !sees(&alone("b"), None, "b", "read"));
    // The bounds of a token hold without rules, too.
    let (all, _home) = world(&file(json!({})), &[]);
    let alone = all.view(&View::Server("a".to_owned())).unwrap();
    assert!(sees(&all, Some("a__*"), "a", "a__read") && sees(&alone, Some("a__*"), "a", "read"));
    assert!(!sees(&all, Some("a__*"), "b", "b__read") && !sees(&alone, Some("b__*"), "a", "read"));
}
