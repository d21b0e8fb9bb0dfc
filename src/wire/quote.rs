//! Strings between what they say and how they stand in JSON; most stand there as they are.

use std::borrow::Cow;

use crate::wire::reader;
use crate::wire::reader::Reader;

/// Writes `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push(&mut out, text);
    out
}

/// Returns what `json` says, if it is one JSON string.
pub fn unquoted(json: &str) -> Option<Cow<'_, str>> {
    let mut reader = Reader::new(json);
    let said = reader.string().ok()?;
    reader.end().ok()?;
    Some(said)
}

/// Adds `text` as a JSON string.
pub(in crate::wire) fn push(out: &mut String, text: &str) {
    if reader::is_plain(text.as_bytes()) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::to_string(text).expect("every text can be written"));
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;
    use super::unquoted;

    #[test]
    fn it_is_what_serde_json_makes_of_it_both_ways() {
        for text in ["", "a", "tools/call", "ä\u{7f}\u{2028}", "\"", "a\\b\n\u{1}\u{1f600}"] {
            let json = quoted(text);
            assert_eq!(json, serde_json::to_string(text).unwrap());
            assert_eq!(unquoted(&json).as_deref(), Some(text));
            assert_eq!(unquoted(&format!(" {json}\n")).as_deref(), Some(text));
        }
        assert_eq!(unquoted(r#""\ud83d\ude00\/""#).as_deref(), Some("\u{1f600}/"));
        for no_string in ["", "1", "null", "\"a", "\"a\"b", r#""\ud83d""#, "\"\n\"", "[\"a\"]"] {
            assert_eq!(unquoted(no_string), None, "{no_string}");
        }
    }
}
