//! What is too large, too much or no message at all is refused, and the connection lives on.

use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::programs::toy;
use crate::support::wire_client::Client;

fn gateway() -> Gateway {
    Gateway::new(&[("toy", toy(&[]).entry())])
}

async fn expect_alive(client: &mut Client) {
    let echoed = client.call("toy__echo", json!({"alive": true})).await;
    assert_eq!(echoed.structured(), json!({"alive": true}));
}

#[tokio::test]
async fn a_request_over_the_limit_is_refused_by_its_id() {
    let gateway = gateway().limit("message", json!("64KiB"));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let payload = "x".repeat(100_000);
    let params = format!(r#"{{"name":"toy__echo","arguments":{{"payload":"{payload}"}}}}"#);
    let head = r#""jsonrpc":"2.0","method":"tools/call""#;
    for (id, line) in [
        ("first", format!(r#"{{"id":"first",{head},"params":{params}}}"#)),
        ("last", format!(r#"{{{head},"params":{params},"id":"last"}}"#)),
    ] {
        client.send_line(&line).await;
        let refused = client.recv().await;
        assert_eq!(refused.id(), Some(json!(id)), "{}", refused.line);
        assert_eq!(refused.code(), -32600);
        assert!(refused.line.contains("65536 bytes"), "{}", refused.line);
        expect_alive(&mut client).await;
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_fails_its_call_only() {
    let gateway = gateway().limit("message", json!("64KiB"));
    for mut client in [gateway.legacy("2025-11-25", json!({})).await, gateway.modern(json!({}))] {
        let failed = client.call("toy__huge", json!({"bytes": 100_000})).await.result();
        assert_eq!(failed["isError"], true, "{failed}");
        let failure = &failed["_meta"]["dev.conflux/error"];
        assert_eq!(failure["kind"], "too_large", "{failed}");
        assert_eq!(failure["upstream"], "toy", "{failed}");
        assert_eq!(failure["executed"], "unknown", "{failed}");
        expect_alive(&mut client).await;
        // The upstream was not started anew.
        let counted = client.call("toy__count", json!({})).await.structured();
        assert_eq!(counted["calls"]["huge"], 1, "{counted}");
    }
}

#[tokio::test]
async fn an_id_in_flight_is_refused() {
    let gateway = gateway();
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let slow = json!({"name": "toy__slow", "arguments": {"ms": 600_000}});
    let id = client.start("tools/call", slow).await;
    let again = json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    client.send(&again).await;
    let refused = client.recv().await;
    assert_eq!(refused.id(), Some(json!(id)));
    assert_eq!(refused.code(), -32600);
    client.cancel(id).await;
    client.send(&again).await;
    assert_eq!(client.recv().await.result(), json!({}));
    expect_alive(&mut client).await;
}

#[tokio::test]
async fn more_in_flight_than_the_limit_are_refused() {
    let gateway = gateway().limit("in_flight", json!(2));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let slow = json!({"name": "toy__slow", "arguments": {"ms": 600_000}});
    let first = client.start("tools/call", slow.clone()).await;
    let _second = client.start("tools/call", slow.clone()).await;
    let refused = client.request("tools/call", slow).await;
    assert_eq!(refused.code(), -32603);
    assert!(refused.line.contains("the limit is 2"), "{}", refused.line);
    client.cancel(first).await;
    // The place is free when the cancellation is through, which nothing tells.
    while client.call("toy__echo", json!({})).await.line.contains("the limit is 2") {}
    expect_alive(&mut client).await;
}

#[tokio::test]
async fn what_is_no_message_is_answered_so() {
    let gateway = gateway();
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    for (line, id, code) in [
        ("no json", Value::Null, -32700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"#, Value::Null, -32700),
        ("42", Value::Null, -32600),
        (r#""text""#, Value::Null, -32600),
        ("{}", Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":"a","method":7}"#, json!("a"), -32600),
        (r#"{"jsonrpc":"2.0","id":"b","method":"tools/call","params":[]}"#, json!("b"), -32600),
        (r#"{"jsonrpc":"2.0","id":"c","method":"tools/call"}"#, json!("c"), -32602),
        (r#"{"jsonrpc":"2.0","id":"d","method":"no/such"}"#, json!("d"), -32601),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, Value::Null, -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, Value::Null, -32600),
        ("[]", Value::Null, -32600),
    ] {
        client.send_line(line).await;
        let refused = client.recv().await;
        assert_eq!(refused.code(), code, "{line}: {}", refused.line);
        assert_eq!(refused.id().unwrap_or_default(), id, "{line}: {}", refused.line);
    }
    client.send_line("").await;
    client.send_line("  ").await;
    expect_alive(&mut client).await;
}

#[tokio::test]
async fn a_batch_is_answered_as_one_where_batches_exist() {
    let gateway = gateway();
    let ping = |id: &str| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    let echo = json!({"name": "toy__echo", "arguments": {"n": 1}});
    let call = json!({"jsonrpc": "2.0", "id": "call", "method": "tools/call", "params": echo});
    let notice = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let batch = json!([ping("one"), notice, call, 42, ping("two")]);

    let mut client = gateway.legacy("2025-03-26", json!({})).await;
    client.send(&batch).await;
    let line = client.try_line(crate::support::wire_client::LIMIT).await.unwrap().unwrap();
    let answers: Vec<Value> = serde_json::from_str(&line).unwrap();
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!("one"), &json!("call"), &Value::Null, &json!("two")], "{line}");
    assert_eq!(answers[1]["result"]["structuredContent"], json!({"n": 1}));
    assert_eq!(answers[2]["error"]["code"], -32600);
    client.send(&json!([notice])).await;
    expect_alive(&mut client).await;

    for revision in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let mut client = gateway.legacy(revision, json!({})).await;
        client.send(&batch).await;
        assert_eq!(client.recv().await.code(), -32600);
        expect_alive(&mut client).await;
    }
    let mut client = gateway.modern(json!({}));
    client.send(&batch).await;
    assert_eq!(client.recv().await.code(), -32600);
    expect_alive(&mut client).await;
}
