//! Server-sent events: they are the same however their stream is cut, and as they were written.
//!
//! The input is a limit, two sizes of chunks, and the stream.

use bytes::Bytes;
use conflux::wire::sse::Decoder;
use conflux::wire::sse::Event;
use conflux::wire::sse::Incoming;

fn events(stream: &[u8], sizes: [usize; 2], limit: usize) -> Vec<Incoming> {
    let mut decoder = Decoder::new(limit);
    let (mut rest, mut seen) = (stream, Vec::new());
    for size in sizes.into_iter().cycle() {
        let (chunk, behind) = rest.split_at(size.min(rest.len()));
        rest = behind;
        decoder.feed(Bytes::copy_from_slice(chunk));
        while let Some(incoming) = decoder.next() {
            seen.push(incoming);
        }
        if rest.is_empty() {
            break;
        }
    }
    seen
}

fn check(event: &Event, stream: &[u8], limit: usize) {
    assert!(event.data.len() <= limit, "the limit holds");
    let line_by_line = event.data.split(|byte| *byte == b'\n');
    for line in line_by_line {
        assert!(stream.windows(line.len().max(1)).any(|part| part == line) || line.is_empty());
    }
    // Each line of the data stands alone in the stream, so none holds the end of one.
    assert!(!event.data.contains(&b'\r'));
    let written = event.write();
    let read = events(&written, [usize::MAX; 2], limit);
    assert_eq!(read, [Incoming::Event(event.clone())], "what is written is read back");
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(([limit, one, two], stream)) = bytes.split_first_chunk() else { return };
    let limit = usize::from(*limit);
    let seen = events(stream, [usize::MAX; 2], limit);
    let sizes = [one, two].map(|size| usize::from(*size) + 1);
    assert_eq!(events(stream, sizes, limit), seen);
    for incoming in &seen {
        if let Incoming::Event(event) = incoming {
            check(event, stream, limit);
        }
    }
    // Any data is carried, with its line breaks as line feeds.
    let event = Event { data: Bytes::copy_from_slice(stream), ..Event::default() };
    let mut data: Vec<u8> = Vec::new();
    let mut after_return = false;
    for byte in stream {
        if !(after_return && *byte == b'\n') {
            data.push(if *byte == b'\r' { b'\n' } else { *byte });
        }
        after_return = *byte == b'\r';
    }
    let read = Event { data: data.into(), ..Event::default() };
    let events = events(&event.write(), sizes, stream.len());
    assert_eq!(events, [Incoming::Event(read)]);
}
