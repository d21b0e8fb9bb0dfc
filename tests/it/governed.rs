//! What rules have to do with the rest of what governs requests: records, the bounds of tokens,
//! limits, and results that are kept.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Post;
use crate::support::http::Server;
use crate::support::programs::toy;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);
const INVALID_PARAMS: i64 = -32602;
const LEGACY: &str = "2025-11-25";

/// A gateway before two toys, with these rules and nothing said about records.
fn gateway(rules: Value) -> Gateway {
    let flags = |name| ["--era", "dual", "--scheme", name];
    let mut gateway =
        Gateway::new(&[("a", toy(&flags("a")).entry()), ("b", toy(&flags("b")).entry())]);
    gateway.set("policy", json!({ "rules": rules }));
    gateway
}

/// Makes a token, as a person does.
async fn token(gateway: &Gateway, args: &[&str]) -> String {
    let mut command = gateway.conflux(&[&["token", "create"], args].concat());
    let created = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let created = timeout(LIMIT, created).await.expect("it ends").unwrap();
    assert!(created.status.success(), "{created:?}");
    String::from_utf8(created.stdout).unwrap().trim().to_owned()
}

fn bearing<'a>(post: Post<'a>, token: &str) -> Post<'a> {
    post.header("Authorization", &format!("Bearer {token}"))
}

/// Waits until there are records of so many decisions on tools and prompts, and returns them.
async fn decisions(gateway: &Gateway, count: usize) -> Vec<Value> {
    let read = || {
        let streams = fs::read_dir(gateway.path().join("state/audit")).into_iter().flatten();
        let streams = streams.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
        let segments = streams.flat_map(|stream| fs::read_dir(stream).unwrap());
        let texts = segments.map(|segment| fs::read_to_string(segment.unwrap().path()).unwrap());
        let text: String = texts.collect();
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        lines.filter(|line: &Value| line["kind"] == "decision").collect::<Vec<_>>()
    };
    let wait = async {
        loop {
            let found = read();
            if found.len() >= count {
                return found;
            }
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, wait).await.expect("it is recorded")
}

/// What a record says of a decision: about what, which it is, by which rule, and where that is.
fn decided(line: &Value) -> [String; 4] {
    let said = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
    let subject = if line["prompt"].is_string() { said("prompt") } else { said("tool") };
    let place = said("place");
    let place = place.rsplit_once('/').map_or(place.as_str(), |(_, name)| name).to_owned();
    [subject, said("decision"), said("rule"), place]
}

#[tokio::test]
async fn the_rule_that_decided_is_recorded() {
    let gateway = gateway(json!([
        { "allow": "a__echo", "name": "all may echo" },
        { "deny": "a__echo", "arguments": { "text": "no*" }, "name": "never no" },
        { "allow": "conflux__status" },
        { "deny": { "prompts": "*" }, "name": "no prompts" },
    ]));
    let mut client = gateway.legacy(LEGACY, json!({})).await;
    // Nobody is asked for what the caller could not see: until it has listed, it is unknown.
    client.request("tools/list", json!({})).await.result();
    client.call("a__echo", json!({ "text": "yes" })).await.result();
    assert_eq!(client.call("a__echo", json!({ "text": "no" })).await.code(), INVALID_PARAMS);
    assert_eq!(client.call("b__echo", json!({ "text": "yes" })).await.code(), INVALID_PARAMS);
    client.request("prompts/get", json!({ "name": "a__greet" })).await.error();
    client.call("conflux__status", json!({})).await.result();
    let lines = decisions(&gateway, 5).await;
    let told: Vec<_> = lines.iter().map(decided).collect();
    let here = "gateway.yaml:1";
    let expected = [
        ["a__echo", "allow", "all may echo", here],
        ["a__echo", "deny", "never no", here],
        ["b__echo", "deny", "-", "-"],
        ["a__greet", "deny", "no prompts", here],
        ["conflux__status", "allow", "PLACE", here],
    ];
    let place = told.last().unwrap()[2].clone();
    assert!(place.ends_with("/gateway.yaml:1"), "a rule without a name has that of its place");
    assert_eq!(told, expected.map(|row| row.map(|it| it.replace("PLACE", &place))));
    assert_eq!(lines.last().unwrap()["upstream"], "conflux");
    client.leave().await;
}

#[tokio::test]
async fn a_shadow_is_recorded_as_what_it_would_be() {
    let mut gateway = gateway(json!([]));
    let rules = json!([
        { "allow": "a__*", "name": "a is fine" },
        { "deny": "a__echo", "arguments": { "text": "no*" }, "name": "never no" },
    ]);
    gateway.set("policy", json!({ "shadow": true, "rules": rules }));
    let mut client = gateway.legacy(LEGACY, json!({})).await;
    for (tool, text) in [("a__echo", "no"), ("a__echo", "yes"), ("b__echo", "yes")] {
        let answer = client.call(tool, json!({ "text": text })).await;
        assert_eq!(answer.structured(), json!({ "text": text }), "nothing is refused");
    }
    client.call("conflux__status", json!({})).await.structured();
    let told: Vec<_> = decisions(&gateway, 4).await.iter().map(decided).collect();
    let told: Vec<_> = told.iter().map(|[tool, word, rule, _]| [&**tool, word, rule]).collect();
    let expected = [
        ["a__echo", "shadow_deny", "never no"],
        ["a__echo", "allow", "a is fine"],
        ["b__echo", "shadow_deny", "-"],
        ["conflux__status", "shadow_deny", "-"],
    ];
    assert_eq!(told, expected);
    client.leave().await;
}

#[tokio::test]
async fn a_token_lists_what_it_may_call_and_status_tells_of_nothing_else() {
    let flags = |name| toy(&["--era", "dual", "--scheme", name]).entry();
    let mut gateway = Gateway::new(&[("a", flags("a")), ("b", flags("b"))]);
    gateway.set("auth", json!({}));
    let tools = ["--tool", "a__echo", "--tool", "a__count", "--tool", "conflux__status"];
    let some = token(&gateway, &[&["some"], &tools[..]].concat()).await;
    let one = token(&gateway, &["one", "--tool", "a__echo"]).await;
    let all = token(&gateway, &["all"]).await;
    let server = Server::start(&gateway).await;
    let ask = async |token: &str, method: &str, params: Value| {
        bearing(server.modern(method, params), token).reply().await
    };
    let listed = async |token: &str| -> Vec<String> {
        let tools = ask(token, "tools/list", json!({})).await.result();
        let tools = tools["tools"].as_array().unwrap().iter();
        tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let everything = listed(&all).await;
    assert!(everything.len() > 10, "{everything:?}");
    // What is seen is what can be called, for each of them.
    for (token, expected) in
        [(&some, &["a__count", "a__echo", "conflux__status"][..]), (&one, &["a__echo"])]
    {
        let mut seen = listed(token).await;
        seen.sort();
        assert_eq!(seen, expected);
        for tool in ["a__echo", "a__count", "b__echo", "conflux__status", "a__fail"] {
            let params = json!({ "name": tool, "arguments": {} });
            let answer = ask(token, "tools/call", params).await.json();
            let is_known = answer["error"]["code"] != INVALID_PARAMS;
            assert_eq!(is_known, expected.contains(&tool), "{tool}: {answer}");
        }
    }
    let status = async |token: &str| {
        let params = json!({ "name": "conflux__status", "arguments": {} });
        ask(token, "tools/call", params).await.result()["structuredContent"].clone()
    };
    let names = |status: &Value| -> Vec<Value> {
        let upstreams = status["upstreams"].as_array().unwrap().iter();
        upstreams.map(|upstream| upstream["name"].clone()).collect()
    };
    // Prompts and resources are not what a token is bound to by the names of tools.
    assert_eq!(names(&status(&all).await), ["a", "b"]);
    let partial = status(&some).await;
    assert_eq!(partial["upstreams"][0]["tools"], 2, "{partial}");
    assert_eq!((&partial["files"], &partial["audit"]), (&json!([]), &Value::Null));
    server.stop().await;
}

#[tokio::test]
async fn status_over_http_tells_a_principal_of_what_it_sees() {
    let mut gateway = gateway(json!([
        { "allow": { "upstreams": ["a", "conflux"] }, "principals": "token:one" },
        { "allow": { "upstreams": ["b", "conflux"] }, "groups": "others" },
        { "allow": "conflux__status", "principals": "token:none" },
    ]));
    gateway.set("auth", json!({}));
    let one = token(&gateway, &["one"]).await;
    let other = token(&gateway, &["other", "--group", "others"]).await;
    let none = token(&gateway, &["none"]).await;
    let server = Server::start(&gateway).await;
    for (token, expected) in [(&one, &["a"][..]), (&other, &["b"]), (&none, &[])] {
        let list = bearing(server.modern("tools/list", json!({})), token).reply().await.result();
        let tools = list["tools"].as_array().unwrap().iter();
        let mut owners: Vec<_> =
            tools.map(|it| it["name"].as_str().unwrap().split("__").next().unwrap()).collect();
        owners.dedup();
        assert_eq!(owners, [expected, &["conflux"]].concat(), "{list}");
        let status = bearing(server.call("conflux__status", json!({})), token).reply().await;
        let status = status.result()["structuredContent"].clone();
        let upstreams = status["upstreams"].as_array().unwrap().iter();
        let upstreams: Vec<_> = upstreams.map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(upstreams, expected, "{status}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_may_look_at_one_profile_is_told_nothing_of_the_rest() {
    let flags = |name| toy(&["--era", "dual", "--scheme", name]).entry();
    let mut gateway = Gateway::new(&[("a", flags("a")), ("b", flags("b"))]);
    gateway = gateway.profile("small", json!({ "upstreams": ["a"] }));
    gateway = gateway.limit("quotas", json!([{ "per": "all", "rate": "900/min", "name": "b" }]));
    gateway.set("auth", json!({}));
    let bound = token(&gateway, &["bound", "--for", "small"]).await;
    let all = token(&gateway, &["all"]).await;
    let server = Server::start(&gateway).await;
    let status = async |token: &str| {
        let called = server.call("conflux__status", json!({})).to("/profiles/small/mcp");
        bearing(called, token).reply().await.result()["structuredContent"].clone()
    };
    let (part, whole) = (status(&bound).await, status(&all).await);
    assert_eq!(part["upstreams"][0]["name"], "a", "{part}");
    assert_eq!(part["upstreams"].as_array().unwrap().len(), 1, "{part}");
    assert_eq!((&part["files"], &part["limits"]), (&json!([]), &Value::Null), "{part}");
    assert_eq!(whole["limits"][0]["limit"], "b", "{whole}");
    assert_eq!(whole["files"].as_array().unwrap().len(), 1, "{whole}");
    server.stop().await;
}

#[tokio::test]
async fn what_is_refused_uses_up_nothing() {
    let gateway = gateway(json!([
        { "allow": "a__echo" },
        { "deny": "a__echo", "arguments": { "text": "no" } },
    ]));
    let gateway = gateway.limit("quotas", json!([{ "per": "principal", "rate": "2/h" }]));
    let mut client = gateway.legacy(LEGACY, json!({})).await;
    client.request("tools/list", json!({})).await.result();
    for _ in 0..3 {
        assert_eq!(client.call("a__echo", json!({ "text": "no" })).await.code(), INVALID_PARAMS);
        assert_eq!(client.call("b__echo", json!({})).await.code(), INVALID_PARAMS);
    }
    for is_limited in [false, false, true] {
        let result = client.call("a__echo", json!({ "text": "yes" })).await.result();
        let failure = &result["_meta"]["dev.conflux/error"];
        assert_eq!(failure["kind"] == "limited", is_limited, "{result}");
    }
    // What the rules refuse is refused by them, whether or not there is anything left.
    assert_eq!(client.call("a__echo", json!({ "text": "no" })).await.code(), INVALID_PARAMS);
    let told: Vec<_> = decisions(&gateway, 10).await.iter().map(decided).collect();
    let [tool, word, rule, _] = &told[8];
    assert_eq!([&**tool, word, rule], ["a__echo", "deny", "-"], "no rule is why it is limited");
    client.leave().await;
}

/// How often the upstream was asked to echo.
async fn echoes(client: &mut Client) -> Value {
    client.call("a__count", json!({})).await.structured()["calls"]["echo"].clone()
}

#[tokio::test]
async fn what_was_kept_is_for_nobody_who_may_not_ask_for_it_now() {
    let flags = ["--era", "dual", "--scheme", "a", "--ttl", "60000"];
    let cache = json!({ "tools": ["echo"], "shared": true });
    let mut gateway = Gateway::new(&[("a", with(toy(&flags).entry(), "cache", cache))]);
    let rules = |more: Value| json!({ "rules": [{ "allow": { "upstreams": ["a"] } }, more] });
    gateway.set("policy", rules(json!({ "deny": { "prompts": "*" } })));
    let mut client = gateway.legacy(LEGACY, json!({})).await;
    let read = json!({ "uri": "a://static/1" });
    for _ in 0..2 {
        client.call("a__echo", json!({ "text": "x" })).await.structured();
        client.request("resources/read", read.clone()).await.result();
    }
    assert_eq!(echoes(&mut client).await, 1, "the second answer was kept");
    let deny = json!({ "deny": { "tools": "a__echo", "resources": "a://static/1" } });
    gateway.set("policy", rules(deny));
    gateway.save_at_once();
    client.wait_for("notifications/tools/list_changed", 1).await;
    assert_eq!(client.call("a__echo", json!({ "text": "x" })).await.code(), INVALID_PARAMS);
    client.request("resources/read", read).await.error();
    // The same holds for arguments: what they ask for is known, and not for them.
    let deny = json!({ "deny": "a__echo", "arguments": { "text": "x" } });
    gateway.set("policy", rules(deny));
    gateway.save_at_once();
    client.wait_for("notifications/tools/list_changed", 2).await;
    assert_eq!(client.call("a__echo", json!({ "text": "x" })).await.code(), INVALID_PARAMS);
    client.call("a__echo", json!({ "text": "y" })).await.structured();
    client.leave().await;
}
