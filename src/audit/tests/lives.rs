//! Streams from their beginning to their end: rotation, crashes, removal, several at once.

use std::fs;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use std::time::SystemTime;

use nix::sys::stat::Mode;
use nix::unistd;
use tempfile::TempDir;

use crate::audit::digest::Digest;
use crate::audit::files;
use crate::audit::follow::Follower;
use crate::audit::journal::Gap;
use crate::audit::ledger::HEAD;
use crate::audit::ledger::LEDGER;
use crate::audit::line::Line;
use crate::audit::record::Outcome;
use crate::audit::tests::config;
use crate::audit::tests::decided;
use crate::audit::tests::ended;
use crate::audit::tests::finds;
use crate::audit::tests::intact;
use crate::audit::tests::journal;
use crate::audit::tests::report;
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
fn what_was_replaced_behind_a_checkpoint_is_not_signed_by_the_next_one() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    config.checkpoint_records = 10;
    let mut killed = journal(&config);
    fill(&mut killed, 25);
    drop(killed);
    let streams = files::streams(&config.directory).unwrap();
    let path = &streams[0].segments[&1];
    let text = fs::read_to_string(path).unwrap();
    let is_checkpoint = |line: &&str| line.contains("\"checkpoint\"");
    let kept = text.lines().position(|line| is_checkpoint(&line)).unwrap() + 1;
    // Somebody without the key goes on from the first checkpoint, further than it went.
    let mut lines: Vec<_> = text.lines().take(kept).map(str::to_owned).collect();
    for seq in kept + 1..=text.lines().count() + 5 {
        let prev = Digest::of(lines[lines.len() - 1].as_bytes());
        lines.push(Line::new(seq as u64, prev, SystemTime::now(), "request").end());
    }
    fs::write(path, lines.join("\n") + "\n").unwrap();
    finds(&config, "it is not the line that head.json knows");
    for _ in 0..2 {
        fill(&mut journal(&config), 1);
        finds(&config, "it is not the line that head.json knows");
    }
}

#[test]
fn a_stream_that_is_taken_away_while_it_is_written_goes_on_in_another_one() {
    let home = TempDir::new().unwrap();
    let config = config(home.path());
    let mut journal = journal(&config);
    fill(&mut journal, 3);
    let first = files::streams(&config.directory).unwrap().remove(0);
    fs::remove_dir_all(&first.directory).unwrap();
    fill(&mut journal, 2);
    let found = report(&config);
    assert_eq!((found.streams.len(), found.streams[0].records), (1, 2));
    finds(&config, "the whole stream is missing");
    // Even where nothing is left that knows of it.
    fs::remove_dir_all(&config.directory).unwrap();
    fill(&mut journal, 4);
    journal.close().unwrap();
    assert_eq!(report(&config).streams[0].records, 4);
    finds(&config, "a segment was removed or replaced while it was written to");
}

#[test]
fn whoever_writes_notices_that_older_files_were_put_back() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    config.checkpoint_records = 5;
    for name in [HEAD, LEDGER] {
        let path = config.directory.join(name);
        let mut journal = journal(&config);
        fill(&mut journal, 1);
        let before = fs::read(&path).unwrap();
        let mut other = super::journal(&config);
        fill(&mut other, 10);
        other.close().unwrap();
        fill(&mut journal, 10);
        journal.close().unwrap();
        let mut journal = super::journal(&config);
        fill(&mut journal, 6);
        fs::write(&path, before).unwrap();
        fill(&mut journal, 6);
        journal.close().unwrap();
        let said = match name {
            HEAD => "older files were put in the place",
            _ => "entries of `ledger.jsonl` are missing",
        };
        finds(&config, said);
        fs::remove_dir_all(&config.directory).unwrap();
    }
}

#[test]
fn nothing_that_others_put_there_stops_anybody() {
    let home = TempDir::new().unwrap();
    let config = config(home.path());
    let mut killed = journal(&config);
    fill(&mut killed, 3);
    drop(killed);
    let stream = files::streams(&config.directory).unwrap().remove(0);
    let last = format!("{}", u64::MAX);
    let hostile = format!(
        "{{\"v\":1,\"seq\":{last},\"kind\":\"gap\",\"lost\":{last}}}\n{{\"seq\":1}}\nno line\n"
    );
    let entry = format!("{{\"v\":1,\"entry\":{last}}}\n");
    let add = |path: &Path, text: &str| {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    add(&stream.segments[&1], &hostile.repeat(2));
    add(&stream.directory.join("4294967295.jsonl"), &hostile);
    unistd::mkfifo(&stream.directory.join("000007.jsonl"), Mode::S_IRWXU).unwrap();
    add(&config.directory.join(LEDGER), &entry);
    finds(&config, "it does not follow the line before it");
    finds(&config, "segments 2 to 4294967294 are missing");
    let mut next = journal(&config);
    fill(&mut next, 1);
    next.close().unwrap();
    finds(&config, "ends in what this gateway has not signed");
    let (mut follower, records) = Follower::open(&config.directory, 100).unwrap();
    assert!(records.iter().any(|record| record.name() == "toy__echo"), "{records:?}");
    follower.news().unwrap();
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
fn what_is_left_of_a_stream_that_was_removed_is_no_news() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    for _ in 0..2 {
        let mut journal = journal(&config);
        fill(&mut journal, 2);
        journal.close().unwrap();
        config.keep = Keep::Size(0);
    }
    let removed = intact(&config).streams.remove(0);
    let mut third = journal(&config);
    fill(&mut third, 1);
    third.close().unwrap();
    assert_eq!(intact(&config).streams.len(), 1);
    // Its process was killed just before it removed the directory.
    fs::create_dir(config.directory.join(&removed.id)).unwrap();
    assert_eq!(intact(&config).streams.len(), 1);
}

#[test]
fn several_processes_remove_what_is_old() {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    (config.segment, config.checkpoint_records) = (2000, 2);
    config.keep = Keep::Size(10_000);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut journal = journal(&config);
                fill(&mut journal, 60);
                journal.close().unwrap();
            });
        }
    });
    let records: u64 = intact(&config).streams.iter().map(|stream| stream.records).sum();
    assert!((1..240).contains(&records), "{records}");
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
