//! The few things that are done to JSON here, all of them on its text.

use std::borrow::Cow;

use memchr::memchr2;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The modern revision.
pub(crate) const MODERN: &str = "2026-07-28";
/// The newest legacy revision.
pub(crate) const LEGACY: &str = "2025-11-25";
/// The key that only modern requests have in their `_meta`.
pub(crate) const VERSION_KEY: &[u8] = b"\"io.modelcontextprotocol/protocolVersion\"";

/// How all messages written here begin.
pub(crate) const HEAD: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":";

/// A message whose parts are where they came.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) params: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) result: Option<&'a RawValue>,
}

/// Reads a message, however it is written.
pub(crate) fn envelope(message: &[u8]) -> Option<Envelope<'_>> {
    serde_json::from_slice(message).ok()
}

/// Returns what stands after the first `key`, which is given with its colon.
pub(crate) fn after<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = memmem::find(text, key)?;
    text.get(at + key.len()..)
}

pub(crate) fn has(text: &[u8], word: &[u8]) -> bool {
    memmem::find(text, word).is_some()
}

/// Returns the length of a string whose opening quote was taken, up to its closing one.
pub(crate) fn string_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let found = memchr2(b'"', b'\\', rest)?;
        if rest.get(found) == Some(&b'"') {
            return Some(at + found);
        }
        at += found + 2;
    }
}

/// Where `part` lies in `whole`, of which it is a part.
pub(crate) fn place(whole: &[u8], part: &str) -> std::ops::Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start + part.len()
}

/// Returns `text` as a JSON string.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
