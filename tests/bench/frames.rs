//! Messages: read, edited, written.

use conflux::wire::Id;
use conflux::wire::Raw;
use conflux::wire::frame;
use conflux::wire::frame::Message;
use conflux::wire::frame::Request;
use conflux::wire::frame::Response;
use conflux::wire::line::Lines;
use conflux::wire::meta;
use divan::Bencher;
use divan::counter::BytesCount;

use crate::data;

/// A request: its envelope, and what `params` must not hold twice.
#[divan::bench(args = data::LENGTHS)]
fn read_call(bencher: Bencher<'_, '_>, length: usize) {
    let call = data::call(length);
    bencher.counter(BytesCount::of_slice(&call)).bench(|| frame::read(call.clone()));
}

/// A response: its envelope alone.
#[divan::bench(args = data::LENGTHS)]
fn read_answer(bencher: Bencher<'_, '_>, length: usize) {
    let answer = data::answer(length);
    bencher.counter(BytesCount::of_slice(&answer)).bench(|| frame::read(answer.clone()));
}

/// A request goes on: another name, another token for progress, another id.
#[divan::bench(args = data::LENGTHS)]
fn splice_call(bencher: Bencher<'_, '_>, length: usize) {
    let call = data::call(length);
    let Message::Request(Request { method, params, .. }) = frame::read(call.clone()).unwrap()
    else {
        unreachable!("a call is a request")
    };
    let params = params.unwrap();
    let (id, name, token) = (Id::number(77), Raw::of("write_text_file"), Raw::of(&77));
    bencher.counter(BytesCount::of_slice(&call)).bench(|| {
        let named = params.object().unwrap().edit().set("name", name.get()).apply();
        let edited = meta::edit(Some(&named), &[(meta::PROGRESS_TOKEN, token.get())], &[]);
        frame::request(&id, &method, edited.as_ref())
    });
}

/// A response goes back under another id.
#[divan::bench(args = data::LENGTHS)]
fn splice_answer(bencher: Bencher<'_, '_>, length: usize) {
    let answer = data::answer(length);
    let Message::Response(Response { outcome, .. }) = frame::read(answer.clone()).unwrap() else {
        unreachable!("an answer is a response")
    };
    let id = Id::number(1042);
    bencher
        .counter(BytesCount::of_slice(&answer))
        .bench(|| frame::response(Some(&id), outcome.as_ref()));
}

/// Lines out of a stream.
#[divan::bench(args = data::LENGTHS)]
fn read_line(bencher: Bencher<'_, '_>, length: usize) {
    let mut stream = data::call(length).to_vec();
    stream.push(b'\n');
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    bencher.counter(BytesCount::of_slice(&stream)).bench(|| {
        let mut lines = Lines::new(stream.as_slice(), stream.len());
        runtime.block_on(lines.next()).unwrap()
    });
}
