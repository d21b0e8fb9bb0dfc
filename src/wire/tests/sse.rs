//! Events are the same however their stream is cut, and one that is too long costs no memory.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::cut;
use crate::wire::skim::Kind;
use crate::wire::sse::Decoder;
use crate::wire::sse::Event;
use crate::wire::sse::Incoming;
use crate::wire::sse::KEEP_ALIVE;

const LIMIT: usize = 48;

fn shown(incoming: Incoming) -> String {
    match incoming {
        Incoming::Event(Event { kind, id, retry, data }) => {
            let mut out = String::new();
            let retry = retry.map(|retry| retry.as_millis().to_string());
            for (name, field) in [("event", kind), ("id", id), ("retry", retry)] {
                out.extend(field.map(|field| format!("{name}={field:?} ")));
            }
            out + &String::from_utf8_lossy(&data)
        }
        Incoming::TooLong { id, kind } => {
            let id = id.map_or("-".to_owned(), |id| id.to_string());
            let kind = kind.map_or("-".to_owned(), |kind: Kind| format!("{kind:?}"));
            format!("too long: {kind} {id}")
        }
    }
}

/// The events of a stream that comes in chunks.
fn events<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut decoder = Decoder::new(LIMIT);
    let mut seen = Vec::new();
    for chunk in chunks {
        decoder.feed(bytes::Bytes::copy_from_slice(chunk));
        while let Some(incoming) = decoder.next() {
            seen.push(shown(incoming));
        }
    }
    seen
}

/// The stream gives these events, cut in two anywhere or into single bytes.
#[track_caller]
fn check(stream: impl AsRef<[u8]>, expected: &[&str]) {
    let stream = stream.as_ref();
    let text = String::from_utf8_lossy(stream);
    assert_eq!(events([stream]), expected, "{text:?}");
    for at in 0..=stream.len() {
        let (one, two) = stream.split_at(at);
        assert_eq!(events([one, two]), expected, "{text:?} cut at {at}");
    }
    assert_eq!(events(stream.chunks(1)), expected, "{text:?} in bytes");
}

#[test]
fn the_examples_of_the_format() {
    check("data: YHOO\ndata: +2\ndata: 10\n\n", &["YHOO\n+2\n10"]);
    check(
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n\
        data:  third event\n\n",
        &["id=\"1\" first event", "id=\"\" second event", " third event"],
    );
    // The last one is not complete.
    check("data\n\ndata\ndata\n\ndata:", &["", "\n"]);
    check("data:test\n\ndata: test\n\n", &["test", "test"]);
}

#[test]
fn every_kind_of_line_break_ends_a_line() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = format!(":x{end}{end}data: a{end}data: b{end}{end}{end}data:c{end}{end}");
        check(stream, &["a\nb", "c"]);
    }
    check("data: a\r\rdata: b\n\r\ndata: c\r\n\r\n", &["a", "b", "c"]);
    check("data: a\r\n\ndata: b\n\r", &["a", "b"]);
    check("data: a\u{2028}\u{85}b\n\n", &["a\u{2028}\u{85}b"]);
}

#[test]
fn a_byte_order_mark_counts_at_the_start_alone() {
    check("\u{feff}data: a\n\ndata: b\n\n", &["a", "b"]);
    check("\u{feff}\u{feff}data: a\n\n", &[]);
    check("\u{feff}\ndata: a\n\u{feff}data: b\n\n", &["a"]);
    check("data: a\n\n\u{feff}data: b\n\n", &["a"]);
    check("\u{feff}data\n\n\u{feff}", &[""]);
    // Also where the first line is a long one.
    let data = "x".repeat(20_000);
    let mut decoder = Decoder::new(data.len());
    decoder.feed(bytes::Bytes::copy_from_slice(format!("\u{feff}data: {data}\n\n").as_bytes()));
    let event = Event { data: data.into(), ..Event::default() };
    assert_eq!(decoder.next(), Some(Incoming::Event(event)));
}

#[test]
fn fields_are_read_as_the_format_says() {
    for (stream, expected) in [
        ("event: a\ndata: 1\n\n", "event=\"a\" 1"),
        ("event: a\nevent:\ndata: 1\n\n", "1"),
        ("event\ndata: 1\n\n", "1"),
        ("data: 1\nevent: a\nevent: b\n\n", "event=\"b\" 1"),
        ("id: a\nid: b\0\ndata: 1\n\n", "id=\"a\" 1"),
        ("id: a\nid\ndata: 1\n\n", "id=\"\" 1"),
        ("id: 7\n\n", "id=\"7\" "),
        ("retry: 250\n\n", "retry=\"250\" "),
        ("retry: 1\nretry: +2\nretry: -3\nretry: 4 \nretry: \nretry\n\n", "retry=\"1\" "),
        ("retry: 1\nretry: 99999999999999999999\n\n", "retry=\"1\" "),
        ("data: {\"a\": 1}\n\n", "{\"a\": 1}"),
        ("data:\tx: y\n\n", "\tx: y"),
        ("data\n\n", ""),
        ("data: a\ndata\ndata: \ndata: b\n\n", "a\n\n\nb"),
    ] {
        check(stream, &[expected]);
    }
    for nothing in ["event: a\n\n", "\n\n", ":\n\n", "Data: a\n\n", " data: a\n\n", "datax: a\n\n"]
    {
        check(nothing, &[]);
    }
    check(KEEP_ALIVE, &[]);
    check(
        b"id: a\nid: \xFF\nevent: \xFF\ndata: \xFF\n\n",
        &["event=\"\u{fffd}\" id=\"a\" \u{fffd}"],
    );
    // What belonged to one event does not belong to the next.
    let stream = "event: a\nid: 1\nretry: 2\n\ndata: b\n\n";
    check(stream, &["event=\"a\" id=\"1\" retry=\"2\" ", "b"]);
}

#[test]
fn the_limit_is_the_longest_data_that_is_whole() {
    let (fits, over) = ("x".repeat(LIMIT), "x".repeat(LIMIT + 1));
    for space in ["", " "] {
        check(format!("data:{space}{fits}\n\n"), &[&fits]);
        check(format!("data:{space}{over}\n\ndata: a\n\n"), &["too long: - -", "a"]);
    }
    let (front, back) = ("x".repeat(20), "x".repeat(LIMIT - 21));
    check(format!("data: {front}\ndata: {back}\n\n"), &[&format!("{front}\n{back}")]);
    check(format!("data: {front}\ndata: {back}x\n\ndata: a\n\n"), &["too long: - -", "a"]);
    check("data\n".repeat(LIMIT + 1) + "\n", &["\n".repeat(LIMIT).as_str()]);
    check("data\n".repeat(LIMIT + 2) + "\ndata: a\n\n", &["too long: - -", "a"]);
}

#[test]
fn an_event_that_is_too_long_is_reported_once_with_the_id_wherever_that_stands() {
    let large = format!("\"{}\"", "x{[\\\"".repeat(40));
    for (data, expected) in [
        (format!("{{\"id\":5,\"method\":\"m\",\"params\":{large}}}"), "too long: Call 5"),
        (
            format!("{{\"params\":{{\"id\":6,\"x\":{large}}},\"method\":\"m\",\"id\":5}}"),
            "too long: Call 5",
        ),
        (
            format!("{{\"result\":[{large},{{\"id\":1}}],\n \"id\" : \"5\" }}"),
            "too long: Answer \"5\"",
        ),
        (format!("{{\"method\":\"m\",\"params\":{large}}}"), "too long: Call -"),
        (format!("{{\"id\":null,\"error\":{large}}}"), "too long: Answer -"),
        // Of two ids the first is told, however the stream is cut.
        (format!("{{\"id\":1,\"method\":\"m\",\"id\":2,\"params\":{large}}}"), "too long: Call 1"),
    ] {
        let event =
            Event { data: data.into(), kind: Some("message".to_owned()), ..Event::default() };
        let mut stream = event.write().to_vec();
        stream.extend_from_slice(b"data: next\n\n");
        check(&stream, &[expected, "next"]);
    }
    // It is reported before its end, if all is known.
    let stream = format!("data: {{\"id\":5,\"method\":\"m\",\"params\":{large}");
    check(stream, &["too long: Call 5"]);
}

/// Feeds a chunk again and again, and returns the most that was held.
fn held(decoder: &mut Decoder, chunk: &[u8], times: usize) -> (usize, Vec<String>) {
    let (mut most, mut seen) = (0, Vec::new());
    for _ in 0..times {
        decoder.feed(bytes::Bytes::copy_from_slice(chunk));
        while let Some(incoming) = decoder.next() {
            seen.push(shown(incoming));
        }
        most = most.max(decoder.held());
    }
    (most, seen)
}

#[test]
fn whatever_does_not_end_takes_bounded_memory() {
    let limit = 100_000;
    let chunk = "x".repeat(30_000);
    let bound = 2 * limit + 128 * 1024;
    for (start, chunk, expected) in [
        ("data: ", chunk.clone(), "data"),
        (": ", chunk.clone(), "comment"),
        ("id: ", chunk.clone(), "id"),
        ("event: ", chunk.clone(), "event"),
        ("", chunk.clone(), "unknown"),
        ("", format!("data: {chunk}\n"), "data in lines"),
        ("", "data\n".repeat(6_000), "data without text"),
        ("", format!("id: {chunk}\n"), "ids"),
        ("", "id: x\nevent: y\nretry: 1\n".repeat(1_000), "fields"),
        ("", ":\n".repeat(10_000), "comments"),
        ("", "\n".repeat(30_000), "nothing"),
    ] {
        let mut decoder = Decoder::new(limit);
        decoder.feed(bytes::Bytes::copy_from_slice(start.as_bytes()));
        // Megabytes go by.
        let (most, seen) = held(&mut decoder, chunk.as_bytes(), 100);
        assert!(most <= bound, "{expected}: {most} bytes");
        assert_eq!(seen, Vec::<String>::new(), "{expected}");
        // Then the stream goes on as if nothing had been.
        let (most, seen) = held(&mut decoder, b"\n\nid: 1\ndata: a\n\n", 1);
        assert!(most <= bound, "{expected}: {most} bytes");
        assert_eq!(seen.last().map(String::as_str), Some("id=\"1\" a"), "{expected}");
        let reports = seen.iter().filter(|seen| *seen == "too long: - -").count();
        assert_eq!(reports, usize::from(expected.starts_with("data")), "{expected}: {seen:?}");
    }
}

#[test]
fn an_id_that_is_too_long_is_no_other_id_and_a_long_name_no_message() {
    let long = "x".repeat(10_000);
    let stream = format!("id: 1\nid: {long}\nevent: {long}\ndata: a\n\n");
    let mut names = Vec::new();
    for size in [1, 100, 8_191, 8_192, 8_193, 20_011] {
        let mut decoder = Decoder::new(LIMIT);
        for chunk in stream.as_bytes().chunks(size) {
            decoder.feed(bytes::Bytes::copy_from_slice(chunk));
            while let Some(incoming) = decoder.next() {
                let Incoming::Event(event) = incoming else { panic!("the data is short") };
                assert_eq!((event.id.as_deref(), &*event.data), (Some("1"), &b"a"[..]));
                names.push(event.kind.unwrap());
            }
        }
    }
    assert_eq!(names.len(), 6);
    assert!(names.iter().all(|name| *name == names[0] && long.starts_with(name)));
}

#[test]
fn a_large_event_is_looked_at_once_and_takes_no_more_than_its_size() {
    let size = 8 * 1024 * 1024;
    let mut decoder = Decoder::new(size);
    decoder.feed(bytes::Bytes::copy_from_slice(b"data: "));
    let chunk = vec![b'x'; 64 * 1024];
    for came in 1..=size / chunk.len() {
        decoder.feed(bytes::Bytes::copy_from_slice(&chunk));
        assert_eq!(decoder.next(), None);
        // What was fed is never looked at again.
        assert_eq!(decoder.waiting(), 0);
        // At most one piece more than came, whose room is there already.
        let most = (came + 1) * chunk.len() + 100;
        assert!(decoder.held() <= most, "{} bytes for {came} pieces", decoder.held());
    }
    decoder.feed(bytes::Bytes::copy_from_slice(b"\n\n"));
    let Some(Incoming::Event(event)) = decoder.next() else { panic!("it is within the limit") };
    assert_eq!(event.data.len(), size);
    assert!(decoder.held() < 1024 * 1024, "{} bytes stay", decoder.held());
}

#[test]
fn what_a_line_cannot_hold_is_left_out_when_written() {
    let event = |kind: &str, id: &str, data: &str| Event {
        kind: Some(kind.to_owned()),
        id: Some(id.to_owned()),
        retry: None,
        data: Bytes::copy_from_slice(data.as_bytes()),
    };
    for (event, written) in [
        (event("a", "b", "c"), "event: a\nid: b\ndata: c\n\n"),
        (event("a\ndata: x", "b\rdata: y", "c"), "data: c\n\n"),
        (event("a\0", "b\0", ""), "event: a\0\ndata: \n\n"),
        (
            event("a", "", "{\r\n\"x\":\r1\n}\r"),
            "event: a\nid: \ndata: {\ndata: \"x\":\ndata: 1\ndata: }\ndata: \n\n",
        ),
    ] {
        assert_eq!(event.write(), written);
    }
}

/// Reads a whole stream at once and word for word as the format says, without any limit.
fn reference(stream: &str) -> Vec<String> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
    let (mut seen, mut event, mut data) = (Vec::new(), Event::default(), String::new());
    // What stands behind the last line break is no line.
    let complete = stream.rsplit_once('\n').map_or("", |(complete, _)| complete);
    let complete = if stream.contains('\n') { format!("{complete}\n") } else { String::new() };
    for line in complete.split_terminator('\n') {
        if line.is_empty() {
            let mut event = std::mem::take(&mut event);
            let data = std::mem::take(&mut data);
            if !data.is_empty() || event.id.is_some() || event.retry.is_some() {
                event.data = data.strip_suffix('\n').unwrap_or(&data).to_owned().into();
                seen.push(shown(Incoming::Event(event)));
            }
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => data.extend([value, "\n"]),
            "event" => event.kind = (!value.is_empty()).then(|| value.to_owned()),
            "id" if !value.contains('\0') => event.id = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                event.retry = value.parse().ok().map(Duration::from_millis);
            }
            _ => {}
        }
    }
    seen
}

fn stream() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "data",
        "event",
        "id",
        "retry",
        ":",
        ": ",
        " ",
        "\n",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\u{feff}",
        "a",
        "é",
        "7",
        "\0",
        "data: ",
        "data:",
        "id: ",
        "event: x\n",
    ]);
    // Events stay within the limit.
    let events = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    prop::collection::vec(events, 0..8).prop_map(|events| events.join("\n\n"))
}

proptest! {
    #[test]
    fn any_stream_gives_the_events_of_the_format(
        stream in stream(), cuts in prop::collection::vec(1_usize..9, 1..20),
    ) {
        let expected = reference(&stream);
        prop_assert_eq!(events(cut(stream.as_bytes(), &cuts)), &expected[..]);
        prop_assert_eq!(events([stream.as_bytes()]), expected);
    }

    #[test]
    fn any_bytes_give_the_same_events_however_they_are_cut(
        bytes in prop::collection::vec(prop_oneof![
            any::<u8>(),
            prop::sample::select(b"data: \n\r{}\"id,method:1".to_vec()),
        ], 0..400),
        cuts in prop::collection::vec(1_usize..50, 1..20),
    ) {
        let bytes = [b"data:", &bytes[..]].concat();
        prop_assert_eq!(events(cut(&bytes, &cuts)), events([&bytes[..]]));
    }

    #[test]
    fn what_is_written_is_read_back(
        kind in prop::option::of("[^\r\n]{1,9}"),
        id in prop::option::of("[^\r\n\0]{0,9}"),
        retry in prop::option::of(any::<u64>().prop_map(Duration::from_millis)),
        data in "[^\r]{0,24}",
        cuts in prop::collection::vec(1_usize..9, 1..20),
    ) {
        let data = Bytes::from(data);
        let event = Event { kind, id, retry, data };
        let mut decoder = Decoder::new(100);
        let written = event.write();
        let mut read = None;
        for chunk in cut(&written, &cuts) {
            prop_assert_eq!(&read, &None);
            decoder.feed(bytes::Bytes::copy_from_slice(chunk));
            read = decoder.next();
        }
        prop_assert_eq!(read, Some(Incoming::Event(event)));
    }
}
