//! What the room promises: what passes keeps its bytes, and what is refused is refused in time.

mod corpus;
mod edits;
mod frame;
mod header;
mod line;
mod meta;
mod mirror;
mod object;
mod raw;
mod reader;
mod skim;
mod sse;

use crate::wire::Raw;

#[track_caller]
fn json(text: &str) -> Raw {
    Raw::parse(text.to_owned()).expect("tests write JSON")
}

/// Cuts bytes into chunks of these sizes, again and again.
fn cut<'a>(mut rest: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, more) = rest.split_at((*size).min(rest.len()));
        chunks.push(chunk);
        rest = more;
    }
    chunks
}
