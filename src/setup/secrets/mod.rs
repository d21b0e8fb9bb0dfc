//! Takes literal secrets out of servers: what stands in `upstreams.yaml` is a reference.
//!
//! A secret is known by the name of what holds it (a variable, a header, an option, a parameter of
//! an address), or by its shape. Better one too many than one too few: a reference to a file means
//! the same as the text that was there.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use crate::config;
use crate::config::interpolate;
use crate::config::interpolate::Piece;
use crate::config::secrets::shapes;
use crate::config::secrets::shapes::Hit;
use crate::setup::Server;
use crate::setup::Target;
use crate::setup::reference;
use crate::setup::value::Value;

/// The shortest value that people are warned of because of its name, in characters.
const SHORTEST: usize = 8;

/// What stands for a reference while shapes are looked for; no variable, argument or address can
/// hold it.
const HOLE: char = '\0';
/// What stands beside a reference and is shorter is more likely punctuation than a secret.
const MIN_PART: usize = 4;

/// Where secrets go.
pub enum Keep<'a> {
    /// Each into a file of its own.
    Files {
        /// The directory of the files, as it is written in front of `/` and a name.
        directory: String,
        /// What is in the file of a name already, if it is there.
        taken: &'a dyn Fn(&str) -> Option<String>,
    },
    /// Into variables, which the user has to set.
    Variables,
}

/// A secret that was taken out.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The key of the upstream.
    pub key: String,
    /// The name of its file or of its variable.
    pub name: String,
    /// The secret itself.
    pub value: String,
    /// Whether the file holds it already.
    pub is_kept: bool,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("key", &self.key)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Where secrets are put, and what was put there.
pub struct Vault<'a> {
    keep: Keep<'a>,
    names: BTreeMap<String, String>,
    secrets: Vec<Secret>,
}

impl<'a> Vault<'a> {
    /// Makes an empty one.
    pub fn new(keep: Keep<'a>) -> Self {
        Self { keep, names: BTreeMap::new(), secrets: Vec::new() }
    }

    /// Returns what was put into it.
    pub fn into_secrets(self) -> Vec<Secret> {
        self.secrets
    }

    /// Keeps a secret and returns the reference to it.
    fn put(&mut self, key: &str, holder: &str, value: &str) -> String {
        let whole = if begins(holder, key) { holder.to_owned() } else { format!("{key}-{holder}") };
        let wished = match self.keep {
            Keep::Files { .. } => slug(&whole),
            // A variable of the program keeps its name.
            Keep::Variables if interpolate::is_name(holder) => holder.to_owned(),
            Keep::Variables => reference::variable_name(&whole),
        };
        let separator = if matches!(self.keep, Keep::Files { .. }) { '-' } else { '_' };
        let numbered = (2..).map(|number: usize| format!("{wished}{separator}{number}"));
        let fits = |name: &String| self.holds(name).is_none_or(|held| held == value);
        let name = std::iter::once(wished.clone()).chain(numbered).find(fits);
        let name = name.unwrap_or(wished);
        if !self.names.contains_key(&name) {
            let is_kept = self.holds(&name).is_some();
            let (key, value) = (key.to_owned(), value.to_owned());
            self.secrets.push(Secret { key, name: name.clone(), value: value.clone(), is_kept });
            self.names.insert(name.clone(), value);
        }
        match &self.keep {
            Keep::Files { directory, .. } => format!("${{file:{directory}/{name}}}"),
            Keep::Variables => format!("${{{name}}}"),
        }
    }

    fn holds(&self, name: &str) -> Option<String> {
        let known = self.names.get(name).cloned();
        known.or_else(|| match &self.keep {
            Keep::Files { taken, .. } => taken(name),
            Keep::Variables => None,
        })
    }
}

/// Whether the name of a secret says whose it is already: `GITHUB_TOKEN` of `github`.
fn begins(holder: &str, key: &str) -> bool {
    let (holder, key) = (slug(holder), slug(key));
    holder.strip_prefix(&key).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Returns a text as the name of a file: `time-API_TOKEN` becomes `time-api-token`.
fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(plain).collect::<String>().trim_matches('-').to_owned()
}

/// Returns the server with references in the place of its literal secrets.
pub fn lifted(server: &Server, key: &str, vault: &mut Vault<'_>) -> Server {
    let mut server = server.clone();
    let mut lift = Lift { key, vault };
    match &mut server.target {
        Target::Command(command) => {
            for (name, value) in &mut command.env {
                *value = lift.named(name, value);
            }
            command.args = lift.args(&command.args);
        }
        Target::Remote(remote) => {
            for (name, value) in &mut remote.headers {
                *value = lift.header(name, value);
            }
            remote.url = lift.text("url", &remote.url);
        }
    }
    server
}

/// Returns whether a value is so surely a secret that is written out that people are warned of it:
/// it looks like one, or what holds it is named so and it is neither short, nor a word, nor a
/// place. An argument has no name; what stands `before` it may name it.
pub fn is_literal(name: Option<&str>, before: Option<&str>, value: &str) -> bool {
    if Flat::of(value).is_some_and(|flat| !flat.hits("").is_empty()) {
        return true;
    }
    let argument = Argument::of(before.unwrap_or_default(), value);
    let (name, value) = name.map_or((argument.holder, argument.value), |name| (Some(name), value));
    let Some(plain) = plain(value) else { return false };
    name.is_some_and(|name| config::names_secret(name) && is_telling(name, &plain))
        && is_sure(&plain)
}

/// Whether the value of something that is named like a secret is hardly anything else.
fn is_sure(value: &str) -> bool {
    // A token has no spaces in it, but the word that says what it is.
    let bare = value.trim().split_once(' ').map_or(value.trim(), |(_, token)| token.trim());
    let is_place = bare.starts_with(['/', '.', '~']) || bare.contains("://");
    let is_word = bare.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '_');
    bare.len() >= SHORTEST && !is_place && !is_word && !bare.contains(' ')
}

/// Returns the secrets that are written out in servers, to be masked wherever they are shown.
pub fn literals<'s>(servers: impl IntoIterator<Item = &'s Server>) -> Vec<String> {
    let mut vault = Vault::new(Keep::Variables);
    for (index, server) in servers.into_iter().enumerate() {
        lifted(server, &format!("server-{index}"), &mut vault);
    }
    vault.into_secrets().into_iter().map(|secret| secret.value).collect()
}

/// Returns what is secret in a file, whatever it is for: what is named so, or looks so.
pub fn in_file(value: &Value) -> Vec<String> {
    let mut all = Vec::new();
    for (key, value) in value.entries() {
        match value {
            Value::Text(text) | Value::Number(text) if config::names_secret(key) => {
                // What names a variable shows no more than that.
                if !key.ends_with("env_var") && !is_open(text) {
                    all.push(text.clone());
                }
            }
            _ => all.extend(in_file(value)),
        }
    }
    let mut before = "";
    for item in value.items() {
        all.extend(in_file(item));
        let text = item.text().unwrap_or_default();
        let argument = Argument::of(before, text);
        if argument.holder.is_some_and(config::names_secret) && !is_open(argument.value) {
            all.push(argument.value.to_owned());
        }
        before = text;
    }
    let text = value.text().unwrap_or_default();
    let hits = shapes::find(text, "").into_iter();
    all.extend(hits.filter_map(|hit| text.get(hit.at).map(str::to_owned)));
    all
}

/// Whether a text in the words of some client shows no more than the names of references, and
/// words between them (`Bearer ${TOKEN}`).
fn is_open(text: &str) -> bool {
    // So write some, and ours is understood in all.
    let text = ["env:", "file:"].iter().fold(text.to_owned(), |text, kind| {
        let (ours, theirs) = (format!("${{{kind}"), format!("{{{kind}"));
        text.replace(&ours, &theirs).replace(&theirs, &ours)
    });
    let mut is_reference = false;
    for piece in interpolate::pieces(&text) {
        match piece {
            Piece::Text(word) if word.bytes().any(|byte| byte.is_ascii_digit()) => return false,
            Piece::Text(_) => {}
            Piece::Reference(inside) if inside.contains(":-") => return false,
            Piece::Reference(_) => is_reference = true,
            Piece::Unclosed => return false,
        }
    }
    is_reference
}

/// Returns a text without references as it is meant; nothing if it has some.
fn plain(text: &str) -> Option<String> {
    let mut plain = String::new();
    for piece in interpolate::pieces(text) {
        match piece {
            Piece::Text(text) => plain.push_str(text),
            Piece::Reference(_) | Piece::Unclosed => return None,
        }
    }
    Some(plain)
}

/// Whether what is named like a secret can be one: not a switch, and not where something lies.
fn is_telling(name: &str, value: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let lies = ["FILE", "PATH", "DIR", "CREDENTIALS"].iter().any(|end| upper.ends_with(end));
    let is_place = lies && (value.starts_with(['/', '~', '.']) || value.get(1..3) == Some(":\\"));
    let is_address = ["URL", "URI", "HOST", "ENDPOINT"].iter().any(|end| upper.ends_with(end));
    let is_switch = matches!(value.to_ascii_lowercase().as_str(), "" | "true" | "false" | "none");
    let is_count = value.len() < 6 && value.bytes().all(|byte| byte.is_ascii_digit());
    !(is_place || is_address || is_switch || is_count)
}

/// What an argument says, and of what.
struct Argument<'a> {
    /// What stands before the value, as it is written.
    front: &'a str,
    /// What the value is called, by the argument itself or by the one before it.
    holder: Option<&'a str>,
    value: &'a str,
    /// Whether it is a header.
    is_header: bool,
}

impl<'a> Argument<'a> {
    fn of(before: &'a str, arg: &'a str) -> Self {
        let split = |value: &'a str| arg.split_at_checked(arg.len() - value.len());
        if let Some((flag, value)) = arg.split_once('=')
            && is_word(flag.trim_start_matches('-'))
            && let Some((front, value)) = split(value)
        {
            let holder = Some(flag.trim_start_matches('-'));
            return Self { front, holder, value, is_header: false };
        }
        if matches!(before, "--header" | "-H")
            && let Some((name, value)) = arg.split_once(':')
            && let Some((front, value)) = split(value.trim_start())
        {
            return Self { front, holder: Some(name), value, is_header: true };
        }
        let flag = before.strip_prefix('-').map(|flag| flag.trim_start_matches('-'));
        let names = |flag: &&str| is_word(flag) && !before.contains('=') && !arg.starts_with('-');
        Self { front: "", holder: flag.filter(names), value: arg, is_header: false }
    }
}

/// Takes the secrets of one server out.
struct Lift<'a, 'v, 'k> {
    key: &'a str,
    vault: &'v mut Vault<'k>,
}

impl Lift<'_, '_, '_> {
    /// Returns a value that has a name.
    fn named(&mut self, name: &str, value: &str) -> String {
        match plain(value) {
            Some(plain) if config::names_secret(name) && is_telling(name, &plain) => {
                self.vault.put(self.key, name, &plain)
            }
            _ => self.text(name, value),
        }
    }

    /// Returns the value of a header, in which the word before the secret stays.
    fn header(&mut self, name: &str, value: &str) -> String {
        let Some(plain) = plain(value) else { return self.text(name, value) };
        if !config::names_secret(name) || !is_telling(name, &plain) {
            return self.text(name, value);
        }
        match plain.trim().split_once(' ') {
            Some((word, secret)) if !secret.trim().contains(' ') => {
                format!("{word} {}", self.vault.put(self.key, name, secret.trim()))
            }
            _ => self.vault.put(self.key, name, plain.trim()),
        }
    }

    /// Returns arguments, of which some name what the next one is.
    fn args(&mut self, args: &[String]) -> Vec<String> {
        let mut lifted = Vec::new();
        let mut before = "";
        for arg in args {
            lifted.push(self.arg(before, arg));
            before = arg;
        }
        lifted
    }

    fn arg(&mut self, before: &str, arg: &str) -> String {
        let Argument { front, holder, value, is_header } = Argument::of(before, arg);
        let lifted = match holder {
            Some(name) if is_header => self.header(name, value),
            Some(name) => self.named(name, value),
            None => self.text("argument", value),
        };
        format!("{front}{lifted}")
    }

    /// Returns a text in which secrets are known by their shape or by the name before them.
    fn text(&mut self, holder: &str, text: &str) -> String {
        // What is wrong already is reported when the whole is checked.
        let Some(flat) = Flat::of(text) else { return text.to_owned() };
        let (mut lifted, mut end) = (String::new(), 0);
        let escaped =
            |range: Range<usize>| flat.text.get(range).unwrap_or_default().replace("${", "$${");
        for Hit { at, name } in flat.hits(holder) {
            lifted.push_str(&escaped(end..at.start));
            let secret = flat.text.get(at.clone()).unwrap_or_default();
            lifted.push_str(&self.vault.put(self.key, &name, secret));
            end = at.end;
        }
        lifted.push_str(&escaped(end..flat.text.len()));
        flat.filled(&lifted)
    }
}

/// A text with a hole in the place of each reference: an address is known by what stands around
/// its references.
struct Flat<'a> {
    text: String,
    /// What stands between `${` and `}`, hole by hole.
    references: Vec<&'a str>,
}

impl<'a> Flat<'a> {
    /// Makes one of a text as it is meant; nothing if it is wrong, or has holes itself.
    fn of(text: &'a str) -> Option<Self> {
        let mut flat = Self { text: String::new(), references: Vec::new() };
        for piece in interpolate::pieces(text) {
            match piece {
                Piece::Text(text) if text.contains(HOLE) => return None,
                Piece::Text(text) => flat.text.push_str(text),
                Piece::Reference(inside) => {
                    flat.text.push(HOLE);
                    flat.references.push(inside);
                }
                Piece::Unclosed => return None,
            }
        }
        Some(flat)
    }

    /// Returns the secrets that are written out, none of which holds a hole.
    fn hits(&self, holder: &str) -> Vec<Hit> {
        let mut hits = Vec::new();
        for Hit { at, name } in shapes::find(&self.text, holder) {
            let found = self.text.get(at.clone()).unwrap_or_default();
            let is_whole = !found.contains(HOLE);
            let mut start = at.start;
            for part in found.split(HOLE) {
                let at = start..start + part.len();
                start = at.end + HOLE.len_utf8();
                if is_whole || at.len() >= MIN_PART {
                    hits.push(Hit { at, name: name.clone() });
                }
            }
        }
        hits
    }

    /// Returns a text with these holes in which the references are in their places again.
    fn filled(&self, text: &str) -> String {
        let mut parts = text.split(HOLE);
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for (inside, part) in self.references.iter().zip(parts) {
            filled.extend(["${", inside, "}", part]);
        }
        filled
    }
}

/// Whether a text can be the name of an option or a variable.
fn is_word(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.chars().all(is_part)
}
