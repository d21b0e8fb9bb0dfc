//! How long calls may take, how many there may be, and what becomes of those that fail.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server;
use crate::support::programs::toy;
use crate::support::remote::Remote;
use crate::support::wire_client::Client;
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
            let late = client.call(&format!("{upstream}__slow"), json!({"ms": FOR_EVER})).await;
            let failure = failure(&late);
            assert_eq!(
                (&failure["kind"], &failure["executed"]),
                (&json!("timeout"), &json!("unknown"))
            );
            assert!(late.text().contains("took longer than 300ms"), "{}", late.text());
            // Any other has an hour, though the upstream has a millisecond.
            let echoed = client.call(&format!("{upstream}__echo"), json!({"a": 1})).await;
            assert_eq!(echoed.structured(), json!({"a": 1}));
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
