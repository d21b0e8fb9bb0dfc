//! What the environment gives: a layer of the configuration, and a small safe environment for
//! children.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::problem::Problem;
use crate::config::tree::Entry;
use crate::config::tree::Node;
use crate::config::tree::Value;

/// Variables that start like this are configuration.
const PREFIX: &str = "CONFLUX_";

/// Variables that start like configuration and say something else.
const NOT_KEYS: &[&str] = &[
    "CONFLUX_CONFIG",
    "CONFLUX_STATE",
    "CONFLUX_LOG",
    "CONFLUX_LOG_FORMAT",
    // What `conflux exec` tells its command, which may run Conflux itself.
    "CONFLUX_URL",
    "CONFLUX_MCP_CONFIG",
    "CONFLUX_TOKEN",
    "CONFLUX_PID",
];

/// What every child is given, if Conflux has it: what programs need to find themselves, their
/// user, their language and the certificates of the network they are in. Nothing here is a
/// secret or a way to one (no agent sockets, no session buses).
const FOR_CHILDREN: &[&str] = if cfg!(windows) { ON_WINDOWS } else { ON_UNIX };

const ON_UNIX: &[&str] = &[
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "NODE_EXTRA_CA_CERTS",
    "PATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
    "XDG_DATA_DIRS",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
];

const ON_WINDOWS: &[&str] = &[
    "APPDATA",
    "COMSPEC",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "NODE_EXTRA_CA_CERTS",
    "NUMBER_OF_PROCESSORS",
    "PATH",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TZ",
    "USERNAME",
    "USERPROFILE",
    "WINDIR",
];

/// Given as well, unless they hold a user name or password.
const PROXIES: &[&str] = &["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/// What every child is given, and what it is given without credentials only; for the reference.
pub(super) const GIVEN: [&[&str]; 3] = [ON_UNIX, ON_WINDOWS, PROXIES];

/// Returns the part of the environment that every child is given.
pub(super) fn for_children(variables: &BTreeMap<String, String>) -> IndexMap<String, String> {
    let given = variables.iter().filter(|(name, value)| is_given(name, value));
    given.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether every child is given this variable; such a value is no secret.
pub(super) fn is_given(name: &str, value: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    // Proxies are also spelled in lower case, and Windows does not tell the cases apart.
    let plain = if cfg!(windows) { upper.as_str() } else { name };
    FOR_CHILDREN.contains(&plain)
        || plain.starts_with("LC_")
        || (PROXIES.contains(&upper.as_str()) && !value.contains('@'))
}

/// One value for one key, from a variable or a flag.
pub(super) struct Setting {
    pub(super) path: Vec<String>,
    pub(super) text: String,
    pub(super) place: Place,
}

/// Returns the settings that the environment holds. `upstreams` are the keys of the files, which
/// a variable can only name roughly: in upper case, and with `_` for `-`.
pub(super) fn settings(variables: &BTreeMap<String, String>, upstreams: &[String]) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (name, text) in variables {
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        if !NOT_KEYS.contains(&name.as_str()) {
            let (path, place) = (path(key, upstreams), Place::Variable(name.clone()));
            settings.push(Setting { path, text: text.clone(), place });
        }
    }
    settings
}

/// Turns `UPSTREAMS__GITHUB__ENV__TOKEN` into the keys it names.
fn path(name: &str, upstreams: &[String]) -> Vec<String> {
    let mut parts = name.splitn(4, "__").map(str::to_lowercase).collect::<Vec<_>>();
    let in_upstream = parts.first().is_some_and(|first| first == "upstreams");
    if !in_upstream {
        return name.split("__").map(str::to_lowercase).collect();
    }
    if let Some(key) = parts.get_mut(1)
        && let Some(known) = upstreams.iter().find(|known| same(known, key))
    {
        known.clone_into(key);
    }
    let rest = parts.get(3).and(name.splitn(4, "__").nth(3)).map(str::to_owned);
    let is_env = parts.get(2).is_some_and(|third| third == "env" || third == "headers");
    parts.truncate(3);
    match rest {
        // The names of variables and headers keep their case, and any `__` in them.
        Some(rest) if is_env => parts.push(rest),
        Some(rest) => parts.extend(rest.split("__").map(str::to_lowercase)),
        None => {}
    }
    parts
}

fn same(known: &str, written: &str) -> bool {
    let plain = |key: &str| key.to_lowercase().replace('-', "_");
    plain(known) == plain(written)
}

/// Builds the tree of a layer out of settings.
pub(super) fn tree(settings: Vec<Setting>, problems: &mut Vec<Problem>) -> Node {
    let mut root = Node::empty_map(Place::Nowhere);
    for setting in settings {
        if let Some(setting) = insert(&mut root, setting) {
            let keys: Vec<&str> = setting.path.iter().map(String::as_str).collect();
            let path = KeyPath::of(&keys);
            let message = format!("`{path}` is set as a whole and in parts");
            let problem = Problem::at(&setting.place, &path, message);
            problems.push(problem.hint("set one or the other"));
        }
    }
    root
}

/// Adds a setting, or hands it back if a key on its way is set already.
fn insert(root: &mut Node, setting: Setting) -> Option<Setting> {
    let (last, front) = setting.path.split_last()?;
    let mut node = Some(root);
    for key in front {
        node = node.and_then(|node| node.descend(key, &setting.place));
    }
    let Some(entries) = node.and_then(Node::entries_mut) else { return Some(setting) };
    // A later flag goes over an earlier one.
    entries.retain(|entry| entry.key != *last);
    let (key, place) = (last.clone(), setting.place);
    let node = Node { place: place.clone(), value: Value::Loose(setting.text) };
    entries.push(Entry { key, place, node });
    None
}

impl Node {
    /// Returns the value of `key`, which becomes an empty map if it is not there.
    fn descend(&mut self, key: &str, place: &Place) -> Option<&mut Node> {
        let entries = self.entries_mut()?;
        if !entries.iter().any(|entry| entry.key == key) {
            let (key, node) = (key.to_owned(), Node::empty_map(place.clone()));
            entries.push(Entry { key, place: place.clone(), node });
        }
        entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
    }
}
