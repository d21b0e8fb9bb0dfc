//! What a modern request over HTTP says in headers: read, and compared with its body.

use conflux::wire::Raw;
use conflux::wire::header;
use conflux::wire::meta::RequestMeta;
use conflux::wire::mirror;
use divan::Bencher;

use crate::data;

const SCHEMA: &str = r#"{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"shard":{"type":"integer","x-mcp-header":"Shard"},"text":{"type":"string","description":"What to write."}},"required":["region"]}"#;
const ARGUMENTS: &str =
    r#"{"region":"Zürich","shard":7,"text":"some words that a tool would say"}"#;

/// What the body says of itself, which headers repeat.
#[divan::bench]
fn read_meta(bencher: Bencher<'_, '_>) {
    let params = format!(r#"{{"name":"files__read_text_file",{}}}"#, data::MODERN);
    let params = Raw::parse(params).unwrap();
    bencher.bench(|| RequestMeta::read(Some(&params)));
}

#[divan::bench(args = ["files__read_text_file", "Zürich"])]
fn encode(bencher: Bencher<'_, '_>, value: &str) {
    bencher.bench(|| header::encode(divan::black_box(value)));
}

#[divan::bench(args = ["files__read_text_file", "=?base64?WsO8cmljaA==?="])]
fn decode(bencher: Bencher<'_, '_>, value: &str) {
    bencher.bench(|| header::decode(divan::black_box(value.as_bytes())));
}

/// Which arguments a tool wants mirrored: of one that wants some, and of one that wants none.
#[divan::bench(args = [true, false])]
fn read_mirrors(bencher: Bencher<'_, '_>, has_some: bool) {
    let schema = if has_some { SCHEMA.to_owned() } else { SCHEMA.replace(mirror::ANNOTATION, "x") };
    let schema = Raw::parse(schema).unwrap();
    bencher.bench(|| mirror::mirrors(&schema));
}

/// The headers of mirrored arguments against the arguments.
#[divan::bench]
fn compare_mirrors(bencher: Bencher<'_, '_>) {
    let mirrors = mirror::mirrors(&Raw::parse(SCHEMA).unwrap()).unwrap();
    let arguments = Raw::parse(ARGUMENTS).unwrap();
    let values = ["=?base64?WsO8cmljaA==?=", "7"].map(str::as_bytes);
    bencher.bench(|| {
        let mut pairs = mirrors.iter().zip(values);
        let is_fine = pairs.all(|(mirror, value)| {
            mirror.agrees(header::decode(value).as_deref(), Some(&arguments))
        });
        assert!(is_fine, "they say the same");
    });
}
