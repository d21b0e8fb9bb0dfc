//! Lines come whole however they are cut, and one that is too long costs no memory.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use proptest::prelude::*;
use tokio::io::AsyncRead;
use tokio::io::ReadBuf;

use super::cut;
use crate::wire::Raw;
use crate::wire::budget::Budget;
use crate::wire::budget::SMALL;
use crate::wire::intake::Intake;
use crate::wire::line::Line;
use crate::wire::line::Lines;
use crate::wire::skim::Kind;

/// Gives its chunks one read at a time, the last one again and again as often as asked.
struct Chunks {
    chunks: VecDeque<Vec<u8>>,
    again: usize,
}

impl AsyncRead for Chunks {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _ctx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut chunk) = self.chunks.pop_front() {
            let rest = chunk.split_off(chunk.len().min(buf.remaining()));
            buf.put_slice(&chunk);
            if !rest.is_empty() {
                self.chunks.push_front(rest);
            } else if self.chunks.is_empty() && self.again > 0 {
                self.again -= 1;
                self.chunks.push_back(chunk);
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn shown(line: &Line) -> String {
    match line {
        Line::Beyond(bytes) => format!("beyond: {}", bytes.len()),
        Line::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Line::TooLong { id, kind } => {
            let id = id.as_ref().map_or("-".to_owned(), ToString::to_string);
            let kind = match kind {
                Some(Kind::Call) => "call",
                Some(Kind::Answer) => "answer",
                None => "-",
            };
            format!("too long: {kind} {id}")
        }
    }
}

/// The lines of a stream that comes in chunks.
fn lines<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Vec<String> {
    // An empty chunk would read as the end.
    let chunks = chunks.into_iter().filter(|chunk| !chunk.is_empty()).map(<[u8]>::to_vec);
    let reader = Chunks { chunks: chunks.collect(), again: 0 };
    let mut lines = Lines::new(reader, limit);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut seen = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            seen.push(shown(&line));
        }
        seen
    })
}

#[test]
fn lines_are_the_same_however_they_are_cut() {
    let stream =
        b"{\"a\":1}\r\n\n \t\r\n{\"id\":7,\"method\":\"m\",\"params\":{\"text\":\"long\"}}\n[2]\n\
        {\"result\":{\"text\":\"xxxxxxxxxxxxxx\"},\"id\":\"b\"}\nlast";
    let expected = ["{\"a\":1}\r", "too long: call 7", "[2]", "too long: answer \"b\"", "last"];
    assert_eq!(lines([&stream[..]], 24), expected);
    for at in 0..=stream.len() {
        let (one, two) = stream.split_at(at);
        assert_eq!(lines([one, two], 24), expected, "cut at {at}");
    }
    assert_eq!(lines(stream.chunks(1), 24), expected);
}

#[test]
fn the_limit_is_the_longest_line_that_is_whole() {
    assert_eq!(lines([&b"12345\n123456\n1234"[..]], 5), ["12345", "too long: - -", "1234"]);
    assert_eq!(lines([&b"123456"[..]], 5), ["too long: - -"]);
    assert_eq!(lines([&b"12345"[..]], 5), ["12345"]);
    assert_eq!(lines([&b"\n\n\n"[..]], 5), Vec::<String>::new());
    assert_eq!(lines([], 5), Vec::<String>::new());
}

#[test]
fn a_line_that_is_too_long_is_reported_once_with_its_id_wherever_that_stands() {
    let large = format!("\"{}\"", "x{[\\\"".repeat(40_000));
    let before =
        format!("{{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"m\",\"params\":{large}}}\nnext");
    let behind =
        format!("{{\"params\":{{\"id\":6,\"x\":{large}}},\"method\":\"m\",\"id\":5}}\nnext");
    let answer = format!("{{\"result\":[{large},{{\"id\":1}}], \"id\" : \"5\" }}\nnext");
    let none = format!("{{\"method\":\"m\",\"params\":{large}}}\nnext");
    for (text, expected) in [
        (before, "too long: call 5"),
        (behind, "too long: call 5"),
        (answer, "too long: answer \"5\""),
        (none, "too long: call -"),
    ] {
        assert_eq!(lines([text.as_bytes()], 1000), [expected, "next"]);
        assert_eq!(lines(text.as_bytes().chunks(977), 1000), [expected, "next"]);
    }
}

#[tokio::test]
async fn an_endless_line_takes_bounded_memory() {
    let limit = 100_000;
    let chunk = vec![b'x'; 30_000];
    let mut lines = Lines::new(Chunks { chunks: [chunk].into(), again: 2_000 }, limit);
    // 60 MB go by; what is held stays near the limit.
    let line = lines.next().await.unwrap().unwrap();
    assert_eq!(shown(&line), "too long: - -");
    assert!(lines.held() <= 2 * limit + 128 * 1024, "{} bytes", lines.held());
    assert!(lines.next().await.unwrap().is_none());
}

/// Lines of all lengths, and the stream of them.
fn long_lines() -> (Vec<String>, String) {
    let lengths = [10, 40_000, 60_000, 65_536, 65_537, 100_000, 1_000_000, 3, 0, 300_000];
    let text = |length: usize, at: usize| "abcdefg".chars().cycle().skip(at).take(length);
    let texts: Vec<String> =
        lengths.iter().enumerate().map(|(at, length)| text(*length, at).collect()).collect();
    let stream = texts.join("\n") + "\n";
    (texts.into_iter().filter(|text| !text.is_empty()).collect(), stream)
}

#[test]
fn long_lines_are_whole_however_they_are_cut() {
    let (texts, stream) = long_lines();
    for size in [1_000, 65_536, 70_001, stream.len()] {
        let seen = lines(stream.as_bytes().chunks(size), 1_000_000);
        assert!(seen == texts, "in pieces of {size}");
    }
}

#[tokio::test]
async fn large_lines_take_their_size_from_the_budget() {
    let (texts, stream) = long_lines();
    let budget = Budget::new(4 << 20);
    let chunks = stream.as_bytes().chunks(50_000).map(<[u8]>::to_vec).collect();
    let lines = Lines::new(Chunks { chunks, again: 0 }, 1_000_000);
    let mut lines = lines.through(Intake::within(budget.clone(), Duration::from_secs(1)));
    let mut seen = Vec::new();
    while let Some(Line::Whole(line)) = lines.next().await.unwrap() {
        seen.push(line);
    }
    assert!(seen.iter().eq(&texts));
    let large: usize = seen.iter().map(Bytes::len).filter(|length| *length > SMALL).sum();
    assert_eq!(budget.held(), large);
    drop(seen);
    assert_eq!(budget.held(), 0);
}

proptest! {
    #[test]
    fn any_stream_is_cut_into_the_same_lines(
        texts in prop::collection::vec("[a-z \r]{0,12}", 0..12),
        cuts in prop::collection::vec(1_usize..9, 1..60),
        ends in any::<bool>(),
    ) {
        let mut stream = texts.join("\n");
        if ends {
            stream.push('\n');
        }
        let mut expected = Vec::new();
        for text in &texts {
            if text.len() > 8 {
                expected.push("too long: - -".to_owned());
            } else if !text.trim().is_empty() {
                expected.push(text.clone());
            }
        }
        prop_assert_eq!(lines(cut(stream.as_bytes(), &cuts), 8), expected);
    }

    #[test]
    fn any_bytes_give_the_same_lines_however_they_are_cut(
        bytes in prop::collection::vec(prop_oneof![
            any::<u8>(),
            prop::sample::select(b"\n\r {}\"id,method:1".to_vec()),
        ], 0..300),
        cuts in prop::collection::vec(1_usize..50, 1..20),
        limit in 0_usize..40,
    ) {
        let whole = lines([&bytes[..]], limit);
        prop_assert_eq!(lines(cut(&bytes, &cuts), limit), &whole[..]);
        let stream = String::from_utf8_lossy(&bytes).into_owned();
        let is_long = |line: &&str| line.starts_with("too long: ");
        for line in whole.iter().map(String::as_str).filter(|line| !is_long(line)) {
            prop_assert!(stream.split('\n').any(|written| written == line));
        }
    }

    #[test]
    fn what_is_written_in_lines_is_read_back(
        values in prop::collection::vec(any::<String>(), 0..12),
        cuts in prop::collection::vec(1_usize..50, 1..20),
    ) {
        let frame = |value: &String| Raw::of(value).get().to_owned();
        let frames: Vec<String> = values.iter().map(frame).collect();
        let stream = frames.join("\n") + "\n";
        prop_assert_eq!(lines(cut(stream.as_bytes(), &cuts), 1_000_000), frames);
    }
}

#[tokio::test]
async fn when_half_of_what_was_read_is_handed_on_others_have_their_turn_once() {
    let mut lines = Lines::new(&b"1\n2\n3\n4\n"[..], 8);
    let mut heard = Vec::new();
    for _ in 0..6 {
        heard.push(lines.next().now_or_never().map(|line| line.unwrap().as_ref().map(shown)));
    }
    let line = |text: &str| Some(Some(text.to_owned()));
    assert_eq!(heard, [line("1"), line("2"), None, line("3"), line("4"), Some(None)]);
}
