//! Streams from their beginning to their end: rotation, crashes, removal, several at once.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::audit::files;
use crate::audit::journal::Gap;
use crate::audit::record::Outcome;
use crate::audit::tests::config;
use crate::audit::tests::decided;
use crate::audit::tests::ended;
use crate::audit::tests::finds;
use crate::audit::tests::intact;
use crate::audit::tests::journal;
use crate::audit::verify::State;
use crate::config::audit::Audit;
use crate::config::audit::Keep;

/// Writes so many records one by one, and signs when it is due.
fn fill(journal: &mut crate::audit::journal::Journal, count: u64) {
    for event in 0..count {
        journal.write(None, &[ended(event, "toy__echo", Outcome::Ok)]).unwrap();
        if let Some(sealed) = journal.seal_if_due() {
            sealed.unwrap();
        }
    }
}

/// A process that writes so many records and ends.
fn closed(config: &Audit, count: u64) {
    let mut journal = journal(config);
    fill(&mut journal, count);
    journal.close().unwrap();
}

/// A process that is killed when it has written so many.
fn killed(config: &Audit, count: u64) {
    fill(&mut journal(config), count);
}

/// The first file of the first stream.
fn first_segment(config: &Audit) -> PathBuf {
    files::streams(&config.directory).unwrap().remove(0).segments.remove(&1).unwrap()
}

/// Takes away what stands behind a line of a file.
fn cut_behind(path: &Path, last: impl Fn(&[&str]) -> usize) {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    fs::write(path, lines[..=last(&lines)].join("\n") + "\n").unwrap();
}

#[test]
fn a_running_stream_says_how_far_it_is_signed() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    config.checkpoint_records = 10;
    let mut journal = journal(&config);
    fill(&mut journal, 25);
    let report = intact(&config);
    let stream = &report.streams[0];
    assert_eq!((stream.state, stream.records, stream.unsealed), (State::Running, 25, 5));
    journal.close().unwrap();
    let report = intact(&config);
    assert_eq!((report.streams[0].state, report.streams[0].unsealed), (State::Closed, 0));
}

#[test]
fn segments_follow_each_other() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    (config.segment, config.checkpoint_records) = (5000, 4);
    closed(&config, 60);
    let report = intact(&config);
    assert!(report.streams[0].segments > 3, "{report:?}");
    assert_eq!(report.streams[0].records, 60);
}

#[test]
fn what_a_killed_process_left_is_signed_by_the_next_one() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    config.checkpoint_records = 10;
    killed(&config, 25);
    let report = intact(&config);
    assert_eq!((report.streams[0].state, report.streams[0].unsealed), (State::CutOff, 5));
    let mut next = journal(&config);
    fill(&mut next, 1);
    let report = intact(&config);
    assert_eq!((report.streams[0].state, report.streams[0].unsealed), (State::Found, 0));
    assert_eq!(report.streams[1].state, State::Running);
    // From now on its end counts, too.
    cut_behind(&first_segment(&config), |lines| lines.len() - 2);
    finds(&config, "1 lines that the ledger knows are missing");
}

#[test]
fn what_was_cut_behind_a_checkpoint_is_not_signed_by_the_next_one() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    config.checkpoint_records = 10;
    killed(&config, 25);
    let is_checkpoint = |line: &&str| line.contains("\"checkpoint\"");
    cut_behind(&first_segment(&config), |lines| lines.iter().position(is_checkpoint).unwrap());
    finds(&config, "lines that head.json knows are missing at its end");
    killed(&config, 1);
    finds(&config, "lines that head.json knows are missing at its end");
}

#[test]
fn half_a_line_of_a_killed_process_is_told() {
    let home = TempDir::new().unwrap();
    let config = config(home.path());
    killed(&config, 3);
    let path = first_segment(&config);
    let mut text = fs::read(&path).unwrap();
    text.truncate(text.len() - 30);
    fs::write(path, text).unwrap();
    let report = intact(&config);
    assert!(report.streams[0].is_torn, "{report:?}");
    killed(&config, 1);
    assert!(intact(&config).streams[0].is_torn);
}

#[test]
fn a_stream_that_nobody_began_is_found() {
    let home = TempDir::new().unwrap();
    let other = TempDir::new().unwrap();
    for home in [&home, &other] {
        closed(&config(home.path()), 2);
    }
    let (config, other) = (config(home.path()), config(other.path()));
    let strange = files::streams(&other.directory).unwrap().remove(0);
    fs::rename(&strange.directory, config.directory.join(&strange.id)).unwrap();
    finds(&config, "the ledger does not know this stream");
}

#[test]
fn what_is_too_old_goes_and_the_rest_stays_provable() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    (config.segment, config.checkpoint_records) = (5000, 4);
    closed(&config, 60);
    // Of two streams, the newest so many bytes.
    config.keep = Keep::Size(30_000);
    let mut second = journal(&config);
    fill(&mut second, 60);
    let report = intact(&config);
    let kept: u64 = report.streams.iter().map(|stream| stream.records).sum();
    assert!((20..90).contains(&kept), "{report:?}");
    config.keep = Keep::Size(10_000);
    fill(&mut second, 1);
    second.close().unwrap();
    closed(&config, 1);
    let report = intact(&config);
    assert_eq!(report.streams.len(), 2, "{report:?}");
    assert!(report.streams[0].records < 60, "{report:?}");
    // What is left of it cannot go unseen.
    let streams = files::streams(&config.directory).unwrap();
    fs::remove_dir_all(&streams[0].directory).unwrap();
    finds(&config, "the whole stream is missing");
}

#[test]
fn nothing_is_removed_that_is_not_old() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    config.keep = Keep::Age(Duration::from_hours(1));
    for _ in 0..3 {
        closed(&config, 2);
    }
    assert_eq!(intact(&config).streams.len(), 3);
}

#[test]
fn several_processes_write_to_one_directory() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    config.checkpoint_records = 3;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| closed(&config, 20));
        }
    });
    let report = intact(&config);
    assert_eq!(report.streams.len(), 4);
    assert!(report.streams.iter().all(|stream| stream.records == 20), "{report:?}");
}

#[test]
fn what_was_lost_is_part_of_the_record() {
    let home = TempDir::new().unwrap();
    let config = config(home.path());
    let mut journal = journal(&config);
    journal.write(None, &[decided(1, "toy__echo")]).unwrap();
    let gap = Gap { lost: 12, why: "disk full".to_owned() };
    journal.write(Some(&gap), &[decided(14, "toy__echo")]).unwrap();
    journal.close().unwrap();
    assert_eq!(intact(&config).streams[0].lost, 12);
}

#[test]
fn a_process_that_is_killed_between_two_segments_leaves_no_doubt() {
    let home = TempDir::new().unwrap();
    let config = config(home.path());
    killed(&config, 3);
    let stream = files::streams(&config.directory).unwrap().remove(0);
    fs::write(stream.directory.join("000002.jsonl"), "").unwrap();
    let report = intact(&config);
    assert_eq!((report.streams[0].state, report.streams[0].segments), (State::CutOff, 2));
    killed(&config, 1);
    assert_eq!(intact(&config).streams[0].state, State::Found);
}
