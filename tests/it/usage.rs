//! When a tool was called last is remembered between runs: its name and a day, and nothing else.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use std::time::SystemTime;

use serde_json::Value;
use serde_json::json;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::programs::toy;
use crate::support::wire_client::LIMIT;

/// The file of the only upstream.
fn file(gateway: &Gateway) -> PathBuf {
    let files = fs::read_dir(gateway.path().join("state/usage")).unwrap();
    let files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

fn tools(gateway: &Gateway) -> Value {
    let text = fs::read_to_string(file(gateway)).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["tools"].clone()
}

/// Today; the tests of midnight are those that may have two.
fn days() -> [String; 2] {
    let now = SystemTime::now();
    [now - Duration::from_hours(1), now].map(|time| {
        let text = humantime::format_rfc3339_seconds(time).to_string();
        text.split('T').next().unwrap().to_owned()
    })
}

#[track_caller]
fn is_today(day: &Value) -> bool {
    days().iter().any(|known| day == known)
}

async fn conflux(gateway: &Gateway, args: &[&str]) -> String {
    let mut command = gateway.conflux(args);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(LIMIT, output).await.expect("it ends").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_call_is_remembered_by_day_whoever_makes_it() {
    let gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    conflux(&gateway, &["tools"]).await;
    let listed = tools(&gateway);
    assert!(is_today(&listed["echo"]["since"]), "{listed}");
    assert_eq!(listed["echo"]["called"], Value::Null);

    // Two that run at the same time, and a command.
    let mut clients = Vec::new();
    for tool in ["toy__echo", "toy__process"] {
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        client.call(tool, json!({ "text": "a secret argument" })).await.result();
        clients.push(client);
    }
    conflux(&gateway, &["call", "toy__count"]).await;
    for client in clients {
        assert!(client.leave().await.success());
    }
    let called = tools(&gateway);
    for tool in ["echo", "process", "count"] {
        assert!(is_today(&called[tool]["called"]), "{tool}: {called}");
    }
    let idle = |(_, tool): (&String, &Value)| tool["called"].is_null();
    assert!(called.as_object().unwrap().iter().any(idle), "{called}");
    assert!(!fs::read_to_string(file(&gateway)).unwrap().contains("secret"));
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_said_to_be() {
    let gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    conflux(&gateway, &["tools"]).await;
    let path = file(&gateway);
    fs::write(&path, "what is this").unwrap();
    let said = conflux(&gateway, &["--log", "warn", "tools"]).await;
    assert!(said.contains("when tools were called is begun anew"), "{said}");
    assert_eq!(fs::read_to_string(path.with_extension("broken")).unwrap(), "what is this");
    let text = fs::read_to_string(&path).unwrap();
    assert!(serde_json::from_str::<Value>(&text).unwrap()["tools"]["echo"].is_object(), "{text}");

    // Where nothing can be kept, everything else works.
    let nowhere = gateway.write("no-directory", "");
    let mut command = gateway.conflux(&["tools"]);
    command.env("CONFLUX_STATE", nowhere.join("state")).stdin(Stdio::null());
    let output = timeout(LIMIT, command.output()).await.expect("it ends").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn another_server_under_the_same_key_was_never_called() {
    let mut gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    conflux(&gateway, &["call", "toy__echo", "--args", "{\"text\":\"x\"}"]).await;
    let before = file(&gateway);
    assert!(is_today(&tools(&gateway)["echo"]["called"]));
    fs::rename(&before, gateway.path().join("before.json")).unwrap();
    gateway.add("toy", with(toy(&[]).entry(), "env", json!({ "OTHER": "1" })));
    conflux(&gateway, &["tools"]).await;
    assert_ne!(file(&gateway), before);
    assert_eq!(tools(&gateway)["echo"]["called"], Value::Null);
}
