//! Moving in: what clients have, as entries of `upstreams.yaml`.
//!
//! A pure function of what was read. The same server in several clients becomes one upstream, and
//! what the configuration has already is left alone.

use crate::config::name;
use crate::setup::Entry;
use crate::setup::Server;
use crate::setup::read::Found;
use crate::setup::same;
use crate::setup::same::Lookup;
use crate::setup::same::Unknown;
use crate::setup::secrets;
use crate::setup::secrets::Secret;
use crate::setup::secrets::Vault;

/// The key of a server of whose name nothing may stand in a key.
const NAMELESS: &str = "server";

/// The entries of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What people call the place.
    pub title: String,
    /// What it has.
    pub servers: Vec<Found>,
}

/// What becomes of all that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the configuration gets.
    pub entries: Vec<Entry>,
    /// What it has already: its keys, and who has them.
    pub present: Vec<(String, String)>,
    /// What goes elsewhere.
    pub secrets: Vec<Secret>,
    /// What a person should know.
    pub notes: Vec<Note>,
}

/// Something a person should know about an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Who has the entry.
    pub title: String,
    /// Its name there.
    pub name: String,
    /// What there is to know.
    pub text: String,
}

/// A server, and who has it.
struct Candidate {
    name: String,
    server: Server,
    titles: Vec<String>,
}

/// Plans what to add to a configuration that has the servers `existing` already. Secrets that are
/// written out go into `vault`.
pub fn plan(
    sources: &[Source],
    existing: &[(String, Server)],
    lookup: Lookup<'_>,
    mut vault: Vault<'_>,
) -> Plan {
    let mut notes = Vec::new();
    let mut candidates: Vec<Candidate> = Vec::new();
    for source in sources {
        for found in &source.servers {
            let note = |text: &String| Note {
                title: source.title.clone(),
                name: found.name.clone(),
                text: text.clone(),
            };
            notes.extend(found.notes.iter().map(note));
            if found.server.is_none() || found.is_conflux() {
                continue;
            }
            add(&mut candidates, source, found, lookup, &mut notes);
        }
    }
    let mut keys: Vec<String> = existing.iter().map(|(key, _)| key.clone()).collect();
    let (mut entries, mut present) = (Vec::new(), Vec::new());
    for candidate in candidates {
        let Candidate { name, server, titles } = candidate;
        let known = existing
            .iter()
            .find(|(_, known)| same::is_same(known, &server, lookup, Unknown::Anything));
        if let Some((key, _)) = known {
            present.push((key.clone(), and(&titles)));
            continue;
        }
        let key = free_key(&name, &keys);
        let server = secrets::lifted(&server, &key, &mut vault);
        keys.push(key.clone());
        entries.push(Entry { key, server, comment: Some(format!("from {}", and(&titles))) });
    }
    Plan { entries, present, secrets: vault.into_secrets(), notes }
}

/// Adds a server to the candidates, or its origin to the one that it is.
fn add(
    candidates: &mut Vec<Candidate>,
    source: &Source,
    found: &Found,
    lookup: Lookup<'_>,
    notes: &mut Vec<Note>,
) {
    let Some(server) = &found.server else { return };
    let is_it =
        |known: &&mut Candidate| same::is_same(&known.server, server, lookup, Unknown::Itself);
    let Some(known) = candidates.iter_mut().find(is_it) else {
        let (name, titles) = (found.name.clone(), vec![source.title.clone()]);
        candidates.push(Candidate { name, server: server.clone(), titles });
        return;
    };
    let mut note = |text: &str| {
        let (title, name) = (source.title.clone(), found.name.clone());
        notes.push(Note { title, name, text: text.to_owned() });
    };
    if known.server.tools != server.tools {
        note("offers other tools than there; which tools are offered is taken over from the first");
    }
    // Who waits longest is served best.
    let timeout = &mut known.server.timeout;
    timeout.start = timeout.start.max(server.timeout.start);
    timeout.call = timeout.call.max(server.timeout.call);
    if known.server.disabled != server.disabled {
        known.server.disabled = false;
        note("is switched off in one of the clients only; it is taken over switched on");
    }
    if !known.titles.contains(&source.title) {
        known.titles.push(source.title.clone());
    }
}

/// Returns a key that nobody has yet, as near to `name` as the rules of keys permit.
fn free_key(name: &str, taken: &[String]) -> String {
    let wished = name::fitted(name).unwrap_or_else(|| NAMELESS.to_owned());
    let is_free = |key: &String| !taken.iter().any(|other| other.eq_ignore_ascii_case(key));
    let numbered = (2..).map(|number: usize| format!("{wished}-{number}"));
    let mut keys = std::iter::once(wished.clone()).chain(numbered);
    keys.find(is_free).unwrap_or(wished)
}

/// Returns names as people list them: `A`, `A and B`, `A, B and C`.
pub fn and(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [front @ .., last] => format!("{} and {last}", front.join(", ")),
    }
}
