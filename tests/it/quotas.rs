//! What callers may use up: who is over a limit is told so, and nobody else notices.

use std::time::Duration;
use std::time::SystemTime;

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

fn gateway(quotas: Value) -> Gateway {
    let gateway = Gateway::new(&[("toy", toy(&["--era", "dual"]).entry())]);
    gateway.limit("quotas", quotas)
}

/// Waits for the next day if this one is nearly over: budgets are by the clock.
async fn early_enough() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let left = 86_400 - now.as_secs() % 86_400;
    if left < 60 {
        sleep(Duration::from_secs(left + 1)).await;
    }
}

/// What a result says of the limit it is over.
#[track_caller]
fn limit(result: &Value) -> &Value {
    assert_eq!(result["isError"], true, "{result}");
    let failure = &result["_meta"]["dev.conflux/error"];
    assert_eq!((&failure["kind"], &failure["executed"]), (&json!("limited"), &json!("no")));
    assert!(failure.get("upstream").is_none(), "{failure}");
    failure
}

async fn calls(client: &mut Client, tool: &str) -> Value {
    client.call("toy__count", json!({})).await.structured()["calls"][tool].clone()
}

#[tokio::test]
async fn a_call_over_a_limit_is_answered_so_that_a_model_can_read_it() {
    let few = json!({ "per": "tool", "tools": ["toy__ec*"], "rate": "1/h", "name": "few echoes" });
    let gateway = gateway(json!([few]));
    for mut client in [gateway.legacy("2025-11-25", json!({})).await, gateway.modern(json!({}))] {
        client.call("toy__echo", json!({ "n": 1 })).await.structured();
        let refused = client.call("toy__echo", json!({ "n": 2 })).await.result();
        let failure = limit(&refused);
        assert_eq!(failure["limit"], "few echoes");
        let wait = failure["retry_after_ms"].as_u64().unwrap();
        assert!((3_000_000..=3_600_000).contains(&wait), "{failure}");
        let text = refused["content"][0]["text"].as_str().unwrap();
        let start = "The limit `few echoes` is reached for `toy__echo`: at most 1/h; try again in ";
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with(". The request was not carried out."), "{text}");
        assert_eq!(calls(&mut client, "echo").await, 1, "it went nowhere");
        client.call("toy__fail", json!({})).await.result();
        client.request("tools/list", json!({})).await.result();
        let status = client.call("conflux__status", json!({})).await.structured();
        let known = json!([{ "limit": "few echoes", "counters": 1, "refused": 1 }]);
        assert_eq!(status["limits"], known);
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn what_is_refused_is_told_to_who_follows_and_counts_nowhere() {
    let quotas = json!([
        { "per": "principal", "rate": "4/h" },
        { "per": "tool", "tools": ["*__echo"], "rate": "1/h" },
    ]);
    let gateway = gateway(quotas);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let mut reader = Reader::spawn(gateway.conflux(&["tail", "--json"]));
    while !reader.has_line(Duration::from_millis(50)).await {
        client.call("conflux__status", json!({})).await.result();
    }
    for _ in 0..5 {
        client.call("toy__echo", json!({})).await.result();
    }
    let line = reader.line_with("limited").await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["outcome"], "refused", "{line}");
    for _ in 0..3 {
        assert_eq!(client.call("toy__count", json!({})).await.result()["isError"], Value::Null);
    }
    let refused = client.call("toy__count", json!({})).await.result();
    assert_eq!(limit(&refused)["limit"], "per principal");
}

#[tokio::test]
async fn other_requests_over_a_limit_are_errors_and_have_their_status_over_http() {
    let gateway = gateway(json!([{ "per": "all", "rate": "1/h", "burst": 1 }]));
    let server = Server::start(&gateway).await;
    let read = || server.modern("resources/read", json!({ "uri": "toy://static/1" }));
    read().reply().await.result();
    for request in [
        read(),
        server.modern("prompts/get", json!({ "name": "toy__greet", "arguments": { "name": "a" } })),
        server.modern(
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "toy__greet" },
                "argument": { "name": "name", "value": "" } }),
        ),
    ] {
        let refused = request.reply().await;
        assert_eq!((refused.status, refused.code()), (429, -32603), "{refused:?}");
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((3000..=3600).contains(&wait), "{refused:?}");
        let error = &refused.json()["error"];
        let millis = error["data"]["retry_after_ms"].as_u64().unwrap();
        assert!(millis.div_ceil(1000) == wait, "{error}");
        assert_eq!(error["data"]["executed"], "no");
        assert_eq!(error["data"]["limit"], "of everything together");
        let text = error["message"].as_str().unwrap();
        assert!(text.starts_with("The limit of everything together is reached: at most 1/h;"));
    }
    // A model reads results alone, and clients tell it nothing of what has another status.
    let called = server.call("toy__echo", json!({})).reply().await;
    assert_eq!(called.status, 200);
    limit(&called.result());
    // In a session the message alone says what happened.
    let session = server.session("2025-11-25", json!({})).await;
    let refused = session.request(1, "resources/read", json!({ "uri": "toy://static/1" }));
    let refused = refused.reply().await;
    assert_eq!((refused.status, refused.header("retry-after")), (200, None));
    assert!(refused.body.contains("-32603"), "{refused:?}");
    // What is nobody's, or Conflux's own, is not limited.
    server.modern("tools/list", json!({})).reply().await.result();
    server.call("conflux__status", json!({})).reply().await.result();
    assert_eq!(server.call("toy__no_such", json!({})).reply().await.code(), -32602);
}

#[tokio::test]
async fn who_has_enough_under_way_waits_until_something_has_ended() {
    let gateway = gateway(json!([{ "per": ["client", "upstream"], "concurrency": 1 }]));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let slow = json!({ "name": "toy__slow", "arguments": { "ms": 600_000 } });
    for _ in 0..3 {
        let (first, refused) = loop {
            let first = client.start("tools/call", slow.clone()).await;
            let echoed = client.call("toy__echo", json!({})).await.result();
            if echoed["isError"] == json!(true) {
                break (first, echoed);
            }
            // What is sent first need not be under way first.
            client.cancel(first).await;
        };
        assert_eq!(limit(&refused)["retry_after_ms"], Value::Null);
        let text = refused["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("for `wire` and `toy`: at most 1 under way at once"), "{text}");
        client.cancel(first).await;
        // It is free when the cancellation is through, which nothing tells.
        while client.call("toy__echo", json!({})).await.line.contains("limited") {
            sleep(POLL).await;
        }
    }
}

#[tokio::test]
async fn each_client_has_what_it_has_and_a_name_is_the_same_at_every_path() {
    let quotas = json!([
        { "per": "client", "rate": "2/h" },
        { "per": "all", "tools": ["toy__echo"], "rate": "1/h", "name": "one echo" },
    ]);
    let gateway = gateway(quotas);
    let server = Server::start(&gateway).await;
    let call = |client: &str, name: &str| {
        let meta =
            json!({ "io.modelcontextprotocol/clientInfo": { "name": client, "version": "1" } });
        server.modern("tools/call", json!({ "name": name, "arguments": {}, "_meta": meta }))
    };
    for client in ["one", "other"] {
        for _ in 0..2 {
            let called = call(client, "toy__count").reply().await.result();
            assert_eq!(called["isError"], Value::Null, "{called}");
        }
        let refused = call(client, "toy__count").reply().await.result();
        let text = refused["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(&format!("per client is reached for `{client}`")), "{text}");
    }
    let echo = || call("third", "echo").to("/servers/toy/mcp").reply();
    assert_eq!(echo().await.result()["isError"], Value::Null);
    assert_eq!(limit(&echo().await.result())["limit"], "one echo");
}

#[tokio::test]
async fn bytes_are_those_of_arguments_and_results() {
    early_enough().await;
    let gateway = gateway(json!([{ "per": "principal", "bytes": "2KiB/day" }]));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.call("toy__echo", json!({ "text": "x".repeat(300) })).await.structured();
    // The answer to this alone is more than all there is.
    client.call("toy__huge", json!({ "bytes": 5000 })).await.result();
    let refused = client.call("toy__echo", json!({})).await.result();
    let text = refused["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("at most 2KiB/day of arguments and results"), "{text}");
}

#[tokio::test]
async fn budgets_outlive_a_run_and_are_shared_by_gateways() {
    early_enough().await;
    let gateway = gateway(json!([{ "per": "principal", "calls": "4/day" }]));
    let mut one = gateway.legacy("2025-11-25", json!({})).await;
    for _ in 0..2 {
        one.call("toy__echo", json!({})).await.structured();
    }
    assert!(one.leave().await.success());
    // One that is started knows it, and what both use is known to both a little later.
    let mut two = gateway.legacy("2025-11-25", json!({})).await;
    let mut three = gateway.legacy("2025-11-25", json!({})).await;
    two.call("toy__echo", json!({})).await.structured();
    three.call("toy__echo", json!({})).await.structured();
    let shared = async {
        let file = gateway.path().join("state/budgets.json");
        while !std::fs::read_to_string(&file).unwrap_or_default().contains("\"used\":4") {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, shared).await.expect("it is written");
    let mut four = gateway.legacy("2025-11-25", json!({})).await;
    let refused = four.call("toy__echo", json!({})).await.result();
    assert_eq!(limit(&refused)["limit"], "per principal");
    let output = gateway.conflux(&["call", "toy__echo"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("cannot call `toy__echo`"), "{stderr}");
    assert!(stderr.contains("at most 4/day; try again in "), "{stderr}");
}

#[tokio::test]
async fn other_limits_hold_at_once_and_what_was_used_stays_used() {
    early_enough().await;
    let quotas = |calls: &str| json!([{ "per": "principal", "calls": calls }]);
    let mut gateway = gateway(quotas("2/day"));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    for _ in 0..2 {
        client.call("toy__echo", json!({})).await.structured();
    }
    limit(&client.call("toy__echo", json!({})).await.result());
    gateway = gateway.limit("quotas", quotas("3/day"));
    reload(&mut client, &gateway, "`limits.quotas` is applied").await;
    client.call("toy__echo", json!({})).await.structured();
    limit(&client.call("toy__echo", json!({})).await.result());
    gateway = gateway.limit("quotas", json!([]));
    reload(&mut client, &gateway, "`limits.quotas` is applied").await;
    client.call("toy__echo", json!({})).await.structured();
}

/// Writes the configuration, and waits until it was read.
async fn reload(client: &mut Client, gateway: &Gateway, change: &str) {
    let status = |message: Value| message["reload"].clone();
    let before = status(client.call("conflux__status", json!({})).await.structured());
    gateway.save_at_once();
    let reloaded = async {
        loop {
            let now = status(client.call("conflux__status", json!({})).await.structured());
            if now != before {
                return now;
            }
            sleep(POLL).await;
        }
    };
    let now = timeout(LIMIT, reloaded).await.expect("it is read again");
    assert_eq!(now["changes"], json!([change]), "{now}");
}

#[tokio::test]
async fn a_call_of_a_call_counts_for_the_tool_that_it_calls() {
    let quotas = json!([{ "per": "tool", "rate": "1/h" }]);
    let gateway = Gateway::new(&[("toy", toy(&["--era", "dual"]).entry())]);
    let mut gateway = gateway.limit("quotas", quotas);
    gateway.set("exposure", json!("search"));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let call = json!({ "name": "toy__echo", "arguments": { "a": 1 } });
    client.call("conflux__search", json!({ "query": "echo" })).await.structured();
    client.call("conflux__call", call.clone()).await.structured();
    let refused = client.call("conflux__call", call).await.result();
    let text = refused["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("for `toy__echo`"), "{text}");
    limit(&client.call("toy__echo", json!({})).await.result());
    client.call("conflux__search", json!({ "query": "echo" })).await.structured();
}

#[tokio::test]
async fn a_call_that_fails_is_no_longer_under_way() {
    let boom = json!({ "command": "sh", "args": ["-c", "exit 3"] });
    let slow = with(toy(&[]).entry(), "timeout", json!({ "call": "200ms" }));
    let gateway = Gateway::new(&[("boom", boom), ("slow", slow)]);
    let gateway = gateway.limit("quotas", json!([{ "per": "all", "concurrency": 1 }]));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    for _ in 0..2 {
        let failed = client.call("boom__any", json!({})).await.result();
        assert_eq!(failed["_meta"]["dev.conflux/error"]["kind"], "exited", "{failed}");
        let failed = client.call("slow__slow", json!({ "ms": 60_000 })).await.result();
        assert_eq!(failed["_meta"]["dev.conflux/error"]["kind"], "timeout", "{failed}");
    }
}

#[tokio::test]
async fn each_principal_and_each_of_its_groups_has_what_it_has() {
    let quotas = json!([
        { "per": "principal", "principals": ["token:*"], "rate": "2/h" },
        { "per": "group", "groups": ["dev-*"], "rate": "3/h" },
    ]);
    let mut gateway = gateway(quotas);
    gateway.set("auth", json!({}));
    let dev = ["--group", "dev-a", "--group", "staff"];
    let mut tokens = Vec::new();
    for (name, groups) in [("alice", &dev[..]), ("bob", &dev), ("carol", &[])] {
        let mut command = gateway.conflux(&["token", "create", name]);
        let created = command.args(groups).output().await.unwrap();
        assert!(created.status.success(), "{created:?}");
        tokens.push(String::from_utf8(created.stdout).unwrap().trim().to_owned());
    }
    let server = Server::start(&gateway).await;
    let mut outcomes = Vec::new();
    for token in &tokens {
        for _ in 0..3 {
            let call = server.call("toy__echo", json!({}));
            let called = call.header("Authorization", &format!("Bearer {token}")).reply().await;
            let result = called.result();
            let text = result["content"][0]["text"].as_str().unwrap_or_default();
            let whose = text.split('`').nth(1).filter(|_| result["isError"] == true);
            outcomes.push(whose.unwrap_or("nobody").to_owned());
        }
    }
    let alice = ["nobody", "nobody", "token:alice"];
    // One was left for the group.
    let bob = ["nobody", "dev-a", "dev-a"];
    let carol = ["nobody", "nobody", "token:carol"];
    assert_eq!(outcomes, [alice, bob, carol].concat());
}

#[tokio::test]
async fn what_comes_of_a_task_counts_when_it_is_fetched() {
    early_enough().await;
    let extension = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    for (era, method) in [("legacy", "tasks/result"), ("modern", "tasks/get")] {
        let toy = toy(&["--era", era, "--tasks"]).entry();
        let bytes = json!([{ "per": "principal", "bytes": "2KiB/day", "name": "little" }]);
        let gateway = Gateway::new(&[("toy", toy)]).limit("quotas", bytes);
        let mut client = match era {
            "legacy" => gateway.legacy("2025-11-25", json!({})).await,
            _ => gateway.modern(extension.clone()),
        };
        let call = json!({ "name": "toy__work", "arguments": {}, "task": { "ttl": 60_000 } });
        let made = client.request("tools/call", call.clone()).await.result();
        let id = made["task"]["taskId"].as_str().or(made["taskId"].as_str()).unwrap().to_owned();
        for _ in 0..100 {
            client.request(method, json!({ "taskId": id })).await.result();
        }
        let refused = client.request("tools/call", call).await.result();
        assert_eq!(limit(&refused)["limit"], "little", "{era}");
        assert!(client.leave().await.success());
    }
}
