//! Fills `${NAME}`, `${NAME:-default}`, `${env:NAME}` and `${file:PATH}` into a text.
//!
//! Only `${` is special: a `$` before anything else is itself, and `$${` stands for `${`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::config::suggest;
use crate::config::units::Misread;

/// The largest file that `${file:PATH}` reads.
const MAX_FILE: u64 = 64 * 1024;

/// How what is said about a variable ends that is not set.
pub(super) const UNSET: &str = "is not set";

/// Where values come from.
pub struct Sources<'a> {
    /// The environment.
    pub variables: &'a BTreeMap<String, String>,
    /// What `~/` stands for.
    pub home: Option<&'a Path>,
    /// What relative paths start from.
    pub directory: &'a Path,
}

/// A text with everything filled in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// The values that were filled in.
    pub(super) values: Vec<Value>,
}

/// A value that was filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// It was written as the default.
    Default(String),
    /// It is that of a variable.
    Variable { name: String, text: String },
    /// It is the text of a file.
    File(String),
}

impl Value {
    fn text(&self) -> &str {
        match self {
            Self::Default(text) | Self::Variable { text, .. } | Self::File(text) => text,
        }
    }
}

/// Fills in all references of `text`, or tells everything that is wrong with them.
pub(super) fn expand(text: &str, sources: &Sources<'_>) -> Result<Expanded, Vec<Misread>> {
    let mut expanded = Expanded::default();
    let mut wrong = Vec::new();
    for piece in pieces(text) {
        let reference = match piece {
            Piece::Text(text) => {
                expanded.text.push_str(text);
                continue;
            }
            Piece::Reference(inside) => reference(inside),
            Piece::Unclosed => Err(misread("`${` without `}`", "write `$${` for a plain `${`")),
        };
        match reference.and_then(|reference| reference.value(sources)) {
            Ok(value) => {
                expanded.text.push_str(value.text());
                expanded.values.push(value);
            }
            Err(misread) => wrong.push(misread),
        }
    }
    if wrong.is_empty() { Ok(expanded) } else { Err(wrong) }
}

/// Returns what a reference (what is between `${` and `}`) stands for; nothing if that cannot be
/// told here.
pub fn value(inside: &str, sources: &Sources<'_>) -> Option<String> {
    let value = reference(inside).and_then(|reference| reference.value(sources)).ok()?;
    Some(value.text().to_owned())
}

/// Returns where the file of a reference is; nothing if it is in a home directory nobody knows.
pub fn file_of(path: &str, sources: &Sources<'_>) -> Option<PathBuf> {
    resolve(path, sources).ok()
}

/// Resolves a path that may be relative or start with `~/`.
pub(super) fn resolve(path: &str, sources: &Sources<'_>) -> Result<PathBuf, Misread> {
    let rest = if path == "~" { Some("") } else { path.strip_prefix("~/") };
    let joined = match (rest, sources.home) {
        (None, _) => sources.directory.join(path),
        (Some(rest), Some(home)) => home.join(rest),
        (Some(_), None) => {
            return Err(misread("`~` without a home directory", "write the whole path"));
        }
    };
    // Collecting the components drops `.` and doubled separators.
    Ok(joined.components().collect())
}

/// A part of a text with references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// It stands for itself.
    Text(&'a str),
    /// What stands between `${` and `}`.
    Reference(&'a str),
    /// What follows `${` has no end.
    Unclosed,
}

/// Returns the parts of a text in their order.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            pieces.extend([Piece::Text(before), Piece::Text("${")]);
            rest = after;
            continue;
        }
        pieces.push(Piece::Text(before));
        let Some((inside, after)) = after.split_once('}') else {
            pieces.push(Piece::Unclosed);
            return pieces;
        };
        pieces.push(Piece::Reference(inside));
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

enum Reference<'a> {
    Variable { name: &'a str, default: Option<&'a str> },
    File(&'a str),
}

fn reference(inside: &str) -> Result<Reference<'_>, Misread> {
    if let Some(path) = inside.strip_prefix("file:") {
        return Ok(Reference::File(path));
    }
    let named = inside.strip_prefix("env:").unwrap_or(inside);
    let (name, default) = match named.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (named, None),
    };
    if default.is_some_and(|default| default.contains("${")) {
        return Err(misread(
            &format!("the default of `{name}` holds another `${{`"),
            "a default is plain text",
        ));
    }
    if is_name(name) {
        return Ok(Reference::Variable { name, default });
    }
    Err(not_a_reference(name))
}

/// Returns whether a reference can name a variable like this.
pub fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

fn not_a_reference(written: &str) -> Misread {
    match written.split_once(':') {
        Some((kind @ ("keyring" | "cmd" | "input"), _)) => misread(
            &format!("`${{{kind}:...}}` is not supported by this version"),
            "set an environment variable and write `${NAME}`, or keep the value in a file and \
             write `${file:PATH}`",
        ),
        Some((name, _)) if is_name(name) => misread(
            &format!("`${{{name}:...}}` is not known"),
            "write `${NAME}`, `${NAME:-default}`, `${env:NAME}` or `${file:PATH}`",
        ),
        _ => misread(
            &format!("`{written}` is not the name of a variable"),
            "write letters, digits and `_`, or `$${` for a plain `${`",
        ),
    }
}

impl Reference<'_> {
    fn value(&self, sources: &Sources<'_>) -> Result<Value, Misread> {
        match self {
            Self::File(path) => {
                let text = read(&resolve(path, sources)?).map_err(|why| file(path, why))?;
                Ok(Value::File(text))
            }
            Self::Variable { name, default } => {
                let set = sources.variables.get(*name);
                match (set.filter(|set| default.is_none() || !set.is_empty()), default) {
                    (Some(set), _) => {
                        Ok(Value::Variable { name: (*name).to_owned(), text: set.clone() })
                    }
                    (None, Some(default)) => Ok(Value::Default((*default).to_owned())),
                    (None, None) => Err(unset(name, sources)),
                }
            }
        }
    }
}

fn unset(name: &str, sources: &Sources<'_>) -> Misread {
    let nearest = suggest::nearest(name, sources.variables.keys().map(String::as_str));
    let hint = match nearest {
        Some(nearest) => format!("did you mean `${{{nearest}}}`?"),
        None => format!("set it, or write a default, as in `${{{name}:-default}}`"),
    };
    misread(&format!("the variable `{name}` {UNSET}"), &hint)
}

/// Reads a small text file and drops one newline at its end.
fn read(path: &Path) -> Result<String, &'static str> {
    let about = fs::metadata(path).map_err(|_| "cannot be found")?;
    if !about.is_file() {
        return Err("is not a file");
    }
    if about.len() > MAX_FILE {
        return Err("is larger than 64KiB");
    }
    let bytes = fs::read(path).map_err(|_| "cannot be read")?;
    let mut text = String::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn file(path: &str, why: &str) -> Misread {
    let hint = "name a readable text file; a relative path starts at the configuration file";
    misread(&format!("the file `{path}` {why}"), hint)
}

fn misread(message: &str, hint: &str) -> Misread {
    Misread { message: message.to_owned(), hint: hint.to_owned() }
}
