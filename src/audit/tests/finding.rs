//! What is searched is found, whatever it is searched in.

use std::fs;
use std::time::Duration;
use std::time::SystemTime;

use globset::Glob;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::audit::files;
use crate::audit::follow::Follower;
use crate::audit::index;
use crate::audit::query::Query;
use crate::audit::query::Record;
use crate::audit::record::Outcome;
use crate::audit::search::scan;
use crate::audit::tests::config;
use crate::audit::tests::decided;
use crate::audit::tests::ended;
use crate::audit::tests::journal;
use crate::config::audit::Audit;

const TOOLS: [&str; 3] = ["toy__echo", "toy__fail", "other__echo"];
const OUTCOMES: [Outcome; 3] = [Outcome::Ok, Outcome::Failed("exited"), Outcome::Denied];

fn recorded(config: &Audit) {
    for _ in 0..2 {
        let mut journal = journal(config);
        for event in 0..30_usize {
            let mut record = ended(event as u64, TOOLS[event % 3], OUTCOMES[event / 3 % 3]);
            record.at = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + event as u64);
            journal.write(None, &[decided(event as u64, TOOLS[event % 3]), record]).unwrap();
            if let Some(sealed) = journal.seal_if_due() {
                sealed.unwrap();
            }
        }
        journal.close().unwrap();
    }
}

fn found(config: &Audit, query: &Query) -> Vec<Record> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(index::search(&config.directory, query)).unwrap().unwrap()
}

fn texts(records: &[Record]) -> Vec<&str> {
    let mut texts: Vec<_> = records.iter().map(|record| record.text.as_str()).collect();
    texts.sort_unstable();
    texts
}

fn all() -> Query {
    Query { limit: usize::MAX, ..Query::default() }
}

fn query() -> impl Strategy<Value = Query> {
    let name = proptest::option::of(proptest::sample::select(vec!["toy__*", "*__echo", "x"]));
    let outcome = proptest::option::of(proptest::sample::select(vec!["ok", "failed", "allow"]));
    let kind = proptest::option::of(proptest::sample::select(vec!["decision", "request"]));
    let principal = proptest::option::of(proptest::sample::select(vec!["process", "nobody"]));
    let time = || proptest::option::of(990..1040_u64);
    (name, outcome, kind, principal, time(), time()).prop_map(
        |(name, outcome, kind, principal, since, until)| {
            let time = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            Query {
                principal: principal.map(str::to_owned),
                upstream: None,
                name: name.map(|name| Glob::new(name).unwrap().compile_matcher()),
                outcome: outcome.map(str::to_owned),
                kind: kind.map(str::to_owned),
                since: since.map(time),
                until: until.map(time),
                limit: usize::MAX,
            }
        },
    )
}

#[test]
fn the_index_finds_what_reading_everything_finds() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    (config.segment, config.checkpoint_records) = (5000, 4);
    recorded(&config);
    assert_eq!(scan(&config.directory, &all()).unwrap().len(), 120);
    let mut runner = proptest::test_runner::TestRunner::default();
    let outcome = runner.run(&query(), |query| {
        let scanned = scan(&config.directory, &query).unwrap();
        let found = found(&config, &query);
        prop_assert_eq!(texts(&found), texts(&scanned));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn the_newest_are_found_in_their_order() {
    let home = TempDir::new().unwrap();
    let config = config(home.path());
    recorded(&config);
    let query = Query { kind: Some("request".to_owned()), limit: 5, ..Query::default() };
    let by_index = found(&config, &query);
    let scanned = scan(&config.directory, &query).unwrap();
    for records in [by_index, scanned] {
        assert_eq!(records.len(), 5);
        assert!(records.is_sorted_by_key(|record| record.time));
        assert_eq!(records[4].time, SystemTime::UNIX_EPOCH + Duration::from_secs(1029));
    }
}

#[test]
fn an_index_that_is_wrong_is_made_anew() {
    let home = TempDir::new().unwrap();
    let config = config(home.path());
    recorded(&config);
    let path = config.directory.join("index.sqlite");
    assert_eq!(found(&config, &all()).len(), 120);
    fs::remove_file(&path).unwrap();
    assert_eq!(found(&config, &all()).len(), 120);
    fs::write(&path, "this is no database, however long it is looked at").unwrap();
    assert_eq!(found(&config, &all()).len(), 120);
    // What is not there any more is not found, nor what another segment had in its place.
    let streams = files::streams(&config.directory).unwrap();
    fs::remove_dir_all(&streams[0].directory).unwrap();
    assert_eq!(found(&config, &all()).len(), 60);
    let segment = &streams[1].segments[&1];
    let text = fs::read_to_string(segment).unwrap();
    let lines: Vec<_> = text.lines().collect();
    fs::write(segment, lines[..21].join("\n") + "\n").unwrap();
    assert_eq!(found(&config, &all()).len(), 20);
    fs::write(segment, text).unwrap();
    assert_eq!(found(&config, &all()).len(), 60);
}

#[test]
fn who_follows_sees_the_newest_and_all_that_comes() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    (config.segment, config.checkpoint_records) = (5000, 4);
    let mut first = journal(&config);
    let write = |journal: &mut crate::audit::journal::Journal, event| {
        journal.write(None, &[ended(event, "toy__echo", Outcome::Ok)]).unwrap();
        if let Some(sealed) = journal.seal_if_due() {
            sealed.unwrap();
        }
    };
    (0..5).for_each(|event| write(&mut first, event));
    let (mut follower, newest) = Follower::open(&config.directory, 2).unwrap();
    let events = |records: &[Record]| {
        let event = |record: &Record| record.value["event"].as_str().unwrap().to_owned();
        let number = |record| u64::from_str_radix(&event(record), 16).unwrap();
        records.iter().map(number).collect::<Vec<_>>()
    };
    assert_eq!(events(&newest), [3, 4]);
    assert_eq!(follower.news().unwrap(), []);
    // Through several segments, and in streams that begin and end meanwhile.
    (5..40).for_each(|event| write(&mut first, event));
    assert_eq!(events(&follower.news().unwrap()), (5..40).collect::<Vec<_>>());
    let mut second = journal(&config);
    write(&mut second, 40);
    write(&mut first, 41);
    second.close().unwrap();
    first.close().unwrap();
    assert_eq!(events(&follower.news().unwrap()), [40, 41]);
    assert_eq!(follower.news().unwrap(), []);
}
