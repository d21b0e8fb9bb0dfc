//! What is kept is for whom it may be, no longer than it may be, and within bounds.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;
use tokio::runtime;
use tokio::time;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Reach;
use crate::exchange::principal::Bounds;
use crate::exchange::principal::Identity;
use crate::exchange::principal::Principal;
use crate::ids::CallerId;
use crate::ids::UpstreamId;
use crate::router::Router;
use crate::router::cache::Question;
use crate::router::cache::aged;
use crate::router::cache::arguments;
use crate::router::tests::listing;
use crate::router::tests::world;
use crate::wire::Raw;
use crate::wire::era::Revision;

const TTL: Duration = Duration::from_mins(1);

fn named(name: &str) -> Principal {
    let (name, groups, bounds) = (name.to_owned(), Vec::new(), Bounds::default());
    Identity { name, groups, actor: None, bounds }.into()
}

fn exchange(principal: &str, capabilities: &Value) -> Exchange {
    let capabilities = Capabilities::parse(Some(Raw::of(capabilities)), Revision::LATEST);
    let capabilities = Arc::new(capabilities);
    let caller = Caller::new(CallerId(1), Arc::clone(&capabilities), Reach::InCallsOnly);
    let caller = Arc::new(caller.on_behalf_of(named(principal)));
    Exchange::new(caller, capabilities, Wishes::default()).0
}

fn router(cache: &str) -> (Router, tempfile::TempDir) {
    let file = format!("upstreams:\n  toy: {{ command: toy, cache: {cache} }}\n");
    world(&file, &[("toy", listing(&["get_a", "get_b", "set"]))])
}

/// Asks and says what would be answered if somebody was asked; returns what is answered.
fn ask(
    router: &Router,
    exchange: &Exchange,
    tool: &str,
    params: &Value,
    answer: Option<&Value>,
) -> Option<Value> {
    let snapshot = router.snapshot();
    let handle = snapshot.handle(&UpstreamId::new("toy")).ok()?;
    let Some(entry) = snapshot.catalog.tool(&format!("toy__{tool}")) else {
        panic!("there is no `{tool}`")
    };
    let question = Question::call(handle, entry, &Raw::of(params), exchange)?;
    let kept = router.shared.cache.answer(&question);
    if let (None, Some(answer)) = (&kept, answer) {
        router.shared.cache.learn(&question, &Raw::of(answer));
    }
    kept.map(|kept| kept.read().unwrap())
}

fn call(arguments: &Value) -> Value {
    json!({ "name": "get_a", "arguments": arguments })
}

#[tokio::test(start_paused = true)]
async fn the_same_question_is_one_of_the_same_words_to_the_same_tool_of_somebody_like_that() {
    let (router, _home) = router("{ tools: ['get_*'] }");
    let (alice, n) = (exchange("alice", &json!({})), json!({ "n": 1 }));
    let nothing = |answer: Option<Value>| assert_eq!(answer, None);
    nothing(ask(&router, &alice, "get_a", &call(&n), Some(&json!({ "content": [] }))));
    assert_eq!(ask(&router, &alice, "get_a", &call(&n), None), Some(json!({ "content": [] })));
    nothing(ask(&router, &alice, "get_a", &call(&json!({ "n": 2 })), None));
    nothing(ask(&router, &alice, "get_a", &json!({ "name": "get_a" }), None));
    nothing(ask(&router, &alice, "get_b", &call(&n), None));
    nothing(ask(&router, &exchange("bob", &json!({})), "get_a", &call(&n), None));
    let other = exchange("alice", &json!({ "sampling": {} }));
    nothing(ask(&router, &other, "get_a", &call(&n), None));
    nothing(ask(&router, &alice, "set", &call(&n), Some(&json!({ "content": [] }))));
    nothing(ask(&router, &alice, "set", &call(&n), None));
}

#[test]
fn what_may_change_a_result_in_unknown_ways_is_no_question() {
    let read = |params: Value| arguments(&Raw::of(&params));
    let known = json!({ "progressToken": 1, "traceparent": "00-1-1-01", "tracestate": "a=b",
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/logLevel": "info" });
    let plain = json!({ "name": "a", "arguments": { "b": 1.0 }, "_meta": known });
    assert_eq!(read(plain).as_deref(), Some(r#"{"b":1.0}"#));
    assert_eq!(read(json!({ "uri": "a:" })).as_deref(), Some(""));
    for odd in [
        json!({ "_meta": { "tenant": "x" } }),
        json!({ "_meta": { "baggage": "user=x" } }),
        json!({ "_meta": 7 }),
        json!({ "task": { "ttl": 1 } }),
        json!({ "inputResponses": {} }),
        json!({ "x": 1 }),
    ] {
        assert_eq!(read(odd.clone()), None, "{odd}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_none_to_be_kept_are_not() {
    let (router, _home) = router("{ tools: ['get_*'], limit: 1KiB }");
    let alice = exchange("alice", &json!({}));
    let odd = [
        json!({ "content": [], "isError": true }),
        json!({ "content": [], "isError": "false" }),
        json!({ "resultType": "input_required", "inputRequests": {} }),
        json!({ "resultType": "task", "taskId": "1" }),
        json!({ "resultType": "x" }),
        json!({ "task": { "taskId": "1" } }),
        json!({ "_meta": { "io.modelcontextprotocol/related-task": { "taskId": "1" } } }),
        json!({ "content": ["x".repeat(1024)] }),
        json!({ "content": [], "ttlMs": 0 }),
        json!({ "content": [], "ttlMs": -5 }),
        json!({ "content": [], "ttlMs": "60000" }),
        json!(7),
    ];
    for (number, answer) in odd.iter().enumerate() {
        let params = call(&json!({ "n": number }));
        ask(&router, &alice, "get_a", &params, Some(answer));
        assert_eq!(ask(&router, &alice, "get_a", &params, None), None, "{answer}");
    }
    let good = json!({ "content": [], "isError": false, "resultType": "complete" });
    let params = call(&json!({}));
    ask(&router, &alice, "get_a", &params, Some(&good));
    assert_eq!(ask(&router, &alice, "get_a", &params, None), Some(good));
}

#[tokio::test(start_paused = true)]
async fn an_answer_says_how_long_it_is_good_from_now_on() {
    let answer = || Raw::parse(r#"{"ttlMs":1000,"a":1.0,"cacheScope":"public"}"#).unwrap();
    let aged = |millis| aged(answer(), Duration::from_millis(millis)).get().to_owned();
    assert_eq!(aged(0), answer().get());
    assert_eq!(aged(400), r#"{"ttlMs":600,"a":1.0,"cacheScope":"public"}"#);
    assert_eq!(aged(4000), r#"{"ttlMs":0,"a":1.0,"cacheScope":"public"}"#);
    let silent = Raw::parse(r#"{"a":1.0}"#).unwrap();
    assert_eq!(super::aged(silent.clone(), TTL), silent);
}

#[tokio::test(start_paused = true)]
async fn nobody_pushes_out_more_than_their_own() {
    let (router, _home) = router("{ tools: ['get_*'] }");
    let (alice, bob) = (exchange("alice", &json!({})), exchange("bob", &json!({})));
    let params = |n: usize| call(&json!({ "n": n }));
    ask(&router, &alice, "get_a", &params(0), Some(&json!({ "of": "alice" })));
    for n in 0..600 {
        ask(&router, &bob, "get_a", &params(n), Some(&json!({ "cacheScope": "public" })));
    }
    assert!(ask(&router, &alice, "get_a", &params(0), None).is_some());
    assert_eq!(ask(&router, &bob, "get_a", &params(300), None), None);
    assert!(ask(&router, &bob, "get_a", &params(599), None).is_some());
    assert_eq!(router.shared.cache.size().0, 257);
    let large = json!({ "text": "x".repeat(900_000) });
    for n in 1000..1030 {
        ask(&router, &bob, "get_a", &params(n), Some(&large));
    }
    assert!(router.shared.cache.size().1 <= (16 << 20) + 1000, "{:?}", router.shared.cache.size());
    // What is over is freed although nobody comes.
    let stop = CancellationToken::new();
    let expiring = router.expire_kept(stop.clone());
    let waiting = async {
        time::sleep(3 * TTL).await;
        stop.cancel();
    };
    tokio::join!(expiring, waiting);
    assert_eq!(router.shared.cache.size(), (0, 0));
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody asks something; and what would be said about how long that may be kept.
    Ask {
        who: usize,
        what: usize,
        scope: Option<&'static str>,
        ttl: Option<u64>,
    },
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let scope = prop_oneof![Just(None), Just(Some("public")), Just(Some("private"))];
    let ttl = proptest::option::of(prop_oneof![Just(0), 1..90_000u64]);
    prop_oneof![
        4 => (0..3usize, 0..3usize, scope, ttl)
            .prop_map(|(who, what, scope, ttl)| Step::Ask { who, what, scope, ttl }),
        2 => (0..40_000u64).prop_map(Step::Pass),
    ]
}

/// An answer that somebody got once.
struct Given {
    who: usize,
    what: usize,
    scope: Option<&'static str>,
    ttl: Option<u64>,
    at: Instant,
}

proptest! {
    #[test]
    fn nobody_gets_what_is_for_another_or_over(
        steps in proptest::collection::vec(step(), 1..60),
        shared: bool,
    ) {
        let mut runtime = runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true).build().unwrap().block_on(async move {
            let (router, _home) = router(&format!("{{ tools: ['get_*'], shared: {shared} }}"));
            let asking = ["alice", "bob", "carol"].map(|name| exchange(name, &json!({})));
            let mut given: Vec<Given> = Vec::new();
            for step in steps {
                let (who, what, scope, ttl) = match step {
                    Step::Pass(millis) => {
                        time::advance(Duration::from_millis(millis)).await;
                        continue;
                    }
                    Step::Ask { who, what, scope, ttl } => (who, what, scope, ttl),
                };
                let mut answer = json!({ "number": given.len() });
                if let Some(scope) = scope {
                    answer["cacheScope"] = json!(scope);
                }
                if let Some(ttl) = ttl {
                    answer["ttlMs"] = json!(ttl);
                }
                let now = Instant::now();
                let may_have = |it: &Given| {
                    let is_theirs = it.who == who
                        || it.scope == Some("public")
                        || (it.scope.is_none() && shared);
                    let ttl = it.ttl.map_or(TTL, |ttl| TTL.min(Duration::from_millis(ttl)));
                    it.what == what && is_theirs && now.duration_since(it.at) < ttl
                };
                let params = call(&json!({ "what": what }));
                let got = ask(&router, &asking[who], "get_a", &params, Some(&answer));
                if let Some(got) = got {
                    let number = usize::try_from(got["number"].as_u64().unwrap()).unwrap();
                    let it = &given[number];
                    prop_assert!(may_have(it), "{got}");
                    let age = u64::try_from(now.duration_since(it.at).as_millis()).unwrap();
                    prop_assert_eq!(got["ttlMs"].as_u64(), it.ttl.map(|ttl| ttl - age));
                    prop_assert_eq!(got["cacheScope"].as_str(), it.scope);
                } else {
                    // Nobody is asked for what somebody may have still.
                    prop_assert!(!given.iter().any(may_have));
                    given.push(Given { who, what, scope, ttl, at: now });
                }
            }
            Ok(())
        })?;
    }
}
