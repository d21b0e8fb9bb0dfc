//! Results that are kept: for whom, how long, and what makes them forgotten.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server;
use crate::support::programs::toy;
use crate::support::reader::Reader;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);

fn gateway(flags: &[&str], cache: Value) -> Gateway {
    let flags = [&["--era", "dual"], flags].concat();
    Gateway::new(&[("toy", with(toy(&flags).entry(), "cache", cache))])
}

/// How often the upstream was asked to call a tool.
async fn asked(client: &mut Client, tool: &str) -> u64 {
    let counted = client.call("toy__count", json!({})).await.structured();
    counted["calls"][tool].as_u64().unwrap_or_default()
}

/// How often there was a result that was kept, and how often there was none.
async fn tally(client: &mut Client) -> (u64, u64) {
    let status = client.call("conflux__status", json!({})).await.structured();
    let cache = &status["upstreams"][0]["cache"];
    (cache["hits"].as_u64().unwrap(), cache["misses"].as_u64().unwrap())
}

#[tokio::test]
async fn who_asks_the_same_again_gets_the_same_and_nobody_is_asked() {
    let gateway = gateway(&[], json!({ "tools": ["echo"] }));
    for mut client in [gateway.legacy("2025-11-25", json!({})).await, gateway.modern(json!({}))] {
        let mut reader = Reader::spawn(gateway.conflux(&["tail", "--json"]));
        while !reader.has_line(Duration::from_millis(50)).await {
            client.call("conflux__status", json!({})).await.result();
        }
        let arguments = r#"{"b":1.0,"a":123456789012345678901234567890}"#;
        let first = client.call_raw("toy__echo", arguments).await;
        let again = client.call_raw("toy__echo", arguments).await;
        assert_eq!(first.raw_result(), again.raw_result());
        assert!(again.raw_result().contains(arguments), "{}", again.line);
        assert_eq!(asked(&mut client, "echo").await, 1);
        for other in [r#"{"a":1.0}"#, r#"{"a":1}"#, "{}"] {
            assert!(client.call_raw("toy__echo", other).await.raw_result().contains(other));
        }
        assert_eq!(asked(&mut client, "echo").await, 4);
        assert_eq!(asked(&mut client, "count").await, 3, "nobody said that it is kept");
        assert_eq!(tally(&mut client).await, (1, 4));
        let told = |line: String| -> Value { serde_json::from_str(&line).unwrap() };
        assert_eq!(told(reader.line_with("toy__echo").await)["cached"], false);
        let line = told(reader.line_with("toy__echo").await);
        assert_eq!((&line["cached"], &line["why"]), (&json!(true), &json!("cached")), "{line}");
        assert_eq!(line["outcome"], "ok");
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn nothing_is_kept_unless_the_file_says_so() {
    let gateway = Gateway::new(&[("toy", toy(&["--era", "dual", "--ttl", "60000"]).entry())]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    for _ in 0..2 {
        client.call("toy__echo", json!({})).await.structured();
    }
    assert_eq!(asked(&mut client, "echo").await, 2);
    let status = client.call("conflux__status", json!({})).await.structured();
    assert!(status["upstreams"][0].get("cache").is_none(), "{status}");
}

#[tokio::test]
async fn without_names_it_is_the_server_that_says_which_tools_only_read() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("tools.json");
    let tool = |name: &str, annotations: Value| {
        let schema = json!({ "type": "object" });
        json!({ "name": name, "inputSchema": schema, "annotations": annotations })
    };
    let tools = json!([
        tool("echo", json!({ "readOnlyHint": true })),
        tool("process", json!({ "idempotentHint": true })),
        tool("cancelled", json!({})),
        tool("count", json!({})),
    ]);
    std::fs::write(&file, tools.to_string()).unwrap();
    // What an operator says of a tool is for who chooses among tools.
    let changes =
        json!({ "override": { "cancelled": { "annotations": { "readOnlyHint": true } } } });
    let flags = ["--tools-file", file.to_str().unwrap()];
    let mut gateway = gateway(&flags, json!({}));
    gateway.add("toy", with(with(toy(&flags).entry(), "cache", json!({})), "tools", changes));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    for tool in ["echo", "process", "cancelled"] {
        for _ in 0..2 {
            client.call(&format!("toy__{tool}"), json!({})).await.structured();
        }
    }
    for (tool, times) in [("echo", 1), ("process", 2), ("cancelled", 2)] {
        assert_eq!(asked(&mut client, tool).await, times, "{tool}");
    }
}

#[tokio::test]
async fn what_is_more_than_a_result_is_not_kept() {
    let gateway = gateway(&[], json!({ "tools": ["*"], "limit": "1KiB" }));
    let capabilities = json!({ "elicitation": { "form": {} } });
    let mut client = gateway.legacy("2025-11-25", capabilities).await;
    client.answer("elicitation/create", json!({ "action": "accept", "content": {} }));
    let question = json!({ "kind": "elicit" });
    let progress = json!({ "name": "toy__progress", "arguments": { "steps": 2 },
        "_meta": { "progressToken": "mine" } });
    let odd = json!({ "name": "toy__echo", "arguments": {}, "_meta": { "tenant": "x" } });
    for _ in 0..2 {
        client.call("toy__fail", json!({ "text": "no" })).await.result();
        client.call("toy__huge", json!({ "bytes": 2000 })).await.result();
        client.call("toy__ask", question.clone()).await.result();
        client.request("tools/call", progress.clone()).await.result();
        client.request("tools/call", odd.clone()).await.result();
        client.call("toy__cancelled", json!({})).await.result();
    }
    // Only what is no such thing was there the second time.
    let (hits, _) = tally(&mut client).await;
    assert_eq!(hits, 1);
    assert_eq!(client.seen("elicitation/create").len(), 2);
    assert_eq!(client.seen("notifications/progress").len(), 4);
}

#[tokio::test]
async fn an_upstream_that_changes_begins_anew_or_is_configured_anew_is_asked_again() {
    let cache = |ttl: &str| json!({ "tools": ["echo"], "ttl": ttl });
    let mut gateway = gateway(&[], cache("1h"));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    for _ in 0..2 {
        client.call("toy__echo", json!({})).await.structured();
    }
    assert_eq!(tally(&mut client).await, (1, 1));
    client.call("toy__change_tools", json!({ "times": 1 })).await.result();
    client.wait_for("notifications/tools/list_changed", 1).await;
    client.call("toy__echo", json!({})).await.structured();
    assert_eq!(tally(&mut client).await, (1, 2));
    client.call("toy__echo", json!({})).await.structured();
    assert_eq!(tally(&mut client).await, (2, 2));
    client.call("toy__die", json!({})).await.result();
    client.call("toy__count", json!({})).await.structured();
    client.call("toy__echo", json!({})).await.structured();
    assert_eq!(tally(&mut client).await, (2, 3));
    let entry = with(toy(&["--era", "dual"]).entry(), "cache", cache("2h"));
    gateway.add("toy", entry);
    gateway.save_at_once();
    let reloaded = async {
        loop {
            let status = client.call("conflux__status", json!({})).await.structured();
            if !status["reload"].is_null() {
                return status["reload"].clone();
            }
            sleep(POLL).await;
        }
    };
    let reloaded = timeout(LIMIT, reloaded).await.expect("it is read again");
    assert_eq!(reloaded["changes"], json!(["`toy` goes on, with another `cache`"]));
    client.call("toy__echo", json!({})).await.structured();
    assert_eq!(tally(&mut client).await, (2, 4));
}

#[tokio::test]
async fn a_resource_is_kept_as_its_server_says_and_until_it_says_that_it_changed() {
    let gateway = gateway(&["--ttl", "3600000"], json!({}));
    let server = Server::start(&gateway).await;
    let read = || server.modern("resources/read", json!({ "uri": "toy://static/1" })).reply();
    let (first, again) = (read().await.result(), read().await.result());
    assert_eq!(first["contents"], again["contents"]);
    assert_eq!((&first["ttlMs"], &again["cacheScope"]), (&json!(3_600_000), &json!("public")));
    // What is left of it is less by now.
    let left = again["ttlMs"].as_u64().unwrap();
    assert!((1..3_600_000).contains(&left), "{again}");
    drop(server);

    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let uris = ["toy://static/1", "toy://static/2"].map(|uri| json!({ "uri": uri }));
    client.request("resources/subscribe", uris[0].clone()).await.result();
    for uri in [&uris[0], &uris[0], &uris[1], &uris[1]] {
        client.request("resources/read", uri.clone()).await.result();
    }
    let (hits, misses) = tally(&mut client).await;
    assert_eq!((hits, misses), (2, 2));
    client.call("toy__touch", uris[0].clone()).await.result();
    client.wait_for("notifications/resources/updated", 1).await;
    for uri in [&uris[0], &uris[1]] {
        client.request("resources/read", uri.clone()).await.result();
    }
    assert_eq!(tally(&mut client).await, (3, 3), "the other one has not changed");
}

#[tokio::test]
async fn a_kept_result_counts_as_any_and_what_it_mentions_can_be_read() {
    let gateway = gateway(&[], json!({ "tools": ["link"] }));
    let gateway = gateway.limit("quotas", json!([{ "per": "tool", "rate": "2/h" }]));
    let server = Server::start(&gateway).await;
    let mut mentioned = Vec::new();
    for number in 0..2 {
        let session = server.session("2025-11-25", json!({})).await;
        let linked = session.call(number, "toy__link", json!({ "name": "7" })).reply().await;
        let uri = linked.result()["content"][0]["uri"].as_str().unwrap().to_owned();
        let read = session.request(10, "resources/read", json!({ "uri": uri })).reply().await;
        read.result();
        mentioned.push(uri);
    }
    assert_eq!(mentioned[0], mentioned[1]);
    let session = server.session("2025-11-25", json!({})).await;
    let refused = session.call(1, "toy__link", json!({ "name": "7" })).reply().await.result();
    assert_eq!(refused["_meta"]["dev.conflux/error"]["kind"], "limited", "{refused}");
    let status = session.call(2, "conflux__status", json!({})).reply().await.result();
    let cache = &status["structuredContent"]["upstreams"][0]["cache"];
    // The resources that were read could have been there, too.
    assert_eq!(*cache, json!({ "hits": 1, "misses": 3 }));
}

#[tokio::test]
async fn nobody_gets_what_was_kept_for_another_unless_it_is_shared() {
    for shared in [false, true] {
        let mut gateway = gateway(&[], json!({ "tools": ["echo"], "shared": shared }));
        gateway.set("auth", json!({}));
        let mut tokens = Vec::new();
        for name in ["alice", "bob"] {
            let created = gateway.conflux(&["token", "create", name]).output().await.unwrap();
            assert!(created.status.success(), "{created:?}");
            tokens.push(String::from_utf8(created.stdout).unwrap().trim().to_owned());
        }
        let server = Server::start(&gateway).await;
        let call = |token: &str, tool: &str| {
            let call = server.call(tool, json!({ "a": 1 }));
            call.header("Authorization", &format!("Bearer {token}")).reply()
        };
        for token in [&tokens[0], &tokens[0], &tokens[1], &tokens[1]] {
            let called = call(token, "toy__echo").await.result();
            assert_eq!(called["structuredContent"], json!({ "a": 1 }));
        }
        let counted = call(&tokens[0], "toy__count").await.result();
        let asked = &counted["structuredContent"]["calls"]["echo"];
        assert_eq!(*asked, if shared { 1 } else { 2 }, "shared: {shared}");
    }
}
