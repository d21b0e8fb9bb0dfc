//! Clients over HTTP, byte by byte: both eras, and everything that can be wrong.

use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::http::Event;
use crate::support::http::Events;
use crate::support::http::Post;
use crate::support::http::Server;
use crate::support::http::Session;
use crate::support::http::initialize;
use crate::support::programs::toy;
use crate::support::wire_client::LIMIT;

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
    assert_eq!(status.code(), Some(0));
    assert!(stderr.lines().all(|line| line.starts_with("stopping: ")), "{stderr}");
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
    for method in ["no/such", "ping", "initialize", "logging/setLevel", "resources/subscribe"] {
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
    let check = async |what: &str, request: Post<'_>, status: u16| {
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
    for method in [Method::GET, Method::DELETE] {
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
        let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["toy://static/1"]});
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
            server.call("toy__touch", json!({"uri": "toy://static/1"})).reply().await.result();
            let told = listening.message().await;
            assert_eq!(told["params"]["uri"], "toy://static/1", "{era}");
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

// Who may come.

#[tokio::test]
async fn strange_names_and_web_pages_are_refused() {
    let known = gateway("dual")
        .http("hosts", json!(["mcp.example.com"]))
        .http("origins", json!(["https://chat.example.com"]));
    let server = Server::start(&known).await;
    let list = || server.modern("tools/list", json!({}));
    let port = server.address().split_once(':').unwrap().1;
    for host in ["localhost", &format!("localhost:{port}"), "[::1]:1", "mcp.example.com"] {
        assert_eq!(list().header("Host", host).reply().await.status, 200, "{host}");
    }
    for origin in ["http://localhost:6274", "https://chat.example.com"] {
        assert_eq!(list().header("Origin", origin).reply().await.status, 200, "{origin}");
    }
    for (name, value, remedy) in [
        ("Host", "evil.example.com", "http.hosts"),
        ("Host", "localhost.evil.com:80", "http.hosts"),
        ("Origin", "http://evil.example.com", "http.origins"),
        ("Origin", "null", "http.origins"),
    ] {
        let everywhere = [
            list().header(name, value),
            server.request(Method::GET, "/sse").header(name, value),
            server.request(Method::GET, "/nowhere").header(name, value),
        ];
        for request in everywhere {
            let refused = request.reply().await;
            assert_eq!((refused.status, refused.code()), (403, -32600), "{value}: {refused:?}");
            assert_eq!(refused.json()["id"], Value::Null);
            let message = refused.json()["error"]["message"].to_string();
            assert!(message.contains(remedy), "{message}");
            // `http.hosts` takes names without a port.
            assert!(!message.contains(":80"), "{message}");
        }
    }
}

/// What a browser asks before it sends what a page of `origin` wants to.
fn preflight<'a>(server: &'a Server, path: &str, origin: &str, method: &str) -> Post<'a> {
    let ask = server.request(Method::OPTIONS, path).header("Origin", origin);
    let ask = ask.header("Access-Control-Request-Method", method);
    let headers = "authorization,content-type,mcp-method,mcp-name,mcp-param-region";
    ask.header("Access-Control-Request-Headers", headers)
}

#[tokio::test]
async fn trusted_web_pages_may_call_and_read_the_answers() {
    let chat = "https://chat.example.com";
    let known = gateway("dual")
        .http("origins", json!([chat]))
        .profile("small", json!({"upstreams": ["toy"]}));
    let server = Server::start(&known).await;
    let listed = |value: Option<&str>| -> Vec<String> {
        value.unwrap_or_default().split(',').map(|one| one.trim().to_ascii_lowercase()).collect()
    };
    let paths =
        ["/mcp", "/servers/toy/mcp", "/profiles/small/mcp", "/sse", "/messages", "/nowhere"];
    for path in paths {
        for origin in [chat, "http://localhost:6274"] {
            let allowed = preflight(&server, path, origin, "POST").reply().await;
            assert_eq!((allowed.status, allowed.body.as_str()), (200, ""), "{path}: {allowed:?}");
            assert_eq!(allowed.header("access-control-allow-origin"), Some(origin), "{path}");
            assert_eq!(allowed.header("access-control-allow-credentials"), None);
            assert!(allowed.header("access-control-max-age").is_some());
            let methods = listed(allowed.header("access-control-allow-methods"));
            assert_eq!(methods, ["get", "post", "delete"]);
            let headers = listed(allowed.header("access-control-allow-headers"));
            for name in ["authorization", "content-type", "mcp-name", "mcp-param-region"] {
                assert!(headers.contains(&name.to_owned()), "{allowed:?}");
            }
            assert!(listed(allowed.header("vary")).contains(&"origin".to_owned()), "{allowed:?}");
        }
        for origin in ["null", "https://evil.example.com", "http://chat.example.com", ""] {
            let refused = preflight(&server, path, origin, "POST").reply().await;
            assert_eq!(refused.status, 403, "{path} {origin}: {refused:?}");
            assert_eq!(refused.header("access-control-allow-origin"), None, "{path} {origin}");
        }
    }
    let opened = server.post(initialize("2025-11-25", json!({}))).header("Origin", chat);
    let opened = opened.reply().await;
    let exposed = listed(opened.header("access-control-expose-headers"));
    for name in ["mcp-session-id", "mcp-protocol-version", "retry-after", "www-authenticate"] {
        assert!(exposed.contains(&name.to_owned()), "{opened:?}");
    }
    let session = opened.header("mcp-session-id").unwrap();
    let ends = server.request(Method::DELETE, "/mcp").header("Mcp-Session-Id", session);
    let mut progress = server.call("toy__progress", json!({"steps": 1}));
    progress = progress.header("Origin", chat);
    let answers = [
        (200, progress),
        (404, server.post("{}").to("/nowhere").header("Origin", chat)),
        (400, server.post("{}").header("Origin", chat)),
        (204, ends.header("Origin", chat)),
    ];
    for (status, request) in answers {
        let answer = request.reply().await;
        assert_eq!(answer.status, status, "{answer:?}");
        // A page must be able to read why it was refused, too.
        assert_eq!(answer.header("access-control-allow-origin"), Some(chat), "{answer:?}");
    }
    // Who is no browser is answered as before.
    let plain = server.modern("tools/list", json!({})).reply().await;
    assert_eq!((plain.status, plain.header("access-control-allow-origin")), (200, None));
}

#[tokio::test]
async fn who_is_refused_and_why_is_in_the_log() {
    let gateway = gateway("dual").profile("reading", json!({}));
    let server = Server::start_logging(&gateway, "info").await;
    server.request(Method::GET, "/mcp").header("Host", "evil.example.com").reply().await;
    server.request(Method::GET, "/no%0Awhere%1B").reply().await;
    let wrong = server.request(Method::GET, "/profiles/raeding/mcp").reply().await;
    let message = wrong.json()["error"]["message"].to_string();
    assert!(message.ends_with("did you mean `reading`?\""), "{message}");
    let nowhere = server.request(Method::GET, "/servers").reply().await;
    let message = nowhere.json()["error"]["message"].to_string();
    for place in ["`/mcp`", "`/sse`", "`/servers/{name}/mcp`", "`/profiles/{name}/mcp`"] {
        assert!(message.contains(place), "{message}");
    }
    let refused = async {
        loop {
            let log = server.stderr();
            let lines = log.lines().filter(|line| line.contains(" refused "));
            let refused: Vec<_> = lines.map(str::to_owned).collect();
            if refused.len() == 4 {
                return refused;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    let refused = timeout(LIMIT, refused).await.expect("four lines");
    let said = [
        "status=403 reason=\"Invalid request: this gateway is not known as `evil.example.com`",
        "path=\"/no%0Awhere%1B\" status=404",
        "method=\"GET\" path=\"/profiles/raeding/mcp\" status=404",
        "path=\"/servers\" status=404",
    ];
    for (line, said) in refused.iter().zip(said) {
        assert!(line.contains("peer=\"127.0.0.1:") && line.contains(said), "{line}");
    }
}

// Sessions.

const SESSIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

#[tokio::test]
async fn a_session_lives_from_initialize_to_delete() {
    let server = Server::start(&gateway("dual")).await;
    for revision in SESSIONS {
        let session = server.session(revision, json!({})).await;
        assert!(session.id.len() >= 32 && session.id.bytes().all(|byte| byte.is_ascii_graphic()));
        let echoed = session.call(1, "toy__echo", json!({"a": 1})).reply().await;
        assert_eq!((echoed.status, echoed.header("content-type")), (200, Some("application/json")));
        assert_eq!(echoed.result()["structuredContent"], json!({"a": 1}));
        let pong = session.request(2, "ping", json!({})).reply().await;
        assert_eq!(pong.result(), json!({}));
        let again = session.post(initialize(revision, json!({}))).reply().await;
        assert_eq!(again.code(), -32600, "{again:?}");
        assert_eq!(session.delete().reply().await.status, 204);
        for request in [session.request(3, "ping", json!({})), session.get(None), session.delete()]
        {
            let gone = request.reply().await;
            assert_eq!((gone.status, gone.code()), (404, -32600), "{gone:?}");
        }
    }
    let one = server.session("2025-06-18", json!({})).await;
    let other = server.session("2025-06-18", json!({})).await;
    assert_ne!(one.id, other.id);
}

#[tokio::test]
async fn a_message_without_its_session_is_refused() {
    let server = Server::start(&gateway("dual")).await;
    let session = server.session("2025-11-25", json!({})).await;
    let list = || session.request(1, "tools/list", json!({}));
    let nameless = list().without("Mcp-Session-Id").reply().await;
    assert_eq!((nameless.status, nameless.code()), (400, -32600), "{nameless:?}");
    assert_eq!(nameless.json()["id"], 1);
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let nameless = session.post(note).without("Mcp-Session-Id").reply().await;
    assert_eq!(nameless.status, 400);
    let unknown = list().header("Mcp-Session-Id", "nobody-knows-this-one").reply().await;
    assert_eq!(unknown.status, 404);
    for version in ["2099-01-01", "2026-07-27", "x"] {
        let refused = list().header("MCP-Protocol-Version", version).reply().await;
        assert_eq!(refused.status, 400, "{version}: {refused:?}");
    }
    list().without("MCP-Protocol-Version").reply().await.result();
    let wrong = session.get(None).header("Accept", "application/json").reply().await;
    assert_eq!(wrong.status, 406);
    let params = json!({"capabilities": {}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let refused = server.post(body).reply().await;
    assert_eq!((refused.status, refused.code()), (400, -32602), "{refused:?}");
    assert_eq!(refused.header("mcp-session-id"), None);
}

#[tokio::test]
async fn both_eras_are_served_on_one_path() {
    let server = Server::start(&gateway("dual")).await;
    let session = server.session("2025-11-25", json!({})).await;
    let old = session.call(1, "toy__echo", json!({})).reply().await.result();
    let new = server.call("toy__echo", json!({})).reply().await.result();
    assert_eq!(old["resultType"], Value::Null);
    assert_eq!(new["resultType"], "complete");
    // A modern request says it all, whatever session it names.
    let odd = server.call("toy__echo", json!({})).header("Mcp-Session-Id", "no-such");
    odd.reply().await.result();
}

#[tokio::test]
async fn a_stream_of_a_session_begins_as_its_revision_wants() {
    let server = Server::start(&gateway("dual")).await;
    for revision in SESSIONS {
        let session = server.session(revision, json!({})).await;
        let all = session.call(7, "toy__progress", json!({"steps": 2})).reply().await.events();
        let primes = revision == "2025-11-25";
        let said = if primes { &all[1..] } else { &all[..] };
        if primes {
            assert_eq!((all[0].data.as_str(), all[0].id.is_some()), ("", true));
            assert!(all[0].retry.is_some(), "{:?}", all[0]);
        }
        assert!(said.iter().all(|event| event.id.is_some() && event.retry.is_none()), "{all:?}");
        let steps = said.iter().map(|event| event.json()["params"]["progress"].clone());
        let steps: Vec<_> = steps.collect();
        assert_eq!(steps, [json!(1), json!(2), Value::Null], "{revision}: {all:?}");
        assert_eq!(said[0].json()["params"]["progressToken"], 7);
        assert_eq!(said[2].json()["result"]["structuredContent"]["steps"], 2);
    }
}

#[tokio::test]
async fn a_stream_that_was_lost_is_resumed_where_it_was() {
    let server = Server::start(&gateway("dual")).await;
    for revision in SESSIONS {
        let session = server.session(revision, json!({"roots": {}})).await;
        let mut call = session.call(1, "toy__ask", json!({"kind": "roots"})).events().await;
        let question = call.message().await;
        assert_eq!(question["method"], "roots/list");
        let progress = session.call(2, "toy__progress", json!({"steps": 3, "gap": 50}));
        let mut progress = progress.events().await;
        let first = loop {
            let event = progress.next().await.unwrap();
            if !event.data.is_empty() {
                break event;
            }
        };
        // Both connections break; neither call is cancelled by that.
        drop((call, progress));
        session.answer(&question, json!({"roots": []})).await;
        let mut resumed = session.get(first.id.as_deref()).events().await;
        let mut steps = Vec::new();
        for event in resumed.rest().await.iter().filter(|event| !event.data.is_empty()) {
            let message = event.json();
            assert_ne!(message["id"], 1, "that is from another stream: {message}");
            steps.push(message["params"]["progress"].clone());
        }
        assert_eq!(steps, [json!(2), json!(3), Value::Null], "{revision}");
        let asked = session.get(Some("1-1")).events().await.rest().await;
        let answer = asked.last().unwrap().json();
        assert_eq!(
            answer["result"]["structuredContent"]["answers"][0]["result"]["roots"],
            json!([]),
            "{revision}: {asked:?}"
        );
        // What came after the last event is nothing.
        let last = asked.last().unwrap().id.as_deref();
        let nothing = session.get(last).events().await.rest().await;
        assert!(nothing.iter().all(|event| event.data.is_empty()), "{nothing:?}");
        for id in ["99-1", "1", "x-y", "1-"] {
            assert_eq!(session.get(Some(id)).reply().await.status, 400, "{id}");
        }
        let told = session.call(3, "toy__cancelled", json!({})).reply().await.result();
        assert_eq!(told["structuredContent"]["cancelled"], 0, "{told}");
    }
}

#[tokio::test]
async fn a_session_cancels_by_saying_so_or_by_ending() {
    let server = Server::start(&gateway("legacy")).await;
    let session = server.session("2025-11-25", json!({})).await;
    let slow = json!({"steps": 2, "gap": 600_000});
    let mut call = session.call(1, "toy__progress", slow.clone()).events().await;
    assert_eq!(call.message().await["params"]["progress"], 1);
    let params = json!({"requestId": 1, "reason": "enough"});
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
    assert_eq!(session.post(cancel).reply().await.status, 202);
    assert_eq!(call.rest().await, [], "there is no answer");
    let mut call = session.call(2, "toy__progress", slow).events().await;
    assert_eq!(call.message().await["params"]["progress"], 1);
    session.delete().reply().await;
    call.rest().await;
    let other = server.session("2025-11-25", json!({})).await;
    loop {
        let told = other.call(3, "toy__cancelled", json!({})).reply().await.result();
        if told["structuredContent"]["cancelled"] == 2 {
            break;
        }
    }
}

#[tokio::test]
async fn questions_go_where_their_call_is_and_nowhere_else() {
    for era in ["legacy", "modern"] {
        let server = Server::start(&gateway(era)).await;
        let capabilities = json!({"sampling": {}, "elicitation": {"form": {}}});
        let session = server.session("2025-11-25", capabilities).await;
        let standing = session.get(None).events().await;
        for (kind, method) in
            [("sampling", "sampling/createMessage"), ("elicit", "elicitation/create")]
        {
            let ask = session.call(1, "toy__ask_twice", json!({"kind": kind}));
            let mut call = ask.events().await;
            for _ in 0..2 {
                let question = call.message().await;
                assert_eq!(question["method"], method, "{era}");
                session.answer(&question, json!({"action": "decline"})).await;
            }
            let answer = call.message().await;
            let answers = answer["result"]["structuredContent"]["answers"].as_array().unwrap();
            assert_eq!(answers.len(), 2, "{era}: {answer}");
        }
        // What the client did not declare is not asked.
        let refused = session.call(2, "toy__ask", json!({"kind": "roots", "anyway": true}));
        let refused = refused.reply().await;
        assert!(!refused.body.contains("roots/list\""), "{era}: {refused:?}");
        drop(standing);
        // Two clients have calls under way; who is asked cannot be told in the legacy era.
        let other = server.session("2025-11-25", json!({"sampling": {}})).await;
        let mut slow = other.call(1, "toy__progress", json!({"gap": 600_000})).events().await;
        slow.message().await;
        if era == "legacy" {
            let asked = session.call(3, "toy__ask", json!({"kind": "sampling"})).reply().await;
            let answers = &asked.result()["structuredContent"]["answers"];
            assert_eq!(answers[0]["error"]["code"], -32603, "{asked:?}");
        }
    }
}

#[tokio::test]
async fn what_belongs_to_no_request_goes_to_the_standing_stream() {
    for era in ["legacy", "modern"] {
        let server = Server::start(&gateway(era)).await;
        let session = server.session("2025-11-25", json!({})).await;
        session.request(1, "tools/list", json!({})).reply().await.result();
        let uri = json!({"uri": "toy://static/1"});
        session.request(2, "resources/subscribe", uri.clone()).reply().await.result();
        let mut standing = session.get(None).events().await;
        session.call(3, "toy__change_tools", json!({})).reply().await.result();
        let event = loop {
            let event = standing.next().await.unwrap();
            if !event.data.is_empty() {
                break event;
            }
        };
        assert_eq!(event.json()["method"], "notifications/tools/list_changed", "{era}");
        // What happens while nobody reads is told afterwards.
        drop(standing);
        session.call(4, "toy__touch", uri.clone()).reply().await.result();
        let mut resumed = session.get(event.id.as_deref()).events().await;
        let updated = resumed.message().await;
        assert_eq!(updated["method"], "notifications/resources/updated", "{era}");
        assert_eq!(updated["params"]["uri"], "toy://static/1");
        // The newest reader has it alone.
        let mut newest = session.get(None).events().await;
        assert!(resumed.rest().await.iter().all(|event| event.data.is_empty()));
        session.call(7, "toy__touch", uri.clone()).reply().await.result();
        assert_eq!(newest.message().await["params"]["uri"], "toy://static/1");
        session.delete().reply().await;
        assert_eq!(newest.rest().await, []);
    }
}

#[tokio::test]
async fn each_session_hears_its_own_log_messages_from_its_own_level_on() {
    let server = Server::start(&gateway("legacy")).await;
    let quiet = server.session("2025-11-25", json!({})).await;
    let chatty = server.session("2025-11-25", json!({})).await;
    quiet.call(1, "toy__echo", json!({})).reply().await.result();
    let level = |level: &str| json!({"level": level});
    chatty.request(2, "logging/setLevel", level("debug")).reply().await.result();
    quiet.request(2, "logging/setLevel", level("error")).reply().await.result();
    // The upstream has one level: the lowest.
    for (session, expected) in [(&chatty, 1), (&quiet, 0)] {
        let heard = session.call(3, "toy__log", level("info")).reply().await;
        assert_eq!(heard.body.matches("notifications/message").count(), expected, "{heard:?}");
        let heard = session.call(4, "toy__log", level("error")).reply().await;
        assert_eq!(heard.body.matches("notifications/message").count(), 1, "{heard:?}");
    }
}

#[tokio::test]
async fn what_happens_while_nobody_reads_is_told_once() {
    for era in ["legacy", "modern"] {
        let server = Server::start(&gateway(era)).await;
        let session = server.session("2025-11-25", json!({})).await;
        let never_read = server.session("2025-11-25", json!({})).await;
        let uri = |number: u64| json!({"uri": format!("toy://static/{number}")});
        for session in [&session, &never_read] {
            session.request(1, "tools/list", json!({})).reply().await.result();
            for number in [1, 2] {
                let subscribe = session.request(2, "resources/subscribe", uri(number));
                subscribe.reply().await.result();
            }
        }
        // More than any queue on the way holds.
        for _ in 0..100 {
            session.call(3, "toy__touch", uri(1)).reply().await.result();
            session.call(4, "toy__change_tools", json!({})).reply().await.result();
        }
        let mut standing = session.get(None).events().await;
        session.call(5, "toy__touch", uri(2)).reply().await.result();
        let mut updates = 0;
        let mut changes = 0;
        loop {
            let told = standing.message().await;
            match told["method"].as_str() {
                Some("notifications/tools/list_changed") => changes += 1,
                Some("notifications/resources/updated") if told["params"] == uri(1) => updates += 1,
                _ => {
                    assert_eq!(told["params"], uri(2), "{era}: {told}");
                    break;
                }
            }
        }
        assert_eq!(updates, 1, "{era}");
        // The upstream is asked for its list now and again; the last change is told for certain.
        assert!(changes < 10, "{era}: {changes}");
        let last = r#""toy__added_100""#;
        while !session.request(6, "tools/list", json!({})).reply().await.body.contains(last) {
            let told = standing.message().await;
            assert_eq!(told["method"], "notifications/tools/list_changed", "{era}");
        }
    }
}

/// How many log messages of this level an upstream sends when it is told to send one.
async fn sent(session: &Session<'_>, tool: &str, level: &str) -> Value {
    let said = session.call(9, tool, json!({"level": level})).reply().await;
    let answer = match said.events().pop() {
        Some(last) => last.json()["result"].clone(),
        None => said.result(),
    };
    answer["structuredContent"]["sent"].clone()
}

#[tokio::test]
async fn an_upstream_is_told_the_lowest_level_of_the_sessions_that_are_left() {
    let upstreams = ["one", "two"].map(|name| (name, toy(&["--era", "legacy"]).entry()));
    let gateway = Gateway::new(&upstreams).http("limits", json!({"session_idle": "1s"}));
    let server = Server::start(&gateway).await;
    let quiet = server.session("2025-11-25", json!({})).await;
    let standing = quiet.get(None).events().await;
    let level = |level: &str| json!({"level": level});
    let set = async |session: &Session<'_>, wanted: &str| {
        session.request(2, "logging/setLevel", level(wanted)).reply().await.result();
    };
    // Whoever leaves, and however, takes its level along.
    for leaves in ["deleted", "expired", "disconnected"] {
        set(&quiet, "error").await;
        while sent(&quiet, "two__log", "info").await != 0 {}
        if leaves == "disconnected" {
            let get = server.request(Method::GET, "/sse").header("Accept", "text/event-stream");
            let mut events = get.events().await;
            let address = events.next().await.unwrap().data;
            let (id, method, params) = (1, "logging/setLevel", level("debug"));
            let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
            for message in [initialize("2024-11-05", json!({})), request] {
                server.post(message).to(&address).reply().await;
                assert!(events.message().await["result"].is_object());
            }
            while sent(&quiet, "two__log", "info").await != 1 {}
        } else {
            let chatty = server.session("2025-11-25", json!({})).await;
            set(&chatty, "debug").await;
            while sent(&quiet, "two__log", "info").await != 1 {}
            if leaves == "deleted" {
                chatty.delete().reply().await;
            }
        }
        while sent(&quiet, "two__log", "info").await != 0 {}
        assert_eq!(sent(&quiet, "two__log", "error").await, 1, "{leaves}");
    }
    // Who sees one upstream alone wants nothing of the other.
    let narrow = server.session_at("/servers/one/mcp", "2025-11-25", json!({})).await;
    set(&narrow, "debug").await;
    while sent(&quiet, "one__log", "info").await != 1 {}
    set(&quiet, "warning").await;
    while sent(&quiet, "two__log", "warning").await != 1 {}
    assert_eq!(sent(&quiet, "two__log", "info").await, 0);
    narrow.delete().reply().await;
    while sent(&quiet, "one__log", "info").await != 0 {}
    drop(standing);
}

#[tokio::test]
async fn only_sessions_of_2025_03_26_take_batches() {
    let server = Server::start(&gateway("dual")).await;
    let call = |id: u64, name: &str| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": name, "arguments": {"steps": 1}, "_meta": {"progressToken": id}}})
    };
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let batch = json!([call(1, "toy__echo"), note, call(2, "toy__echo"), {"x": 1}]);
    let session = server.session("2025-03-26", json!({})).await;
    let answered = session.post(&batch).reply().await;
    let ids: Vec<_> =
        answered.json().as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2), Value::Null], "{answered:?}");
    let streamed =
        session.post(json!([call(1, "toy__progress"), call(2, "toy__echo")])).reply().await;
    let streamed = streamed.events();
    assert_eq!(streamed[0].json()["params"]["progressToken"], 1);
    assert_eq!(streamed[1].json().as_array().unwrap().len(), 2);
    let notes = session.post(json!([note, note])).reply().await;
    assert_eq!((notes.status, notes.body.as_str()), (202, ""));
    for revision in ["2025-06-18", "2025-11-25"] {
        let session = server.session(revision, json!({})).await;
        let refused = session.post(&batch).reply().await;
        assert_eq!((refused.status, refused.code()), (400, -32600), "{refused:?}");
    }
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends() {
    let gateway = gateway("dual").http("limits", json!({"session_idle": "1s"}));
    let server = Server::start(&gateway).await;
    let idle = server.session("2025-11-25", json!({})).await;
    let listening = server.session("2025-11-25", json!({})).await;
    let stream = listening.get(None).events().await;
    let calling = server.session("2025-11-25", json!({})).await;
    let call = calling.call(1, "toy__progress", json!({"gap": 600_000})).events().await;
    drop(call);
    // Looking would be using it.
    loop {
        let other = server.session("2025-11-25", json!({})).await;
        tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
        if other.request(1, "ping", json!({})).reply().await.status == 404 {
            break;
        }
    }
    assert_eq!(idle.request(1, "ping", json!({})).reply().await.status, 404);
    listening.request(1, "ping", json!({})).reply().await.result();
    calling.request(2, "ping", json!({})).reply().await.result();
    drop(stream);
}

#[tokio::test]
async fn sessions_are_limited_and_the_one_unused_for_longest_gives_way() {
    let gateway = gateway("dual").http("limits", json!({"sessions": 2}));
    let server = Server::start(&gateway).await;
    let first = server.session("2025-11-25", json!({})).await;
    let second = server.session("2025-11-25", json!({})).await;
    let standing = first.get(None).events().await;
    let third = server.session("2025-11-25", json!({})).await;
    assert_eq!(second.request(1, "ping", json!({})).reply().await.status, 404);
    first.request(1, "ping", json!({})).reply().await.result();
    let also = third.get(None).events().await;
    let refused = server.post(initialize("2025-11-25", json!({}))).reply().await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    drop((standing, also));
}

// Clients of 2024-11-05.

#[tokio::test]
async fn a_client_of_2024_11_05_has_a_stream_and_posts_beside_it() {
    for era in ["legacy", "modern"] {
        let server = Server::start(&gateway(era)).await;
        let open = async || {
            let get = server.request(Method::GET, "/sse").header("Accept", "text/event-stream");
            let mut events = get.events().await;
            let endpoint = events.next().await.unwrap();
            assert_eq!(endpoint.kind.as_deref(), Some("endpoint"));
            assert!(endpoint.data.starts_with("/messages?sessionId="), "{endpoint:?}");
            (events, endpoint.data)
        };
        let (mut events, address) = open().await;
        let post = async |body: Value| {
            let accepted = server.post(body).to(&address).reply().await;
            assert_eq!(accepted.status, 202, "{accepted:?}");
        };
        post(initialize("2024-11-05", json!({"roots": {}}))).await;
        let opened = events.next().await.unwrap();
        assert_eq!(opened.kind.as_deref(), Some("message"));
        assert_eq!(opened.json()["result"]["protocolVersion"], "2024-11-05");
        post(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        let call = |id: u64, name: &str, arguments: Value| {
            let meta = json!({"progressToken": id});
            let params = json!({"name": name, "arguments": arguments, "_meta": meta});
            json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
        };
        post(call(1, "toy__progress", json!({"steps": 1}))).await;
        assert_eq!(events.message().await["params"]["progressToken"], 1);
        assert_eq!(events.message().await["id"], 1);
        post(call(2, "toy__ask", json!({"kind": "roots"}))).await;
        let question = events.message().await;
        assert_eq!(question["method"], "roots/list", "{era}");
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}});
        post(answer).await;
        let answered = events.message().await;
        let answers = &answered["result"]["structuredContent"]["answers"];
        assert_eq!(answers, &json!([{"result": {"roots": []}}]), "{era}");
        post(call(3, "toy__change_tools", json!({}))).await;
        let mut seen = [events.message().await, events.message().await];
        seen.sort_by_key(|message| message["id"].as_u64());
        assert_eq!(seen[0]["method"], "notifications/tools/list_changed", "{era}: {seen:?}");
        post(call(4, "toy__progress", json!({"gap": 600_000}))).await;
        assert_eq!(events.message().await["params"]["progress"], 1);
        // Without its stream, nothing is left of the client.
        drop(events);
        let (mut events, other) = open().await;
        assert_ne!(other, address);
        loop {
            let told = server.call("toy__cancelled", json!({})).reply().await.result();
            if told["structuredContent"]["cancelled"] == 1 {
                break;
            }
        }
        let gone = server.post(json!({})).to(&address).reply().await;
        assert_eq!(gone.status, 404);
        let none = server.post(json!({})).to("/messages").reply().await;
        assert_eq!(none.status, 400);
        let wrong = server.post(json!({})).to("/sse").reply().await;
        assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET")));
        server.signal();
        assert_eq!(events.rest().await, [], "it ends in order");
    }
}

// Parts of what there is.

#[tokio::test]
async fn one_upstream_and_one_profile_have_paths_of_their_own() {
    let upstreams = ["one", "two"].map(|name| (name, toy(&["--era", "dual"]).entry()));
    let only_echo = json!({"upstreams": ["two"], "tools": {"allow": ["*__echo"]}});
    let server = Server::start(&Gateway::new(&upstreams).profile("small", only_echo)).await;
    let names = async |path: &str| {
        let listed = server.modern("tools/list", json!({})).to(path).reply().await.result();
        let names = listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone());
        names.map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = names("/mcp").await;
    assert!(all.contains(&"one__echo".to_owned()) && all.contains(&"two__echo".to_owned()));
    let alone = names("/servers/one/mcp").await;
    assert!(alone.contains(&"echo".to_owned()) && !alone.iter().any(|name| name.contains("__")));
    let small = names("/profiles/small/mcp").await;
    assert_eq!(small.iter().filter(|name| !name.starts_with("conflux__")).count(), 1, "{small:?}");
    let path = "/servers/one/mcp";
    let echoed = server.call("echo", json!({"a": 1})).to(path).reply().await.result();
    assert_eq!(echoed["structuredContent"], json!({"a": 1}));
    let hidden = server.call("one__echo", json!({})).to("/profiles/small/mcp").reply().await;
    assert_eq!(hidden.code(), -32602, "{hidden:?}");
    // A session sees what it was opened for, and is known nowhere else.
    let session = server.session_at(path, "2025-11-25", json!({})).await;
    session.call(1, "echo", json!({})).reply().await.result();
    let elsewhere = session.call(2, "echo", json!({})).to("/mcp").reply().await;
    assert_eq!(elsewhere.status, 404, "{elsewhere:?}");
    for (path, hint) in [("/servers/three/mcp", "`one`, `two`"), ("/profiles/big/mcp", "`small`")] {
        let refused = server.modern("tools/list", json!({})).to(path).reply().await;
        assert_eq!((refused.status, refused.code()), (404, -32600), "{refused:?}");
        assert!(refused.json()["error"]["message"].to_string().contains(hint), "{refused:?}");
    }
}

// Limits.

/// Sends these bytes and returns everything that comes back until the end.
async fn speak(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // How a connection ends that was given up does not matter.
    drop(timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("it must end"));
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn who_sends_too_slowly_is_not_waited_for() {
    let gateway = gateway("dual").http("limits", json!({"request_time": "300ms"}));
    let server = Server::start(&gateway).await;
    assert_eq!(speak(&server, b"").await, "", "nothing at all");
    assert_eq!(speak(&server, b"P").await, "", "one letter");
    speak(&server, b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-").await;
    let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let unfinished = format!("{head}Content-Length: 100\r\n\r\n{{");
    let answer = speak(&server, unfinished.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    server.modern("tools/list", json!({})).reply().await.result();
}

/// Reads one answer, and leaves the connection as it is; fails if that ends first.
async fn answer(stream: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = timeout(LIMIT, stream.read_line(&mut head)).await.expect("it answers").unwrap();
        assert_ne!(read, 0, "the connection ended after {head:?}");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    timeout(LIMIT, stream.read_exact(&mut body)).await.expect("the rest comes").unwrap();
    head
}

#[tokio::test]
async fn who_is_refused_before_all_was_sent_keeps_the_connection() {
    let open = Server::start(&gateway("dual")).await;
    let mut closed = gateway("dual");
    closed.set("auth", json!({}));
    let closed = Server::start(&closed).await;
    let json = "Host: localhost\r\nContent-Type: application/json";
    for (server, start, fields, status) in [
        (&closed, "POST /mcp", json, "401 "),
        (&closed, "PUT /servers/toy/mcp", json, "401 "),
        (&open, "POST /nowhere", json, "404 "),
        (&open, "PUT /mcp", json, "405 "),
        (&open, "POST /mcp", "Host: localhost\r\nContent-Type: text/plain", "415 "),
        (&open, "POST /mcp", "Host: evil.example.com", "403 "),
        (&open, "POST /healthz", json, "405 "),
    ] {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let mut stream = BufReader::new(stream);
        for body in [
            "Content-Length: 2\r\n\r\n_{}",
            "Transfer-Encoding: chunked\r\n\r\n_1\r\n{\r\n0\r\n\r\n",
        ] {
            let (head, rest) = body.split_once('_').unwrap();
            let head = format!("{start} HTTP/1.1\r\n{fields}\r\n{head}");
            stream.write_all(head.as_bytes()).await.unwrap();
            // Long enough for an answer that does not wait.
            sleep(Duration::from_millis(50)).await;
            stream.write_all(rest.as_bytes()).await.unwrap();
            let answer = answer(&mut stream).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{start}: {answer}");
            assert!(!answer.contains("connection: close"), "{answer}");
        }
    }
    // Nobody reads more than a message may have.
    let endless = format!("POST /mcp HTTP/1.1\r\n{json}\r\nContent-Length: 99999999999\r\n\r\n");
    let answer = speak(&closed, endless.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("connection: close"), "it says so: {answer}");
}

#[tokio::test]
async fn who_rests_between_requests_finds_its_connection_open() {
    let gateway = gateway("dual").http("limits", json!({"request_time": "300ms"}));
    let server = Server::start(&gateway).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    for _ in 0..2 {
        // No page: the answer is short, and the connection lives.
        stream.write_all(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = [0; 1024];
        let read = timeout(LIMIT, stream.read(&mut answer)).await.unwrap().unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 404 "), "{read} bytes");
        // Much longer than a request may take.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn what_is_too_large_or_too_much_is_refused_with_its_status() {
    let limits = json!({"connections": 2, "requests": 1});
    let server = Server::start(&gateway("dual").http("limits", limits)).await;
    let list = || server.modern("tools/list", json!({}));
    let refused = list().header("X-Large", &"x".repeat(100_000)).reply().await;
    assert_eq!(refused.status, 431, "{refused:?}");
    let listen = || server.modern("subscriptions/listen", json!({"notifications": {}}));
    let mut listening = listen().events().await;
    listening.message().await;
    let refused = listen().reply().await;
    assert_eq!((refused.status, refused.code()), (429, -32603), "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    // One connection listens, and one is kept for the next request; there is none left.
    let answer = speak(&server, b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: ") && answer.contains("connection: close"), "{answer}");
    drop(listening);
    while list().reply().await.status != 200 {}
}

#[tokio::test]
async fn who_had_no_place_over_http_2_has_one_as_soon_as_there_is_one() {
    let server = Server::start(&gateway("dual").http("limits", json!({"connections": 1}))).await;
    let listen = server.modern("subscriptions/listen", json!({"notifications": {}}));
    let mut listening = listen.events().await;
    listening.message().await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let list = || server.modern("tools/list", json!({})).over(&client).reply();
    assert_eq!(list().await.status, 503);
    drop(listening);
    let let_in = async { while list().await.status != 200 {} };
    timeout(LIMIT, let_in).await.expect("the connection without a place is not used again");
}

/// Sends so many subscriptions at once, and returns those that are open and how many were refused.
async fn listens(server: &Server, client: &reqwest::Client, count: usize) -> (Vec<Events>, usize) {
    let listen = || server.modern("subscriptions/listen", json!({"notifications": {}}));
    let all = futures_util::future::join_all((0..count).map(|_| listen().over(client).send()));
    let (mut open, mut refused) = (Vec::new(), 0);
    for response in all.await {
        match response.status().as_u16() {
            200 => open.push(Events::of(response)),
            429 => refused += 1,
            other => panic!("{other}"),
        }
    }
    for events in &mut open {
        let method = &events.message().await["method"];
        assert_eq!(method, "notifications/subscriptions/acknowledged");
    }
    (open, refused)
}

#[tokio::test]
async fn a_flood_of_requests_meets_its_limit_and_others_are_answered() {
    let limits = json!({"requests": 8});
    let server = Server::start(&gateway("dual").http("limits", limits)).await;
    let session = server.session("2025-11-25", json!({})).await;
    for is_new in [true, false] {
        let flood = reqwest::Client::builder().no_proxy();
        let flood = if is_new { flood.http2_prior_knowledge() } else { flood.http1_only() };
        let flood = flood.build().unwrap();
        let (open, refused) = listens(&server, &flood, 200).await;
        assert_eq!((open.len(), refused), (8, 192), "HTTP/2: {is_new}");
        session.call(1, "toy__echo", json!({})).reply().await.result();
        // A connection of its own is not in the way of those that are full.
        server.session("2025-06-18", json!({})).await.delete().reply().await;
        drop(open);
        while server.modern("tools/list", json!({})).reply().await.status != 200 {}
    }
}

#[tokio::test]
async fn a_flood_within_a_session_meets_its_limit_and_others_are_answered() {
    let server = Server::start(&gateway("legacy").limit("in_flight", json!(4))).await;
    let flood = server.session("2025-11-25", json!({})).await;
    let other = server.session("2025-11-25", json!({})).await;
    let slow = json!({"steps": 2, "gap": 600_000});
    let calls = (1..=100).map(|id| flood.call(id, "toy__progress", slow.clone()).send());
    let all = futures_util::future::join_all(calls).await;
    let (mut streams, mut refused) = (Vec::new(), 0);
    for response in all {
        let is_stream = response.headers()["content-type"] == "text/event-stream";
        if is_stream {
            streams.push(Events::of(response));
        } else {
            let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            assert_eq!(answer["error"]["code"], -32603, "{answer}");
            refused += 1;
        }
    }
    assert_eq!((streams.len(), refused), (4, 96));
    other.call(1, "toy__echo", json!({})).reply().await.result();
    server.call("toy__echo", json!({})).reply().await.result();
    flood.request(200, "ping", json!({})).reply().await.result();
    flood.delete().reply().await;
}

#[tokio::test]
async fn one_connection_carries_only_so_many_requests_at_once() {
    // A few more than one connection may have, so that what is left can be counted.
    let limits = json!({"requests": 260});
    let server = Server::start(&gateway("dual").http("limits", limits)).await;
    let client = || reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let (one, other) = (client(), client());
    let (full, refused) = listens(&server, &one, 256).await;
    assert_eq!((full.len(), refused), (256, 0));
    // The next one waits in its client, and takes no place from anybody.
    let mut waiting = pin!(listens(&server, &one, 1));
    let (open, refused) = tokio::select! {
        biased;
        _ = &mut waiting => panic!("there was no place for it"),
        others = listens(&server, &other, 10) => others,
    };
    assert_eq!((open.len(), refused), (4, 6));
    // First there is a place again for a request, and then one on the connection.
    drop(open);
    while server.modern("tools/list", json!({})).reply().await.status != 200 {}
    drop(full);
    assert_eq!(waiting.await.0.len(), 1);
}

#[tokio::test]
async fn an_address_that_others_can_reach_must_be_meant() {
    for (key, allowed) in [("hosts", json!([])), ("unauthenticated", json!(true))] {
        let gateway = gateway("dual").http(key, allowed);
        let mut command = gateway.command();
        command.args(["--listen", "0.0.0.0:0"]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let mut said = vec![0; 12];
        timeout(LIMIT, stderr.read_exact(&mut said)).await.unwrap().unwrap();
        if key == "unauthenticated" {
            assert_eq!(said, b"listening on");
            continue;
        }
        let mut said = String::from_utf8(said).unwrap();
        timeout(LIMIT, stderr.read_to_string(&mut said)).await.unwrap().unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(3), "{said}");
        for part in ["--listen", "everybody", "127.0.0.1:0", "http.unauthenticated: true"] {
            assert!(said.contains(part), "{said}");
        }
    }
}

#[tokio::test]
async fn an_address_in_use_is_said_at_once() {
    let server = Server::start(&gateway("dual")).await;
    let other = gateway("dual");
    let mut command = other.command();
    command.args(["--listen", server.address()]).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.unwrap().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(9), "{stderr}");
    assert!(stderr.contains(server.address()) && stderr.contains("in use"), "{stderr}");
}

#[tokio::test]
async fn what_is_under_way_may_finish_before_the_end() {
    let mut server = Server::start(&gateway("legacy")).await;
    let params = |gap: u64| {
        json!({"name": "toy__progress", "arguments": {"steps": 2, "gap": gap},
        "_meta": {"progressToken": 1}})
    };
    let mut short = server.modern("tools/call", params(300)).events().await;
    let mut long = server.modern("tools/call", params(600_000)).events().await;
    let session = server.session("2025-11-25", json!({})).await;
    let call = session.call(1, "toy__progress", json!({"steps": 2, "gap": 300}));
    let mut in_session = call.events().await;
    let mut standing = session.get(None).events().await;
    for stream in [&mut short, &mut long, &mut in_session] {
        assert_eq!(stream.message().await["params"]["progress"], 1);
    }
    server.signal();
    for mut stream in [short, in_session] {
        let last = stream.rest().await.pop().unwrap().json();
        assert_eq!(last["result"]["structuredContent"], json!({"steps": 2}), "{last}");
    }
    let last = long.rest().await.pop().unwrap().json();
    assert_eq!(last["error"]["code"], -32603, "{last}");
    standing.rest().await;
    assert_eq!(server.ended().await.code(), Some(0));
}

// TLS.

#[tokio::test]
async fn https_is_served_with_the_certificate_of_the_configuration() {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let own = rcgen::generate_simple_self_signed(names).unwrap();
    let gateway = gateway("dual").http("tls", json!({"cert": "cert.pem", "key": "key.pem"}));
    gateway.write("cert.pem", &own.cert.pem());
    gateway.write("key.pem", &own.signing_key.serialize_pem());
    let root = reqwest::Certificate::from_pem(own.cert.pem().as_bytes()).unwrap();
    for is_old in [false, true] {
        let client = reqwest::Client::builder().tls_certs_only([root.clone()]);
        let client = if is_old { client.http1_only() } else { client };
        let server = Server::start_with(&gateway, client).await;
        assert!(server.origin.starts_with("https://127.0.0.1:"), "{}", server.origin);
        let expected = if is_old { reqwest::Version::HTTP_11 } else { reqwest::Version::HTTP_2 };
        let response = server.modern("tools/list", json!({})).send().await;
        assert_eq!((response.status().as_u16(), response.version()), (200, expected));
        let progress = server.call("toy__progress", json!({"steps": 2})).reply().await;
        assert_eq!(progress.status, 200);
        let session = server.session("2025-11-25", json!({})).await;
        session.call(1, "toy__echo", json!({})).reply().await.result();
        // Who speaks plainly gets nothing.
        speak(&server, b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(server.stop().await.0.code(), Some(0));
    }
    gateway.write("key.pem", "no key");
    let mut command = gateway.command();
    command.args(["--listen", "127.0.0.1:0"]).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.unwrap().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("gateway.yaml:1:"), "{stderr}");
    assert!(stderr.contains("the file `key.pem` holds no private key"), "{stderr}");
}
