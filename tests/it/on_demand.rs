//! Upstreams are started when something needs them, whatever that is, and stopped when nothing does.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::programs::toy;
use crate::support::wire_client::Client;

fn gateway() -> Gateway {
    Gateway::new(&[("toy", toy(&["--era", "dual"]).entry())])
}

async fn status(client: &mut Client) -> Value {
    let status = client.call("conflux__status", json!({})).await.structured();
    status["upstreams"][0].clone()
}

#[tokio::test]
async fn the_first_request_may_be_any() {
    let requests = [
        ("tools/call", json!({ "name": "toy__echo", "arguments": {} })),
        ("prompts/get", json!({ "name": "toy__greet", "arguments": { "name": "Ada" } })),
        ("resources/read", json!({ "uri": "toy://static/1" })),
        ("resources/read", json!({ "uri": "toy://item/7" })),
        ("resources/subscribe", json!({ "uri": "toy://static/1" })),
    ];
    for (method, params) in requests {
        let gateway = gateway();
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        let answer = client.request(method, params).await;
        assert!(answer.result().is_object(), "{method}: {}", answer.line);
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn who_has_no_prefix_does_not_speak_for_the_names_of_others() {
    let gone = with(json!({ "command": "no-such-program" }), "prefix", json!(""));
    let bare = with(toy(&["--era", "dual"]).entry(), "prefix", json!(""));
    let mut gateway = Gateway::new(&[("gone", gone)]);
    gateway.add("toy", toy(&["--era", "dual"]).entry());
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert_eq!(client.call("toy__echo", json!({ "a": 1 })).await.structured(), json!({ "a": 1 }));
    let status = client.call("conflux__status", json!({})).await.structured();
    assert_eq!(status["upstreams"][0]["state"], "idle", "nobody needed it: {status}");
    assert!(client.leave().await.success());

    gateway.add("bare", bare);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert_eq!(client.call("echo", json!({ "a": 1 })).await.structured(), json!({ "a": 1 }));
    assert_eq!(client.call("nobody", json!({})).await.code(), -32602, "it is nobody's");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn what_nobody_uses_is_stopped_and_started_again_unnoticed() {
    let entry = with(toy(&[]).entry(), "timeout", json!({ "idle": "1ms" }));
    let gateway = Gateway::new(&[("toy", entry)]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let mut processes: Vec<Value> = Vec::new();
    for _ in 0..3 {
        let process = client.call("toy__process", json!({})).await.structured();
        processes.push(process["pid"].clone());
        while status(&mut client).await["state"] != "idle" {}
        let listed = client.request("tools/list", json!({})).await.result();
        assert!(listed["tools"].as_array().unwrap().len() > 5, "it stays listed");
    }
    processes.dedup();
    assert_eq!(processes.len(), 3, "{processes:?}");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn who_is_counted_on_to_tell_of_something_is_in_use() {
    let uri = json!({ "uri": "toy://static/1" });
    let idle = Duration::from_millis(20);
    for era in ["legacy", "modern"] {
        let entry = toy(&["--era", era]).entry();
        let entry = with(entry, "timeout", json!({ "idle": format!("{}ms", idle.as_millis()) }));
        let gateway = Gateway::new(&[("toy", entry)]);
        let clients = [gateway.legacy("2025-11-25", json!({})).await, gateway.modern(json!({}))];
        for mut client in clients {
            // On a busy machine it may be put away in the middle of a list, which is had later then.
            let list =
                async |client: &mut Client| client.request("resources/list", json!({})).await;
            while !list(&mut client).await.line.contains("toy://static/1") {}
            let wish = if client.is_modern() {
                let wanted = json!({ "resourceSubscriptions": [uri["uri"]] });
                let listen = json!({ "notifications": wanted });
                let id = client.start("subscriptions/listen", listen).await;
                client.wait_for("notifications/subscriptions/acknowledged", 1).await;
                Some(id)
            } else {
                client.request("resources/subscribe", uri.clone()).await.result();
                None
            };
            // The upstream may learn of it a moment later.
            while client.call("toy__touch", uri.clone()).await.structured()["told"] == 0 {}
            let process = status(&mut client).await["pid"].clone();
            assert!(process.is_u64(), "{era}");
            let begun = Instant::now();
            while begun.elapsed() < 10 * idle {
                let now = status(&mut client).await;
                assert_eq!((&now["state"], &now["pid"]), (&json!("ready"), &process), "{now}");
            }
            match wish {
                Some(id) => client.cancel(id).await,
                None => drop(client.request("resources/unsubscribe", uri.clone()).await.result()),
            }
            while status(&mut client).await["state"] != "idle" {}
            assert!(client.leave().await.success());
        }
    }
}

/// A server for one call: it answers with a long text and is gone.
const ONE_CALL: &str = r#"
say() { printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$1"; }
text=$(head -c 200000 /dev/zero | tr '\0' x)
while read -r line; do
  id=${line#*'"id":'}; id=${id%%,*}
  case $line in
    *server/discover*) say '"error":{"code":-32601,"message":"no"}' ;;
    *'"initialize"'*) say '"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}' ;;
    *tools/list*) say '"result":{"tools":[{"name":"once","inputSchema":{"type":"object"}}]}' ;;
    *tools/call*) say '"result":{"content":[{"type":"text","text":"'"$text"'"}]}'; exit 0 ;;
  esac
done
"#;

#[tokio::test]
async fn a_server_that_answers_and_ends_has_answered() {
    let mut gateway = Gateway::new(&[]);
    let script = gateway.write("brief.sh", ONE_CALL);
    gateway.add("brief", json!({ "command": "sh", "args": [script] }));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.request("tools/list", json!({})).await.result();
    let answer = client.call("brief__once", json!({})).await;
    assert_eq!(answer.text().len(), 200_000);
    assert!(client.leave().await.success());
}
