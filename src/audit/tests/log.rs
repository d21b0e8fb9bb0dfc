//! What whoever records gets to see: it never waits, unless it must be recorded.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::audit::HELD;
use crate::audit::Log;
use crate::audit::error::Unrecorded;
use crate::audit::files;
use crate::audit::ledger::LEDGER;
use crate::audit::record::Arguments;
use crate::audit::record::NAME;
use crate::audit::record::Outcome;
use crate::audit::record::Subject;
use crate::audit::tests::config;
use crate::audit::tests::decided;
use crate::audit::tests::ended;
use crate::audit::tests::intact;
use crate::config::audit;
use crate::config::audit::Audit;
use crate::config::audit::Mode;
use crate::config::secrets::Secrets;
use crate::exchange::caller::Capabilities;
use crate::wire::Raw;
use crate::wire::era::Revision;

fn start(config: &Audit) -> Log {
    Log::start(config, &Secrets::new(["hunter2!".to_owned()]))
}

/// All lines of one stream.
fn lines(config: &Audit) -> Vec<Value> {
    let streams = files::streams(&config.directory).unwrap();
    let segments = streams.iter().flat_map(|stream| stream.segments.values());
    let text: String = segments.map(|path| fs::read_to_string(path).unwrap()).collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["kind"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_recorded_is_written_and_signed_at_the_end() {
    let home = TempDir::new().unwrap();
    let config = config(home.path());
    let log = start(&config);
    assert!(log.is_on() && !log.is_required());
    log.record(decided(1, "toy__echo"));
    log.record(ended(1, "toy__echo", Outcome::Failed("exited")));
    log.close().await;
    let lines = lines(&config);
    assert_eq!(kinds(&lines), ["segment", "decision", "request", "checkpoint"]);
    assert_eq!((&lines[1]["principal"], &lines[1]["session"]), (&"process".into(), &7.into()));
    assert_eq!(lines[1]["arguments"]["a"].to_string(), "1.0");
    assert_eq!(lines[2]["outcome"], "failed:exited");
    assert_eq!((&lines[2]["duration_us"], &lines[2]["generation"]), (&1500.into(), &3.into()));
    assert_eq!(lines[3]["closed"], true);
    intact(&config);
    let status = log.status().unwrap();
    assert_eq!((&status["written"], &status["lost"]), (&2.into(), &0.into()));
    assert!(status["checkpoint"]["text"].as_str().unwrap().starts_with("conflux-audit:1:"));
    // What comes after the end is refused, and nothing waits.
    assert_eq!(log.confirm(decided(2, "toy__echo")).await, Err(Unrecorded::Over));
}

#[tokio::test]
async fn what_nobody_wants_recorded_is_not() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    config.mode = Mode::Off;
    let log = start(&config);
    log.record(decided(1, "toy__echo"));
    assert_eq!(log.confirm(decided(1, "toy__echo")).await, Ok(()));
    log.close().await;
    assert!(!log.is_on() && log.status().is_none() && !config.directory.exists());
}

#[tokio::test]
async fn without_a_record_nothing_that_must_be_recorded_goes_on() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    config.mode = Mode::Required;
    // Where the directory should be is something else.
    fs::write(&config.directory, "").unwrap();
    let log = start(&config);
    let refused = log.confirm(decided(1, "toy__echo")).await.unwrap_err();
    assert!(refused.to_string().contains("is no directory"), "{refused}");
    assert!(log.status().unwrap()["problem"].as_str().unwrap().contains("is no directory"));
    log.record(decided(2, "toy__echo"));
    // Once it can be written again, it is said what is missing.
    while log.status().unwrap()["lost"] != 2 {
        tokio::task::yield_now().await;
    }
    fs::remove_file(&config.directory).unwrap();
    assert_eq!(log.confirm(decided(3, "toy__echo")).await, Ok(()));
    log.close().await;
    let lines = lines(&config);
    assert_eq!(kinds(&lines), ["segment", "gap", "decision", "checkpoint"]);
    assert_eq!(lines[1]["lost"], 2);
    assert!(lines[1]["reason"].as_str().unwrap().contains("is no directory"), "{}", lines[1]);
    assert_eq!(log.status().unwrap()["problem"], Value::Null);
    intact(&config);
}

#[tokio::test]
async fn checkpoints_come_while_something_happens() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    config.checkpoint_time = Duration::from_millis(1);
    let log = start(&config);
    log.record(decided(1, "toy__echo"));
    while log.status().unwrap()["checkpoint"].is_null() {
        tokio::task::yield_now().await;
    }
    let lines = lines(&config);
    assert_eq!(kinds(&lines), ["segment", "decision", "checkpoint"]);
    log.close().await;
}

#[test]
fn large_arguments_are_not_kept_while_they_wait() {
    let home = TempDir::new().unwrap();
    let log = start(&config(home.path()));
    let raw = |size: usize| Raw::of(&"x".repeat(size));
    let is_whole = |arguments: Option<Arguments>| matches!(arguments, Some(Arguments::Whole(_)));
    assert!(is_whole(log.arguments(raw(60_000))));
    assert!(!is_whole(log.arguments(raw(70_000))));
    let inner = log.0.as_ref().unwrap();
    inner.shared.held.fetch_add(HELD, std::sync::atomic::Ordering::Relaxed);
    assert!(!is_whole(log.arguments(raw(60_000))));
}

#[tokio::test]
async fn names_that_clients_make_up_take_no_room_and_show_no_part_of_a_secret() {
    let home = TempDir::new().unwrap();
    let config = config(home.path());
    let secret = format!("s{}", "0123456789".repeat(100));
    let log = Log::start(&config, &Secrets::new([secret.clone()]));
    let mut record = decided(1, "toy__echo");
    record.what.subject = Some(Subject::Uri(secret.repeat(1000).into()));
    record.what.method = "x".repeat(1 << 20).into();
    let declared = format!(r#"{{"experimental":"{}"}}"#, "x".repeat(1 << 20));
    let declared = Capabilities::parse(Raw::parse(declared).ok(), Revision::LATEST);
    let declared = declared.of_client(Raw::parse(r#"{"name":"probe"}"#).ok());
    record.who.capabilities = Some(Arc::new(declared));
    record.shorten();
    let Some(Subject::Uri(uri)) = &record.what.subject else { panic!("{record:?}") };
    assert_eq!((uri.len(), record.what.method.len()), (NAME, NAME));
    assert!(record.who.capabilities.as_ref().unwrap().size() < 100);
    log.record(record);
    log.close().await;
    let line = &lines(&config)[1];
    assert_eq!(line["uri"], "*".repeat(5 * 3));
    assert_eq!((&line["client"]["name"], &line["kind"]), (&"probe".into(), &"decision".into()));
}

#[tokio::test]
async fn what_cannot_be_signed_is_told_until_it_can() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    config.checkpoint_time = Duration::from_millis(1);
    // Where the ledger should be is something else.
    let ledger = config.directory.join(LEDGER);
    fs::create_dir_all(&ledger).unwrap();
    let log = start(&config);
    for event in 1..3 {
        assert_eq!(log.confirm(decided(event, "toy__echo")).await, Ok(()));
        while log.status().unwrap()["unsigned"].is_null() {
            tokio::task::yield_now().await;
        }
        assert!(log.status().unwrap()["unsigned"].as_str().unwrap().contains(LEDGER));
        assert_eq!(log.status().unwrap()["problem"], Value::Null);
    }
    fs::remove_dir(&ledger).unwrap();
    while !log.status().unwrap()["unsigned"].is_null() {
        tokio::task::yield_now().await;
    }
    log.close().await;
    intact(&config);
}

/// How arguments are written in each manner.
#[tokio::test]
async fn arguments_are_written_as_the_configuration_says() {
    let json = r#"{"b": "hunter2!", "a": 1.0}"#;
    let canonical = "{\"a\":1,\"b\":\"hunter2!\"}";
    let sha256 = crate::audit::digest::Digest::of(canonical.as_bytes()).to_string();
    for (manner, expected) in [
        (audit::Arguments::Masked, r#"{"b":"***","a":1.0}"#.to_owned()),
        (audit::Arguments::Digest, format!(r#"{{"bytes":27,"sha256":"{sha256}","form":"jcs"}}"#)),
        (audit::Arguments::None, r#"{"bytes":27}"#.to_owned()),
    ] {
        let home = TempDir::new().unwrap();
        let mut config = config(home.path());
        config.arguments = manner;
        let log = start(&config);
        let mut record = decided(1, "toy__echo");
        record.what.arguments = log.arguments(Raw::parse(json).unwrap());
        log.record(record);
        log.close().await;
        let path = &files::streams(&config.directory).unwrap()[0].segments[&1];
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains(&format!("\"arguments\":{expected},")), "{text}");
    }
}
