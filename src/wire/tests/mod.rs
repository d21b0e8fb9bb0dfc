//! What the room promises: what passes keeps its bytes, and what is refused is refused in time.

mod corpus;
mod frame;
mod header;
mod line;
mod meta;
mod mirror;
mod object;
mod raw;
mod skim;
mod sse;

use crate::wire::Raw;

#[track_caller]
fn json(text: &str) -> Raw {
    Raw::parse(text.to_owned()).expect("tests write JSON")
}
