//! Takes literal secrets out of servers: what stands in `upstreams.yaml` is a reference.
//!
//! A secret is known by the name of what holds it (a variable, a header, an option, a parameter of
//! an address), or by its shape. Better one too many than one too few: a reference to a file means
//! the same as the text that was there.

mod shapes;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use crate::config;
use crate::config::interpolate;
use crate::config::interpolate::Piece;
use crate::setup::Server;
use crate::setup::Target;
use crate::setup::reference;
use crate::setup::value::Value;

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
        let wished = match self.keep {
            Keep::Files { .. } => slug(&format!("{key}-{holder}")),
            // A variable of the program keeps its name.
            Keep::Variables if interpolate::is_name(holder) => holder.to_owned(),
            Keep::Variables => reference::variable_name(&format!("{key}_{holder}")),
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

/// Returns a text as the name of a file: `github-GITHUB_TOKEN` becomes `github-github-token`.
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

/// Returns whether a value of this name is a literal secret that should be a reference.
pub fn is_literal_secret(name: &str, value: &str) -> bool {
    let plain = plain(value);
    plain.as_ref().is_some_and(|plain| is_telling(name, plain) && config::names_secret(name))
        || plain.is_some_and(|plain| !shapes::find(&plain, name).is_empty())
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
        // Those that name a variable or hold a reference show no more than its name.
        let is_open = |text: &str| key.ends_with("env_var") || text.contains(['$', '{']);
        match value {
            Value::Text(text) if config::names_secret(key) && !is_open(text) => {
                all.push(text.clone());
            }
            _ => all.extend(in_file(value)),
        }
    }
    all.extend(value.items().iter().flat_map(in_file));
    let text = value.text().unwrap_or_default();
    let hits = shapes::find(text, "").into_iter();
    all.extend(hits.filter_map(|hit| text.get(hit.at).map(str::to_owned)));
    all
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
        if let Some((flag, value)) = arg.split_once('=')
            && is_word(flag.trim_start_matches('-'))
            && plain(flag).is_some()
        {
            let holder = flag.trim_start_matches('-');
            return format!("{flag}={}", self.named(holder, value));
        }
        let is_header = matches!(before, "--header" | "-H");
        if is_header && let Some((name, value)) = arg.split_once(':') {
            let space = if value.starts_with(' ') { " " } else { "" };
            return format!("{name}:{space}{}", self.header(name, value.trim_start()));
        }
        let flag = before.strip_prefix('-').map(|flag| flag.trim_start_matches('-'));
        match flag {
            Some(flag) if is_word(flag) && !before.contains('=') && !arg.starts_with('-') => {
                self.named(flag, arg)
            }
            _ => self.text("argument", arg),
        }
    }

    /// Returns a text in which secrets are known by their shape or by the name before them.
    fn text(&mut self, holder: &str, text: &str) -> String {
        let mut lifted = String::new();
        let escaped = |text: &str| text.replace("${", "$${");
        for piece in interpolate::pieces(text) {
            match piece {
                Piece::Text(plain) => {
                    let mut end = 0;
                    for shapes::Hit { at: Range { start, end: behind }, name } in
                        shapes::find(plain, holder)
                    {
                        lifted.push_str(&escaped(plain.get(end..start).unwrap_or_default()));
                        let secret = plain.get(start..behind).unwrap_or_default();
                        lifted.push_str(&self.vault.put(self.key, &name, secret));
                        end = behind;
                    }
                    lifted.push_str(&escaped(plain.get(end..).unwrap_or_default()));
                }
                Piece::Reference(inside) => {
                    lifted.push_str("${");
                    lifted.push_str(inside);
                    lifted.push('}');
                }
                // Is wrong already, and is reported when the whole is checked.
                Piece::Unclosed => return text.to_owned(),
            }
        }
        lifted
    }
}

/// Whether a text can be the name of an option or a variable.
fn is_word(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.chars().all(is_part)
}
