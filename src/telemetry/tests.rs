//! What is kept, what is told, and what is not when there is too much of it.

use std::sync::Arc;

use futures_util::FutureExt as _;
use serde_json::Value;

use crate::ids::UpstreamId;
use crate::telemetry::Feed;
use crate::telemetry::Follower;
use crate::telemetry::Journal;
use crate::telemetry::Source;
use crate::telemetry::feed;
use crate::telemetry::journal;

const ROOM: usize = 1 << 30;

/// What there is to read now.
fn read(follower: &Follower) -> Vec<String> {
    let mut out = Vec::new();
    let _is_some = follower.read(&mut out, ROOM).now_or_never();
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

fn tell(feed: &Feed, lines: std::ops::Range<usize>) {
    for number in lines {
        feed.tell(&Arc::from(number.to_string()));
    }
}

fn text(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    format!("{} {}: {}", line["upstream"], line["source"], line["text"]).replace('"', "")
}

#[tokio::test]
async fn everybody_who_follows_is_told_and_nobody_else() {
    let feed = Feed::default();
    tell(&feed, 0..3);
    assert!(!feed.is_followed());
    let (first, second) = (feed.follow(), feed.follow());
    tell(&feed, 3..5);
    assert_eq!(read(&first), ["3", "4"]);
    drop(first);
    tell(&feed, 5..6);
    assert_eq!(read(&second), ["3", "4", "5"]);
    assert!(feed.is_followed());
    drop(second);
    assert!(!feed.is_followed());
}

#[tokio::test]
async fn a_slow_follower_is_told_how_many_lines_it_missed_and_where() {
    let feed = Feed::default();
    let (slow, quick) = (feed.follow(), feed.follow());
    tell(&feed, 0..feed::LINES);
    assert_eq!(read(&quick).len(), feed::LINES);
    tell(&feed, feed::LINES..feed::LINES + 3);
    assert_eq!(read(&quick).len(), 3, "nobody waits for another");
    let found = read(&slow);
    assert_eq!(found.len(), feed::LINES + 1);
    assert_eq!(found.last().unwrap(), r#"{"missed":3}"#);

    tell(&feed, 0..feed::LINES + 1);
    let mut part = Vec::new();
    slow.read(&mut part, 1).await;
    assert_eq!(part, b"0\n");
    tell(&feed, 7..8);
    let found = read(&slow);
    assert_eq!(&found[found.len() - 2..], [r#"{"missed":1}"#, "7"]);

    // Long lines fill it sooner.
    let long: Arc<str> = "x".repeat(feed::BYTES / 4).into();
    (0..6).for_each(|_| feed.tell(&long));
    assert_eq!(read(&slow).len(), 5);
}

#[tokio::test]
async fn who_comes_later_is_told_the_past_and_then_what_follows() {
    let journal = Journal::default();
    let (files, git) = ["files", "git"].map(|id| journal.pages(&UpstreamId::new(id))).into();
    files.add(Source::Conflux, "started");
    git.add(Source::Stderr, "a \"quoted\"\u{1b} word");
    files.add(Source::Stderr, "hello");
    let (past, follower) = journal.open();
    git.add(Source::Conflux, "ended");
    let past: Vec<_> = past.iter().map(|line| text(line)).collect();
    let expected =
        ["files conflux: started", "git stderr: a \\quoted\\\\u001b word", "files stderr: hello"];
    assert_eq!(past, expected);
    assert_eq!(
        read(&follower).iter().map(|line| text(line)).collect::<Vec<_>>(),
        ["git conflux: ended"]
    );
    // Another one under the same key goes on in the same book.
    drop(files);
    journal.pages(&UpstreamId::new("files")).add(Source::Conflux, "started");
    assert_eq!(journal.open().0.len(), 5);
}

#[test]
fn one_that_floods_pushes_out_its_own_lines_alone() {
    let journal = Journal::default();
    let (quiet, loud) = ["quiet", "loud"].map(|id| journal.pages(&UpstreamId::new(id))).into();
    quiet.add(Source::Stderr, "one word");
    (0..3 * journal::LINES).for_each(|number| loud.add(Source::Stderr, &number.to_string()));
    let (past, _) = journal.open();
    assert_eq!(past.len(), journal::LINES + 1);
    assert_eq!(text(&past[0]), "quiet stderr: one word");
    let last = 3 * journal::LINES - 1;
    assert_eq!(text(past.last().unwrap()), format!("loud stderr: {last}"));
    (0..100).for_each(|_| loud.add(Source::Stderr, &"x".repeat(1024 * 4)));
    let kept: usize = journal.open().0.iter().map(|line| line.len()).sum();
    assert!(kept < journal::BYTES + 200, "{kept}");
}

#[test]
fn upstreams_that_are_gone_do_not_fill_the_memory() {
    let journal = Journal::default();
    let stays = journal.pages(&UpstreamId::new("stays"));
    stays.add(Source::Stderr, "x");
    for number in 0..3 * journal::BOOKS {
        journal.pages(&UpstreamId::new(&number.to_string())).add(Source::Stderr, "x");
    }
    let (past, _) = journal.open();
    assert!(past.len() <= journal::BOOKS, "{}", past.len());
    assert_eq!(text(&past[0]), "stays stderr: x");
}
