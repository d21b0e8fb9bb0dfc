//! Edits of the map of servers in a file of a client; every byte outside of what is changed stays.
//!
//! Whatever is edited is read again: a text that would not say exactly what was wanted is never
//! returned.

mod json;
mod toml;

use crate::clients::places::Format;
use crate::clients::places::Place;
use crate::setup::value::Broken;
use crate::setup::value::Value;

/// Why a file cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not of its format.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// What should hold the servers is something else than a map.
    #[error("`{0}` is no map")]
    NoMap(String),
    /// The text would say something else than what was wanted.
    #[error("it is written in a way that cannot be edited without changing something else")]
    Unwanted,
}

/// A server that a map gets.
pub enum New<'a> {
    /// An entry with this name and value.
    Entry(&'a str, &'a Value),
    /// The entry of this name, as it is in another text of the same file.
    From(&'a str, &'a str),
}

impl New<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Entry(name, _) | Self::From(_, name) => name,
        }
    }
}

/// Returns the text of a file without the servers that `is_gone` names, and with new ones in their
/// place. Without a text, or without a map in it, one is made.
///
/// # Errors
///
/// It cannot be read, or is written in a way that is not edited.
pub fn replaced(
    text: &str,
    place: &Place,
    is_gone: &dyn Fn(&str) -> bool,
    new: &[New<'_>],
) -> Result<String, Error> {
    let (mark, bare) = match text.strip_prefix('\u{feff}') {
        Some(bare) => ("\u{feff}", bare),
        None => ("", text),
    };
    let edited = match place.format {
        Format::Json => json::replaced(bare, &place.keys, is_gone, new)?,
        Format::Toml => toml::replaced(bare, &place.keys, is_gone, new)?,
    };
    check(bare, &edited, place, is_gone, new)?;
    Ok(format!("{mark}{edited}"))
}

/// Checks that a text says what it said, but for the servers that went and came.
fn check(
    before: &str,
    after: &str,
    place: &Place,
    is_gone: &dyn Fn(&str) -> bool,
    new: &[New<'_>],
) -> Result<(), Error> {
    let (mut before, mut after) =
        (Value::parse(before, place.format)?, Value::parse(after, place.format)?);
    let (old, now) = (taken(&mut before, &place.keys), taken(&mut after, &place.keys));
    let kept = old.iter().filter(|(name, _)| !is_gone(name));
    let is_kept = kept.clone().all(|entry| now.contains(entry));
    let is_added = new.iter().all(|new| match new {
        New::Entry(name, value) => now.iter().any(|(key, it)| key == name && it == *value),
        New::From(_, name) => now.iter().any(|(key, _)| key == name),
    });
    let is_right = is_kept && is_added && now.len() == kept.count() + new.len();
    if is_right && before == after { Ok(()) } else { Err(Error::Unwanted) }
}

/// Takes the servers out of a value, and the map itself if nothing else was there.
fn taken(value: &mut Value, keys: &[String]) -> Vec<(String, Value)> {
    let Value::Map(entries) = value else { return Vec::new() };
    let Some((first, rest)) = keys.split_first() else { return std::mem::take(entries) };
    let Some(index) = entries.iter().rposition(|(key, _)| key == first) else { return Vec::new() };
    let Some((_, inner)) = entries.get_mut(index) else { return Vec::new() };
    let all = taken(inner, rest);
    if matches!(inner, Value::Map(left) if left.is_empty()) || *inner == Value::Null {
        entries.remove(index);
    }
    all
}
