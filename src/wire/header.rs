//! What a modern request over HTTP says in headers besides its body (2026-07-28, Streamable HTTP,
//! "Request Metadata").

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The revision a request speaks.
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// The method of a request.
pub const METHOD: &str = "mcp-method";
/// The name or the address a request is about.
pub const NAME: &str = "mcp-name";
/// The session a legacy message belongs to.
pub const SESSION_ID: &str = "mcp-session-id";
/// What stands before the name of a header that mirrors an argument.
pub const PARAM_PREFIX: &str = "Mcp-Param-";

const ENCODED_START: &str = "=?base64?";
const ENCODED_END: &str = "?=";

/// Returns `value` as a header can carry it.
///
/// Text that is not plain ASCII, that white space surrounds or that looks encoded is encoded.
pub fn encode(value: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\t');
    let is_padded = value.trim_matches([' ', '\t']).len() != value.len();
    let looks_encoded = value.starts_with(ENCODED_START) && value.ends_with(ENCODED_END);
    if value.bytes().all(is_plain) && !is_padded && !looks_encoded {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("{ENCODED_START}{}{ENCODED_END}", STANDARD.encode(value)))
}

/// Returns what a header's value stands for; nothing if it is no text that a header may carry.
pub fn decode(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value).ok()?;
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\t');
    if !text.bytes().all(is_plain) {
        return None;
    }
    let encoded = text.strip_prefix(ENCODED_START).and_then(|rest| rest.strip_suffix(ENCODED_END));
    match encoded {
        None => Some(Cow::Borrowed(text)),
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok().map(Cow::Owned),
    }
}
