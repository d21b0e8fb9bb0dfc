//! Names and lists: merged from what upstreams list, found, shown.

use conflux::catalog::Kind;
use conflux::wire::Id;
use conflux::wire::frame;
use conflux::wire::object;
use divan::Bencher;
use divan::counter::BytesCount;
use divan::counter::ItemsCount;

use crate::data;

/// A catalog from what all upstreams list, with the bytes of the list prepared.
#[divan::bench(args = data::TOOLS)]
fn merge(bencher: Bencher<'_, '_>, tools: usize) {
    let sources = data::sources(tools);
    bencher.counter(ItemsCount::new(tools)).bench(|| data::merge(&sources));
}

/// Each name in turn.
#[divan::bench(args = data::TOOLS)]
fn look_up(bencher: Bencher<'_, '_>, tools: usize) {
    let catalog = data::merge(&data::sources(tools));
    let names = data::names(tools);
    assert!(names.iter().all(|name| catalog.tool(name).is_some()), "the names are theirs");
    bencher.counter(ItemsCount::new(tools)).bench(|| {
        names.iter().filter(|name| divan::black_box(catalog.tool(name)).is_some()).count()
    });
}

/// A name that there is not.
#[divan::bench(args = data::TOOLS)]
fn look_up_nothing(bencher: Bencher<'_, '_>, tools: usize) {
    let catalog = data::merge(&data::sources(tools));
    let name = divan::black_box("server1__write_nothing");
    bencher.bench(|| catalog.tool(name).is_some());
}

/// The answer to `tools/list` from a catalog that is there.
#[divan::bench(args = data::TOOLS)]
fn render(bencher: Bencher<'_, '_>, tools: usize) {
    let catalog = data::merge(&data::sources(tools));
    let id = Id::number(1042);
    bencher.counter(BytesCount::new(catalog.list(Kind::Tools).get().len())).bench(|| {
        let result = object::build([("tools", catalog.list(Kind::Tools).get())]);
        frame::response(Some(&id), Ok(&result))
    });
}

/// A question to a catalog that was asked something before.
#[divan::bench(args = data::TOOLS)]
fn search(bencher: Bencher<'_, '_>, tools: usize) {
    let catalog = data::merge(&data::sources(tools));
    let question = "read a file and write what is in it";
    assert!(!catalog.search(question).is_empty(), "some tool fits");
    bencher.bench(|| catalog.search(divan::black_box(question)).len());
}

/// The first question to a catalog, for which all definitions are read.
#[divan::bench(args = data::TOOLS)]
fn search_first(bencher: Bencher<'_, '_>, tools: usize) {
    let sources = data::sources(tools);
    let bencher = bencher.with_inputs(|| data::merge(&sources));
    bencher.bench_refs(|catalog| catalog.search(divan::black_box("write a file")).len());
}
