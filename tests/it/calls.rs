//! How long calls may take, how many there may be, and what becomes of those that fail.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server;
use crate::support::programs::toy;
use crate::support::remote::Remote;
use crate::support::scripted::Scripted;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;
use crate::support::wire_client::Message;

const FAILURE: &str = "dev.conflux/error";
const QUIET: Duration = Duration::from_millis(300);
/// Longer than any test may take.
const FOR_EVER: u64 = 600_000;

#[track_caller]
fn failure(reply: &Message) -> Value {
    let result = reply.result();
    assert_eq!(result["isError"], true, "{result}");
    result["_meta"][FAILURE].clone()
}

async fn both(gateway: &Gateway) -> [Client; 2] {
    [gateway.legacy("2025-11-25", json!({})).await, gateway.modern(json!({}))]
}

#[tokio::test]
async fn a_tool_can_have_a_deadline_of_its_own() {
    let tools = json!({"override": {"slow": {"timeout": "300ms"}, "*": {"timeout": "1h"}}});
    let remote = Remote::http(&[]).await;
    let timeout = json!({"call": "1ms"});
    let entry = |entry| with(with(entry, "tools", tools.clone()), "timeout", timeout.clone());
    let gateway =
        Gateway::new(&[("near", entry(toy(&[]).entry())), ("far", entry(remote.entry("/mcp")))]);
    for mut client in both(&gateway).await {
        for upstream in ["near", "far"] {
            // Any other has an hour, though the upstream has a millisecond. It is started for this.
            let echoed = client.call(&format!("{upstream}__echo"), json!({"a": 1})).await;
            assert_eq!(echoed.structured(), json!({"a": 1}));
            let late = client.call(&format!("{upstream}__slow"), json!({"ms": FOR_EVER})).await;
            let failure = failure(&late);
            assert_eq!(
                (&failure["kind"], &failure["executed"]),
                (&json!("timeout"), &json!("unknown"))
            );
            assert!(late.text().contains("took longer than 300ms"), "{}", late.text());
            // Its server was told.
            let name = format!("{upstream}__cancelled");
            let cancelled = client.call(&name, json!({})).await.structured()["cancelled"].clone();
            assert!(cancelled.as_u64() >= Some(1), "{cancelled}");
        }
        assert!(client.leave().await.success());
    }
    remote.stop().await;
}

#[tokio::test]
async fn progress_extends_a_deadline_where_that_is_wanted() {
    let remote = Remote::http(&["--era", "modern"]).await;
    let timeout = json!({"call": "5s", "progress": "1h"});
    let gateway = Gateway::new(&[
        ("near", with(toy(&[]).entry(), "timeout", timeout.clone())),
        ("far", with(remote.entry("/mcp"), "timeout", timeout)),
    ]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    // It gives no token, so progress is between the upstream and Conflux.
    let arguments = json!({"steps": 6, "gap": 1000});
    for upstream in ["near", "far"] {
        let params = json!({"name": format!("{upstream}__progress"), "arguments": arguments});
        client.start("tools/call", params).await;
    }
    for _ in 0..2 {
        let done = client.recv().await;
        assert_eq!(done.result()["isError"], Value::Null, "{}", done.line);
    }
    remote.stop().await;
}

#[tokio::test]
async fn a_deadline_covers_the_wait_for_a_start() {
    let entry = with(toy(&["--hang"]).entry(), "timeout", json!({"call": "300ms", "start": "1h"}));
    let gateway = Gateway::new(&[("mute", entry)]);
    for mut client in both(&gateway).await {
        let late = client.call("mute__echo", json!({})).await;
        let failure = failure(&late);
        assert_eq!((&failure["kind"], &failure["executed"]), (&json!("timeout"), &json!("no")));
        assert!(late.text().contains("not ready within 300ms"), "{}", late.text());
    }
}

#[tokio::test]
async fn calls_wait_for_their_turn_and_those_that_cannot_are_told_at_once() {
    let remote = Remote::http(&[]).await;
    let one = |entry| with(entry, "concurrency", json!({"calls": 1, "queue": 1}));
    let gateway =
        Gateway::new(&[("near", one(toy(&[]).entry())), ("far", one(remote.entry("/mcp")))]);
    for mut client in both(&gateway).await {
        for upstream in ["near", "far"] {
            let slow = json!({"name": format!("{upstream}__slow"), "arguments": {"ms": FOR_EVER}});
            let first = client.start("tools/call", slow).await;
            let echo = json!({"name": format!("{upstream}__echo"), "arguments": {"a": 1}});
            // They are under way side by side, so the first ones may come before the slow one.
            let mut waiting = Vec::new();
            let refused = loop {
                waiting.push(client.start("tools/call", echo.clone()).await);
                let Some(line) = client.try_line(QUIET).await else { continue };
                let answer: Value = serde_json::from_str(&line.unwrap()).unwrap();
                waiting.retain(|id| answer["id"] != *id);
                if answer["result"]["isError"] == true {
                    break answer;
                }
            };
            let failure = &refused["result"]["_meta"][FAILURE];
            assert_eq!((&failure["kind"], &failure["executed"]), (&json!("busy"), &json!("no")));
            client.cancel(first).await;
            assert_eq!(waiting.len(), 1);
            assert_eq!(client.reply_to(waiting[0]).await.structured(), json!({"a": 1}));
        }
    }
    remote.stop().await;
}

#[tokio::test]
async fn a_call_that_hangs_delays_no_other() {
    let remote = Remote::http(&[]).await;
    let gateway = Gateway::new(&[("near", toy(&[]).entry()), ("far", remote.entry("/mcp"))]);
    for mut client in both(&gateway).await {
        for upstream in ["near", "far"] {
            let slow = json!({"name": format!("{upstream}__slow"), "arguments": {"ms": FOR_EVER}});
            for _ in 0..20 {
                client.start("tools/call", slow.clone()).await;
            }
            for number in 0..20 {
                let echoed = client.call(&format!("{upstream}__echo"), json!({"a": number})).await;
                assert_eq!(echoed.structured(), json!({"a": number}));
            }
        }
    }
    remote.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_delays_no_other() {
    let remote = Remote::http(&[]).await;
    let gateway = Gateway::new(&[("near", toy(&[]).entry()), ("far", remote.entry("/mcp"))]);
    let server = Server::start(&gateway).await;
    for upstream in ["near", "far"] {
        // More than there is room for on the way; what is read here is its beginning.
        let params = json!({
            "name": format!("{upstream}__progress"),
            "arguments": {"steps": 200_000, "gap": 0},
            "_meta": {"progressToken": "p"},
        });
        let mut unread = server.modern("tools/call", params).events().await;
        unread.message().await;
        let huge = server.call(&format!("{upstream}__huge"), json!({"bytes": 8 << 20}));
        let huge = huge.send().await;
        for number in 0..20 {
            let echo = server.call(&format!("{upstream}__echo"), json!({"a": number}));
            assert_eq!(echo.reply().await.result()["structuredContent"], json!({"a": number}));
        }
        drop((unread, huge));
    }
    server.stop().await;
    remote.stop().await;
}

async fn status(client: &mut Client) -> Value {
    let status = client.call("conflux__status", json!({})).await.structured();
    status["upstreams"][0].clone()
}

#[tokio::test]
async fn an_upstream_that_fails_its_calls_is_not_asked_for_a_while() {
    let far = Scripted::start().await;
    let gateway = Gateway::new(&[("far", far.entry())]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    far.say(&[(500, None); 100]);
    let refused = loop {
        let reply = client.call("far__write", json!({})).await;
        let failure = failure(&reply);
        if failure["kind"] == "suspended" {
            break reply;
        }
        let expected = (&json!("http_status"), &json!("unknown"));
        assert_eq!((&failure["kind"], &failure["executed"]), expected, "{}", reply.line);
    };
    let made = far.calls();
    assert!(made >= 5, "{made}");
    let said = failure(&refused);
    assert!(said["executed"] == "no" && said["retry_after_ms"].is_u64(), "{said}");
    let text = refused.text();
    for words in ["requests in a row failed", "HTTP status 500", "out of luck", "tries"] {
        assert!(text.contains(words), "`{words}` is not in {text}");
    }
    assert_eq!(status(&mut client).await["state"], "degraded");
    far.recover();
    let again = async {
        while client.call("far__write", json!({})).await.result()["isError"] == true {
            tokio::time::sleep(QUIET / 10).await;
        }
    };
    tokio::time::timeout(LIMIT, again).await.expect("it is asked again");
    assert_eq!(far.calls(), made + 1, "more than one tried");
    assert_eq!(status(&mut client).await["state"], "ready");
}

#[tokio::test]
async fn an_upstream_that_wants_to_be_left_alone_is() {
    for status_code in [429, 503] {
        let far = Scripted::start().await;
        let gateway = Gateway::new(&[("far", far.entry())]);
        for later in ["240", "99999999"] {
            let mut client = gateway.legacy("2025-11-25", json!({})).await;
            far.say(&[(status_code, Some(later))]);
            let before = far.calls();
            let longest = if later == "240" { 240_000 } else { 300_000 };
            for _ in 0..3 {
                let reply = client.call("far__read", json!({})).await;
                let failure = failure(&reply);
                let expected = (&json!("http_status"), &json!("no"));
                assert_eq!((&failure["kind"], &failure["executed"]), expected, "{}", reply.line);
                let wait = failure["retry_after_ms"].as_u64().unwrap();
                assert!((200_000..=longest).contains(&wait), "{failure}");
            }
            assert_eq!(far.calls(), before + 1, "it was asked all the same");
            assert_eq!(status(&mut client).await["state"], "degraded");
        }
    }
}

#[tokio::test]
async fn what_may_be_made_again_is_and_nothing_else() {
    let far = Scripted::start().await;
    let gateway = Gateway::new(&[("far", far.entry())]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    // The tool, how it is answered first, how often it is called, and what is said then.
    for (tool, first, calls, executed) in [
        ("write", (502, None), 1, Some("unknown")),
        ("read", (502, None), 2, None),
        ("put", (502, None), 2, None),
        ("write", (429, Some("1")), 2, None),
        ("write", (503, Some("1")), 2, None),
        ("write", (429, None), 1, Some("no")),
        ("read", (404, None), 1, Some("no")),
    ] {
        let before = far.calls();
        far.say(&[first]);
        let result = client.call(&format!("far__{tool}"), json!({})).await.result();
        assert_eq!(far.calls() - before, calls, "{tool} {first:?}: {result}");
        let failure = &result["_meta"][FAILURE]["executed"];
        assert_eq!(failure.as_str(), executed, "{tool} {first:?}: {result}");
    }
    // Once more is not for ever.
    let before = far.calls();
    far.say(&[(502, None), (502, None)]);
    let failure = failure(&client.call("far__read", json!({})).await);
    assert_eq!((&failure["executed"], far.calls() - before), (&json!("unknown"), 2));
}
