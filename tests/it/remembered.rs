//! What upstreams listed last is shown at the next start, whatever became of them since.

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::inventory::LISTS;
use crate::support::programs::Program;
use crate::support::programs::toy;
use crate::support::remote::Remote;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;
use crate::support::wire_client::MODERN;

const CHANGED: &str = "notifications/tools/list_changed";
/// Longer than a client of these tests waits for an answer: who waits for this fails.
const NEVER: &str = "1m";

/// A gateway before toys whose flags can change between starts, while their entries stay.
fn gateway(toys: &[(&str, &str)]) -> Gateway {
    let mut gateway = Gateway::new(&[]).limit("start_budget", json!(NEVER));
    for (name, flags) in toys {
        give(&gateway, name, flags);
        let script = format!("exec {} $(cat {name}.flags)", toy(&[]).path);
        let directory = gateway.path().to_owned();
        let entry = Program::new("sh").args(&["-c", &script]).entry();
        let entry = with(entry, "cwd", json!(directory));
        gateway.add(name, with(entry, "timeout", json!({ "start": NEVER })));
    }
    gateway
}

/// Gives a toy other flags from its next start on.
fn give(gateway: &Gateway, name: &str, flags: &str) {
    gateway.write(&format!("{name}.flags"), flags);
}

async fn everything(client: &mut Client) -> Vec<String> {
    let mut lists = Vec::new();
    for (method, _) in LISTS {
        lists.push(client.request(method, json!({})).await.raw_result().to_owned());
    }
    lists
}

async fn names(client: &mut Client) -> Vec<String> {
    let listed = client.request("tools/list", json!({})).await.result();
    let tools = listed["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

async fn status_of(client: &mut Client, name: &str) -> Value {
    let status = client.call("conflux__status", json!({})).await.structured();
    let all = status["upstreams"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap().clone()
}

/// Waits until an upstream has listed in this run.
async fn listed(client: &mut Client, name: &str) -> Value {
    let listed = async {
        loop {
            let status = status_of(client, name).await;
            if status["listed"] == true {
                return status;
            }
        }
    };
    tokio::time::timeout(LIMIT, listed).await.expect("it lists in the end")
}

/// Starts once, has everything listed, and ends.
async fn first_run(gateway: &Gateway) -> Vec<String> {
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let lists = everything(&mut client).await;
    assert!(client.leave().await.success());
    lists
}

fn catalogs(gateway: &Gateway) -> Vec<PathBuf> {
    let directory = gateway.path().join("state/catalogs");
    let mut files: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn everything_is_listed_at_once_although_nobody_is_there() {
    let toys = ["hanging", "gone", "slow"];
    let gateway = gateway(&[
        ("hanging", "--tools 3"),
        ("gone", "--era modern --scheme gone"),
        ("slow", "--era dual --scheme slow --page-size 2"),
    ]);
    let before = first_run(&gateway).await;
    for (name, flags) in toys.iter().zip(["--hang", "--exit 3", "--late 600000"]) {
        give(&gateway, name, flags);
    }
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert_eq!(everything(&mut client).await, before, "byte by byte");
    for name in toys {
        let status = status_of(&mut client, name).await;
        assert_eq!(status["listed"], false, "{status}");
        let from = status["remembered"].as_str().unwrap();
        assert!(from.starts_with("20") && from.ends_with('Z'), "{status}");
        assert!(status["tools"].as_u64().unwrap() > 5, "{status}");
    }
    let failed = client.call("gone__echo", json!({})).await.result();
    let failure = &failed["_meta"]["dev.conflux/error"];
    assert_eq!((&failure["kind"], &failure["executed"]), (&json!("exited"), &json!("no")));
    assert_eq!(everything(&mut client).await, before, "it stays listed");
    assert!(client.seen(CHANGED).is_empty());
    assert!(client.leave().await.success());

    let mut client = gateway.modern(json!({}));
    let shown = client.request("tools/list", json!({})).await.result();
    assert_eq!(shown["tools"].as_array().unwrap().len(), names_in(&before[0]), "{shown}");
    assert_eq!(shown["ttlMs"], 0, "nobody may keep it: {shown}");
    assert!(client.leave().await.success());
}

fn names_in(list: &str) -> usize {
    let list: Value = serde_json::from_str(list).unwrap();
    list["tools"].as_array().unwrap().len()
}

#[tokio::test]
async fn what_changed_meanwhile_is_announced_once() {
    let gateway = gateway(&[("same", ""), ("other", "--tools 1")]);
    first_run(&gateway).await;
    give(&gateway, "other", "--tools 2");
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let before = names(&mut client).await;
    assert!(before.contains(&"other__extra_1".to_owned()), "{before:?}");
    assert!(!before.contains(&"other__extra_2".to_owned()), "{before:?}");
    client.wait_for(CHANGED, 1).await;
    let now = names(&mut client).await;
    assert_eq!(now.len(), before.len() + 1, "{now:?}");
    for name in ["same", "other"] {
        let status = listed(&mut client, name).await;
        assert_eq!(status["remembered"], Value::Null, "{status}");
    }
    assert_eq!(client.seen(CHANGED).len(), 1);
    assert!(client.leave().await.success());

    // From now on that is what is remembered, and nothing is news.
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert_eq!(names(&mut client).await, now);
    for name in ["same", "other"] {
        listed(&mut client, name).await;
    }
    client.expect_silence(Duration::from_millis(300)).await;
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_call_starts_the_upstream_it_is_for_and_no_other() {
    for modern in [false, true] {
        let gateway = gateway(&[("one", "--tools 1"), ("two", "--scheme two")]);
        first_run(&gateway).await;
        give(&gateway, "one", "");
        let mut client = gateway.start();
        if modern {
            client.modern(json!({}));
        } else {
            client.initialize("2025-11-25", json!({})).await.result();
        }
        let gone = client.call("one__extra_1", json!({})).await;
        let never_there = client.call("one__never_there", json!({})).await;
        assert_eq!((gone.code(), never_there.code()), (-32602, -32602), "{}", gone.line);
        assert_eq!(client.call("one__echo", json!({"a": 1})).await.structured(), json!({"a": 1}));
        assert_eq!(status_of(&mut client, "two").await["state"], "idle", "nobody needed it");
        let read = client.request("resources/read", json!({"uri": "two://static/1"})).await;
        assert_eq!(read.result()["contents"][0]["text"], "static 1");
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn a_name_or_address_that_is_new_is_found() {
    let gateway = gateway(&[("one", "")]);
    first_run(&gateway).await;
    give(&gateway, "one", "--tools 1 --scheme new");
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let read = client.request("resources/read", json!({"uri": "new://static/1"})).await;
    assert_eq!(read.result()["contents"][0]["text"], "static 1");
    assert!(client.leave().await.success());

    give(&gateway, "one", "--tools 2");
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert_eq!(client.call("one__extra_2", json!({"a": 1})).await.structured(), json!({"a": 1}));
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn another_configuration_shows_nothing_of_the_one_before() {
    let mut gateway = gateway(&[("one", "--tools 1"), ("two", "--scheme two")])
        .limit("start_budget", json!("100ms"));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    // The budget is short here, so the first lists may be without them.
    client.request("tools/list", json!({})).await.result();
    for name in ["one", "two"] {
        listed(&mut client, name).await;
    }
    assert!(client.leave().await.success());
    assert_eq!(catalogs(&gateway).len(), 2);

    let hanging = toy(&["--hang"]);
    for entry in [
        hanging.entry(),
        hanging.clone().env("A", "b").entry(),
        json!({ "url": "http://127.0.0.1:9/" }),
    ] {
        gateway.add("one", entry);
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        let shown = names(&mut client).await;
        assert!(shown.iter().any(|name| name == "two__echo"), "{shown:?}");
        assert!(!shown.iter().any(|name| name.starts_with("one__")), "{shown:?}");
        assert_eq!(status_of(&mut client, "one").await["remembered"], Value::Null);
        assert!(client.leave().await.success());
    }
    gateway.add("one", with(hanging.entry(), "disabled", json!(true)));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let shown = names(&mut client).await;
    assert!(!shown.iter().any(|name| name.starts_with("one__")), "{shown:?}");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_broken_file_is_as_none() {
    let gateway = gateway(&[("toy", "")]);
    let before = first_run(&gateway).await;
    let path = catalogs(&gateway).pop().unwrap();
    for broken in ["", "{\"version\":", "{\"version\":99,\"tools\":[]}", "\u{0}\u{1}"] {
        fs::write(&path, broken).unwrap();
        let mut client = Client::spawn(gateway.command().env("CONFLUX_LOG", "debug"));
        client.initialize("2025-11-25", json!({})).await.result();
        client.wait_for_stderr("is not remembered").await;
        assert_eq!(everything(&mut client).await, before);
        assert!(client.leave().await.success());
        assert!(fs::read_to_string(&path).unwrap().contains("\"echo\""), "it is mended");
    }
}

#[tokio::test]
async fn two_at_the_same_time_leave_one_whole_catalog() {
    let gateway = gateway(&[("one", "--tools 200"), ("two", "--tools 200")]);
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(gateway.legacy("2025-11-25", json!({})).await);
    }
    let mut before = Vec::new();
    for client in &mut clients {
        before = everything(client).await;
    }
    for client in &mut clients {
        client.close_stdin();
    }
    for mut client in clients {
        assert!(client.wait().await.success());
    }
    assert_eq!(catalogs(&gateway).len(), 2, "no drafts: {:?}", catalogs(&gateway));
    for name in ["one", "two"] {
        give(&gateway, name, "--hang");
    }
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert_eq!(everything(&mut client).await, before);
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn what_a_configuration_says_is_not_in_the_files() {
    let remote = Remote::http(&["--era", "dual", "--mirror", "always"]).await;
    let secret = "a-very-secret-value";
    let entry = with(remote.entry("/mcp"), "headers", json!({ "X-Token": secret }));
    let mut gateway = Gateway::new(&[("remote", entry)]);
    let program = toy(&[]).env("API_TOKEN", secret).env("OTHER", "another-secret-value");
    gateway.add("local", program.entry());
    first_run(&gateway).await;
    let files = catalogs(&gateway);
    assert_eq!(files.len(), 2);
    for file in files {
        let text = fs::read_to_string(&file).unwrap() + file.to_str().unwrap();
        assert!(!text.contains("secret-value") && text.contains("echo"), "{text}");
        assert!(!text.contains(remote.address()), "{text}");
    }
    // The first thing that is asked is a call whose headers depend on what was listed before.
    let mut client = gateway.modern(json!({}));
    let called = client.call("remote__mirrored", json!({ "region": "north" })).await.result();
    assert_ne!(called["isError"], true, "{called}");
    assert_eq!(status_of(&mut client, "remote").await["revision"], MODERN);
    assert!(client.leave().await.success());
    remote.stop().await;
}

#[tokio::test]
async fn without_a_place_to_write_to_everything_works() {
    let gateway = gateway(&[("one", ""), ("two", "--scheme two")]);
    let nowhere = gateway.write("file", "").join("state");
    let mut client =
        Client::spawn(gateway.command().env("CONFLUX_STATE", &nowhere).env("CONFLUX_LOG", "debug"));
    client.initialize("2025-11-25", json!({})).await.result();
    everything(&mut client).await;
    assert_eq!(client.call("one__echo", json!({"a": 1})).await.structured(), json!({"a": 1}));
    let stderr = client.wait_for_stderr("cannot be kept").await;
    client.close_stdin();
    assert!(client.wait().await.success());
    let stderr = stderr + &client.stderr();
    assert!(client.stderr().matches("cannot be kept").count() == 1, "{stderr}");
}

async fn run(gateway: &Gateway, arguments: &[&str]) -> Output {
    let Program { path, env, .. } = gateway.program();
    let mut command = Program { env, ..Program::new(path) }.args(arguments).command();
    command.arg("--config").arg(gateway.path().join("gateway.yaml"));
    command.output().await.unwrap()
}

#[tokio::test]
async fn commands_show_what_is_there_now() {
    let gateway = gateway(&[("one", ""), ("two", "--scheme two")]);
    first_run(&gateway).await;
    give(&gateway, "one", "--tools 1");
    give(&gateway, "two", "--exit 3");
    let tools = run(&gateway, &["tools"]).await;
    let shown = String::from_utf8(tools.stdout).unwrap();
    assert!(shown.contains("one__extra_1") && !shown.contains("two__"), "{shown}");
    let check = run(&gateway, &["check", "--connect", "--json"]).await;
    assert_eq!(check.status.code(), Some(7));
    let found: Value = serde_json::from_slice(&check.stdout).unwrap();
    let [one, two] = [&found["upstreams"][0], &found["upstreams"][1]];
    assert_eq!((&one["listed"], &one["remembered"]), (&json!(true), &Value::Null));
    assert_eq!((&two["listed"], &two["tools"]), (&json!(false), &json!(0)));
    let from = two["remembered"].as_str().unwrap();
    let said = String::from_utf8(check.stderr).unwrap();
    assert!(said.contains(&format!("clients are shown what `two` listed at {from}")), "{said}");
    // What a command found is what the next start shows.
    give(&gateway, "one", "--hang");
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let shown = names(&mut client).await;
    for name in ["one__extra_1", "two__echo"] {
        assert!(shown.iter().any(|shown| shown == name), "{shown:?}");
    }
    assert!(client.leave().await.success());
}
