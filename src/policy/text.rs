//! Texts as Cedar writes them.

use std::fmt::Write as _;

/// Writes a text as one of Cedar.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    push(&mut out, text);
    out.push('"');
    out
}

/// Writes a text of one thing of a type, as in `Tool::"a"`.
pub(super) fn entity(kind: &str, id: &str) -> String {
    format!("{kind}::{}", quoted(id))
}

/// Writes a pattern in which `*` stands for any text. Cedar has the same; all else is a text.
pub(super) fn pattern(text: &str) -> String {
    quoted(text)
}

fn push(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() || is_invisible(c) => {
                write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a text can always be written to");
            }
            c => out.push(c),
        }
    }
}

/// Whether a character is better not written as it is: some change the direction of others.
fn is_invisible(c: char) -> bool {
    let is_control = matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    is_control || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}')
}
