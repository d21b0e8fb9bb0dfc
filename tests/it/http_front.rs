//! Clients over HTTP, byte by byte: both eras, and everything that can be wrong.

use reqwest::Method;
use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::http::Event;
use crate::support::http::Server;
use crate::support::programs::toy;

const META: &str = "io.modelcontextprotocol";

fn gateway(era: &str) -> Gateway {
    Gateway::new(&[("toy", toy(&["--era", era]).entry())])
}

// Clients of 2026-07-28.

#[tokio::test]
async fn a_modern_request_is_answered_with_one_message_if_nothing_comes_before_it() {
    let server = Server::start(&gateway("dual")).await;
    let found = server.modern("server/discover", json!({})).reply().await;
    assert_eq!((found.status, found.header("content-type")), (200, Some("application/json")));
    assert_eq!(found.header("mcp-session-id"), None, "there are no sessions");
    assert_eq!(found.result()["supportedVersions"][0], "2026-07-28");
    let number = "123456789012345678901234567890";
    let arguments = format!(r#"{{"b":1.0,"a":{number}}}"#);
    let meta =
        format!(r#"{{"{META}/protocolVersion":"2026-07-28","{META}/clientCapabilities":{{}}}}"#);
    let params = format!(r#"{{"name":"toy__echo","arguments":{arguments},"_meta":{meta}}}"#);
    let body = format!(r#"{{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{params}}}"#);
    let echoed = server.call("toy__echo", json!({})).body(body).reply().await;
    assert_eq!(echoed.status, 200);
    assert!(echoed.body.contains(&format!(r#""structuredContent":{arguments}"#)), "{echoed:?}");
    assert_eq!(echoed.json()["id"], "x");
    let (status, stderr) = server.stop().await;
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn what_comes_before_the_answer_makes_it_a_stream() {
    let server = Server::start(&gateway("dual")).await;
    let params = json!({"name": "toy__progress", "arguments": {"steps": 3},
        "_meta": {"progressToken": "mine"}});
    let mut events = server.modern("tools/call", params).events().await;
    assert_eq!(events.header("x-accel-buffering"), Some("no"));
    assert_eq!(events.header("cache-control"), Some("no-cache, no-transform"));
    let all = events.rest().await;
    let said: Vec<Value> = all.iter().map(Event::json).collect();
    for (index, message) in said[..3].iter().enumerate() {
        assert_eq!(message["params"]["progressToken"], "mine");
        assert_eq!(message["params"]["progress"], index + 1);
    }
    assert_eq!(said[3]["result"]["structuredContent"], json!({"steps": 3}));
    assert_eq!(said.len(), 4);
    assert!(all.iter().all(|event| event.id.is_none()), "it cannot be resumed");
    let meta = json!({(format!("{META}/logLevel")): "info"});
    let params = json!({"name": "toy__log", "arguments": {"count": 2}, "_meta": meta});
    let said = server.modern("tools/call", params).reply().await.events();
    let methods: Vec<_> = said.iter().map(|event| event.json()["method"].clone()).collect();
    assert_eq!(
        methods,
        ["notifications/message", "notifications/message", ""]
            .map(|method| { if method.is_empty() { Value::Null } else { json!(method) } })
    );
}

#[tokio::test]
async fn headers_must_say_what_the_body_says() {
    let server = Server::start(&gateway("dual")).await;
    let call = || server.call("toy__echo", json!({"a": 1}));
    let wrong = [
        ("no version", call().without("MCP-Protocol-Version")),
        ("another version", call().header("MCP-Protocol-Version", "2025-11-25")),
        ("no method", call().without("Mcp-Method")),
        ("another method", call().header("Mcp-Method", "tools/list")),
        ("a method in other letters", call().header("Mcp-Method", "Tools/Call")),
        ("no name", call().without("Mcp-Name")),
        ("another name", call().header("Mcp-Name", "toy__log")),
        ("two names", call().also("Mcp-Name", "toy__log")),
        ("another name, encoded", call().header("Mcp-Name", "=?base64?dG95X19sb2c=?=")),
        ("no base64", call().header("Mcp-Name", "=?base64?!!!?=")),
    ];
    for (what, request) in wrong {
        let refused = request.reply().await;
        assert_eq!((refused.status, refused.code()), (400, -32020), "{what}: {refused:?}");
        assert_eq!(refused.json()["id"], 1, "{what}");
    }
    let right = [
        call(),
        call().header("mcp-NAME", "=?base64?dG95X19lY2hv?="),
        server.modern("tools/list", json!({})).header("Mcp-Name", "whatever"),
    ];
    for request in right {
        let answered = request.reply().await;
        assert_eq!(answered.status, 200, "{answered:?}");
        answered.result();
    }
    let address = "test://ä ö";
    let read = server.modern("resources/read", json!({"uri": address}));
    let refused = read.header("Mcp-Name", "=?base64?dGVzdDovL8OkIMO2?=").reply().await;
    assert_eq!((refused.status, refused.code()), (200, -32602), "{refused:?}");
}

#[tokio::test]
async fn arguments_that_a_tool_wants_in_headers_must_be_there() {
    let schema = json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "limit": {"type": "integer", "x-mcp-header": "Limit"},
    }});
    let tools = json!([{"name": "query", "inputSchema": schema}]);
    let home = tempfile::TempDir::new().unwrap();
    let file = home.path().join("tools.json");
    std::fs::write(&file, tools.to_string()).unwrap();
    let toy = toy(&["--era", "dual", "--tools-file"]).arg(&file);
    let server = Server::start(&Gateway::new(&[("toy", toy.entry())])).await;
    server.modern("tools/list", json!({})).reply().await.result();
    let call = |arguments: Value| server.call("toy__query", arguments);
    let both = || call(json!({"region": "süd", "limit": 42}));
    let region = "=?base64?c8O8ZA==?=";
    let right = [
        call(json!({})),
        call(json!({"region": null})),
        both().header("Mcp-Param-Region", region).header("mcp-param-limit", "42"),
        both().header("Mcp-Param-Region", region).header("Mcp-Param-Limit", "42.0"),
    ];
    for request in right {
        request.reply().await.result();
    }
    let wrong = [
        both(),
        both().header("Mcp-Param-Region", region),
        both().header("Mcp-Param-Region", region).header("Mcp-Param-Limit", "43"),
        both().header("Mcp-Param-Region", "sued").header("Mcp-Param-Limit", "42"),
        call(json!({})).header("Mcp-Param-Region", "x"),
    ];
    for request in wrong {
        let refused = request.reply().await;
        assert_eq!((refused.status, refused.code()), (400, -32020), "{refused:?}");
    }
}

#[tokio::test]
async fn a_modern_error_has_the_status_that_goes_with_it() {
    let server = Server::start(&gateway("dual")).await;
    let version = format!("{META}/protocolVersion");
    let body = |params: Value| json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": params});
    let list = || server.modern("tools/list", json!({}));
    let unknown = json!({"_meta": {(version.clone()): "2099-01-01"}});
    let refused = list().header("MCP-Protocol-Version", "2099-01-01").body(body(unknown));
    let refused = refused.reply().await;
    assert_eq!((refused.status, refused.code()), (400, -32022));
    assert_eq!(refused.json()["error"]["data"]["requested"], "2099-01-01");
    assert_eq!(refused.json()["error"]["data"]["supported"][0], "2026-07-28");
    for params in [json!({}), json!({"_meta": {}}), json!({"_meta": {(version): "2026-07-28"}})] {
        let refused = list().body(body(params)).reply().await;
        assert_eq!((refused.status, refused.code()), (400, -32602), "{refused:?}");
        assert_eq!(refused.json()["id"], 7);
    }
    for method in ["no/such", "ping", "logging/setLevel", "resources/subscribe"] {
        let refused = server.modern(method, json!({})).reply().await;
        assert_eq!((refused.status, refused.code()), (404, -32601), "{method}: {refused:?}");
    }
    let unknown = server.call("toy__nothing", json!({})).reply().await;
    assert_eq!((unknown.status, unknown.code()), (200, -32602));
    let incapable = server.call("toy__ask", json!({"kind": "roots"})).reply().await;
    assert_eq!((incapable.status, incapable.code()), (400, -32021), "{incapable:?}");
}

#[tokio::test]
async fn what_is_no_message_is_refused_with_its_status() {
    let server = Server::start(&gateway("dual").limit("message", json!("1KiB"))).await;
    let check = async |what: &str, request: crate::support::http::Post<'_>, status: u16| {
        let refused = request.reply().await;
        assert_eq!(refused.status, status, "{what}: {refused:?}");
        refused
    };
    let list = || server.modern("tools/list", json!({}));
    assert_eq!(check("no JSON", list().body("{"), 400).await.code(), -32700);
    assert_eq!(check("no UTF-8", list().body("\u{0}"), 400).await.code(), -32700);
    assert_eq!(check("a batch", list().body("[]"), 400).await.code(), -32600);
    assert_eq!(check("no message", list().body("{}"), 400).await.code(), -32600);
    check("another type", list().header("Content-Type", "text/plain"), 415).await;
    check("no type", list().without("Content-Type"), 415).await;
    check("a charset", list().header("Content-Type", "Application/JSON; charset=utf-8"), 200).await;
    check("takes no stream", list().header("Accept", "application/json"), 406).await;
    check("takes no JSON", list().header("Accept", "text/event-stream;q=1"), 406).await;
    check("takes all", list().header("Accept", "*/*"), 200).await;
    check("says nothing", list().without("Accept"), 200).await;
    check("too long", list().body("x".repeat(2000)), 413).await;
    check("elsewhere", list().to("/"), 404).await;
    check(
        "a notification",
        list().body(json!({"jsonrpc": "2.0", "method": "notifications/cancelled"})),
        202,
    )
    .await;
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let refused = server.request(method, "/mcp").reply().await;
        assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")), "{refused:?}");
    }
}

#[tokio::test]
async fn closing_the_stream_cancels_the_request() {
    for era in ["legacy", "modern"] {
        let server = Server::start(&gateway(era)).await;
        let params = json!({"name": "toy__progress", "arguments": {"steps": 2, "gap": 600_000},
            "_meta": {"progressToken": 1}});
        let mut events = server.modern("tools/call", params).events().await;
        assert_eq!(events.message().await["params"]["progress"], 1);
        drop(events);
        loop {
            let told = server.call("toy__cancelled", json!({})).reply().await.result();
            if told["structuredContent"]["cancelled"] == 1 {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_question_is_answered_by_another_request() {
    for era in ["legacy", "modern"] {
        let server = Server::start(&gateway(era)).await;
        for (kind, declared, answer) in [
            ("elicit", json!({"elicitation": {}}), json!({"action": "decline"})),
            ("roots", json!({"roots": {}}), json!({"roots": []})),
            (
                "sampling",
                json!({"sampling": {}}),
                json!({"role": "assistant", "content":
                {"type": "text", "text": "hi"}, "model": "m"}),
            ),
        ] {
            let mut params = json!({"name": "toy__ask_twice", "arguments": {"kind": kind}});
            for _ in 0..2 {
                let asks = server.modern_with("tools/call", params.clone(), declared.clone());
                let asks = asks.reply().await.result();
                assert_eq!(asks["resultType"], "input_required", "{era} {kind}: {asks}");
                let key = asks["inputRequests"].as_object().unwrap().keys().next().unwrap();
                params["requestState"] = asks["requestState"].clone();
                params["inputResponses"] = json!({ (key.clone()): answer });
            }
            let last = server.modern_with("tools/call", params.clone(), declared.clone());
            let answers = &last.reply().await.result()["structuredContent"]["answers"];
            assert_eq!(answers, &json!([{"result": answer}, {"result": answer}]), "{era} {kind}");
            let used = server.modern_with("tools/call", params, declared).reply().await;
            assert_eq!((used.status, used.code()), (400, -32602), "{era} {kind}: {used:?}");
        }
    }
}

#[tokio::test]
async fn what_a_client_cannot_answer_is_refused_at_once() {
    let server = Server::start(&gateway("legacy")).await;
    for kind in ["elicit", "elicit_url", "roots", "sampling"] {
        // The upstream is told that it may ask for everything; this client cannot answer.
        let params = json!({"name": "toy__ask", "arguments": {"kind": kind}});
        let answers = server.modern("tools/call", params).reply().await.result();
        let answer = &answers["structuredContent"]["answers"][0];
        assert_eq!(answer["error"]["code"], -32601, "{kind}: {answers}");
    }
}

#[tokio::test]
async fn what_changes_is_told_to_those_who_listen() {
    for era in ["legacy", "modern"] {
        let server = Server::start(&gateway(era)).await;
        server.modern("tools/list", json!({})).reply().await.result();
        let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["toy://text/1"]});
        let listen = server.modern("subscriptions/listen", json!({"notifications": wanted}));
        let mut listening = listen.events().await;
        let acknowledged = listening.message().await;
        assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
        let accepted = &acknowledged["params"]["notifications"];
        assert_eq!(accepted["toolsListChanged"], true, "{era}: {acknowledged}");
        let deaf = server.modern("subscriptions/listen", json!({"notifications": {}}));
        let mut deaf = deaf.events().await;
        deaf.message().await;
        server.call("toy__change_tools", json!({})).reply().await.result();
        let told = listening.message().await;
        assert_eq!(told["method"], "notifications/tools/list_changed", "{era}");
        assert_eq!(told["params"]["_meta"][format!("{META}/subscriptionId")], 1);
        if accepted["resourceSubscriptions"].is_array() {
            server.call("toy__touch", json!({"uri": "toy://text/1"})).reply().await.result();
            let told = listening.message().await;
            assert_eq!(told["params"]["uri"], "toy://text/1", "{era}");
        }
        // The end is said with a result, and nothing else.
        server.signal();
        for mut stream in [listening, deaf] {
            let rest: Vec<_> = stream.rest().await.iter().map(Event::json).collect();
            assert_eq!(rest.len(), 1, "{rest:?}");
            assert_eq!(rest[0]["result"]["resultType"], "complete");
        }
        let mut server = server;
        assert_eq!(server.ended().await.code(), Some(0));
    }
}

#[tokio::test]
async fn what_a_result_links_to_can_be_read_by_the_next_request() {
    let server = Server::start(&gateway("dual")).await;
    let linked = server.call("toy__link", json!({"name": "7"})).reply().await.result();
    let address = linked["content"][0]["uri"].clone();
    let read = server.modern("resources/read", json!({"uri": address})).reply().await;
    assert_eq!(read.result()["contents"][0]["text"], "linked 7", "{read:?}");
}
