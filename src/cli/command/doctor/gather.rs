//! Gathers the facts: files, programs, sockets. Everything that can take long or fail is here, and
//! nothing is decided.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::process;

use serde_json::Value;

use crate::app::App;
use crate::cli::command::doctor::facts::Entry;
use crate::cli::command::doctor::facts::Facts;
use crate::cli::command::doctor::facts::Failed;
use crate::cli::command::doctor::facts::Known;
use crate::cli::command::doctor::facts::Missing;
use crate::cli::command::doctor::facts::Package;
use crate::cli::command::doctor::facts::SecretFile;
use crate::cli::command::doctor::facts::Seen;
use crate::cli::command::doctor::facts::Server;
use crate::cli::command::doctor::facts::Unrecorded;
use crate::cli::command::doctor::keys;
use crate::cli::command::doctor::packages;
use crate::cli::command::doctor::programs;
use crate::cli::context::Context;
use crate::cli::edit;
use crate::cli::session;
use crate::clients::Client;
use crate::config::Config;
use crate::config::Target;
use crate::config::Upstream;
use crate::config::exposure::Mode;
use crate::config::interpolate;
use crate::config::interpolate::Sources;
use crate::config::load;
use crate::config::surroundings::Surroundings;
use crate::downstream::local::ask;
use crate::downstream::local::place::Place;
use crate::downstream::local::place::Question;
use crate::ids::UpstreamId;
use crate::setup;
use crate::setup::mentions;
use crate::setup::survey::Survey;
use crate::setup::yaml;
use crate::upstream::Disk;
use crate::upstream::executable;
use crate::wire::era::Era;

/// What is known of an upstream that was spoken to in the old way.
const OLDER: &str = "a revision of before 2026-07-28";

/// Looks at everything but the upstreams themselves.
pub(super) async fn facts(context: &Context<'_>) -> Facts {
    let (around, options) = (&context.around, context.options());
    let layers = load::layers(&options, around);
    let read = |path: &PathBuf| Some((path.clone(), fs::read_to_string(path).ok()?));
    let texts: Vec<_> = layers.iter().filter_map(read).collect();
    let mut facts = Facts { entries: entries(&texts), ..Facts::default() };
    facts.variables = around.variables.keys().cloned().collect();
    // What is not set is told by its own code, so that all the rest can be looked at.
    let filled = edit::filled(around, texts.iter().map(|(_, text)| text.as_str()));
    let config = match load::load_within(&options, &filled) {
        Ok(config) => Some(config),
        Err(problems) => {
            facts.problems = problems.iter().cloned().collect();
            None
        }
    };
    if let Some(config) = &config {
        facts.doubts.clone_from(&config.warnings);
        facts.known = known(config);
        facts.is_flat = config.exposure.mode == Mode::Flat;
    }
    if let Some(config) = config.as_ref().filter(|config| config.policy.is_any()) {
        let found = async |app: &App| Ok(app.everything().policy_problems());
        facts.rules = session::remembering(config.clone(), found).await.unwrap_or_default();
    }
    commands(&mut facts, config.as_ref(), around);
    facts.secrets = secrets(&facts.entries, &texts, around);
    facts.kept = around.state().map(|state| keys::all(&state, mode)).unwrap_or_default();
    facts.clients = clients(around);
    facts.state = around.state().and_then(|state| Some((state.clone(), unwritable(&state)?)));
    gateways(&mut facts, around).await;
    facts
}

/// Puts what later files say over what earlier ones say, value by value; a list as a whole.
fn entries(texts: &[(PathBuf, String)]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (file, text) in texts {
        // What cannot be read is told by who loads it.
        for written in yaml::outline(text).unwrap_or_default() {
            let yaml::Written { key, place, values } = written;
            let number = entries.iter().position(|entry| entry.key == key);
            let Some(entry) = number.and_then(|number| entries.get_mut(number)) else {
                let values = values.into_iter().map(|value| (file.clone(), value)).collect();
                entries.push(Entry { key, file: file.clone(), place, values });
                continue;
            };
            let list = |path: &str| path.split_once('[').map(|(list, _)| format!("{list}["));
            for value in &values {
                let is_over = |old: &yaml::Value| match list(&value.path) {
                    Some(list) => old.path.starts_with(&list),
                    None => old.path == value.path,
                };
                entry.values.retain(|(from, old)| from == file || !is_over(old));
            }
            entry.values.extend(values.into_iter().map(|value| (file.clone(), value)));
        }
    }
    entries
}

fn known(config: &Config) -> Vec<Known> {
    let disk = Disk::new(config.state.clone());
    let enabled = config.upstreams.values().filter(|upstream| !upstream.disabled);
    let one = |upstream: &Upstream| {
        let (era, inventory) = disk.known(upstream);
        let legacy = (era == Some(Era::Legacy)).then(|| OLDER.to_owned());
        let tools = inventory.and_then(|inventory| inventory.tools).unwrap_or_default();
        let names = tools.iter().filter_map(|tool| tool.member("name")?.string());
        let names = names.filter(|name| upstream.tools.permits(name));
        let names = names.map(|name| public(upstream, &name, config.names.max_length));
        Known { key: upstream.id.as_str().to_owned(), legacy, tools: names.collect() }
    };
    enabled.map(one).collect()
}

/// Returns a name about as the catalog makes it: exactly as long.
fn public(upstream: &Upstream, name: &str, most: usize) -> String {
    let whole = match upstream.prefix.as_str() {
        "" => name.to_owned(),
        prefix => format!("{prefix}__{name}"),
    };
    whole.chars().take(most).collect()
}

/// Returns the clients that are there, with what their files have.
fn clients(around: &Surroundings) -> Vec<Seen> {
    let survey = Survey::new(around);
    let path = path(around);
    let one = |client: Client| {
        let mut servers = Vec::new();
        for place in client.places(&survey.directories) {
            // What is broken is told by who takes it over.
            let Ok(Some(source)) = survey.source(&place) else { continue };
            for found in source.servers {
                let Some(server) = found.server.as_ref().filter(|server| !server.disabled) else {
                    continue;
                };
                let conflux = found.is_conflux().then(|| match &server.target {
                    setup::Target::Command(command) => {
                        let program = Path::new(&command.command);
                        let is_there = executable::find(program, path, None).is_ok();
                        (command.command.clone(), is_there)
                    }
                    setup::Target::Remote(remote) => (remote.url.clone(), true),
                });
                servers.push(Server { file: place.path.clone(), name: found.name, conflux });
            }
        }
        let is_there = client.traces(&survey.directories).iter().any(|trace| trace.exists());
        (is_there || !servers.is_empty()).then_some(Seen { client, servers })
    };
    Client::ALL.into_iter().filter_map(one).collect()
}

fn path(around: &Surroundings) -> Option<&str> {
    around.variables.get("PATH").map(String::as_str)
}

/// Looks for the programs of upstreams, and for packages that they fetch.
fn commands(facts: &mut Facts, config: Option<&Config>, around: &Surroundings) {
    let home = around.home.as_deref();
    let path = path(around);
    for entry in facts.entries.iter().filter(|entry| !entry.is_disabled()) {
        // Conflux itself is always there.
        let written = entry.value("command").filter(|command| *command != "conflux");
        let Some(written) = written else { continue };
        let upstream = config.and_then(|config| config.upstreams.get(&UpstreamId::new(&entry.key)));
        let command = match upstream.map(|upstream| &upstream.target) {
            Some(Target::Command(command)) => Some(command),
            _ => None,
        };
        let program = command.map_or(written, |command| command.program.as_str()).to_owned();
        let found = match (command, config) {
            (Some(command), Some(config)) => {
                Some(executable::find_command(command, &config.child_environment))
            }
            // Where it is relative to, or what it refers to, is only known if it could be loaded.
            _ if program.starts_with('.') || program.contains('$') => None,
            _ if entry.value("env.PATH").is_some() => None,
            _ => Some(executable::find(Path::new(&program), path, None)),
        };
        let refers = [Some(written), entry.value("env.PATH")].into_iter().flatten();
        let is_told =
            refers.flat_map(mentions::variables).all(|name| facts.variables.contains(name));
        if let (Some(Err(error)), true) = (found, is_told) {
            let (key, elsewhere) = (entry.key.clone(), programs::elsewhere(&program, home));
            let why = match error.kind() {
                io::ErrorKind::PermissionDenied => Some("it may not be executed".to_owned()),
                _ => error.get_ref().map(ToString::to_string),
            };
            facts.missing.push(Missing { key, program: program.clone(), why, elsewhere });
        }
        let args = entry.below("args");
        let Some(fetched) = packages::fetched(&program, &args) else { continue };
        if !fetched.is_pinned() {
            facts.packages.push(Package {
                key: entry.key.clone(),
                written: fetched.written.to_owned(),
                name: fetched.name().to_owned(),
                path: format!("args[{}]", fetched.index),
                between: fetched.registry.between(),
                cached: home.and_then(|home| fetched.cached(home)),
            });
        }
    }
}

/// Returns the files with secrets in them: those that are referred to, configurations where one is
/// written out, and `.env` beside them.
fn secrets(
    entries: &[Entry],
    texts: &[(PathBuf, String)],
    around: &Surroundings,
) -> Vec<SecretFile> {
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for entry in entries {
        for (file, value) in &entry.values {
            let why = format!("`upstreams.{}.{}` refers to it", entry.key, value.path);
            for named in mentions::files(&value.text) {
                files.push((resolved(named, file, around), why.clone()));
            }
        }
        for (file, _) in entry.literals() {
            files.push((file.clone(), "a secret is written out in it".to_owned()));
        }
    }
    let directories = texts.iter().filter_map(|(file, _)| file.parent());
    for directory in directories.chain([around.directory.as_path()]) {
        files.push((directory.join(".env"), "such a file is for secrets".to_owned()));
    }
    files.sort();
    files.dedup_by(|a, b| a.0 == b.0);
    let found = |(path, why): (PathBuf, String)| Some(SecretFile { mode: mode(&path)?, path, why });
    files.into_iter().filter_map(found).collect()
}

fn resolved(named: &str, file: &Path, around: &Surroundings) -> PathBuf {
    let directory = file.parent().unwrap_or(Path::new(""));
    let (variables, home) = (&around.variables, around.home.as_deref());
    let sources = Sources { variables, home, directory };
    interpolate::file_of(named, &sources).unwrap_or_else(|| directory.join(named))
}

/// Returns the permissions of a file, if there is one and the system has such.
#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(about.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}

/// Returns why nothing can be written into a directory, which need not be there yet.
fn unwritable(directory: &Path) -> Option<String> {
    let existing = directory.ancestors().find(|path| path.exists())?;
    if !existing.is_dir() {
        return Some(format!("`{}` is no directory", existing.display()));
    }
    let probe = existing.join(format!(".conflux-doctor-{}", process::id()));
    let tried = fs::File::create_new(&probe).and_then(|_| fs::remove_file(&probe));
    tried.err().map(|error| format!("`{}`: {}", existing.display(), error.kind()))
}

/// What keeps a gateway from recording all it should.
fn unrecorded(document: &Value) -> Option<Unrecorded> {
    let audit = document.get("audit")?;
    let lost = audit.get("lost").and_then(Value::as_u64).unwrap_or_default();
    let why = |key: &str| audit.get(key).and_then(Value::as_str).map(str::to_owned);
    let why = why("problem").or_else(|| Some(format!("they are not signed: {}", why("unsigned")?)));
    let pid = document.get("pid").and_then(Value::as_u64).unwrap_or_default();
    (lost > 0 || why.is_some()).then_some(Unrecorded { pid, why, lost })
}

/// Asks the gateways that run which upstreams failed, and finds the sockets of those that do not
/// run any more.
async fn gateways(facts: &mut Facts, around: &Surroundings) {
    for directory in around.runtime() {
        let Ok(Some(place)) = Place::find(&directory) else { continue };
        facts.stale.extend(place.stale().await);
        for (_, socket) in place.sockets(Question::Status) {
            let document: io::Result<Value> = ask::document(&socket).await;
            let Ok(document) = document else { continue };
            facts.unrecorded.extend(unrecorded(&document));
            let upstreams = document.get("upstreams").and_then(Value::as_array);
            for upstream in upstreams.into_iter().flatten() {
                let text = |key| upstream.get(key).and_then(Value::as_str).map(str::to_owned);
                let (Some(key), Some(why)) = (text("name"), text("error")) else { continue };
                if facts.failures.iter().any(|failed| failed.key == key) {
                    continue;
                }
                let hint = text("hint").unwrap_or_default();
                facts.failures.push(Failed { key, why, hint });
            }
        }
    }
}
