//! Large results of real servers: cut for whom it is configured, and readable page by page.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server as Http;
use crate::support::programs::toy;
use crate::support::servers::Server;
use crate::support::wire_client::Client;

/// A file of about 300 KiB, with lines and characters of several bytes.
fn large() -> String {
    (0..10_000).fold(String::new(), |mut text, number| {
        writeln!(text, "line {number} of a large file: ä€😀").unwrap();
        text
    })
}

/// The file server on a directory with a large file, and one that is small.
fn files(home: &TempDir) -> (Value, String) {
    let directory = home.path().canonicalize().unwrap();
    Server::Filesystem.prepare(&directory);
    fs::write(directory.join("large.txt"), large()).unwrap();
    fs::write(directory.join("small.txt"), "small").unwrap();
    let path = directory.join("large.txt").to_str().unwrap().to_owned();
    (Server::Filesystem.program(&directory).entry(), path)
}

fn spilling(entry: Value) -> Value {
    with(entry, "results", json!({"spill": "64KiB"}))
}

/// What a result says of its first text that is elsewhere.
fn mark(result: &Value) -> Value {
    let mark = result["_meta"]["dev.conflux/spilled"][0].clone();
    assert_eq!(mark["bytes"], large().len(), "{result}");
    mark
}

/// Checks what a client sees of the large file.
#[track_caller]
fn check(result: &Value, mark: &Value) {
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.len() <= 66_000 && text.starts_with("line 0 of"), "{}", text.len());
    assert!(text.contains(mark["uri"].as_str().unwrap()));
    let structured = result["structuredContent"]["content"].as_str().unwrap();
    assert!(structured.len() <= 66_000, "what repeats the text is as short");
}

/// The toy, of whose results no text is longer than 1 KiB.
fn short_toy(flags: &[&str]) -> Gateway {
    let entry = with(toy(flags).entry(), "results", json!({"spill": "1KiB"}));
    Gateway::new(&[("toy", entry)])
}

/// What a result says of the only text that is elsewhere.
#[track_caller]
fn only_mark(result: &Value) -> Value {
    let marks = result["_meta"]["dev.conflux/spilled"].as_array();
    let marks = marks.unwrap_or_else(|| panic!("nothing was cut: {result}"));
    assert_eq!(marks.len(), 1, "{result}");
    marks[0].clone()
}

async fn pages(client: &mut Client, mark: &Value) -> String {
    let uri = mark["uri"].as_str().unwrap();
    let mut whole = String::new();
    for page in 1..=mark["pages"].as_u64().unwrap() {
        let uri = format!("{uri}?page={page}");
        let result = client.request("resources/read", json!({"uri": uri})).await.result();
        let text = result["contents"][0]["text"].as_str().unwrap().to_owned();
        assert!(text.len() <= 64 << 10);
        whole.push_str(&text);
    }
    whole
}

#[tokio::test]
async fn a_large_file_is_read_page_by_page_in_both_eras() {
    let home = TempDir::new().unwrap();
    let (entry, path) = files(&home);
    let gateway = Gateway::new(&[("files", spilling(entry))]);
    for revision in ["2025-06-18", "2026-07-28"] {
        let mut client = match revision {
            "2026-07-28" => gateway.modern(json!({})),
            legacy => gateway.legacy(legacy, json!({})).await,
        };
        let read = client.call("files__read_text_file", json!({"path": path})).await.result();
        let mark = mark(&read);
        check(&read, &mark);
        assert_eq!(read["content"][1]["type"], "resource_link", "{revision}");
        assert_eq!(pages(&mut client, &mark).await, large(), "{revision}");
        let small = path.replace("large.txt", "small.txt");
        let read = client.call("files__read_text_file", json!({"path": small})).await.result();
        assert_eq!(read["content"], json!([{"type": "text", "text": "small"}]));
        assert_eq!(read["_meta"]["dev.conflux/spilled"], Value::Null);
    }
}

#[tokio::test]
async fn without_the_limit_results_stay_whole() {
    let home = TempDir::new().unwrap();
    let (entry, path) = files(&home);
    let mut client = Gateway::new(&[("files", entry)]).legacy("2025-06-18", json!({})).await;
    let read = client.call("files__read_text_file", json!({"path": path})).await.result();
    assert_eq!(read["content"], json!([{"type": "text", "text": large()}]));
}

#[tokio::test]
async fn over_http_nobody_else_may_read_it() {
    let home = TempDir::new().unwrap();
    let (entry, path) = files(&home);
    let server = Http::start(&Gateway::new(&[("files", spilling(entry))])).await;
    let session = server.session("2025-06-18", json!({})).await;
    let read = session.call(2, "files__read_text_file", json!({"path": path})).reply().await;
    let mark = mark(&read.result());
    check(&read.result(), &mark);
    let uri = json!({"uri": mark["uri"]});
    let page = session.request(3, "resources/read", uri.clone()).reply().await.result();
    let text = page["contents"][0]["text"].as_str().unwrap();
    assert!(large().starts_with(text) && text.len() > 32 << 10);
    assert_eq!(page["_meta"]["dev.conflux/page"]["page"], 1);

    let other = server.session("2025-06-18", json!({})).await;
    assert_eq!(other.request(2, "resources/read", uri.clone()).reply().await.code(), -32002);
    session.delete().send().await;
    let modern = server.modern("resources/read", uri).reply().await;
    assert!(modern.json()["error"].is_object());

    let read = server.call("files__read_text_file", json!({"path": path})).reply().await;
    let mark = self::mark(&read.result());
    let page = server.modern("resources/read", json!({"uri": mark["uri"]})).reply().await;
    assert!(large().starts_with(page.result()["contents"][0]["text"].as_str().unwrap()));
}

#[tokio::test]
async fn a_tool_that_is_called_through_another_is_no_exception() {
    let home = TempDir::new().unwrap();
    let (entry, path) = files(&home);
    let mut gateway = Gateway::new(&[("files", spilling(entry))]);
    gateway.set("exposure", json!("search"));
    for mut client in [gateway.legacy("2025-11-25", json!({})).await, gateway.modern(json!({}))] {
        let call = json!({"name": "files__read_text_file", "arguments": {"path": path}});
        let read = client.call("conflux__call", call).await.result();
        let mark = mark(&read);
        check(&read, &mark);
        assert_eq!(pages(&mut client, &mark).await, large());
    }
}

#[tokio::test]
async fn no_text_of_a_result_makes_another_one_give_way() {
    let texts = (0..100).map(|number| json!({"type": "text", "text": format!("{number:100}")}));
    let content = Value::Array(texts.collect());
    let home = TempDir::new().unwrap();
    let reply = home.path().join("reply.json");
    fs::write(&reply, json!({"content": content}).to_string()).unwrap();
    let gateway = short_toy(&["--reply-file", reply.to_str().unwrap()]);
    for mut client in [gateway.legacy("2025-11-25", json!({})).await, gateway.modern(json!({}))] {
        let result = client.call("toy__raw", json!({})).await.result();
        let mark = only_mark(&result);
        assert_eq!(mark["of"], "content");
        let blocks = result["content"].as_array().unwrap();
        // Ten are within the limit, one says where all are, and one links there.
        assert_eq!((&blocks[..10], blocks.len()), (&content.as_array().unwrap()[..10], 12));
        let whole = pages(&mut client, &mark).await;
        assert_eq!(serde_json::from_str::<Value>(&whole).unwrap(), content);
    }
}

#[tokio::test]
async fn nobody_may_keep_what_was_cut_of_a_resource() {
    let gateway = short_toy(&["--era", "modern", "--ttl", "60000"]);
    let mut client = gateway.modern(json!({}));
    for (length, ttl, scope) in [(10, 60_000, "public"), (3000, 0, "private")] {
        let uri = format!("toy://item/{}", "x".repeat(length));
        let read = client.request("resources/read", json!({"uri": uri})).await.result();
        assert_eq!((&read["ttlMs"], &read["cacheScope"]), (&json!(ttl), &json!(scope)), "{read}");
        if length == 3000 {
            let mark = only_mark(&read);
            let whole = format!("item {}", "x".repeat(length));
            assert_eq!(pages(&mut client, &mark).await, whole);
        }
    }
}

#[tokio::test]
async fn the_result_of_a_task_is_cut_wherever_it_comes() {
    let extension = "io.modelcontextprotocol/tasks";
    for era in ["legacy", "modern"] {
        let gateway = short_toy(&["--tasks", "--era", era]);
        let mut client = match era {
            "legacy" => gateway.legacy("2025-11-25", json!({})).await,
            _ => gateway.modern(json!({"extensions": {extension: {}}})),
        };
        let call = json!({"name": "toy__work", "arguments": {"text": 3000}, "task": {}});
        let made = client.request("tools/call", call).await.result();
        let task = if client.is_modern() { &made } else { &made["task"] };
        let id = json!({"taskId": task["taskId"]});
        let result = if client.is_modern() {
            loop {
                let seen = client.request("tasks/get", id.clone()).await.result();
                if seen["status"] == "completed" {
                    break seen["result"].clone();
                }
            }
        } else {
            client.request("tasks/result", id).await.result()
        };
        let mark = only_mark(&result);
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.len() < 1400 && text.contains(mark["uri"].as_str().unwrap()), "{text}");
        assert_eq!(result["structuredContent"], json!({"answer": null}));
        assert_eq!(pages(&mut client, &mark).await, "x".repeat(3000));
    }
}

#[tokio::test]
async fn news_of_a_task_have_its_result_cut() {
    let extension = "io.modelcontextprotocol/tasks";
    let gateway = short_toy(&["--tasks", "--era", "modern"]);
    let can = json!({"elicitation": {"form": {}}, "extensions": {extension: {}}});
    let mut client = gateway.modern(can);
    let call = json!({"name": "toy__work", "arguments": {"text": 3000, "ask": true}});
    let task = client.request("tools/call", call).await.result()["taskId"].clone();
    let filter = json!({"notifications": {"taskIds": [task]}});
    client.start("subscriptions/listen", filter).await;
    client.wait_for("notifications/subscriptions/acknowledged", 1).await;
    while client.request("tasks/get", json!({"taskId": task})).await.result()["status"]
        != "input_required"
    {}
    let answer = json!({"name": {"action": "accept", "content": {"name": "Ada"}}});
    let update = json!({"taskId": task, "inputResponses": answer});
    client.request("tasks/update", update).await.result();
    let mut told = client.wait_for("notifications/tasks", 1).await.params();
    for count in 2.. {
        if told["status"] == "completed" {
            break;
        }
        told = client.wait_for("notifications/tasks", count).await.params();
    }
    let mark = only_mark(&told["result"]);
    assert_eq!(pages(&mut client, &mark).await, "x".repeat(3000));
}

#[tokio::test]
async fn over_http_without_sessions_nobody_pushes_out_what_another_got() {
    let server = Http::start(&short_toy(&[])).await;
    let mut first = None;
    for _ in 0..70 {
        let result = server.call("toy__huge", json!({"bytes": 3000})).reply().await.result();
        let mark = only_mark(&result);
        first.get_or_insert(mark);
    }
    let uri = json!({"uri": first.unwrap()["uri"]});
    let page = server.modern("resources/read", uri).reply().await.result();
    assert!("x".repeat(3000).starts_with(page["contents"][0]["text"].as_str().unwrap()));
}
