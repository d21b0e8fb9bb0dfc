//! How long calls may take, how many there may be, and what becomes of those that fail.

use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::programs::toy;
use crate::support::remote::Remote;
use crate::support::wire_client::Client;
use crate::support::wire_client::Message;

const FAILURE: &str = "dev.conflux/error";
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
