//! What upstreams wrote to stderr, and what became of them, from gateways that run.

use std::path::PathBuf;

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::output::run;
use crate::support::output::stderr;
use crate::support::output::stdout;
use crate::support::programs::toy;
use crate::support::reader::Reader;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;

const POLL: std::time::Duration = std::time::Duration::from_millis(20);
const SECRET: &str = "abcdef123456";

/// What is shown, once it has this in it.
async fn shown(gateway: &Gateway, args: &[&str], part: &str) -> String {
    let shown = async {
        loop {
            let output = run(gateway, args).await;
            let text = stdout(&output);
            if text.contains(part) {
                return text;
            }
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, shown).await.expect("it is said")
}

/// Takes out what differs from run to run.
fn scrubbed(text: &str) -> String {
    let scrub = |word: &str| {
        let is_time = word.len() >= 9 && word.ends_with('Z') && word.contains(':');
        let is_number = word.chars().all(|c| c.is_ascii_digit()) && !word.is_empty();
        match (is_time, is_number) {
            (true, _) => "TIME".to_owned(),
            (_, true) => "N".to_owned(),
            _ => word.to_owned(),
        }
    };
    let line = |line: &str| line.split(' ').map(scrub).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn toys() -> Gateway {
    let entry = with(toy(&[]).entry(), "env", json!({ "API_TOKEN": SECRET }));
    Gateway::new(&[("toy", entry), ("another", toy(&[]).entry())])
}

async fn say(client: &mut Client, upstream: &str, text: &str) {
    client.call(&format!("{upstream}__stderr"), json!({ "text": text })).await.result();
}

#[tokio::test]
async fn what_was_said_and_what_became_of_it_are_lines() {
    let gateway = toys();
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    say(&mut client, "toy", &format!("my token is {SECRET}\u{1b}[31m\n\n  and more\n")).await;
    shown(&gateway, &["logs"], "and more").await;
    client.call("toy__die", json!({})).await;
    shown(&gateway, &["logs", "toy"], "failed").await;
    say(&mut client, "toy", "hello again\n").await;
    say(&mut client, "another", "me, too\n").await;
    let text = shown(&gateway, &["logs"], "me, too").await;
    insta::assert_snapshot!(scrubbed(&text), @r"
    TIME  toy     * is started
    TIME  toy     * is ready: 2025-11-25, process N
    TIME  toy     | my token is ***[31m
    TIME  toy     |   and more
    TIME  toy     | toy: dying as told
    TIME  toy     * failed: `toy` has ended: exit code 3; the next request starts it again; if it ends again, start its command by hand to see why
    TIME  toy     * is started again
    TIME  toy     * is ready: 2025-11-25, process N
    TIME  toy     | hello again
    TIME  another * is started
    TIME  another * is ready: 2025-11-25, process N
    TIME  another | me, too
    ");
    assert!(!text.contains(SECRET));

    let one = shown(&gateway, &["logs", "another", "-n", "1"], "me, too").await;
    assert_eq!(scrubbed(&one), "TIME  another | me, too");
    let json = shown(&gateway, &["logs", "another", "-n", "1", "--json"], "me, too").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["upstream"], &json["source"]), (&json!("another"), &json!("stderr")));
    assert_eq!(json["pid"], client.process_id());
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn following_goes_on_when_gateways_come_and_go_and_ends_by_ctrl_c() {
    let gateway = toys();
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let mut reader = Reader::spawn(gateway.conflux(&["logs", "toy", "-f"]));
    say(&mut client, "toy", "one\n").await;
    say(&mut client, "another", "nothing for this reader\n").await;
    say(&mut client, "toy", "two\n").await;
    reader.line_with("| one").await;
    let next = reader.line().await;
    assert!(next.ends_with("toy | two"), "{next}");
    let pid = client.process_id();
    assert!(client.leave().await.success());
    let said = reader.said("is gone").await;
    assert!(said.contains(&format!("process id {pid}")) && said.contains("waiting"), "{said}");
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    say(&mut client, "toy", "three\n").await;
    reader
        .said(&format!("following the gateway with the process id {}", client.process_id()))
        .await;
    reader.line_with("| three").await;
    assert_eq!(reader.interrupt().await.code(), Some(0));

    // One that was named is not replaced by another one.
    let pid = client.process_id().to_string();
    let mut reader = Reader::spawn(gateway.conflux(&["logs", "-f", "--pid", &pid]));
    reader.line_with("| three").await;
    assert!(client.leave().await.success());
    reader.said("is gone").await;
    assert_eq!(reader.wait().await.code(), Some(0));
}

#[tokio::test]
async fn what_cannot_be_asked_is_said_with_what_to_do() {
    let gateway = toys();
    for args in [&["logs"][..], &["logs", "-f"], &["logs", "toy", "--pid", "1"]] {
        let output = run(&gateway, args).await;
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(10), ""));
        let said = stderr(&output);
        assert!(said.contains("hint: start one with `conflux serve`"), "{said}");
    }
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.call("toy__echo", json!({})).await.result();
    let output = run(&gateway, &["logs", "tyo"]).await;
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(5), ""));
    insta::assert_snapshot!(stderr(&output), @r"
    error: there is no upstream `tyo` in any gateway that runs

    hint: did you mean `toy`?
    ");
    let output = run(&gateway, &["logs", "quite-something-else"]).await;
    assert!(stderr(&output).contains("hint: there are `another`, `toy`"), "{}", stderr(&output));
    let output = run(&gateway, &["logs", "--lines", "many"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(client.leave().await.success());
}

fn socket(gateway: &Gateway, client: &Client) -> PathBuf {
    gateway.path().join(format!("state/run/{}.logs", client.process_id()))
}

#[tokio::test]
async fn a_flood_costs_only_its_own_lines_and_who_reads_slowly_is_told_what_it_missed() {
    const LINES: usize = 20_000;
    let gateway = toys();
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    say(&mut client, "another", "a quiet word\n").await;
    shown(&gateway, &["logs", "another"], "a quiet word").await;
    // It connects, and does not read for now.
    let slow = UnixStream::connect(socket(&gateway, &client)).await.unwrap();
    let mut slow = BufReader::new(slow);
    let mut head = String::new();
    timeout(LIMIT, slow.read_line(&mut head)).await.unwrap().unwrap();
    let text: Vec<_> = (0..LINES).map(|number| format!("line {number}\n")).collect();
    let text = text.concat();
    say(&mut client, "toy", &text).await;
    say(&mut client, "toy", "the last one\n").await;
    let kept = shown(&gateway, &["logs"], "the last one").await;
    assert!(kept.contains("a quiet word"), "{kept}");
    let flood = kept.lines().filter(|line| line.contains(" toy ")).count();
    assert!((400..=500).contains(&flood), "{flood}");

    // Now it reads: whatever it is not told is counted.
    let (mut told, mut missed, mut line) = (0, 0, String::new());
    while !line.contains("the last one") && missed + told < 2 * LINES {
        line.clear();
        timeout(LIMIT, slow.read_line(&mut line)).await.expect("it is told").unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        told += usize::from(line["text"].as_str().is_some_and(|text| text.starts_with("line ")));
        missed += line["missed"].as_u64().map_or(0, |count| usize::try_from(count).unwrap());
        if told + missed >= LINES {
            break;
        }
    }
    assert!(missed > 0 && told > 0, "{told} told, {missed} missed");
    client.call("toy__echo", json!({})).await.result();
    drop(slow);
    // More who never read than there are places for keep nobody from calling.
    let idlers: Vec<_> = (0..12)
        .map(|_| std::os::unix::net::UnixStream::connect(socket(&gateway, &client)).unwrap())
        .collect();
    client.call("toy__echo", json!({})).await.result();
    drop(idlers);
    shown(&gateway, &["logs"], "the last one").await;
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_gateway_that_is_killed_ends_what_it_told() {
    let gateway = toys();
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    say(&mut client, "toy", "here\n").await;
    let pid = client.process_id();
    let mut one = Reader::spawn(gateway.conflux(&["logs", "-f", "--pid", &pid.to_string()]));
    let mut all = Reader::spawn(gateway.conflux(&["logs", "-f"]));
    one.line_with("here").await;
    all.line_with("here").await;
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
    one.said("is gone").await;
    assert_eq!(one.wait().await.code(), Some(0));
    all.said("waiting for another one").await;
    assert_eq!(all.interrupt().await.code(), Some(0));
}
