//! Calls as they end: how, how long they took and how large they were, and nothing of what was in
//! them.

use std::process::Stdio;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::programs::toy;
use crate::support::reader::Reader;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;

fn toys() -> Gateway {
    let slow = with(toy(&[]).entry(), "timeout", json!({ "call": "300ms" }));
    let boom = json!({ "command": "sh", "args": ["-c", "exit 3"] });
    Gateway::new(&[("toy", toy(&[]).entry()), ("slow", slow), ("boom", boom)])
}

/// `conflux tail`, once it follows.
async fn tail(gateway: &Gateway, client: &mut Client, args: &[&str]) -> Reader {
    let mut all = vec!["tail"];
    all.extend(args);
    let mut reader = Reader::spawn(gateway.conflux(&all));
    if args.contains(&"--json") {
        // It says nothing before there is something to say.
        loop {
            client.call("conflux__status", json!({})).await.result();
            if reader.has_line(std::time::Duration::from_millis(50)).await {
                break;
            }
        }
    } else {
        reader.line_with("OUTCOME").await;
    }
    reader
}

/// What was told of something with this name, as data.
async fn told(reader: &mut Reader, name: &str) -> Value {
    loop {
        let line: Value = serde_json::from_str(&reader.line().await).unwrap();
        if line["name"] == name {
            return line;
        }
    }
}

fn ended(line: &Value) -> [&str; 4] {
    ["kind", "upstream", "outcome", "why"].map(|key| line[key].as_str().unwrap_or("-"))
}

#[tokio::test]
async fn every_end_has_its_word_and_nothing_of_what_was_asked() {
    let gateway = toys();
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let mut reader = tail(&gateway, &mut client, &["--json"]).await;
    let text = "a very private argument";
    client.call("toy__echo", json!({ "text": text })).await.result();
    let line = told(&mut reader, "toy__echo").await;
    assert_eq!(ended(&line), ["call", "toy", "ok", "-"]);
    assert!(!line.to_string().contains("private"), "{line}");
    assert!(line["bytesIn"].as_u64().unwrap() > text.len() as u64, "{line}");
    assert!(line["bytesOut"].as_u64().unwrap() > text.len() as u64, "{line}");
    assert!(line["ms"].is_u64() && line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    assert!(line["client"].is_string() && line["pid"] == client.process_id(), "{line}");

    client.call("toy__fail", json!({ "text": text })).await.result();
    let line = told(&mut reader, "toy__fail").await;
    assert_eq!(ended(&line), ["call", "toy", "tool error", "-"]);
    client.call("toy__refuse", json!({ "code": -32000, "message": text })).await.error();
    let line = told(&mut reader, "toy__refuse").await;
    assert_eq!(ended(&line), ["call", "toy", "refused", "-32000"]);
    client.call("toy__no_such_tool", json!({})).await.error();
    let line = told(&mut reader, "toy__no_such_tool").await;
    assert_eq!(ended(&line), ["call", "-", "refused", "unknown"]);
    client.call("slow__slow", json!({ "ms": 60_000 })).await.result();
    let line = told(&mut reader, "slow__slow").await;
    assert_eq!(ended(&line), ["call", "slow", "timed out", "-"]);
    client.call("boom__any", json!({})).await.result();
    let line = told(&mut reader, "boom__any").await;
    assert_eq!(ended(&line), ["call", "boom", "failed", "exited"]);
    let id =
        client.start("tools/call", json!({ "name": "toy__slow", "arguments": { "ms": 60_000 } }));
    let id = id.await;
    client.call("toy__echo", json!({})).await.result();
    client.cancel(id).await;
    let line = told(&mut reader, "toy__slow").await;
    assert_eq!(ended(&line), ["call", "toy", "cancelled", "-"]);

    let listed = client.request("resources/list", json!({})).await.result();
    let uri = listed["resources"][0]["uri"].as_str().unwrap().to_owned();
    client.request("resources/read", json!({ "uri": uri })).await.result();
    assert_eq!(ended(&told(&mut reader, &uri).await)[0], "read");
    let listed = client.request("prompts/list", json!({})).await.result();
    let prompt = listed["prompts"][0]["name"].as_str().unwrap().to_owned();
    client.request("prompts/get", json!({ "name": prompt })).await;
    assert_eq!(ended(&told(&mut reader, &prompt).await)[0], "prompt");
    let odd = "no-such://place/x?key=private#part";
    client.request("resources/read", json!({ "uri": odd })).await.error();
    let line = told(&mut reader, "no-such://place/x").await;
    assert_eq!(ended(&line), ["read", "-", "refused", "unknown"]);
    assert_eq!(reader.interrupt().await.code(), Some(0));
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_call_through_another_tool_is_told_as_what_it_means() {
    let mut gateway = toys();
    gateway.set("exposure", json!("search"));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let mut reader = tail(&gateway, &mut client, &["--json"]).await;
    let arguments = json!({ "name": "toy__echo", "arguments": { "text": "private" } });
    client.call("conflux__call", arguments).await.result();
    let line = told(&mut reader, "toy__echo").await;
    assert_eq!(ended(&line), ["call", "toy", "ok", "-"]);
    assert!(!line.to_string().contains("private"), "{line}");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn lines_are_for_people_and_can_be_chosen() {
    let gateway = toys();
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let mut all = tail(&gateway, &mut client, &[]).await;
    let mut bad = tail(&gateway, &mut client, &["--errors"]).await;
    let mut slow = tail(&gateway, &mut client, &["--upstream", "slow"]).await;
    let mut echoes = tail(&gateway, &mut client, &["--tool", "*__ech?"]).await;
    client.call("toy__echo", json!({})).await.result();
    client.call("toy__fail", json!({ "text": "x" })).await.result();
    client.call("slow__count", json!({})).await.result();
    client.call("slow__echo", json!({})).await.result();
    for (reader, expected) in [
        (&mut all, &["toy__echo (toy)", "toy__fail (toy)", "slow__count (slow)"][..]),
        (&mut bad, &["toy__fail (toy)"]),
        (&mut slow, &["slow__count (slow)", "slow__echo (slow)"]),
        (&mut echoes, &["toy__echo (toy)", "slow__echo (slow)"]),
    ] {
        for end in expected {
            let line = reader.line().await;
            assert!(line.ends_with(end), "{line}, not {end}");
            let words: Vec<_> = line.split_whitespace().collect();
            assert!(words[0].ends_with('Z'), "{line}");
            let outcome = if end.contains("fail") { "tool" } else { "ok" };
            assert_eq!(words[1], outcome, "{line}");
        }
    }
    assert!(client.leave().await.success());
}

/// A line with what differs from run to run left out.
fn without_times(line: &str) -> String {
    let word = |word: &str| match word {
        time if time.ends_with('Z') && time.contains(':') => "{time}".to_owned(),
        took if took.ends_with("ms") => "{took}".to_owned(),
        other => other.to_owned(),
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_line_tells_what_a_call_took_and_why_it_failed() {
    let gateway = toys();
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let mut reader = tail(&gateway, &mut client, &[]).await;
    client.call("toy__echo", json!({ "text": "hello" })).await.result();
    client.call("toy__refuse", json!({ "code": -32000, "message": "private" })).await.error();
    client.call("slow__slow", json!({ "ms": 60_000 })).await.result();
    client.request("resources/read", json!({ "uri": "toy://static/1" })).await.result();
    client.request("prompts/get", json!({ "name": "toy__nothing" })).await.error();
    let mut lines = Vec::new();
    for _ in 0..5 {
        lines.push(without_times(&reader.line().await));
    }
    insta::assert_snapshot!(lines.join("\n"), @r"
    {time} ok {took} 49 96 wire toy__echo (toy)
    {time} refused {took} 70 0 wire toy__refuse (toy): -32000
    {time} timed out {took} 46 0 wire slow__slow (slow)
    {time} ok {took} 24 81 wire read toy://static/1 (toy)
    {time} refused {took} 23 0 wire prompt toy__nothing (-): unknown
    ");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn what_cannot_be_followed_is_said() {
    let gateway = toys();
    let run = async |args: &[&str]| {
        let mut command = gateway.conflux(args);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = timeout(LIMIT, output).await.expect("it ends").unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&["tail"]).await;
    assert!(code == Some(10) && said.contains("start one with `conflux serve`"), "{said}");
    let (code, said) = run(&["tail", "--tool", "a[b"]).await;
    assert!(code == Some(2) && said.contains("--tool"), "{said}");
    let client = gateway.legacy("2025-11-25", json!({})).await;
    let (code, said) = run(&["tail", "--upstream", "bom"]).await;
    assert!(code == Some(5) && said.contains("did you mean `boom`?"), "{said}");
    let (code, said) = run(&["tail", "--pid", "1"]).await;
    assert!(code == Some(10) && said.contains("process id 1 "), "{said}");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn who_does_not_read_misses_calls_and_holds_up_none() {
    let gateway = toys();
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let socket = gateway.path().join(format!("state/run/{}.calls", client.process_id()));
    let stream = UnixStream::connect(socket).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let head = timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&head).unwrap()["past"], 0);
    client.call("toy__echo", json!({})).await.result();
    // Names that nobody has are told, too; so many that neither queue nor socket holds them.
    let name = format!("toy__{}", "x".repeat(245));
    let total = 3001;
    for _ in 1..total {
        client.call(&name, json!({})).await.error();
    }
    let (mut told, mut missed) = (0, 0);
    while told + missed < total {
        let line = timeout(LIMIT, lines.next_line()).await.expect("it is told").unwrap().unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        match line["missed"].as_u64() {
            Some(count) => missed += count,
            None => told += 1,
        }
    }
    assert!(told > 0, "{told} told, {missed} missed");
    assert_eq!(told + missed, total);
    assert!(client.leave().await.success());
}
