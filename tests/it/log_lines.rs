//! What is logged, for people and for machines, and the id that leads from one to the other.

use serde_json::Value;
use serde_json::json;

use crate::support::collector::Collector;
use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server;
use crate::support::programs::toy;
use crate::support::reader::Reader;
use crate::support::wire_client::Client;

const SECRET: &str = "s3cr3t \"value\" of a variable";

/// Every line on stderr, each of which must be an object.
#[track_caller]
fn lines(stderr: &str) -> Vec<Value> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    stderr.lines().map(read).collect()
}

fn ended<'a>(lines: &'a [Value], name: &str) -> &'a Value {
    let fits = |line: &&Value| line["message"] == "a request ended" && line["name"] == name;
    lines.iter().find(fits).unwrap_or_else(|| panic!("{name}: {lines:#?}"))
}

#[tokio::test]
async fn every_line_is_an_object_and_no_secret_is_in_one() {
    let entry = with(toy(&[]).entry(), "env", json!({ "TOKEN": "${TOKEN}" }));
    let mut gateway = Gateway::new(&[("toy", entry)]);
    gateway.set("admin", json!({ "listen": "127.0.0.1:0" }));
    let mut command = gateway.command();
    command.args(["--log-format", "json", "--log", "trace"]).env("TOKEN", SECRET);
    let mut client = Client::spawn(&mut command);
    client.modern(json!({}));
    client.call("toy__echo", json!({ "text": "very private" })).await.result();
    client.call("toy__stderr", json!({ "text": SECRET })).await.result();
    client.call(&format!("toy__{SECRET}"), json!({})).await.code();
    client.wait_for_stderr(r#""name":"toy__***""#).await;
    let stderr = client.stderr();
    assert!(client.leave().await.success());
    let lines = lines(&stderr);
    for line in &lines {
        for key in ["time", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
    }
    assert!(!stderr.contains("s3cr3t") && !stderr.contains("very private"), "{stderr}");
    // What is said to a person is said to a machine, too.
    let said = lines.iter().find(|line| line["target"] == "conflux::cli").unwrap();
    assert!(said["message"].as_str().unwrap().starts_with("metrics and status at "), "{said}");
    assert!(lines.iter().all(|line| line["target"] != "log" && line["log.line"].is_null()));
    let line = ended(&lines, "toy__echo");
    let expected = json!({
        "level": "INFO", "target": "conflux::router::calls", "method": "tools/call",
        "upstream": "toy", "outcome": "ok", "principal": "process",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&line[key], value, "{line}");
    }
    assert!(line["ms"].is_u64() && line["bytes_out"].as_u64().unwrap() > 0, "{line}");
    assert_eq!(line["id"].as_str().unwrap().len(), 16);
    assert_eq!(ended(&lines, "toy__***")["why"], "unknown");
}

#[tokio::test]
async fn texts_are_texts_in_an_object() {
    let mut gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    gateway.set("auth", json!({}));
    let mut command = gateway.command();
    command.args(["--log-format", "json", "--log", "info"]);
    let server = Server::start_by(command).await;
    assert_eq!(server.modern("tools/list", json!({})).reply().await.status, 401);
    let (_, stderr) = server.stop().await;
    let lines = lines(&stderr);
    let refused = lines.iter().find(|line| line["message"] == "refused").unwrap();
    assert_eq!((&refused["method"], &refused["path"]), (&json!("POST"), &json!("/mcp")));
    assert!(refused["reason"].as_str().unwrap().starts_with("a token is needed"), "{refused}");
}

#[tokio::test]
async fn one_id_is_in_all_that_is_noted_of_a_request() {
    let collector = Collector::start().await;
    let broken = json!({ "command": "sh", "args": ["-c", "exit 3"] });
    let mut gateway = Gateway::new(&[("toy", toy(&[]).entry()), ("boom", broken)]);
    gateway.set("telemetry", json!({ "otlp": { "endpoint": collector.url } }));
    gateway.set("audit", json!("on"));
    let server = Server::start_logging(&gateway, "conflux::router::calls=info").await;
    let mut tail = Reader::spawn(gateway.conflux(&["tail", "--json"]));
    let told = loop {
        // It says nothing before there is something to say.
        server.call("toy__echo", json!({ "text": "x" })).reply().await.result();
        if tail.has_line(std::time::Duration::from_millis(50)).await {
            server.call("toy__count", json!({})).reply().await.result();
            break serde_json::from_str::<Value>(&tail.line_with("toy__count").await).unwrap();
        }
    };
    let [id, trace] = ["id", "trace"].map(|key| told[key].as_str().unwrap().to_owned());
    let failed = server.call("boom__any", json!({})).reply().await.result();
    let told_client = failed["_meta"]["dev.conflux/error"]["id"].as_str().unwrap().to_owned();
    let (status, stderr) = server.stop().await;
    assert!(status.success());
    let line = stderr.lines().find(|line| line.contains("toy__count")).unwrap();
    assert!(line.contains(&format!("id={id} trace=\"{trace}\"")), "{line}");
    let spans = collector.wait(2, |span| span["trace"] == trace).await;
    assert_eq!((&spans[0]["name"], &spans[0]["id"]), (&json!("tools/call toy__count"), &json!(id)));
    let records = records(&gateway);
    let of = |tool: &str, key: &str| -> Vec<&Value> {
        records.iter().filter(|record| record["tool"] == tool).map(|record| &record[key]).collect()
    };
    // The decision and the end.
    assert_eq!(of("toy__count", "event"), [&id, &id]);
    assert_eq!(of("toy__count", "trace"), [&trace, &trace]);
    // A client that is told that something failed can say what it was told.
    assert!(of("boom__any", "event").iter().all(|event| **event == told_client), "{records:#?}");
    assert!(stderr.contains(&format!("id={told_client}")), "{stderr}");
    let failed = collector.wait(1, |span| span["id"] == told_client).await;
    assert_eq!(of("boom__any", "trace")[0], &failed[0]["trace"]);
    assert!(tail.interrupt().await.code().is_some());
}

/// Everything that was recorded.
fn records(gateway: &Gateway) -> Vec<Value> {
    let streams = std::fs::read_dir(gateway.path().join("state/audit")).unwrap();
    let streams = streams.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = streams.flat_map(|stream| std::fs::read_dir(stream).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    let segments = files.filter(|path| path.extension().is_some_and(|it| it == "jsonl"));
    let texts: Vec<_> = segments.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    texts.iter().flat_map(|text| lines(text)).collect()
}

#[tokio::test]
async fn the_trace_that_a_client_names_is_said_though_nothing_is_traced() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let mut gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    gateway.set("audit", json!("on"));
    let mut client = gateway.modern(json!({}));
    for _ in 0..2 {
        let meta = json!({ "traceparent": format!("00-{TRACE}-b7ad6b7169203331-01") });
        let params = json!({ "name": "toy__echo", "arguments": {}, "_meta": meta });
        client.request("tools/call", params).await.result();
    }
    assert!(client.leave().await.success());
    let mut records = records(&gateway);
    records.retain(|record| record["tool"] == "toy__echo");
    assert!(records.iter().all(|record| record["trace"] == TRACE), "{records:#?}");
    // What a client says does not make two requests one.
    let ids: Vec<_> = records.iter().map(|record| &record["event"]).collect();
    assert!(ids[0] == ids[1] && ids[2] == ids[3] && ids[0] != ids[2], "{ids:?}");
}

#[tokio::test]
async fn a_format_that_there_is_not_is_said() {
    let gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    for (flag, variable) in [(Some("xml"), None), (None, Some("xml"))] {
        let mut command = gateway.conflux(&["check"]);
        command.args(flag.map(|format| format!("--log-format={format}")));
        command.envs(variable.map(|format| ("CONFLUX_LOG_FORMAT", format)));
        let output = command.output().await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("xml") && stderr.contains("json"), "{stderr}");
    }
}
