//! Traces: what a real reader of OTLP sees of requests, and what upstreams are told of them.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::collector::Collector;
use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server;
use crate::support::programs::toy;
use crate::support::remote::Remote;
use crate::support::scripted::Scripted;
use crate::support::wire_client::Client;
use crate::support::wire_client::MODERN;

const SPAN: &str = "b7ad6b7169203331";

/// What a client says in its call number `n`: a trace of its own each time.
fn traceparent(n: usize, flags: &str) -> String {
    format!("00-{}-{SPAN}-{flags}", trace(n))
}

fn trace(n: usize) -> String {
    format!("0af7651916cd43dd8448eb211c8{n:05x}")
}

fn traced(mut gateway: Gateway, collector: &str) -> Gateway {
    let otlp = json!({ "endpoint": collector, "headers": { "X-Key": "key" } });
    gateway.set("telemetry", json!({ "otlp": otlp }));
    gateway
}

fn of_trace(n: usize) -> impl Fn(&Value) -> bool {
    move |span| span["trace"] == trace(n)
}

/// The parameters of a call that names its trace.
fn params(name: &str, n: usize) -> Value {
    let meta = json!({ "traceparent": traceparent(n, "01"), "tracestate": "a=b", "x-kept": 1.0 });
    json!({ "name": name, "arguments": { "text": "very private" }, "_meta": meta })
}

/// Checks what was made of the call number `n` of `{upstream}__received`, whose upstream was told
/// `received`.
async fn check(collector: &Collector, n: usize, upstream: &str, received: &Value) {
    let spans = collector.wait(2, of_trace(n)).await;
    let [server, client] = &spans[..] else { panic!("{spans:#?}") };
    let kinds = [server, client].map(|span| span["kind"].as_str().unwrap());
    assert_eq!(kinds, ["SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"], "{spans:#?}");
    assert_eq!((&server["parent"], &client["parent"]), (&json!(SPAN), &server["id"]));
    assert_eq!((&server["flags"], &client["flags"]), (&json!(0x301), &json!(0x101)));
    let meta = &received["params"]["_meta"];
    let id = client["id"].as_str().unwrap();
    assert_eq!(meta["traceparent"], format!("00-{}-{id}-01", trace(n)), "{upstream}");
    assert_eq!((&meta["tracestate"], &meta["x-kept"]), (&json!("a=b"), &json!(1.0)));
    for (span, name) in [(server, format!("{upstream}__received")), (client, "received".to_owned())]
    {
        let said = |key: &str| span["attributes"][key].clone();
        assert_eq!(span["name"], format!("tools/call {name}"));
        assert_eq!(said("mcp.method.name"), "tools/call");
        assert_eq!(
            (said("gen_ai.tool.name"), said("gen_ai.operation.name")),
            (json!(name), json!("execute_tool"))
        );
        assert_eq!(
            (said("conflux.upstream"), said("conflux.outcome")),
            (json!(upstream), json!("ok"))
        );
        assert!(said("jsonrpc.request.id").is_string() && said("mcp.protocol.version").is_string());
        assert_eq!((&span["status"], &span["state"]), (&json!("STATUS_CODE_UNSET"), &json!("a=b")));
        assert_eq!((&span["scope"], &span["key"]), (&json!("conflux"), &json!("key")));
        assert_eq!(span["resource"]["service.name"], "conflux");
        assert!(span["begun"].as_u64() <= span["ended"].as_u64(), "{span}");
        assert!(!span.to_string().contains("private"), "{span}");
    }
    let within = (
        server["begun"].as_u64() <= client["begun"].as_u64(),
        server["ended"].as_u64() >= client["ended"].as_u64(),
    );
    assert_eq!(within, (true, true), "{spans:#?}");
}

/// Upstreams of both eras over every transport.
struct Upstreams {
    remotes: Vec<(&'static str, Remote)>,
}

impl Upstreams {
    async fn start() -> Self {
        let http_modern = Remote::http(&["--era", "modern"]).await;
        let http_legacy = Remote::http(&["--era", "legacy"]).await;
        let sse = Remote::sse(&["--era", "legacy"]).await;
        Self { remotes: vec![("newhttp", http_modern), ("oldhttp", http_legacy), ("sse", sse)] }
    }

    fn gateway(&self, collector: &Collector) -> Gateway {
        let mut gateway = Gateway::new(&[
            ("newpipe", toy(&["--era", "modern"]).entry()),
            ("oldpipe", toy(&["--era", "legacy"]).entry()),
        ]);
        for (name, remote) in &self.remotes {
            let path = if *name == "sse" { "/sse" } else { "/mcp" };
            gateway.add(name, remote.entry(path));
        }
        traced(gateway, &collector.url)
    }
}

const UPSTREAMS: [&str; 5] = ["newpipe", "oldpipe", "newhttp", "oldhttp", "sse"];

#[tokio::test]
async fn spans_have_the_right_parents_over_pipes_of_both_eras() {
    let (collector, upstreams) = (Collector::start().await, Upstreams::start().await);
    let gateway = upstreams.gateway(&collector);
    let (mut n, mut said) = (0, Vec::new());
    for modern in [false, true] {
        let mut client = if modern {
            gateway.modern(json!({}))
        } else {
            gateway.legacy("2025-11-25", json!({})).await
        };
        for upstream in UPSTREAMS {
            n += 1;
            let params = params(&format!("{upstream}__received"), n);
            said.push((n, upstream, client.request("tools/call", params).await.structured()));
        }
        assert!(client.leave().await.success());
    }
    for (n, upstream, received) in said {
        check(&collector, n, upstream, &received).await;
    }
    let first = &collector.wait(1, of_trace(1)).await[0];
    assert_eq!(first["attributes"]["network.transport"], "pipe");
    assert_eq!(first["attributes"]["enduser.id"], "process");
    assert_eq!(first["attributes"]["conflux.client"], "wire");
}

#[tokio::test]
async fn spans_have_the_right_parents_over_http_of_both_eras_and_headers_are_enough() {
    let (collector, upstreams) = (Collector::start().await, Upstreams::start().await);
    let gateway = upstreams.gateway(&collector);
    let server = Server::start(&gateway).await;
    let session = server.session("2025-06-18", json!({})).await;
    let (mut n, mut said) = (100, Vec::new());
    for upstream in UPSTREAMS {
        let name = format!("{upstream}__received");
        n += 1;
        let reply = server.modern("tools/call", params(&name, n)).reply().await;
        said.push((n, upstream, reply.result()["structuredContent"].clone()));
        n += 1;
        let reply = session.request(n as u64, "tools/call", params(&name, n)).reply().await;
        said.push((n, upstream, reply.result()["structuredContent"].clone()));
        // A client that knows of nothing but HTTP.
        n += 1;
        let mut plain = params(&name, n);
        plain["_meta"] = json!({ "x-kept": 1.0 });
        let asked = server.modern("tools/call", plain);
        let asked = asked.header("traceparent", &traceparent(n, "01")).header("tracestate", "a=b");
        said.push((n, upstream, asked.reply().await.result()["structuredContent"].clone()));
    }
    for (n, upstream, received) in said {
        check(&collector, n, upstream, &received).await;
    }
    // Who reads no messages is told in headers.
    for upstream in ["newhttp", "oldhttp", "sse"] {
        n += 1;
        let reply = server.modern("tools/call", params(&format!("{upstream}__web"), n)).reply();
        let facts = reply.await.result()["structuredContent"].clone();
        let spans = collector.wait(2, of_trace(n)).await;
        let id = spans[1]["id"].as_str().unwrap();
        let told = &facts["headers"];
        if upstream == "sse" {
            // What it keeps is the stream, which belongs to nobody's call.
            continue;
        }
        assert_eq!(told["traceparent"], format!("00-{}-{id}-01", trace(n)), "{facts}");
        assert_eq!(told["tracestate"], "a=b");
    }
    assert!(server.stop().await.0.success());
}

#[tokio::test]
async fn what_carries_a_request_is_told() {
    let collector = Collector::start().await;
    let toy = toy(&["--era", "dual"]).entry();
    let gateway = traced(Gateway::new(&[("toy", toy)]), &collector.url);
    let socket = gateway.path().join("mcp.sock");
    let servers = [
        ("unix", Server::start_at(&gateway, &socket).await),
        ("tcp", Server::start(&gateway).await),
    ];
    for (n, (carrier, server)) in servers.into_iter().enumerate() {
        let session = server.session("2025-06-18", json!({})).await;
        let call = |at: usize| params("toy__received", 10 * n + at);
        server.modern("tools/call", call(1)).reply().await.result();
        session.request(2, "tools/call", call(2)).reply().await.result();
        for at in [1, 2] {
            let spans = collector.wait(2, of_trace(10 * n + at)).await;
            let told = [&spans[0], &spans[1]].map(|span| &span["attributes"]["network.transport"]);
            assert_eq!(told, [carrier, "pipe"], "{spans:#?}");
        }
        assert!(server.stop().await.0.success());
    }
}

#[tokio::test]
async fn a_command_of_exec_is_one_more_client_at_an_address() {
    let collector = Collector::start().await;
    let toy = toy(&["--era", "dual"]).entry();
    let gateway = traced(Gateway::new(&[("toy", toy)]), &collector.url);
    // A gateway without traces of its own, in front of the one that has them.
    let inner = gateway.path().join("inner.yaml");
    let script = r#"
        printf 'upstreams: { outer: { url: "%s", prefix: "" } }' "$CONFLUX_URL" > "$1"
        exec "$0" --config "$1" call toy__received
    "#;
    let program = env!("CARGO_BIN_EXE_conflux");
    let command = ["exec", "--", "sh", "-c", script, program, inner.to_str().unwrap()];
    let output = gateway.conflux(&command).stdin(Stdio::null()).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let is_call = |span: &Value| span["attributes"]["mcp.method.name"] == "tools/call";
    let spans = collector.wait(2, is_call).await;
    let told = [&spans[0], &spans[1]].map(|span| &span["attributes"]["network.transport"]);
    assert_eq!(told, ["tcp", "pipe"], "{spans:#?}");
}

#[tokio::test]
async fn what_is_not_recorded_is_relayed_byte_by_byte() {
    let collector = Collector::start().await;
    let upstreams = [("toy", toy(&["--era", "legacy"]).entry())];
    let off = Gateway::new(&upstreams);
    let on = traced(Gateway::new(&upstreams), &collector.url);
    let mut never = traced(Gateway::new(&upstreams), &collector.url);
    let otlp = json!({ "endpoint": collector.url, "sample": 0 });
    never.set("telemetry", json!({ "otlp": otlp }));
    let [recorded, unrecorded] = ["01", "00"].map(|flags| traceparent(7, flags));
    let odd = |parent: &str| {
        let meta = format!(r#"{{"z":1e3 ,"traceparent":"{parent}","baggage":"a=b"}}"#);
        format!(r#"{{"name":"toy__received", "arguments" : {{"n":1.0}},"_meta":{meta}}}"#)
    };
    let plain = r#"{"name":"toy__received","arguments":{"n":12345678901234567890123}}"#.to_owned();
    for (gateway, params) in [
        (&off, odd(&recorded)),
        (&off, plain.clone()),
        (&on, odd(&unrecorded)),
        (&never, odd(&unrecorded)),
        (&never, plain),
    ] {
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        let reply = client.request_raw("tools/call", &params).await;
        let expected = params.replace("toy__received", "received");
        assert!(reply.raw_result().contains(&format!(r#""params":{expected},"#)), "{}", reply.line);
        assert!(client.leave().await.success());
    }
    assert_eq!(collector.spans(), Vec::<Value>::new());
}

#[tokio::test]
async fn whoever_began_a_trace_in_a_header_decides_that_it_is_not_recorded() {
    let collector = Collector::start().await;
    let gateway = traced(Gateway::new(&[("toy", toy(&[]).entry())]), &collector.url);
    let server = Server::start(&gateway).await;
    for (n, flags) in [(1, "00"), (2, "01")] {
        let params = json!({ "name": "toy__received", "arguments": {} });
        let asked = server.modern("tools/call", params);
        let reply = asked.header("traceparent", &traceparent(n, flags)).reply().await;
        let told = &reply.result()["structuredContent"]["params"]["_meta"]["traceparent"];
        assert!(told.as_str().is_some_and(|told| told.contains(&trace(n))), "{told}");
    }
    // The second one waited behind whatever there was of the first.
    collector.wait(2, of_trace(2)).await;
    let others = collector.spans().into_iter().filter(|span| !of_trace(2)(span));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<Value>::new());
    assert!(server.stop().await.0.success());
}

#[tokio::test]
async fn each_attempt_is_a_span_and_errors_say_their_kind() {
    let (collector, scripted) = (Collector::start().await, Scripted::start().await);
    let slow = with(toy(&[]).entry(), "timeout", json!({ "call": "300ms" }));
    let upstreams = [("web", scripted.entry()), ("slow", slow), ("toy", toy(&[]).entry())];
    let gateway = traced(Gateway::new(&upstreams), &collector.url);
    let server = Server::start(&gateway).await;
    let call = async |n: usize, name: &str, arguments: Value| {
        let meta = json!({ "traceparent": traceparent(n, "01") });
        let params = json!({ "name": name, "arguments": arguments, "_meta": meta });
        server.modern("tools/call", params).reply().await
    };
    scripted.say(&[(503, Some("0"))]);
    call(1, "web__read", json!({})).await.result();
    call(2, "slow__slow", json!({ "ms": 60_000 })).await.result();
    call(3, "toy__fail", json!({ "text": "private words" })).await.result();
    call(4, "toy__refuse", json!({ "code": -32000, "message": "private words" })).await.code();
    call(5, "toy__made_up", json!({})).await.code();
    assert!(server.stop().await.0.success());

    let spans = collector.wait(3, of_trace(1)).await;
    let errors: Vec<_> = spans.iter().map(|span| &span["attributes"]["error.type"]).collect();
    assert_eq!(errors, [&Value::Null, &json!("http_status"), &Value::Null], "{spans:#?}");
    assert!(spans[1..].iter().all(|span| span["parent"] == spans[0]["id"]), "{spans:#?}");
    for (n, count, kind) in
        [(2, 2, "timeout"), (3, 2, "tool_error"), (4, 2, "-32000"), (5, 1, "unknown")]
    {
        let spans = collector.wait(count, of_trace(n)).await;
        assert_eq!(spans.len(), count, "{spans:#?}");
        for span in &spans {
            assert_eq!(span["attributes"]["error.type"], kind, "{span}");
            assert_eq!(span["status"], "STATUS_CODE_ERROR", "{span}");
            assert!(!span.to_string().contains("private"), "{span}");
        }
    }
    // What clients make up is no name of a span.
    let made_up = &collector.wait(1, of_trace(5)).await[0];
    assert_eq!(
        (&made_up["name"], &made_up["attributes"]["gen_ai.tool.name"]),
        (&json!("tools/call"), &json!("toy__made_up"))
    );
    let refused = &collector.wait(2, of_trace(4)).await[0];
    assert_eq!(refused["attributes"]["rpc.response.status_code"], "-32000");
}

#[tokio::test]
async fn the_standard_variables_say_where_and_as_whom() {
    let collector = Collector::start().await;
    let gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    let mut command = gateway.command();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=of%20environment,other=1");
    command.env("OTEL_SERVICE_NAME", "gateway").env("OTEL_RESOURCE_ATTRIBUTES", "team=tools,a=b");
    let mut client = Client::spawn(&mut command);
    client.modern(json!({}));
    client.call("toy__echo", json!({ "text": "x" })).await.result();
    client.request("tools/list", json!({})).await.result();
    assert!(client.leave().await.success());
    let spans = collector.wait(3, |_| true).await;
    for span in &spans {
        let resource = &span["resource"];
        assert_eq!(
            (&resource["service.name"], &resource["team"]),
            (&json!("gateway"), &json!("tools"))
        );
        assert_eq!(span["key"], "of environment");
    }
    // Nobody began a trace, so each request is one.
    let mut names: Vec<_> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["tools/call echo", "tools/call toy__echo", "tools/list"]);
    let listed = spans.iter().find(|span| span["name"] == "tools/list").unwrap();
    assert_eq!((&listed["parent"], &listed["status"]), (&json!(""), &json!("STATUS_CODE_UNSET")));

    // What is meant for others, or to be off, is off, and everything else works.
    for (name, value, warning) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "is for the protocol `grpc`"),
        ("OTEL_SDK_DISABLED", "true", ""),
        ("OTEL_TRACES_EXPORTER", "none", ""),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense", "not the address of a collector"),
    ] {
        let mut command = gateway.command();
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).env(name, value);
        let mut client = Client::spawn(&mut command);
        client.modern(json!({}));
        client.call("toy__echo", json!({ "text": "x" })).await.result();
        assert!(client.stderr().contains(warning), "{}", client.stderr());
        assert!(client.leave().await.success());
    }
    assert_eq!(collector.spans().len(), 3);
}

#[tokio::test]
async fn a_collector_that_is_away_is_said_once_and_harms_nothing() {
    // One that is not there, and one that takes everything and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = silent.accept().await {
            let mut some = [0; 64];
            drop(stream.read(&mut some).await);
            kept.push(stream);
        }
    });
    for (collector, is_said) in [("http://127.0.0.1:9", true), (address.as_str(), false)] {
        let gateway = traced(Gateway::new(&[("toy", toy(&[]).entry())]), collector);
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        for number in 0..200 {
            client.call("toy__echo", json!({ "text": number.to_string() })).await.result();
        }
        if is_said {
            client.wait_for_stderr("spans are not exported").await;
            for _ in 0..200 {
                client.call("toy__echo", json!({ "text": "x" })).await.result();
            }
            tokio::time::sleep(Duration::from_millis(1500)).await;
            let said = client.stderr().matches("spans are not exported").count();
            assert_eq!(said, 1, "{}", client.stderr());
        }
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn no_secret_leaves_in_a_span() {
    const SECRET: &str = "s3cr3t-value-of-a-variable";
    let collector = Collector::start().await;
    let entry = with(toy(&[]).entry(), "env", json!({ "TOKEN": "${TOKEN}" }));
    let gateway = traced(Gateway::new(&[("toy", entry)]), &collector.url);
    let mut client = Client::spawn(gateway.command().env("TOKEN", SECRET));
    client.modern(json!({}));
    client.call(&format!("toy__{SECRET}"), json!({})).await.code();
    client.call("toy__echo", json!({ "text": SECRET })).await.result();
    let uri = format!("https://user:{SECRET}@host/{SECRET}?key={SECRET}");
    client.request("resources/read", json!({ "uri": uri })).await.code();
    client.request(&format!("x/{SECRET}"), json!({})).await.code();
    // Nor a part of one, where the text is cut.
    for at in [50, 240] {
        let name = format!("{}{SECRET}", "x".repeat(at));
        client.call(&name, json!({})).await.code();
        client.request(&name, json!({})).await.code();
    }
    assert!(client.leave().await.success());
    let spans = collector.wait(9, |_| true).await;
    let text = Value::from(spans).to_string();
    assert!(!text.contains(&SECRET[..8]) && text.contains("***"), "{text}");
    assert!(text.contains(r#""mcp.resource.uri":"https://host/***""#), "{text}");
    assert!(text.contains(MODERN), "{text}");
}
