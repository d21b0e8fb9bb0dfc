//! Reads the entries of a map of servers, whoever wrote it, into servers in our words.
//!
//! Nothing is dropped silently: what cannot be carried over is named in a note.

mod fields;

use std::path::Path;

use crate::clients::Client;
use crate::config::host;
use crate::setup::NAME;
use crate::setup::Server;
use crate::setup::Target;
use crate::setup::reference::Context;
use crate::setup::reference::Dialect;
use crate::setup::reference::Input;
use crate::setup::value::Value;

/// What entries are understood by.
pub struct Reading<'a> {
    /// Whose words they are in.
    pub dialect: Dialect,
    /// The directory of the project.
    pub project: &'a Path,
    /// What relative paths in the entries start from, if that is known.
    pub base: Option<&'a Path>,
    /// Reads a file that an entry names (`envFile`); nothing if it cannot be read.
    pub open: &'a dyn Fn(&Path) -> Option<String>,
}

/// An entry that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name there.
    pub name: String,
    /// What it is; nothing if Conflux cannot have it, which a note says then.
    pub server: Option<Server>,
    /// What a person should know about it, in sentences without a capital.
    pub notes: Vec<String>,
}

impl Found {
    /// Returns whether this is Conflux itself: what is called so, the program or the entry. The
    /// program may have the name of a platform in its own (`conflux-amd64`), the entry of `conflux
    /// install` has none.
    pub fn is_conflux(&self) -> bool {
        let is_called_so = self.name.eq_ignore_ascii_case(NAME);
        match self.server.as_ref().map(|server| &server.target) {
            Some(Target::Command(command)) => {
                let stem = Path::new(&command.command).file_stem().unwrap_or_default();
                (is_called_so || stem.eq_ignore_ascii_case(NAME))
                    && command.args.iter().any(|arg| arg == "serve")
            }
            Some(Target::Remote(remote)) => {
                let host = url::Url::parse(&remote.url).ok();
                let host = host.as_ref().and_then(url::Url::host_str).unwrap_or_default();
                is_called_so && host::is_loopback(host)
            }
            None => false,
        }
    }
}

/// Reads all entries of a map.
pub fn servers(map: &Value, root: &Value, reading: &Reading<'_>) -> Vec<Found> {
    let inputs = inputs(root);
    let context = Context { dialect: reading.dialect, project: reading.project, inputs: &inputs };
    let entries = map.entries();
    let mut all = Vec::new();
    for (index, (name, value)) in entries.iter().enumerate() {
        if entries.iter().skip(index + 1).any(|(later, _)| later == name) {
            let notes = vec!["is there twice; the later one counts".to_owned()];
            all.push(Found { name: name.clone(), server: None, notes });
            continue;
        }
        let mut entry = fields::Fields::new(value, reading, &context);
        let server = entry.server();
        all.push(Found { name: name.clone(), server, notes: entry.into_notes() });
    }
    switch_off(root, reading.dialect, &mut all);
    all
}

/// Disables what Gemini CLI is told apart from the entries not to use.
fn switch_off(root: &Value, dialect: Dialect, all: &mut [Found]) {
    if dialect != Dialect::Of(Client::Gemini) {
        return;
    }
    let listed = |key: &str| root.get("mcp").and_then(|mcp| mcp.get(key)).map(Value::items);
    let names = |items: &[Value], name: &str| items.iter().any(|it| it.text() == Some(name));
    for found in all {
        let is_off = listed("excluded").is_some_and(|all| names(all, &found.name))
            || listed("allowed").is_some_and(|all| !names(all, &found.name));
        if let Some(server) = found.server.as_mut().filter(|server| is_off && !server.disabled) {
            server.disabled = true;
            found.notes.push("is switched off by `mcp.excluded` or `mcp.allowed`".to_owned());
        }
    }
}

/// Reads what VS Code asks its user for.
fn inputs(root: &Value) -> Vec<Input> {
    let inputs = root.get("inputs").or_else(|| root.get("mcp").and_then(|mcp| mcp.get("inputs")));
    let text = |input: &Value, key: &str| input.get(key).and_then(Value::plain);
    let input = |input: &Value| {
        Some(Input {
            id: text(input, "id")?,
            description: text(input, "description"),
            default: text(input, "default"),
        })
    };
    inputs.map(Value::items).unwrap_or_default().iter().filter_map(input).collect()
}
