//! Moving in: what clients have, as entries of `upstreams.yaml`.
//!
//! A pure function of what was read. The same server in several clients becomes one upstream, and
//! what the configuration has already is left alone.

use std::collections::BTreeMap;

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

impl Source {
    fn origin(&self, found: &Found) -> Origin {
        Origin { title: self.title.clone(), name: found.name.clone() }
    }
}

/// What becomes of all that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the configuration gets.
    pub entries: Vec<Entry>,
    /// Where each of these comes from.
    pub origins: BTreeMap<String, Vec<Origin>>,
    /// What it has already: its keys, and who has them.
    pub present: Vec<(String, String)>,
    /// What goes elsewhere.
    pub secrets: Vec<Secret>,
    /// What a person should know.
    pub notes: Vec<Note>,
}

/// An entry of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who has it.
    pub title: String,
    /// Its name there.
    pub name: String,
}

/// Something a person should know about an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whose it is.
    pub origin: Origin,
    /// What there is to know.
    pub text: String,
}

/// What of a configuration a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<'a> {
    /// The upstream of this key.
    Is(&'a str),
    /// Perhaps this one, though it is called otherwise: there are references whose value nobody
    /// knows here.
    MayBe(&'a str, Vec<String>),
    /// None of them.
    Missing,
}

/// A server, and who has it.
struct Candidate {
    name: String,
    server: Server,
    origins: Vec<Origin>,
}

impl Candidate {
    /// Returns who has it, each once.
    fn titles(&self) -> Vec<String> {
        let mut titles = Vec::new();
        for Origin { title, .. } in &self.origins {
            if !titles.contains(title) {
                titles.push(title.clone());
            }
        }
        titles
    }
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
            let note = |text: &String| Note { origin: source.origin(found), text: text.clone() };
            notes.extend(found.notes.iter().map(note));
            if found.server.is_none() || found.is_conflux() {
                continue;
            }
            add(&mut candidates, source, found, lookup, &mut notes);
        }
    }
    let mut keys: Vec<String> = existing.iter().map(|(key, _)| key.clone()).collect();
    let (mut entries, mut present, mut origins) = (Vec::new(), Vec::new(), BTreeMap::new());
    for candidate in candidates {
        let titles = and(&candidate.titles());
        match known(&candidate.name, &candidate.server, existing, lookup) {
            Known::Is(key) => {
                present.push((key.to_owned(), titles));
                continue;
            }
            Known::MayBe(key, unknown) => notes.extend(candidate.origins.first().map(|origin| {
                let text = format!(
                    "may be `{key}`, which nobody can tell without the value of `{}`; it is an \
                     upstream of its own now",
                    unknown.join("`, `")
                );
                Note { origin: origin.clone(), text }
            })),
            Known::Missing => {}
        }
        let key = free_key(&candidate.name, &keys);
        let server = secrets::lifted(&candidate.server, &key, &mut vault);
        keys.push(key.clone());
        origins.insert(key.clone(), candidate.origins);
        entries.push(Entry { key, server, comment: Some(format!("from {titles}")) });
    }
    Plan { entries, origins, present, secrets: vault.into_secrets(), notes }
}

/// Returns what of a configuration the server of this name is. Where a reference could stand for
/// anything, two accounts of one service look alike; there the name tells them apart.
pub fn known<'a>(
    name: &str,
    server: &Server,
    existing: &'a [(String, Server)],
    lookup: Lookup<'_>,
) -> Known<'a> {
    let alike = |unknown| {
        move |(_, other): &&(String, Server)| same::is_same(other, server, lookup, unknown)
    };
    if let Some((key, _)) = existing.iter().find(alike(Unknown::Itself)) {
        return Known::Is(key);
    }
    let mut perhaps = existing.iter().filter(alike(Unknown::Anything)).peekable();
    let first = perhaps.peek().copied();
    if let Some((key, _)) = perhaps.find(|(key, _)| is_named(key, name)) {
        return Known::Is(key);
    }
    let Some((key, other)) = first else { return Known::Missing };
    let mut unknown = same::unknown(other, lookup);
    unknown.extend(same::unknown(server, lookup));
    unknown.dedup();
    Known::MayBe(key, unknown)
}

/// Leaves out the entries that came to upstreams with problems (a key and what is wrong), and says
/// so at each.
pub fn leave_out(sources: &mut [Source], plan: &Plan, problems: &[(String, String)]) {
    for (key, text) in problems {
        let origins = plan.origins.get(key).map(Vec::as_slice).unwrap_or_default();
        for source in sources.iter_mut() {
            let title = source.title.clone();
            let is_it =
                |found: &Found| origins.iter().any(|it| it.title == title && it.name == found.name);
            for found in source.servers.iter_mut().filter(|it| is_it(it)) {
                found.server = None;
                found.notes.push(format!("is left out: {text}"));
            }
        }
    }
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
        let (name, origins) = (found.name.clone(), vec![source.origin(found)]);
        candidates.push(Candidate { name, server: server.clone(), origins });
        return;
    };
    let mut note =
        |text: &str| notes.push(Note { origin: source.origin(found), text: text.to_owned() });
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
    known.origins.push(source.origin(found));
}

/// Returns the key that a name would like to have.
fn wished(name: &str) -> String {
    name::fitted(name).unwrap_or_else(|| NAMELESS.to_owned())
}

/// Whether a key may have come of a name: it is what that wished for, perhaps with a number.
fn is_named(key: &str, name: &str) -> bool {
    let (key, wished) = (key.to_ascii_lowercase(), wished(name).to_ascii_lowercase());
    let is_number = |rest: &str| {
        let number = rest.strip_prefix('-').unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    key.strip_prefix(&wished).is_some_and(|rest| rest.is_empty() || is_number(rest))
}

/// Returns a key that nobody has yet, as near to `name` as the rules of keys permit.
fn free_key(name: &str, taken: &[String]) -> String {
    let wished = wished(name);
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
