//! Metrics, health and status on a listener of their own, read as Prometheus reads them.

use std::process::Stdio;
use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HOST;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server;
use crate::support::programs::toy;
use crate::support::real;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);
/// What Prometheus sends.
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;q=0.5,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.1";

fn gateway(upstreams: &[(&str, Value)]) -> Gateway {
    let mut gateway = Gateway::new(upstreams);
    gateway.set("admin", json!({ "listen": "127.0.0.1:0" }));
    gateway
}

/// Where those who watch are answered, once that is said.
async fn watched(said: impl Fn() -> String) -> String {
    let find = || {
        let said = said();
        let line = said.lines().find_map(|it| it.strip_prefix("metrics and status at "));
        line.map(str::to_owned)
    };
    let found = timeout(LIMIT, async {
        loop {
            if let Some(found) = find() {
                return found;
            }
            sleep(POLL).await;
        }
    });
    found.await.expect("it says where")
}

struct Scrape {
    kind: String,
    text: String,
}

async fn scrape(origin: &str, accept: &str) -> Scrape {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = client.get(format!("{origin}/metrics")).header(ACCEPT, accept).send();
    let response = timeout(LIMIT, asked).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    let kind = response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    Scrape { kind, text: response.text().await.unwrap() }
}

/// What was turned away for this reason.
async fn refused(origin: &str, reason: &str) -> f64 {
    let samples = parsed(&scrape(origin, PROMETHEUS).await).await;
    value(&samples, "conflux_refusals_total", &json!({ "reason": reason }))
}

/// What a real parser makes of it.
async fn parsed(scrape: &Scrape) -> Vec<Value> {
    let is_open = scrape.kind == "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(is_open || scrape.kind == "text/plain; version=0.0.4; charset=utf-8");
    let mut command = tokio::process::Command::new(real::python_telemetry());
    command.arg(real::source().join("telemetry/metrics.py"));
    command.arg(if is_open { "openmetrics" } else { "classic" });
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(scrape.text.as_bytes()).await.unwrap();
    drop(stdin);
    let output = timeout(LIMIT, child.wait_with_output()).await.unwrap().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}\n{}", scrape.text);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The value of the one sample that has this name and, among others, these labels.
#[track_caller]
fn value(samples: &[Value], name: &str, labels: &Value) -> f64 {
    let fits = |sample: &&Value| {
        let wanted = labels.as_object().unwrap();
        sample["name"] == name && wanted.iter().all(|(key, it)| sample["labels"][key] == *it)
    };
    let found: Vec<_> = samples.iter().filter(fits).collect();
    let [only] = found[..] else { panic!("{name} {labels}: {found:?}") };
    only["value"].as_f64().unwrap()
}

#[track_caller]
fn check(samples: &[Value], expected: &[(&str, Value, u32)]) {
    for (name, labels, number) in expected {
        let found = value(samples, name, labels);
        assert!((found - f64::from(*number)).abs() < 1e-9, "{name} {labels}: {found}");
    }
}

#[tokio::test]
async fn a_real_parser_reads_what_happened() {
    let slow = with(toy(&[]).entry(), "timeout", json!({ "call": "300ms" }));
    let broken = json!({ "command": "sh", "args": ["-c", "exit 3"] });
    let off = with(toy(&[]).entry(), "disabled", json!(true));
    let upstreams = [("toy", toy(&[]).entry()), ("slow", slow), ("boom", broken), ("off", off)];
    let gateway = gateway(&upstreams);
    let server = Server::start(&gateway).await;
    let origin = watched(|| server.stderr()).await;
    for _ in 0..3 {
        server.call("toy__echo", json!({ "text": "x" })).reply().await.result();
    }
    server.call("toy__fail", json!({ "text": "x" })).reply().await.result();
    server.call("toy__refuse", json!({ "code": -32000, "message": "no" })).reply().await.code();
    server.call("slow__slow", json!({ "ms": 60_000 })).reply().await.result();
    server.call("boom__any", json!({})).reply().await.result();
    server.call("toy__no_such_tool", json!({})).reply().await.code();
    server.modern("tools/list", json!({})).reply().await.result();
    let strange = server.modern("tools/list", json!({})).header("Host", "evil.example").reply();
    assert_eq!(strange.await.status, 403);
    let session = server.session("2025-11-25", json!({})).await;

    let calls = |upstream: &str, outcome: &str| json!({ "upstream": upstream, "outcome": outcome, "mcp_method_name": "tools/call" });
    let of = |upstream: &str| json!({ "upstream": upstream });
    let of_calls =
        |upstream: &str| json!({ "upstream": upstream, "mcp_method_name": "tools/call" });
    let state = |upstream: &str, state: &str| json!({ "upstream": upstream, "state": state });
    let requests = "conflux_requests_total";
    let took = "mcp_server_operation_duration_seconds_count";
    let listed = json!({ "mcp_method_name": "tools/list", "upstream": "", "outcome": "ok" });
    let expected = [
        (requests, calls("toy", "ok"), 3),
        (requests, calls("toy", "tool_error"), 1),
        (requests, calls("toy", "refused"), 1),
        (requests, calls("slow", "timed_out"), 1),
        (requests, calls("boom", "failed"), 1),
        (requests, calls("", "refused"), 1),
        (requests, listed, 1),
        (took, of_calls("toy"), 5),
        (took, of_calls("slow"), 1),
        ("mcp_client_operation_duration_seconds_count", of_calls("toy"), 5),
        ("conflux_upstream_requests_total", calls("toy", "ok"), 3),
        ("conflux_upstream_requests_total", calls("slow", "timed_out"), 1),
        ("conflux_request_size_bytes_count", of("toy"), 5),
        ("conflux_upstream_starts_total", of("toy"), 1),
        ("conflux_upstream_restarts_total", of("toy"), 0),
        ("conflux_upstream_state", state("toy", "ready"), 1),
        ("conflux_upstream_state", state("toy", "idle"), 0),
        ("conflux_upstream_state", state("off", "disabled"), 1),
        ("conflux_upstream_state", state("boom", "ready"), 0),
        ("conflux_upstream_in_flight", of("toy"), 0),
        ("conflux_upstream_queue_length", of("toy"), 0),
        ("conflux_refusals_total", json!({ "reason": "unknown" }), 1),
        ("conflux_refusals_total", json!({ "reason": "stranger" }), 1),
        ("conflux_requests_in_flight", json!({}), 0),
        ("conflux_http_sessions", json!({}), 1),
        ("conflux_parked_requests", json!({}), 0),
        ("conflux_ready", json!({}), 1),
        ("conflux_build_info", json!({ "version": env!("CARGO_PKG_VERSION") }), 1),
    ];
    for accept in [PROMETHEUS, "*/*"] {
        let samples = parsed(&scrape(&origin, accept).await).await;
        check(&samples, &expected);
        assert!(value(&samples, "conflux_upstream_failures_total", &of("boom")) >= 1.0);
        assert!(value(&samples, "process_start_time_seconds", &json!({})) > 1.7e9);
        assert!(value(&samples, "conflux_response_size_bytes_sum", &of("toy")) > 10.0);
        assert!(value(&samples, "conflux_generation", &json!({})) >= 1.0);
    }
    // Nothing that clients made up is a label, and nobody's session is named.
    let text = scrape(&origin, PROMETHEUS).await.text;
    assert!(!text.contains("no_such_tool") && !text.contains(&session.id), "{text}");
    assert!(server.stop().await.0.success());
}

#[tokio::test]
async fn what_is_under_way_and_what_waits_is_seen() {
    let one = with(toy(&[]).entry(), "concurrency", json!({ "calls": 1, "queue": 8 }));
    let gateway = gateway(&[("toy", one)]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let origin = watched(|| client.stderr()).await;
    for _ in 0..3 {
        client
            .start("tools/call", json!({ "name": "toy__slow", "arguments": { "ms": 600_000 } }))
            .await;
    }
    let toy = json!({ "upstream": "toy" });
    timeout(LIMIT, async {
        loop {
            let samples = parsed(&scrape(&origin, "*/*").await).await;
            let found = ["conflux_upstream_in_flight", "conflux_upstream_queue_length"]
                .map(|name| value(&samples, name, &toy).to_string());
            if found == ["1", "2"] {
                check(&samples, &[("conflux_requests_in_flight", json!({}), 3)]);
                return;
            }
            sleep(POLL).await;
        }
    })
    .await
    .expect("one is under way, and two wait");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn ten_thousand_made_up_names_make_no_lines() {
    let mut gateway = gateway(&[("toy", toy(&[]).entry())]);
    gateway.set("admin", json!({ "listen": "127.0.0.1:0", "per_tool": true }));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let origin = watched(|| client.stderr()).await;
    client.call("toy__echo", json!({ "text": "x" })).await.result();
    client.request("made/up", json!({})).await.error();
    let before = scrape(&origin, PROMETHEUS).await.text;
    for batch in 0..100 {
        let mut ids = Vec::new();
        for number in 0..100 {
            let name = format!("toy__made_up_{batch}_{number}");
            ids.push(client.start("tools/call", json!({ "name": name })).await);
            ids.push(client.start(&format!("made/up_{batch}_{number}"), json!({})).await);
        }
        for id in ids {
            client.reply_to(id).await.error();
        }
    }
    let after = scrape(&origin, PROMETHEUS).await;
    let samples = parsed(&after).await;
    let echoed = json!({ "gen_ai_tool_name": "toy__echo", "outcome": "ok" });
    check(
        &samples,
        &[
            ("conflux_tool_calls_total", echoed, 1),
            ("conflux_refusals_total", json!({ "reason": "unknown" }), 20_001),
        ],
    );
    assert!(!after.text.contains("made_up"), "{}", after.text);
    // The calls are one more kind of ending, and that is all.
    let lines = [before.lines().count(), after.text.lines().count()];
    assert!(lines[1] < lines[0] + 60, "{lines:?}");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn those_who_watch_see_how_everything_is_and_web_pages_nothing() {
    let gateway = gateway(&[("toy", with(toy(&[]).entry(), "required", json!(true)))]);
    let server = Server::start_ready(&gateway).await;
    let origin = watched(|| server.stderr()).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str, host: Option<&str>, page: Option<&str>| {
        let mut asked = client.get(format!("{origin}{path}"));
        if let Some(host) = host {
            asked = asked.header(HOST, host);
        }
        if let Some(page) = page {
            asked = asked.header("Origin", page);
        }
        let response = asked.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    for (path, status) in
        [("/metrics", 200), ("/status", 200), ("/healthz", 200), ("/readyz", 200), ("/mcp", 404)]
    {
        assert_eq!(get(path, None, None).await.0, status, "{path}");
        let evil = get(path, Some("evil.example"), None).await;
        let page = get(path, None, Some("https://evil.example")).await;
        let is_probe = path.ends_with('z');
        let expected = if is_probe { 200 } else { 403 };
        assert_eq!((evil.0, page.0), (expected, expected), "{path}");
        assert!(!evil.1.contains("toy") && !page.1.contains("toy"), "{path}: {evil:?}");
    }
    let status: Value = serde_json::from_str(&get("/status", None, None).await.1).unwrap();
    let ready: Value = serde_json::from_str(&get("/readyz?verbose", None, None).await.1).unwrap();
    assert_eq!(status["upstreams"], ready["upstreams"]);
    assert_eq!(status["listening"], format!("{}/mcp", server.origin));
    let posted = client.post(format!("{origin}/metrics")).send().await.unwrap();
    assert_eq!(
        (posted.status().as_u16(), &posted.headers()["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
    let head = client.head(format!("{origin}/metrics")).send().await.unwrap();
    assert!(head.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"), "{head:?}");
    // Clients find no metrics where they are served.
    let elsewhere = server.request(reqwest::Method::GET, "/metrics").reply().await;
    assert_eq!(elsewhere.status, 404);
    assert!(server.stop().await.0.success());
}

#[tokio::test]
async fn the_flag_says_where_and_what_is_wrong_with_an_address_is_said() {
    let server = Server::start(&gateway(&[("toy", toy(&[]).entry())])).await;
    let taken = watched(|| server.stderr()).await;
    let taken = taken.strip_prefix("http://").unwrap();
    for (address, code, parts) in [
        (taken, 9, &["metrics and status", taken, "in use", "--admin"][..]),
        ("0.0.0.0:0", 3, &["--admin", "everybody", "admin.unauthenticated: true"][..]),
        ("localhost", 3, &["lacks the port", "localhost:9464"][..]),
    ] {
        let other = Gateway::new(&[("toy", toy(&[]).entry())]);
        let mut command = other.command();
        command.args(["--admin", address]).stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(LIMIT, command.output()).await.unwrap().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
    }
}

#[tokio::test]
async fn what_limits_records_and_kept_results_do_is_counted() {
    let entry = with(toy(&["--era", "dual"]).entry(), "cache", json!({ "tools": ["count"] }));
    let few = json!({ "per": "tool", "tools": ["toy__echo"], "rate": "1/h" });
    let mut gateway = gateway(&[("toy", entry)]).limit("quotas", json!([few]));
    gateway.set("audit", json!("on"));
    let server = Server::start(&gateway).await;
    let origin = watched(|| server.stderr()).await;
    for _ in 0..3 {
        server.call("toy__echo", json!({})).reply().await.result();
        server.call("toy__count", json!({})).reply().await.result();
    }
    let samples = parsed(&scrape(&origin, PROMETHEUS).await).await;
    let toy = json!({ "upstream": "toy" });
    let reason = |reason: &str| json!({ "reason": reason });
    check(
        &samples,
        &[
            ("conflux_refusals_total", reason("rate_limited"), 2),
            ("conflux_refusals_total", reason("denied"), 0),
            ("conflux_cache_hits_total", toy, 2),
            ("conflux_cache_results", json!({}), 1),
            ("conflux_quota_counters", json!({}), 1),
            ("conflux_audit_lost_records_total", json!({}), 0),
        ],
    );
    // Whether any of them still wait is up to the disk.
    value(&samples, "conflux_audit_queue_length", &json!({}));
    let labels = json!({ "upstream": "toy", "outcome": "ok", "mcp_method_name": "tools/call" });
    let kept = value(&samples, "conflux_requests_total", &labels);
    assert!((kept - 4.0).abs() < 1e-9, "{kept}: kept results are of their upstream");
    assert!(server.stop().await.0.success());
    let found = gateway.conflux(&["audit", "search", "--json"]).output().await.unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert_eq!(found.matches(r#""cached":true"#).count(), 2, "{found}");
}

#[tokio::test]
async fn who_may_not_is_counted_and_nobody_is_named() {
    let mut gateway = gateway(&[("toy", toy(&["--era", "dual"]).entry())]);
    gateway.set("auth", json!({}));
    let args = ["token", "create", "very-private-name", "--tool", "toy__count"];
    let created = gateway.conflux(&args).output().await.unwrap();
    let token = String::from_utf8(created.stdout).unwrap().trim().to_owned();
    let server = Server::start(&gateway).await;
    let origin = watched(|| server.stderr()).await;
    let bearing = format!("Bearer {token}");
    assert_eq!(server.call("toy__echo", json!({})).reply().await.status, 401);
    // First, so that it is known what there is: nobody waits for what they may not see.
    server.call("toy__count", json!({})).header("Authorization", &bearing).reply().await.result();
    server.call("toy__echo", json!({})).header("Authorization", &bearing).reply().await.code();
    assert!((refused(&origin, "unauthenticated").await - 1.0).abs() < 1e-9);
    // To its client, it is like what there is not.
    assert!((refused(&origin, "denied").await - 1.0).abs() < 1e-9);
    assert!((refused(&origin, "unknown").await).abs() < 1e-9);
    let text = scrape(&origin, PROMETHEUS).await.text;
    assert!(!text.contains("private") && !text.contains(&token), "{text}");
}

#[tokio::test]
async fn what_a_policy_refuses_is_counted_and_what_it_would() {
    let rules = json!([
        { "allow": "toy__echo" },
        { "deny": "toy__echo", "arguments": { "text": "rm *" } },
    ]);
    let shadow = "conflux_policy_shadow_refusals_total";
    for (is_shadow, denied, in_shadow) in [(false, 2.0, 0), (true, 0.0, 2)] {
        let mut gateway = gateway(&[("toy", toy(&[]).entry())]);
        gateway.set("policy", json!({ "shadow": is_shadow, "rules": rules }));
        let server = Server::start(&gateway).await;
        let origin = watched(|| server.stderr()).await;
        // What is not listed yet is not there for anybody.
        server.modern("tools/list", json!({})).reply().await.result();
        server.call("toy__echo", json!({ "text": "ls" })).reply().await.result();
        server.call("toy__echo", json!({ "text": "rm x" })).reply().await;
        server.call("toy__count", json!({})).reply().await;
        let found = refused(&origin, "denied").await;
        assert!((found - denied).abs() < 1e-9, "{found}");
        let samples = parsed(&scrape(&origin, PROMETHEUS).await).await;
        check(&samples, &[(shadow, json!({}), in_shadow)]);
    }
}
