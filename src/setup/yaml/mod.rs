//! Edits of the text of `upstreams.yaml`, which keep every byte that is not meant to change:
//! comments, quotes, order, empty lines.
//!
//! Whatever is edited is read again: a text that would not say exactly what was wanted is never
//! returned. JSON stays JSON, and a file of `mcpServers` keeps them.

mod block;
mod flow;
mod layout;
mod meaning;
mod outline;
mod text;
mod write;

#[cfg(test)]
mod tests;

use indexmap::IndexMap;

use crate::config::Transport;
use crate::config::units;
use crate::setup::Entry;
use crate::setup::Server;
use crate::setup::Target;
use crate::setup::Timeout;
use crate::setup::yaml::block::New;
use crate::setup::yaml::layout::Kind;
use crate::setup::yaml::layout::Node;
use crate::setup::yaml::layout::Pair;
use crate::setup::yaml::meaning::Meaning;
use crate::setup::yaml::text::Change;
use crate::setup::yaml::text::Text;

pub use self::outline::Place;
pub use self::outline::Value;
pub use self::outline::Written;
pub use self::outline::outline;

/// The two names of the map of upstreams.
const OURS: &str = "upstreams";
const THEIRS: &str = "mcpServers";
/// How many outer levels have an order that counts: what stands in a file, and its upstreams.
const ORDERED: usize = 2;

/// Why a text cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is neither YAML nor JSON.
    #[error("it is not valid YAML or JSON: {0}")]
    Syntax(String),
    /// It has something else at its top than keys and values.
    #[error("the file does not consist of keys and values")]
    NoPairs,
    /// What should hold upstreams by key does not.
    #[error("`{0}` is not a map")]
    NoMap(&'static str),
    /// There is an upstream of this key already.
    #[error("there is an upstream `{0}` already")]
    Exists(String),
    /// There is no upstream of this key.
    #[error("there is no upstream `{0}`")]
    Missing(String),
    /// It is written in another place, as in `*base`.
    #[error("`{0}` refers to what is written elsewhere in the file (`*`)")]
    Reference(String),
    /// It is written in a way that is not edited.
    #[error("`{0}` is written in a way that cannot be edited by a command")]
    Odd(String),
    /// Without it, or with the change, the text would no longer be right.
    #[error("with `{key}` changed, the file would not be valid: {why}")]
    Spoils {
        /// The upstream.
        key: String,
        /// What would be wrong.
        why: String,
    },
    /// The text would say something else than what was wanted.
    #[error("`{0}` cannot be changed without changing something else")]
    Unwanted(String),
}

impl Error {
    /// Returns what to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "`conflux check` says where; correct it first",
            Self::NoPairs | Self::NoMap(_) => {
                "write `key: { ... }` for each upstream; `conflux check` says where"
            }
            Self::Exists(_) => "choose another name, or remove that one first",
            Self::Missing(_) => "`conflux check --json` lists the upstreams there are",
            Self::Reference(_) | Self::Odd(_) | Self::Spoils { .. } | Self::Unwanted(_) => {
                "edit the file by hand; nothing was changed"
            }
        }
    }
}

/// Returns the text with these upstreams behind those it has; without a text, a new one.
///
/// # Errors
///
/// It cannot be read, has one of the keys already, or is written in a way that is not edited.
pub fn with_added(text: Option<&str>, entries: &[Entry]) -> Result<String, Error> {
    entries.iter().try_fold(text.unwrap_or_default().to_owned(), |text, entry| add(&text, entry))
}

/// Returns the text without an upstream, and without the comments that belong to it alone.
///
/// # Errors
///
/// It cannot be read, has no such key, or is written in a way that is not edited.
pub fn without(text: &str, key: &str) -> Result<String, Error> {
    let mut edit = Edit::of(text, key)?;
    let found = edit.found()?;
    let changes = match found.section.value.map() {
        Some((_, true)) => flow::remove(Text(text), &found.section.value, key)?,
        Some((pairs, false)) => block::remove(Text(text), &found.section, pairs, key)?,
        None => return Err(Error::Missing(key.to_owned())),
    };
    let name = edit.section;
    if let Some(pairs) = edit.wanted.at(name).and_then(Meaning::pairs) {
        pairs.retain(|(name, _)| name != key);
    }
    edit.finish(changes)
}

/// Returns the text with an upstream disabled, or enabled again.
///
/// # Errors
///
/// It cannot be read, has no such key, or is written in a way that is not edited.
pub fn with_disabled(text: &str, key: &str, disabled: bool) -> Result<String, Error> {
    let mut edit = Edit::of(text, key)?;
    let found = edit.found()?;
    let entry = &found.pair.value;
    let is_theirs = edit.section == THEIRS && entry.pair("disabled").is_none();
    let is_enabled = is_theirs && entry.pair("enabled").is_some();
    let (field, value) = if is_enabled { ("enabled", !disabled) } else { ("disabled", disabled) };
    let wanted = Meaning::Bool(value);
    let changes = match (entry.pair(field), entry.map()) {
        (Some(pair), _) => vec![replaced(pair, value.to_string())?],
        (None, _) if !disabled => Vec::new(),
        (None, Some((_, true))) => {
            flow::add(Text(text), entry, flow::is_json(&found.root), field, &wanted)
        }
        (None, Some((_, false))) => {
            block::lead(Text(text), entry, New { key: field, value: &wanted, comment: None })?
        }
        (None, None) => return Err(unmapped(entry, key)),
    };
    if !changes.is_empty() {
        edit.set(key, field, wanted);
    }
    edit.finish(changes)
}

/// Returns the text with the program of an upstream written in another way.
///
/// # Errors
///
/// It cannot be read, has no such key, or is written in a way that is not edited.
pub fn with_command(text: &str, key: &str, command: &str) -> Result<String, Error> {
    const FIELD: &str = "command";
    let mut edit = Edit::of(text, key)?;
    let found = edit.found()?;
    let pair = found.pair.value.pair(FIELD).ok_or_else(|| Error::Odd(key.to_owned()))?;
    let is_quoted = matches!(pair.value.kind, Kind::Scalar { is_quoted: true, .. });
    let written = if is_quoted { write::quoted(command) } else { write::word(command).into() };
    let changes = vec![replaced(pair, written)?];
    edit.set(key, FIELD, Meaning::Text(command.to_owned()));
    edit.finish(changes)
}

/// Returns the keys of the upstreams in a text, in their order.
///
/// # Errors
///
/// It cannot be read.
pub fn keys(text: &str) -> Result<Vec<String>, Error> {
    let mut meaning = Meaning::of(text)?;
    let section = section(&meaning);
    let pairs = meaning.at(section).and_then(Meaning::pairs);
    Ok(pairs.into_iter().flatten().map(|(key, _)| key.clone()).collect())
}

fn add(text: &str, entry: &Entry) -> Result<String, Error> {
    let key = entry.key.as_str();
    let mut edit = Edit::of(text, key)?;
    let server = fields(&entry.server, edit.section);
    let new = New { key, value: &server, comment: entry.comment.as_deref() };
    let changes = adding(Text(text), layout::of(text)?.as_ref(), edit.section, new)?;
    let name = edit.section;
    let Some(section) = edit.wanted.map_at(name) else { return Err(Error::NoMap(name)) };
    if section.get(key).is_some() {
        return Err(Error::Exists(key.to_owned()));
    }
    section.set(key, server);
    edit.finish(changes)
}

/// Decides what to add where.
fn adding(
    text: Text<'_>,
    root: Option<&Node>,
    section: &'static str,
    new: New<'_>,
) -> Result<Vec<Change>, Error> {
    let Some(root) = root.filter(|root| !root.is_null()) else {
        let style = write::Style { newline: text.newline(), step: block::STEP };
        let end = text.0.len();
        let head = format!("{}{section}:{}", block::started(text, end), style.newline);
        return Ok(vec![Change::insert(end, head + &new.lines(block::STEP, style))]);
    };
    let Some((pairs, is_flow)) = root.map() else { return Err(Error::NoPairs) };
    let is_json = flow::is_json(root);
    let Some(pair) = root.pair(section) else {
        if !is_flow {
            return block::add_below(text, pairs, section, new);
        }
        let value = Meaning::Map(vec![(new.key.to_owned(), new.value.clone())]);
        return Ok(flow::add(text, root, is_json, section, &value));
    };
    match &pair.value.kind {
        Kind::Map { is_flow: false, pairs } => block::add(text, pair, pairs, new),
        Kind::Map { is_flow: true, pairs } if is_flow || !pairs.is_empty() => {
            Ok(flow::add(text, &pair.value, is_json, new.key, new.value))
        }
        Kind::Map { .. } => block::begin(text, pair, new),
        Kind::Scalar { .. } if pair.value.is_null() && !is_flow => block::begin(text, pair, new),
        Kind::Alias => Err(Error::Reference(section.to_owned())),
        Kind::Scalar { .. } | Kind::List { .. } => Err(Error::NoMap(section)),
    }
}

/// Replaces the value of a pair, which must be written there.
fn replaced(pair: &Pair, to: String) -> Result<Change, Error> {
    let name = pair.name().unwrap_or_default();
    match &pair.value.kind {
        Kind::Scalar { .. } if !pair.value.range.is_empty() => {
            Ok(Change { range: pair.value.range.clone(), to })
        }
        Kind::Alias => Err(Error::Reference(name.to_owned())),
        Kind::Scalar { .. } | Kind::Map { .. } | Kind::List { .. } => {
            Err(Error::Odd(name.to_owned()))
        }
    }
}

fn unmapped(entry: &Node, key: &str) -> Error {
    match entry.kind {
        Kind::Alias => Error::Reference(key.to_owned()),
        Kind::Scalar { .. } | Kind::Map { .. } | Kind::List { .. } => Error::Odd(key.to_owned()),
    }
}

/// An edit of a text: what it is about, and what the text is to say in the end.
struct Edit<'t> {
    text: &'t str,
    key: &'t str,
    section: &'static str,
    wanted: Meaning,
}

/// Where an upstream stands.
struct Found {
    root: Node,
    section: Pair,
    pair: Pair,
}

impl<'t> Edit<'t> {
    fn of(text: &'t str, key: &'t str) -> Result<Self, Error> {
        let wanted = Meaning::of(text)?;
        Ok(Self { text, key, section: section(&wanted), wanted })
    }

    /// Finds the upstream that is to be edited.
    fn found(&self) -> Result<Found, Error> {
        let missing = || Error::Missing(self.key.to_owned());
        let root = layout::of(self.text)?.ok_or_else(missing)?;
        let section = root.pair(self.section).ok_or_else(missing)?.clone();
        if matches!(section.value.kind, Kind::Alias) {
            return Err(Error::Reference(self.section.to_owned()));
        }
        let pair = section.value.pair(self.key).ok_or_else(missing)?.clone();
        Ok(Found { root, section, pair })
    }

    /// Says that a field of an upstream is to have this value.
    fn set(&mut self, key: &str, field: &str, value: Meaning) {
        let entry = self.wanted.at(self.section).and_then(|section| section.at(key));
        if let Some(entry) = entry {
            entry.set(field, value);
        }
    }

    /// Makes the changes, and sees whether they are what was wanted.
    fn finish(self, changes: Vec<Change>) -> Result<String, Error> {
        let text = Text(self.text).with(changes);
        let key = self.key.to_owned();
        match Meaning::of(&text) {
            Ok(meaning) if meaning.is_same(&self.wanted, ORDERED) => Ok(text),
            Ok(_) => Err(Error::Unwanted(key)),
            Err(Error::Syntax(why)) => Err(Error::Spoils { key, why }),
            Err(error) => Err(error),
        }
    }
}

/// Returns how the file calls its upstreams.
fn section(meaning: &Meaning) -> &'static str {
    if meaning.get(OURS).is_none() && meaning.get(THEIRS).is_some() { THEIRS } else { OURS }
}

/// Returns what an upstream is, key by key, in the order in which people expect them.
fn fields(server: &Server, section: &str) -> Meaning {
    let text = |text: &String| Meaning::Text(text.clone());
    let texts = |all: &[String]| Meaning::List(all.iter().map(text).collect());
    let map = |all: &IndexMap<String, String>| {
        Meaning::Map(all.iter().map(|(key, value)| (key.clone(), text(value))).collect())
    };
    let mut fields = Vec::new();
    let mut add = |key: &str, value: Option<Meaning>| {
        fields.extend(value.map(|value| (key.to_owned(), value)));
    };
    match &server.target {
        Target::Command(command) => {
            add("command", Some(text(&command.command)));
            add("args", (!command.args.is_empty()).then(|| texts(&command.args)));
            add("env", (!command.env.is_empty()).then(|| map(&command.env)));
            add("cwd", command.cwd.as_ref().map(text));
        }
        Target::Remote(remote) => {
            // What other programs read, too, keeps their words.
            let name = if section == THEIRS { "type" } else { "transport" };
            add("url", Some(text(&remote.url)));
            add(name, remote.transport.map(|transport| Meaning::Text(word(transport).to_owned())));
            add("headers", (!remote.headers.is_empty()).then(|| map(&remote.headers)));
        }
    }
    let duration = |time| Meaning::Text(units::show_duration(time));
    let Timeout { start, call } = server.timeout;
    let timeout = [("start", start), ("call", call)];
    let timeout =
        timeout.into_iter().filter_map(|(key, time)| Some((key.to_owned(), duration(time?))));
    let timeout: Vec<_> = timeout.collect();
    add("timeout", (!timeout.is_empty()).then_some(Meaning::Map(timeout)));
    let tools = [("allow", &server.tools.allow), ("deny", &server.tools.deny)];
    let tools = tools.into_iter().filter(|(_, patterns)| !patterns.is_empty());
    let tools: Vec<_> = tools.map(|(key, all)| (key.to_owned(), texts(all))).collect();
    add("tools", (!tools.is_empty()).then_some(Meaning::Map(tools)));
    add("disabled", server.disabled.then_some(Meaning::Bool(true)));
    Meaning::Map(fields)
}

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Http => "http",
        Transport::Sse => "sse",
    }
}
