//! Events of a stream: written, and read back.

use conflux::wire::sse::Decoder;
use conflux::wire::sse::Event;
use divan::Bencher;
use divan::counter::BytesCount;

use crate::data;

fn event(length: usize) -> Event {
    let (kind, data) = (Some("message".to_owned()), data::answer(length));
    Event { kind, data, ..Event::default() }
}

#[divan::bench(args = data::LENGTHS)]
fn encode(bencher: Bencher<'_, '_>, length: usize) {
    let event = event(length);
    bencher.counter(BytesCount::of_slice(&event.data)).bench(|| event.write());
}

#[divan::bench(args = data::LENGTHS)]
fn decode(bencher: Bencher<'_, '_>, length: usize) {
    let event = event(length);
    let (written, limit) = (event.write(), event.data.len());
    bencher.counter(BytesCount::of_slice(&written)).bench(|| {
        let mut decoder = Decoder::new(limit);
        decoder.feed(written.clone());
        decoder.next()
    });
}
