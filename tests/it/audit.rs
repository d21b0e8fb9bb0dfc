//! Proof of who called what: what is recorded, what it shows when it is changed, and what becomes
//! of calls that cannot be recorded.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value;
use serde_json::json;
use tokio::process::Command;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server;
use crate::support::output::run;
use crate::support::output::stderr;
use crate::support::output::stdout;
use crate::support::programs::toy;
use crate::support::reader::Reader;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);
/// What was given to an upstream, and what looks like a token.
const CANARY: &str = "canary-of-the-configuration";
const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ";

fn audited(audit: Value) -> Gateway {
    let slow = with(toy(&[]).entry(), "timeout", json!({ "call": "300ms" }));
    let env = json!({ "CANARY": CANARY, "API_TOKEN": CANARY });
    let mut gateway = Gateway::new(&[("toy", with(toy(&[]).entry(), "env", env)), ("slow", slow)]);
    gateway.set("audit", audit);
    gateway
}

fn directory(gateway: &Gateway) -> PathBuf {
    gateway.path().join("state/audit")
}

/// The directories of streams, the oldest first.
fn streams(gateway: &Gateway) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory(gateway)) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut streams: Vec<_> = paths.collect();
    streams.sort();
    streams
}

fn segments(stream: &Path) -> Vec<PathBuf> {
    let mut segments: Vec<_> =
        fs::read_dir(stream).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    segments
}

/// All lines of all streams.
fn lines(gateway: &Gateway) -> Vec<Value> {
    let segments = streams(gateway).into_iter().flat_map(|stream| segments(&stream));
    let text: String = segments.map(|path| fs::read_to_string(path).unwrap()).collect();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Waits until so many lines of this kind are there.
async fn recorded(gateway: &Gateway, kind: &str, count: usize) -> Vec<Value> {
    let wait = async {
        loop {
            let mut lines = lines(gateway);
            lines.retain(|line| line["kind"] == kind);
            if lines.len() >= count {
                return lines;
            }
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, wait).await.expect("it is recorded")
}

async fn verified(gateway: &Gateway) -> Value {
    let output = run(gateway, &["audit", "verify", "--json"]).await;
    let said = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(0), "{said:?}");
    serde_json::from_str(&said.0).unwrap()
}

/// What stands in a record, key by key.
fn told<'a>(line: &'a Value, keys: &[&str]) -> Vec<&'a str> {
    keys.iter().map(|key| line[key].as_str().unwrap_or("-")).collect()
}

const KEYS: [&str; 5] = ["kind", "upstream", "tool", "decision", "outcome"];

#[tokio::test]
async fn every_decision_and_every_request_is_recorded() {
    let gateway = audited(json!("on"));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.request("tools/list", json!({})).await.result();
    client.call("toy__echo", json!({ "text": "hello" })).await.result();
    client.call("toy__fail", json!({ "text": "x" })).await.result();
    client.call("toy__no_such_tool", json!({ "text": "x" })).await.error();
    client.call("slow__slow", json!({ "ms": 60_000 })).await.result();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let uri = "no-such://place/x?key=private#part";
    let read = json!({ "uri": uri, "_meta": { "traceparent": parent } });
    client.request("resources/read", read).await.error();
    client.request("no/such/method", json!({})).await.error();
    let process = client.process_id();
    assert!(client.leave().await.success());
    let lines = lines(&gateway);
    let of_calls = |line: &&Value| line["tool"].is_string();
    let shown: Vec<_> = lines.iter().filter(of_calls).map(|line| told(line, &KEYS)).collect();
    assert_eq!(
        shown,
        [
            ["decision", "toy", "toy__echo", "allow", "-"],
            ["request", "toy", "toy__echo", "-", "ok"],
            ["decision", "toy", "toy__fail", "allow", "-"],
            ["request", "toy", "toy__fail", "-", "tool_error"],
            ["request", "-", "toy__no_such_tool", "-", "unknown"],
            ["decision", "slow", "slow__slow", "allow", "-"],
            ["request", "slow", "slow__slow", "-", "timed_out"],
        ]
    );
    let find = |key: &str, value: &str| {
        lines.iter().find(|line| line[key] == value).unwrap_or_else(|| panic!("{key}: {value}"))
    };
    let decision = find("tool", "toy__echo");
    assert_eq!((&decision["principal"], &decision["local"]), (&json!("process"), &json!("echo")));
    assert_eq!(decision["client"]["name"], "wire");
    assert_eq!(decision["arguments"], json!({ "text": "hello" }));
    assert!(decision["session"].is_u64() && decision["generation"].is_u64(), "{decision}");
    let request = lines.iter().find(|line| line["outcome"] == "ok" && line["tool"].is_string());
    let request = request.unwrap();
    assert_eq!(request["event"], decision["event"]);
    assert!(request["arguments"].is_null(), "once is enough: {request}");
    assert!(request["duration_us"].as_u64().unwrap() > 0, "{request}");
    assert!(request["bytes_in"].as_u64() > Some(5) && request["bytes_out"].as_u64() > Some(5));
    assert_eq!(find("tool", "toy__no_such_tool")["arguments"], json!({ "text": "x" }));
    let read = find("method", "resources/read");
    assert_eq!(told(read, &["uri", "outcome"]), ["no-such://place/x", "unknown"]);
    assert_eq!(read["trace"], "0af7651916cd43dd8448eb211c80319c");
    for (method, outcome) in
        [("initialize", "ok"), ("tools/list", "ok"), ("no/such/method", "unknown")]
    {
        assert_eq!(find("method", method)["outcome"], outcome);
    }
    // In order, one by one, and in files that nobody else reads.
    let numbers: Vec<_> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "{numbers:?}");
    assert_eq!(lines[0]["pid"], process);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let stream = streams(&gateway).remove(0);
    assert_eq!((mode(&directory(&gateway)), mode(&stream)), (0o700, 0o700));
    assert_eq!(mode(&segments(&stream)[0]), 0o600);
    let report = verified(&gateway).await;
    assert_eq!(report["streams"][0]["state"], "closed", "{report}");
}

#[tokio::test]
async fn nothing_is_recorded_unless_somebody_says_so() {
    let mut gateway = audited(json!("off"));
    gateway.set("audit", Value::Null);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.call("toy__echo", json!({})).await.result();
    assert!(client.leave().await.success());
    assert!(!directory(&gateway).exists());
    let output = run(&gateway, &["audit", "verify"]).await;
    assert_eq!(stdout(&output), "there are no records\n");
}

#[tokio::test]
async fn no_secret_is_recorded() {
    let gateway = audited(json!("on"));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let arguments = json!({
        "text": format!("say {CANARY} and {TOKEN}"),
        "password": "hunter2-hunter2",
        "nested": [{ "api_key": { "deep": "hunter2-hunter2" } }],
        CANARY: 1,
        "long": format!("{}{CANARY}{}", "x".repeat(3000), "y".repeat(3000)),
    });
    client.call("toy__echo", arguments.clone()).await.result();
    client.call(&format!("toy__{CANARY}"), arguments.clone()).await.error();
    client.call(TOKEN, json!({ "x": "z".repeat(100_000) })).await.error();
    let huge = json!({ "x": "z".repeat(100_000), "text": format!("{CANARY} {TOKEN}") });
    client.call("toy__echo", huge).await.result();
    client.request("resources/read", json!({ "uri": format!("x://{CANARY}/{TOKEN}") })).await;
    assert!(client.leave().await.success());
    let text: String = lines(&gateway).iter().map(Value::to_string).collect();
    for secret in [CANARY, TOKEN, "hunter2"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.contains("say *** and ***"), "{text}");
    let lines = lines(&gateway);
    let large = lines.iter().find(|line| line["arguments"]["$cut"].is_object()).unwrap();
    assert!(large["arguments"]["$cut"]["bytes"].as_u64().unwrap() > 100_000, "{large}");
    assert!(large.to_string().len() < 10_000, "{large}");
    verified(&gateway).await;
}

#[tokio::test]
async fn what_was_changed_is_found_and_said() {
    let gateway = audited(json!("on"));
    for text in ["one", "two"] {
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        client.call("toy__echo", json!({ "text": text })).await.result();
        assert!(client.leave().await.success());
    }
    let all = streams(&gateway);
    let path = segments(&all[0]).remove(0);
    let before = fs::read_to_string(&path).unwrap();
    fs::write(&path, before.replace("toy__echo", "toy__ohce")).unwrap();
    let name = all[0].file_name().unwrap().to_str().unwrap();
    let other = all[1].file_name().unwrap().to_str().unwrap();
    fs::remove_dir_all(&all[1]).unwrap();
    let output = run(&gateway, &["audit", "verify"]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output).replace(name, "{stream}").replace(other, "{other}");
    let said = said.replace(directory(&gateway).to_str().unwrap(), "{directory}");
    insta::assert_snapshot!(said, @r"
    error: the records in `{directory}` are not as they were written
      caused by: {stream}, segment 1, line 4: it does not follow the line before it: one of them was changed, or lines were added, removed or moved
      caused by: {other}: the whole stream is missing

    hint: keep a copy of all of it as it is now; what stands before the first place that is named can be trusted up to its last checkpoint
    ");
    fs::write(&path, before).unwrap();
    let output = run(&gateway, &["audit", "verify", "--json"]).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["intact"], report["findings"].as_array().unwrap().len()),
        (&json!(false), 1)
    );
}

/// Waits until the status says something about the audit.
async fn status(gateway: &Gateway, is_so: impl Fn(&Value) -> bool) -> Value {
    let wait = async {
        loop {
            let output = run(gateway, &["status", "--json"]).await;
            let document: Value = serde_json::from_slice(&output.stdout).unwrap();
            if is_so(&document["audit"]) {
                return document["audit"].clone();
            }
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, wait).await.expect("it is told")
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_what_it_recorded() {
    let audit = json!({ "mode": "on", "checkpoint": { "records": 5, "time": "1h" } });
    let gateway = audited(audit);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    for _ in 0..10 {
        client.call("toy__echo", json!({})).await.result();
    }
    recorded(&gateway, "request", 11).await;
    let running = verified(&gateway).await;
    assert_eq!(running["streams"][0]["state"], "running", "{running}");
    kill(Pid::from_raw(client.process_id().try_into().unwrap()), Signal::SIGKILL).unwrap();
    client.wait().await;
    let killed = verified(&gateway).await;
    assert_eq!(killed["streams"][0]["state"], "cut_off", "{killed}");
    assert!(killed["streams"][0]["unsealed"].as_u64().unwrap() < 10, "{killed}");
    // The next one signs what was left; from then on nothing of it can go.
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.call("toy__echo", json!({})).await.result();
    assert!(client.leave().await.success());
    let later = verified(&gateway).await;
    assert_eq!(later["streams"][0]["state"], "sealed_later", "{later}");
    let path = segments(&streams(&gateway)[0]).remove(0);
    let text = fs::read_to_string(&path).unwrap();
    let end = text.trim_end().rfind('\n').unwrap();
    fs::write(&path, &text[..=end]).unwrap();
    let output = run(&gateway, &["audit", "verify"]).await;
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn several_gateways_record_side_by_side_through_many_segments() {
    let audit = json!({
        "mode": "on",
        "segment": "64KiB",
        "checkpoint": { "records": 20, "time": "100ms" },
    });
    let gateway = audited(audit);
    let mut clients = Vec::new();
    for _ in 0..2 {
        clients.push(gateway.legacy("2025-11-25", json!({})).await);
    }
    let filler = "x".repeat(1500);
    for _ in 0..60 {
        for client in &mut clients {
            client.call("toy__echo", json!({ "text": filler })).await.result();
        }
    }
    let checkpoint = status(&gateway, |audit| audit["checkpoint"]["text"].is_string());
    drop(timeout(Duration::from_millis(1), checkpoint).await);
    for client in clients {
        assert!(client.leave().await.success());
    }
    let report = verified(&gateway).await;
    let streams = report["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 2);
    for stream in streams {
        assert_eq!(stream["records"], 121, "{report}");
        assert!(stream["segments"].as_u64().unwrap() > 1, "{report}");
    }
    let found =
        run(&gateway, &["audit", "search", "--tool", "toy__*", "--kind", "request", "--json"]);
    let found = stdout(&found.await);
    assert_eq!(found.lines().count(), 100);
}

/// The gateway with files no larger than so many blocks.
fn confined(gateway: &Gateway, blocks: u32) -> Command {
    let serve = gateway.command();
    let serve = serve.as_std();
    let program = serve.get_program().to_str().unwrap();
    let args: Vec<_> = serve.get_args().map(|arg| arg.to_str().unwrap()).collect();
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec '{program}' {}", args.join(" "));
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(gateway.path()).env_clear();
    command.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[tokio::test]
async fn a_full_disk_stops_no_call_and_what_is_lost_is_counted() {
    let gateway = audited(json!("on"));
    let mut client = Client::spawn(&mut confined(&gateway, 16));
    client.initialize("2025-11-25", json!({})).await.result();
    // What is smaller than what did not fit may fit for a while.
    let full = async {
        loop {
            client.call("toy__echo", json!({ "text": "x".repeat(1000) })).await.result();
            let audit = status(&gateway, |_| true).await;
            if audit["lost"].as_u64() > Some(0) && audit["problem"].is_string() {
                return audit;
            }
        }
    };
    let audit = timeout(LIMIT, full).await.expect("records are lost");
    assert!(audit["problem"].as_str().unwrap().contains("too large"), "{audit}");
    let shown = stdout(&run(&gateway, &["status"]).await);
    assert!(shown.contains("records cannot be written"), "{shown}");
    let doctor = stdout(&run(&gateway, &["doctor"]).await);
    assert!(doctor.contains("CFX018"), "{doctor}");
    client.wait_for_stderr("audit records cannot be written").await;
    assert!(client.leave().await.success());
    // What was written before is whole.
    verified(&gateway).await;
}

#[tokio::test]
async fn what_must_be_recorded_and_cannot_be_is_not_carried_out() {
    let mut gateway = audited(json!({ "mode": "required", "directory": "occupied" }));
    gateway.write("occupied", "");
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let before = client.call("toy__count", json!({})).await;
    let refused = before.result();
    assert_eq!(refused["isError"], true);
    let error = &refused["_meta"]["dev.conflux/error"];
    let known = ["kind", "executed", "retry_after_ms"].map(|key| &error[key]);
    assert_eq!(known, [&json!("unrecorded"), &json!("no"), &Value::Null]);
    let said = before.text();
    assert!(said.contains("not carried out") && said.contains("is no directory"), "{said}");
    assert!(said.contains("conflux status"), "{said}");
    let read = client.request("resources/read", json!({ "uri": "toy://static/1" })).await;
    assert!(read.error()["message"].as_str().unwrap().contains("not carried out"));
    // Lists and the status are answered: nothing is carried out for them.
    client.request("tools/list", json!({})).await.result();
    client.call("conflux__status", json!({})).await.result();
    // Nothing else is in the way once it can be recorded.
    fs::remove_file(gateway.path().join("occupied")).unwrap();
    let counted = client.call("toy__count", json!({})).await.result();
    assert_eq!(counted["isError"], Value::Null, "{counted}");
    assert!(client.leave().await.success());
    let lines = fs::read_dir(gateway.path().join("occupied")).unwrap().count();
    assert!(lines > 2);
    gateway.set("audit", json!({ "mode": "on", "directory": "occupied" }));
    let report = verified(&gateway).await;
    assert!(report["streams"][0]["lost"].as_u64() > Some(1), "{report}");
}

#[tokio::test]
async fn who_is_turned_away_at_the_door_is_recorded_with_the_address() {
    let gateway = audited(json!("on"));
    let server = Server::start_ready(&gateway).await;
    let session = server.session("2025-11-25", json!({})).await;
    session.call(1, "toy__echo", json!({})).reply().await.result();
    let reply = server.modern("tools/list", json!({})).header("Host", "evil.example").reply().await;
    assert_eq!(reply.status, 403);
    let lines = recorded(&gateway, "request", 3).await;
    let away = lines.iter().find(|line| line["outcome"] == "denied").unwrap();
    assert!(away["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{away}");
    assert!(away["reason"].as_str().unwrap().contains("not known as"), "{away}");
    let call = lines.iter().find(|line| line["method"] == "tools/call").unwrap();
    assert_eq!(call["principal"], "anonymous");
    let (status, _) = server.stop().await;
    assert!(status.success());
    verified(&gateway).await;
}

/// A line with what differs from run to run left out.
fn without_times(line: &str) -> String {
    let word = |word: &str| match word {
        time if time.ends_with('Z') && time.contains(':') => "{time}".to_owned(),
        took if took.ends_with("us") || took.ends_with("ms") => "{took}".to_owned(),
        other => other.to_owned(),
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn records_are_searched_and_followed() {
    let gateway = audited(json!({ "mode": "on", "checkpoint": { "time": "100ms" } }));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let mut follower = Reader::spawn(gateway.conflux(&["audit", "tail", "--follow"]));
    follower.line_with("OUTCOME").await;
    client.call("toy__echo", json!({ "text": "x" })).await.result();
    client.call("toy__fail", json!({ "text": "x" })).await.result();
    client.request("resources/read", json!({ "uri": "toy://static/1" })).await.result();
    follower.line_with("toy__fail (toy)").await;
    client.call("toy__no_such_tool", json!({})).await.error();
    assert!(client.leave().await.success());
    follower.line_with("toy__no_such_tool").await;
    assert_eq!(follower.interrupt().await.code(), Some(0));
    let shown = async |args: &[&str]| {
        let output = run(&gateway, args).await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let lines: Vec<_> = stdout(&output).lines().map(without_times).collect();
        lines.join("\n")
    };
    insta::assert_snapshot!(shown(&["audit", "search"]).await, @r"
    TIME KIND OUTCOME TOOK PRINCIPAL WHAT
    {time} request ok {took} process initialize
    {time} decision allow process toy__echo (toy)
    {time} request ok {took} process toy__echo (toy)
    {time} decision allow process toy__fail (toy)
    {time} request tool_error {took} process toy__fail (toy)
    {time} decision allow process resources/read toy://static/1 (toy)
    {time} request ok {took} process resources/read toy://static/1 (toy)
    {time} request unknown {took} process toy__no_such_tool
    ");
    assert_eq!(shown(&["audit", "tail"]).await, shown(&["audit", "search"]).await);
    let found = shown(&["audit", "search", "--outcome", "tool_error"]).await;
    insta::assert_snapshot!(found, @r"
    TIME KIND OUTCOME TOOK PRINCIPAL WHAT
    {time} request tool_error {took} process toy__fail (toy)
    ");
    let none = run(&gateway, &["audit", "search", "--principal", "nobody"]).await;
    assert!(stderr(&none).contains("no record"), "{}", stderr(&none));
    let last = shown(&["audit", "tail", "--lines", "1", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&last).unwrap()["outcome"], "unknown");
    // A checkpoint that was kept elsewhere is compared with.
    let output = run(&gateway, &["audit", "verify", "--checkpoint", "conflux-audit:1:x"]).await;
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn a_checkpoint_is_logged_and_finds_that_all_was_replaced() {
    let gateway = audited(json!({ "mode": "on", "checkpoint": { "records": 1 } }));
    let mut command = gateway.command();
    command.env("CONFLUX_LOG", "info");
    let mut client = Client::spawn(&mut command);
    client.initialize("2025-11-25", json!({})).await.result();
    client.call("toy__echo", json!({})).await.result();
    let log = client.wait_for_stderr("conflux-audit:1:").await;
    let start = log.find("conflux-audit:1:").unwrap();
    let kept: String =
        log[start..].chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
    assert!(client.leave().await.success());
    let compared = async || run(&gateway, &["audit", "verify", "--checkpoint", &kept]).await;
    let output = compared().await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // With the key, all of it can be made anew.
    fs::remove_dir_all(directory(&gateway)).unwrap();
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.call("toy__echo", json!({})).await.result();
    assert!(client.leave().await.success());
    verified(&gateway).await;
    let output = compared().await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("which the checkpoint is of"), "{}", stderr(&output));
}
