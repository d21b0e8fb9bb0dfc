//! How new values are written: as lines of YAML, between braces, or as JSON.

use std::borrow::Cow;

use crate::setup::yaml::meaning::Meaning;

/// How long a line may get before a list is written item by item, in bytes.
const LONGEST_LINE: usize = 90;

/// Words that mean something else than themselves to one reader of YAML or another.
const SPECIAL: &[&str] = &["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// How lines are written in the text that is edited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style<'t> {
    /// What ends a line.
    pub(super) newline: &'t str,
    /// What stands before the lines of a map, in addition to what stands before its key.
    pub(super) step: &'t str,
}

/// Writes pairs as lines that begin with `indent`; the last one is ended, too.
pub(super) fn lines(pairs: &[(String, Meaning)], indent: &str, style: Style<'_>) -> String {
    let Style { newline, step } = style;
    let line = |(key, value): &(String, Meaning)| {
        let (key, deeper) = (word(key), format!("{indent}{step}"));
        let on_one_line = format!("{indent}{key}: {}", braces(value));
        let is_short = on_one_line.len() <= LONGEST_LINE;
        match value {
            Meaning::Map(inner) if inner.len() > 1 || !inner.is_empty() && !is_short => {
                format!("{indent}{key}:{newline}{}", lines(inner, &deeper, style))
            }
            Meaning::List(items) if !items.is_empty() && !is_short => {
                let item = |item| format!("{deeper}- {}{newline}", braces(item));
                let items: String = items.iter().map(item).collect();
                format!("{indent}{key}:{newline}{items}")
            }
            _ => on_one_line + newline,
        }
    };
    pairs.iter().map(line).collect()
}

/// Writes a value on one line.
pub(super) fn braces(value: &Meaning) -> String {
    match value {
        Meaning::List(items) => {
            let items: Vec<_> = items.iter().map(braces).collect();
            format!("[{}]", items.join(", "))
        }
        Meaning::Map(pairs) if pairs.is_empty() => "{}".to_owned(),
        Meaning::Map(pairs) => {
            let pair =
                |(key, value): &(String, Meaning)| format!("{}: {}", word(key), braces(value));
            let pairs: Vec<_> = pairs.iter().map(pair).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Meaning::Text(text) => word(text).into_owned(),
        other => scalar(other),
    }
}

/// Writes a value as JSON: on one line, or, where the lines begin with `indent`, its pairs on lines
/// of their own.
pub(super) fn json(value: &Meaning, indent: Option<&str>, style: Style<'_>) -> String {
    match value {
        Meaning::List(items) => {
            let items: Vec<_> = items.iter().map(|item| json(item, None, style)).collect();
            format!("[{}]", items.join(", "))
        }
        Meaning::Map(pairs) if pairs.is_empty() => "{}".to_owned(),
        Meaning::Map(pairs) => {
            let Style { newline, step } = style;
            let deeper = indent.map(|indent| format!("{indent}{step}"));
            let pair = |(key, value): &(String, Meaning)| {
                let value = json(value, deeper.as_deref(), style);
                format!("{}: {value}", quoted(key))
            };
            let pairs: Vec<_> = pairs.iter().map(pair).collect();
            match (indent, &deeper) {
                (Some(indent), Some(deeper)) => {
                    let pairs = pairs.join(&format!(",{newline}{deeper}"));
                    format!("{{{newline}{deeper}{pairs}{newline}{indent}}}")
                }
                _ => format!("{{ {} }}", pairs.join(", ")),
            }
        }
        Meaning::Text(text) => quoted(text),
        other => scalar(other),
    }
}

fn scalar(value: &Meaning) -> String {
    match value {
        Meaning::Bool(value) => value.to_string(),
        Meaning::Integer(value) => value.to_string(),
        Meaning::Float(value) => value.to_string(),
        _ => "null".to_owned(),
    }
}

/// Writes a text as it is, or in quotes where it could be taken for something else.
pub(super) fn word(text: &str) -> Cow<'_, str> {
    if is_plain(text) { Cow::Borrowed(text) } else { Cow::Owned(quoted(text)) }
}

fn is_plain(text: &str) -> bool {
    let mut characters = text.chars();
    let (Some(first), second) = (characters.next(), characters.next()) else { return false };
    let begins = match first {
        'a'..='z' | 'A'..='Z' | '_' | '/' => true,
        '.' => second == Some('/') || text.starts_with("../"),
        '-' => second.is_some_and(|second| second.is_ascii_alphabetic() || second == '-'),
        '0'..='9' => return is_duration(text),
        _ => false,
    };
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./@:=+%~".contains(c);
    begins
        && text.chars().all(harmless)
        && !text.ends_with(':')
        && !text.starts_with("---")
        && !SPECIAL.contains(&text.to_ascii_lowercase().as_str())
}

fn is_duration(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    matches!(unit, "ms" | "s" | "m" | "h")
}

/// Writes a text in quotes, as JSON and YAML both read it.
pub(super) fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    // What JSON may have as it is, and YAML may not.
    let is_odd = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    if !json.contains(is_odd) {
        return json;
    }
    let escaped = |c: char| {
        if is_odd(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }
    };
    json.chars().map(escaped).collect()
}
