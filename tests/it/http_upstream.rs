//! Upstreams over HTTP: every transport and era, and what can go wrong on the way.

use std::time::Duration;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedKey;
use rcgen::IsCa;
use rcgen::KeyPair;
use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::programs::toy;
use crate::support::remote::Remote;
use crate::support::tls;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;
use crate::support::wire_client::Message;

const FAILURE: &str = "dev.conflux/error";
const POLL: Duration = Duration::from_millis(20);

/// Every way to speak to a server over HTTP: the toy's flags, and the path of the endpoint.
const WAYS: &[(&[&str], &str)] = &[
    (&["--era", "modern"], "/mcp"),
    (&["--era", "modern", "--json"], "/mcp"),
    (&["--era", "dual"], "/mcp"),
    (&["--revision", "2025-11-25"], "/mcp"),
    (&["--revision", "2025-03-26", "--event-ids"], "/mcp"),
    (&["--revision", "2025-06-18", "--no-session-id", "--no-get"], "/mcp"),
    (&["--revision", "2024-11-05"], "/sse"),
    (&["--era", "modern"], "/moved"),
];

/// The ways that can say something before an answer.
fn streaming() -> impl Iterator<Item = &'static (&'static [&'static str], &'static str)> {
    WAYS.iter().filter(|(flags, _)| !flags.contains(&"--json"))
}

async fn remote((flags, path): &(&[&str], &str)) -> (Remote, Gateway) {
    let remote = match *path {
        "/sse" => Remote::sse(flags).await,
        _ => Remote::http(flags).await,
    };
    let gateway = Gateway::new(&[("far", remote.entry(path))]);
    (remote, gateway)
}

/// What a client in front can do in these tests.
fn abilities() -> Value {
    json!({"elicitation": {"form": {}}, "sampling": {}, "roots": {}})
}

async fn clients(gateway: &Gateway) -> [Client; 2] {
    let mut clients =
        [gateway.legacy("2025-11-25", abilities()).await, gateway.modern(abilities())];
    for client in &mut clients {
        client.answer("roots/list", json!({"roots": [{"uri": "file:///here"}]}));
        client.answer("elicitation/create", json!({"action": "accept", "content": {"name": "A"}}));
    }
    clients
}

async fn status(client: &mut Client) -> Value {
    let status = client.call("conflux__status", json!({})).await.structured();
    status["upstreams"][0].clone()
}

/// What the server counted, and the headers of this request.
async fn web(client: &mut Client) -> Value {
    client.call("far__web", json!({})).await.structured()
}

#[track_caller]
fn failure(reply: &Message) -> Value {
    let result = reply.result();
    assert_eq!(result["isError"], true, "{result}");
    result["_meta"][FAILURE].clone()
}

#[tokio::test]
async fn calls_work_whatever_the_server_speaks() {
    for way in WAYS {
        let (remote, gateway) = remote(way).await;
        for mut client in clients(&gateway).await {
            let listed = client.request("tools/list", json!({})).await.result();
            let names: Vec<_> = listed["tools"].as_array().unwrap().iter().collect();
            assert!(names.iter().any(|tool| tool["name"] == "far__echo"), "{way:?}: {listed}");
            let text = r#"{"b":1.0,"a":123456789012345678901234567890,"ü":"größe"}"#;
            let reply = client.call_raw("far__echo", text).await;
            assert!(reply.raw_result().contains(text), "{way:?}: {}", reply.line);
            let read = client.request("resources/read", json!({"uri": "toy://static/1"})).await;
            assert!(read.result()["contents"][0]["text"].is_string(), "{way:?}: {}", read.line);
            assert_eq!(status(&mut client).await["state"], "ready", "{way:?}");
            assert!(client.leave().await.success());
        }
        remote.stop().await;
    }
}

#[tokio::test]
async fn progress_and_logs_come_before_the_result_in_order() {
    for way in streaming() {
        let (remote, gateway) = remote(way).await;
        for mut client in clients(&gateway).await {
            // A legacy client says for its session which messages it wants.
            if !client.is_modern() {
                client.request("logging/setLevel", json!({"level": "info"})).await.result();
            }
            let meta = json!({"progressToken": "t", "io.modelcontextprotocol/logLevel": "info"});
            let params = json!({
                "name": "far__progress",
                "arguments": {"steps": 100, "gap": 0},
                "_meta": meta,
            });
            client.converse("tools/call", params).await.result();
            let seen = client.seen("notifications/progress");
            let steps: Vec<_> = seen.iter().map(|it| it.params()["progress"].clone()).collect();
            let expected: Vec<_> = (1..=100).map(Value::from).collect();
            assert_eq!(steps, expected, "{way:?}");
            let params = json!({
                "name": "far__log",
                "arguments": {"count": 3},
                "_meta": {"io.modelcontextprotocol/logLevel": "info"},
            });
            client.converse("tools/call", params).await.result();
            client.wait_for("notifications/message", 3).await;
            assert!(client.leave().await.success());
        }
        remote.stop().await;
    }
}

#[tokio::test]
async fn questions_in_mid_call_reach_whoever_called() {
    for way in WAYS {
        // One message as the answer leaves no room for a legacy question.
        let (remote, gateway) = remote(way).await;
        for mut client in clients(&gateway).await {
            for (tool, kind) in [("far__ask", "roots"), ("far__ask_twice", "elicit")] {
                let reply = client.call(tool, json!({"kind": kind})).await.structured();
                let answers = reply["answers"].as_array().unwrap();
                let is_answered = answers.iter().all(|answer| {
                    answer.to_string().contains("here\"") || answer.to_string().contains("accept")
                });
                assert!(is_answered && !answers.is_empty(), "{way:?}: {reply}");
            }
            assert!(client.leave().await.success());
        }
        remote.stop().await;
    }
}

#[tokio::test]
async fn two_callers_at_once_are_told_apart_by_their_streams() {
    let (remote, gateway) = remote(&(&[], "/mcp")).await;
    let mut client = gateway.modern(abilities());
    client.answer("roots/list", json!({"roots": []}));
    // Two modern requests are two callers, so only the stream tells whose question it is.
    let slow = json!({"name": "far__slow", "arguments": {"ms": 600_000}});
    let slow = client.start("tools/call", slow).await;
    let reply = client.call("far__ask", json!({"kind": "roots"})).await.structured();
    assert_eq!(reply["answers"], json!([{"result": {"roots": []}}]));
    client.cancel(slow).await;
    assert!(client.leave().await.success());
    remote.stop().await;
}

#[tokio::test]
async fn changes_are_heard_of() {
    for way in streaming().filter(|(flags, _)| !flags.contains(&"--no-get")) {
        let (remote, gateway) = remote(way).await;
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        client.request("tools/list", json!({})).await.result();
        let uri = json!({"uri": "toy://static/1"});
        client.request("resources/subscribe", uri.clone()).await.result();
        // The stream that brings it may not be open yet.
        let touched = async {
            while client.seen("notifications/resources/updated").is_empty() {
                client.call("far__touch", uri.clone()).await.result();
            }
        };
        tokio::time::timeout(LIMIT, touched).await.unwrap_or_else(|_| panic!("{way:?}: no update"));
        client.call("far__change_tools", json!({})).await.result();
        client.wait_for("notifications/tools/list_changed", 1).await;
        let listed = client.request("tools/list", json!({})).await;
        assert!(listed.line.contains("far__added_1"), "{way:?}");
        assert!(client.leave().await.success());
        remote.stop().await;
    }
}

#[tokio::test]
async fn a_stream_that_is_refused_for_a_while_is_opened_again() {
    let (remote, gateway) = remote(&(&["--stale-get"], "/mcp")).await;
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let uri = json!({"uri": "toy://static/1"});
    client.request("resources/subscribe", uri.clone()).await.result();
    let again = async {
        while web(&mut client).await["counts"]["GET"].as_u64() < Some(3) {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(LIMIT, again).await.expect("a third stream is asked for");
    assert!(client.leave().await.success());
    remote.stop().await;
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_over_there() {
    for way in WAYS {
        let (remote, gateway) = remote(way).await;
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        client.call("far__echo", json!({})).await.result();
        let slow = json!({"name": "far__slow", "arguments": {"ms": 600_000}});
        let slow = client.start("tools/call", slow).await;
        // Cancelled once it is under way.
        let cancelled = async {
            let count = json!({});
            while client.call("far__count", count.clone()).await.structured()["calls"]["slow"] != 1
            {
                tokio::time::sleep(POLL).await;
            }
            client.cancel(slow).await;
            while client.call("far__cancelled", json!({})).await.structured()["cancelled"] != 1 {
                tokio::time::sleep(POLL).await;
            }
        };
        let cancelled = tokio::time::timeout(LIMIT, cancelled).await;
        assert!(cancelled.is_ok(), "{way:?}: not cancelled");
        assert!(client.leave().await.success());
        remote.stop().await;
    }
}

#[tokio::test]
async fn large_messages_go_both_ways_unchanged() {
    for way in WAYS {
        let (remote, gateway) = remote(way).await;
        for mut client in clients(&gateway).await {
            let text: String = "<a> \u{1F600} \\u0041".chars().cycle().take(200_000).collect();
            let arguments = json!({"text": text, "number": 1.0});
            let echoed = client.call("far__echo", arguments.clone()).await;
            let start: String = echoed.line.chars().take(1000).collect();
            assert!(echoed.structured() == arguments, "{way:?}: {start}");
            assert!(client.leave().await.success());
        }
        remote.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_used_says_why() {
    let remote = Remote::http(&[]).await;
    let older = Remote::sse(&[]).await;
    let url = |path: &str| remote.url.clone() + path;
    let gateway = Gateway::new(&[
        ("down", json!({"url": "http://127.0.0.1:9/mcp?key=in-the-query"})),
        ("nowhere", json!({"url": url("/nowhere")})),
        ("pinned", json!({"url": url("/nowhere"), "transport": "http"})),
        ("page", json!({"url": url("/html")})),
        ("denied", json!({"url": url("/status/401")})),
        ("broken", json!({"url": url("/status/500")})),
        ("away", json!({"url": url("/status/503")})),
        ("moved", json!({"url": url("/elsewhere")})),
        ("round", json!({"url": url("/round")})),
        ("no_stream", json!({"url": url("/mcp"), "transport": "sse"})),
        ("foreign", json!({"url": format!("{}/sse-elsewhere", older.url)})),
        ("endless", json!({"url": url("/endless")})),
        ("bomb", json!({"url": url("/bomb")})),
    ]);
    let gateway = gateway.limit("message", json!("1MiB"));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let expected = [
        ("down", "unreachable", "refused"),
        ("nowhere", "http_status", "tried as HTTP+SSE too"),
        ("pinned", "http_status", "/nowhere"),
        ("page", "handshake_failed", "text/html"),
        ("denied", "unauthorized", "headers: { Authorization"),
        ("broken", "http_status", "the toy says 500"),
        ("away", "http_status", "503"),
        ("moved", "http_status", "redirects to http://127.0.0.1:9/mcp, which"),
        ("round", "http_status", "307"),
        ("no_stream", "http_status", "400"),
        ("foreign", "handshake_failed", "another origin, http://127.0.0.1:9"),
        ("endless", "too_large", "limits.message"),
        ("bomb", "too_large", "limits.message"),
    ];
    for (name, kind, words) in expected {
        let reply = client.call(&format!("{name}__anything"), json!({})).await;
        let said = failure(&reply);
        assert_eq!(said["kind"], kind, "{name}: {}", reply.line);
        assert_eq!(said["executed"], "no", "{name}: {}", reply.line);
        assert!(reply.text().contains(words), "{name}: {}", reply.text());
        for secret in ["in-the-query", "secret=1"] {
            assert!(!reply.line.contains(secret), "{name}: {}", reply.line);
        }
    }
    assert!(client.leave().await.success());
    remote.stop().await;
    older.stop().await;
}

#[tokio::test]
async fn a_lost_session_is_opened_once_for_all_who_wait() {
    for lost in ["404", "400", "401"] {
        let (remote, gateway) = remote(&(&["--lost", lost], "/mcp")).await;
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        client.call("far__echo", json!({})).await.result();
        client.call("far__forget_sessions", json!({})).await.result();
        let mut ids = Vec::new();
        for number in 0..5 {
            let call = json!({"name": "far__echo", "arguments": {"number": number}});
            ids.push(client.start("tools/call", call).await);
        }
        for (number, id) in ids.into_iter().enumerate() {
            let reply = client.reply_to(id).await;
            assert_eq!(reply.structured(), json!({"number": number}), "{lost}: {}", reply.line);
        }
        assert_eq!(web(&mut client).await["counts"]["initialize"], 2, "{lost}");
        assert!(client.leave().await.success());
        remote.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_was_away_is_found_again() {
    for flags in [&["--era", "modern"][..], &[]] {
        let first = Remote::http(flags).await;
        let address = first.address().to_owned();
        let gateway = Gateway::new(&[("far", first.entry("/mcp"))]);
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        client.call("far__echo", json!({})).await.result();
        first.stop().await;
        let reply = client.call("far__echo", json!({})).await;
        assert!(failure(&reply)["kind"].is_string(), "{}", reply.line);
        let second = Remote::start("--http", &address, flags).await;
        let again = async {
            while client.call("far__echo", json!({})).await.result()["isError"] == true {
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(LIMIT, again).await.expect("it is found again");
        assert!(client.leave().await.success());
        second.stop().await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_taken_up_again_if_it_can_be() {
    let (remote, gateway) = self::remote(&(&["--event-ids"], "/mcp")).await;
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let reply = client.call("far__cut", json!({"times": 3})).await;
    assert_eq!(reply.text(), "whole again", "{}", reply.line);
    let calls = client.call("far__count", json!({})).await.structured();
    assert_eq!(calls["calls"]["cut"], 1);
    assert!(client.leave().await.success());
    remote.stop().await;

    for flags in [&["--era", "modern"][..], &[]] {
        let (remote, gateway) = self::remote(&(flags, "/mcp")).await;
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        let reply = client.call("far__cut", json!({})).await;
        assert_eq!(failure(&reply)["kind"], "connection_lost", "{}", reply.line);
        assert_eq!(failure(&reply)["executed"], "unknown", "{}", reply.line);
        client.call("far__echo", json!({})).await.structured();
        assert!(client.leave().await.success());
        remote.stop().await;
    }
}

#[tokio::test]
async fn what_is_too_large_is_so_for_its_call_alone() {
    for way in WAYS {
        let (remote, gateway) = remote(way).await;
        let gateway = gateway.limit("message", json!("64KiB"));
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        let reply = client.call("far__huge", json!({"bytes": 1_000_000})).await;
        assert_eq!(failure(&reply)["kind"], "too_large", "{way:?}: {}", reply.line);
        assert_eq!(client.call("far__huge", json!({"bytes": 3})).await.text(), "xxx", "{way:?}");
        assert!(client.leave().await.success());
        remote.stop().await;
    }
}

#[tokio::test]
async fn headers_say_what_the_body_says() {
    let flags = ["--era", "modern", "--mirror", "always"];
    let remote = Remote::http(&flags).await;
    let entry = with(remote.entry("/mcp"), "headers", json!({"X-Team": "platform"}));
    let gateway = Gateway::new(&[("far", entry)]);
    let mut client = gateway.modern(json!({}));
    let headers = web(&mut client).await["headers"].clone();
    let expected = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "web"),
        ("x-team", "platform"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    for (name, value) in expected {
        assert_eq!(headers[name], value, "{headers}");
    }
    // The toy refuses what its headers do not repeat.
    for region in [json!({"region": "eu"}), json!({"region": "größe "}), json!({})] {
        let reply = client.call("far__mirrored", region.clone()).await;
        assert_eq!(reply.structured(), region, "{}", reply.line);
    }
    let uri = json!({"uri": "toy://item/größe"});
    client.request("resources/read", uri).await.result();
    assert!(client.leave().await.success());
    remote.stop().await;
}

#[tokio::test]
async fn a_header_that_is_wanted_since_is_learned_of() {
    let (remote, gateway) = remote(&(&["--era", "modern", "--mirror", "late"], "/mcp")).await;
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let reply = client.call("far__mirrored", json!({"region": "eu"})).await;
    assert_eq!(reply.structured(), json!({"region": "eu"}), "{}", reply.line);
    assert!(client.leave().await.success());
    remote.stop().await;
}

#[tokio::test]
async fn a_tool_whose_headers_cannot_be_told_is_withheld_and_named() {
    let tool = |name: &str, schema: Value| json!({"name": name, "inputSchema": schema});
    let mirrored = |kind: &str, header: &str| {
        let place = json!({"type": kind, "x-mcp-header": header});
        json!({"type": "object", "properties": {"place": place}})
    };
    let tools = json!([
        tool("fine", mirrored("string", "Place")),
        tool("spaced", mirrored("string", "a place")),
        tool("whole", mirrored("number", "Place")),
    ]);
    let mut gateway = Gateway::new(&[]);
    let file = gateway.write("tools.json", &tools.to_string());
    let file = file.to_str().unwrap();
    let remote = Remote::http(&["--era", "modern", "--tools-file", file]).await;
    gateway.add("far", remote.entry("/mcp"));
    gateway.add("near", toy(&["--era", "modern", "--tools-file", file]).entry());
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let listed = client.request("tools/list", json!({})).await;
    for (name, is_listed) in [("fine", true), ("spaced", false), ("whole", false)] {
        assert_eq!(listed.line.contains(&format!("far__{name}\"")), is_listed, "{}", listed.line);
        // Without headers there is nothing that could be wrong with them.
        assert!(listed.line.contains(&format!("near__{name}\"")), "{}", listed.line);
    }
    let status = client.call("conflux__status", json!({})).await.structured();
    let defects = status["defects"].to_string();
    assert!(defects.contains("`spaced` of upstream `far`"), "{defects}");
    assert!(defects.contains("`whole` of upstream `far`"), "{defects}");
    assert!(client.leave().await.success());
    remote.stop().await;
}

#[tokio::test]
async fn a_proxy_is_used_and_an_authority_is_trusted() {
    let remote = Remote::http(&["--era", "dual"]).await;
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut gateway = Gateway::new(&[]);
    let ca = gateway.write("ca.pem", &key.cert.pem());
    let encrypted = tls::front(&key, remote.address()).await;
    // The toy takes whatever host it is asked for, as a proxy does.
    let beyond = json!({"url": "http://nowhere.example/mcp", "proxy": remote.url});
    gateway.add("beyond", beyond);
    let url = format!("https://localhost:{}/mcp", encrypted.port);
    gateway.add("trusted", json!({"url": url, "tls": {"ca": ca}}));
    gateway.add("strange", json!({"url": url}));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    for name in ["beyond", "trusted"] {
        let reply = client.call(&format!("{name}__echo"), json!({"a": 1})).await;
        assert_eq!(reply.structured(), json!({"a": 1}), "{}", reply.line);
    }
    let reply = client.call("strange__echo", json!({})).await;
    assert_eq!(failure(&reply)["kind"], "unreachable", "{}", reply.line);
    assert!(reply.text().contains("tls: { ca: FILE }"), "{}", reply.text());
    assert!(client.leave().await.success());
    remote.stop().await;
}

/// A certificate for `name` that signs itself, as `change` makes it.
fn certificate(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertifiedKey<KeyPair> {
    let signing_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    change(&mut params);
    let cert = params.self_signed(&signing_key).unwrap();
    CertifiedKey { cert, signing_key }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said_with_what_to_do() {
    let remote = Remote::http(&["--era", "dual"]).await;
    let cases = [
        (
            certificate("localhost", |it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            "it is the certificate of an authority, which is none for a server",
            "basicConstraints=critical,CA:FALSE",
        ),
        (
            certificate("localhost", |it| it.not_after = rcgen::date_time_ymd(2001, 2, 3)),
            "it has expired ",
            "must renew the certificate",
        ),
        (
            certificate("localhost", |it| it.not_before = rcgen::date_time_ymd(4000, 2, 3)),
            "it becomes valid in ",
            "check the clock of this machine",
        ),
        (
            certificate("other.example.com", |_| {}),
            "it is for `other.example.com`, not for `localhost`",
            "write a name into `url` that the certificate is for",
        ),
    ];
    for (key, what, remedy) in cases {
        let mut gateway = Gateway::new(&[]);
        let ca = gateway.write("ca.pem", &key.cert.pem());
        let encrypted = tls::front(&key, remote.address()).await;
        let url = format!("https://localhost:{}/mcp", encrypted.port);
        gateway.add("far", json!({"url": url, "tls": {"ca": ca}}));
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        let reply = client.call("far__echo", json!({})).await;
        let text = reply.text();
        assert_eq!(failure(&reply)["kind"], "unreachable", "{}", reply.line);
        assert!(text.contains("`far` has a certificate that cannot be trusted"), "{text}");
        assert!(text.contains(what) && text.contains(remedy), "`{what}` is not in {text}");
        let log = client.wait_for_stderr(remedy).await;
        assert!(log.contains("WARN") && log.contains("failed"), "{log}");
        assert!(!log.contains("rustls_platform_verifier"), "{log}");
        assert!(client.leave().await.success());
    }
    let mut gateway = Gateway::new(&[]);
    let url = remote.url.replace("http://", "https://") + "/mcp";
    gateway.add("plain", json!({"url": url}));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let text = client.call("plain__echo", json!({})).await.text();
    assert!(text.contains("addresses begin with `http://`"), "{text}");
    assert!(client.leave().await.success());
    remote.stop().await;
}

#[tokio::test]
async fn what_was_found_is_remembered_until_it_is_wrong() {
    let first = Remote::http(&[]).await;
    let address = first.address().to_owned();
    let gateway = Gateway::new(&[("far", first.entry("/mcp"))]);
    for _ in 0..2 {
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        client.call("far__echo", json!({})).await.structured();
        assert_eq!(web(&mut client).await["counts"]["server/discover"], 1);
        assert!(client.leave().await.success());
    }
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    // Each that left has ended its session.
    assert_eq!(web(&mut client).await["counts"]["DELETE"], 2);
    assert!(client.leave().await.success());
    first.stop().await;
    let second = Remote::start("--http", &address, &["--era", "modern"]).await;
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.call("far__echo", json!({})).await.structured();
    assert!(client.leave().await.success());
    second.stop().await;
}

#[tokio::test]
async fn an_unused_session_is_closed_and_opened_again() {
    let remote = Remote::http(&[]).await;
    let entry = with(remote.entry("/mcp"), "timeout", json!({"idle": "100ms"}));
    let gateway = Gateway::new(&[("far", entry)]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.call("far__echo", json!({})).await.structured();
    let idle = async {
        while status(&mut client).await["state"] != "idle" {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(LIMIT, idle).await.expect("it becomes idle");
    let counts = web(&mut client).await["counts"].clone();
    assert!(counts["DELETE"].as_u64() >= Some(1), "{counts}");
    assert!(client.leave().await.success());
    remote.stop().await;
}
