//! Puts Conflux into the file of a client, and takes it out again: texts in, texts out.

use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

use crate::clients::Client;
use crate::clients::places::Place;
use crate::setup::NAME;
use crate::setup::edit;
use crate::setup::edit::New;
use crate::setup::read::Found;
use crate::setup::value::Value;

/// What Conflux's entry is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The program to start.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Whether the other entries stay beside it.
    pub keep: bool,
}

/// What was done to the file of a client, so that it can be undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The client.
    pub client: String,
    /// The file.
    pub file: PathBuf,
    /// Each change, the oldest first.
    pub steps: Vec<Step>,
}

/// One change of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When, as in `2026-11-22T03:45:00Z`.
    pub time: String,
    /// What was there before; nothing if the file was not there.
    pub backup: Option<PathBuf>,
    /// The SHA-256 of what was left, in hexadecimal.
    pub left: String,
}

/// What is to become of a file when one step is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Restored {
    /// Byte for byte what it was.
    AsItWas(Option<String>),
    /// It was changed in the meantime: Conflux is taken out, and these entries are put back.
    Mended(String, Vec<String>),
}

/// What is to become of a file when Conflux goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// What is to be in it; nothing if it is to go.
    pub text: Option<String>,
    /// Whether that is what it was, byte for byte.
    pub is_exact: bool,
    /// The servers that are put back into one that was changed in the meantime.
    pub back: Vec<String>,
}

/// Returns the entry of Conflux in the words of a client.
pub fn entry(client: Client, wish: &Wish) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    let list = |items: &[String]| Value::List(items.iter().map(|item| text(item)).collect());
    let program = ("command", text(&wish.program));
    let args = ("args", list(&wish.args));
    let fields = match client {
        Client::ClaudeCode | Client::VsCode => vec![("type", text("stdio")), program, args],
        Client::Zed => vec![("source", text("custom")), program, args],
        Client::OpenCode => {
            let whole = [std::slice::from_ref(&wish.program), &wish.args].concat();
            vec![("type", text("local")), ("command", list(&whole)), ("enabled", Value::Bool(true))]
        }
        _ => vec![program, args],
    };
    Value::Map(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Returns the text of a file with Conflux in it, instead of all others unless they are kept;
/// nothing if that is so already.
///
/// # Errors
///
/// The text cannot be edited.
pub fn installed(
    text: &str,
    place: &Place,
    found: &[Found],
    wish: &Wish,
) -> Result<Option<String>, edit::Error> {
    let entry = entry(place.client, wish);
    let root = Value::parse(text, place.format)?;
    let servers = root.at(&place.keys).map(Value::entries).unwrap_or_default();
    let is_gone = |name: &str| is_replaced(name, found, wish.keep);
    let gone: Vec<_> = servers.iter().filter(|(name, _)| is_gone(name)).collect();
    if matches!(gone.as_slice(), [(name, value)] if name == NAME && *value == entry) {
        return Ok(None);
    }
    edit::replaced(text, place, &is_gone, &[New::Entry(NAME, &entry)]).map(Some)
}

/// Returns whether Conflux takes the place of the server of this name: of itself, and of all that
/// it can have unless they are kept.
pub fn is_replaced(name: &str, found: &[Found], keep: bool) -> bool {
    let is_it = |it: &&Found| it.name == name;
    let can_go = |it: &Found| it.is_conflux() || (!keep && it.server.is_some());
    name == NAME || found.iter().filter(is_it).any(can_go)
}

/// Undoes all steps, the newest first: returns what is to be in the file. `now` is what is in it;
/// each step, the oldest first, has what was there before it.
///
/// # Errors
///
/// The file was changed since, and cannot be edited.
pub fn undone(
    now: Option<&str>,
    place: &Place,
    steps: &[(Step, Option<String>)],
) -> Result<Undone, edit::Error> {
    let mut undone = Undone { text: now.map(str::to_owned), is_exact: true, back: Vec::new() };
    for (step, before) in steps.iter().rev() {
        // A file that is gone has nothing to take Conflux out of.
        let Some(text) = &undone.text else { break };
        undone.text = match restored(text, before.as_deref(), place, step)? {
            Restored::AsItWas(before) => before,
            Restored::Mended(text, names) => {
                undone.is_exact = false;
                // The step before left Conflux there, which goes with that.
                undone.back.extend(names.into_iter().filter(|name| name != NAME));
                Some(text)
            }
        };
    }
    Ok(undone)
}

/// Undoes one step: returns what is to be in the file. `now` is what is in it, `before` what was.
fn restored(
    now: &str,
    before: Option<&str>,
    place: &Place,
    step: &Step,
) -> Result<Restored, edit::Error> {
    // A step that is written down and was not taken left what was there.
    if digest(now) == step.left || before == Some(now) {
        return Ok(Restored::AsItWas(before.map(str::to_owned)));
    }
    let names = |text: &str| -> Result<Vec<String>, edit::Error> {
        let root = Value::parse(text, place.format)?;
        let servers = root.at(&place.keys).map(Value::entries).unwrap_or_default();
        let mut names: Vec<String> = servers.iter().map(|(name, _)| name.clone()).collect();
        names.dedup();
        Ok(names)
    };
    let there = names(now)?;
    let mut back = names(before.unwrap_or_default())?;
    back.retain(|name| name == NAME || !there.contains(name));
    let mut new = Vec::new();
    for name in &back {
        new.push(New::From(before.unwrap_or_default(), name));
    }
    let text = edit::replaced(now, place, &|name| name == NAME, &new)?;
    Ok(Restored::Mended(text, back))
}

/// Returns the SHA-256 of a text in hexadecimal.
pub fn digest(text: &str) -> String {
    let digest = Sha256::digest(text);
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
