//! The checks: each looks at the facts and says what it finds. Pure.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use crate::cli::command::add;
use crate::cli::command::doctor::facts::Entry;
use crate::cli::command::doctor::facts::Facts;
use crate::cli::command::doctor::facts::Failed;
use crate::cli::command::doctor::facts::Known;
use crate::cli::command::doctor::facts::Missing;
use crate::cli::command::doctor::facts::Package;
use crate::cli::command::doctor::facts::SecretFile;
use crate::cli::command::doctor::facts::Unrecorded;
use crate::cli::command::doctor::finding::Code;
use crate::cli::command::doctor::finding::Finding;
use crate::cli::command::doctor::finding::Fix;
use crate::cli::command::doctor::finding::Severity;
use crate::cli::command::doctor::finding::Spot;
use crate::cli::command::doctor::fronts;
use crate::cli::command::doctor::keys::Kept;
use crate::config::suggest;
use crate::setup::mentions;
use crate::setup::yaml;

/// What permissions give to others than the owner of a file.
const OTHERS: u32 = 0o077;

/// Every check, in the order of the codes.
const CHECKS: &[fn(&Facts) -> Vec<Finding>] = &[
    configuration,
    variables,
    commands,
    pins,
    permissions,
    literals,
    eras,
    fronts::limits,
    twins,
    disabled,
    failures,
    fronts::clients,
    sockets,
    state,
    audit,
    rules,
    keys,
];

/// Returns everything that is found, the worst first.
pub(super) fn all(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<_> = CHECKS.iter().flat_map(|check| check(facts)).collect();
    findings.sort_by_key(|finding| (finding.severity, finding.code));
    findings
}

fn configuration(facts: &Facts) -> Vec<Finding> {
    let wrong = |problem| Finding::of(problem, Code::Configuration, Severity::Error);
    let doubtful = |problem| Finding::of(problem, Code::Doubtful, Severity::Warning);
    facts.problems.iter().map(wrong).chain(facts.doubts.iter().map(doubtful)).collect()
}

fn variables(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entry in facts.entries.iter().filter(|entry| !entry.is_disabled()) {
        for (file, value) in &entry.values {
            for name in mentions::variables(&value.text) {
                if facts.variables.contains(name) {
                    continue;
                }
                let nearest = suggest::nearest(name, facts.variables.iter().map(String::as_str));
                let hint = match nearest {
                    Some(nearest) => format!("did you mean `${{{nearest}}}`?"),
                    None => format!("set it where Conflux runs, or write `${{{name}:-default}}`"),
                };
                let spot = spot(entry, file, value);
                let message = format!("the variable `{name}` is not set");
                findings.push(Finding::new(Code::Variable, Severity::Error, spot, message, hint));
            }
        }
    }
    findings
}

fn commands(facts: &Facts) -> Vec<Finding> {
    let finding = |missing: &Missing| {
        let spot = spot_at(facts, &missing.key, "command");
        let program = &missing.program;
        if let Some(why) = &missing.why {
            let message = format!("`{program}` cannot be started: {why}");
            let hint = "install what it needs, `chmod +x` it, or correct `command`";
            return Finding::new(Code::Command, Severity::Error, spot, message, hint);
        }
        let Some(first) = missing.elsewhere.first() else {
            let message = format!("there is no program `{program}`");
            let hint = "install it, or correct `command`; only what is in `PATH` is found";
            return Finding::new(Code::Command, Severity::Error, spot, message, hint);
        };
        let elsewhere: Vec<_> =
            missing.elsewhere.iter().map(|path| format!("`{}`", path.display())).collect();
        let message =
            format!("`{program}` is not in `PATH`, but it is {}", elsewhere.join(" and "));
        let hint = format!(
            "write `command: {}`, which `--fix` does, or add its directory to the `PATH` that \
             Conflux is started with",
            first.display()
        );
        let fix = Fix::Locate { key: missing.key.clone(), path: first.clone() };
        Finding::new(Code::Command, Severity::Error, spot, message, hint).fix(fix)
    };
    facts.missing.iter().map(finding).collect()
}

fn audit(facts: &Facts) -> Vec<Finding> {
    let finding = |unrecorded: &Unrecorded| {
        let Unrecorded { pid, why, lost } = unrecorded;
        let (severity, message) = match why {
            Some(why) => {
                let message = format!("process {pid} cannot record all it should: {why}");
                (Severity::Error, message)
            }
            None => (Severity::Warning, format!("process {pid} lost {lost} audit records")),
        };
        let hint = "make room on the disk, or name another place with `audit.directory`; records \
                    that were lost are counted where they are missing";
        Finding::new(Code::Audit, severity, Spot::key("audit"), message, hint)
    };
    facts.unrecorded.iter().map(finding).collect()
}

fn pins(facts: &Facts) -> Vec<Finding> {
    let finding = |package: &Package| {
        let spot = spot_at(facts, &package.key, &package.path);
        let (name, between) = (&package.name, package.between);
        let message = format!(
            "`{}` is fetched in whatever version is the newest, which may do anything",
            package.written
        );
        let hint = match &package.cached {
            Some(version) => {
                format!("write `{name}{between}{version}`, which is on this machine already")
            }
            None => format!("write a version, as in `{name}{between}1.2.3`"),
        };
        Finding::new(Code::Unpinned, Severity::Warning, spot, message, hint)
    };
    facts.packages.iter().map(finding).collect()
}

fn permissions(facts: &Facts) -> Vec<Finding> {
    let open = facts.secrets.iter().filter(|file| file.mode & OTHERS != 0);
    let finding = |file: &SecretFile| {
        let message = format!("others can read it (mode {:03o}), and {}", file.mode, file.why);
        let hint = format!("`chmod 600 {}`, which `--fix` does", file.path.display());
        let spot = Spot::file(&file.path);
        Finding::new(Code::Readable, Severity::Error, spot, message, hint)
            .fix(Fix::Close(file.path.clone()))
    };
    open.map(finding).collect()
}

fn literals(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entry in &facts.entries {
        for (file, value) in entry.literals() {
            let variable = add::variable_for(&entry.key, value.name.as_deref());
            let hint = format!(
                "set a variable where Conflux runs, and write `${{{variable}}}` in its place, or \
                 keep it in a file and write `${{file:PATH}}`"
            );
            let message = "this looks like a secret that is written out";
            let spot = spot(entry, file, value);
            findings.push(Finding::new(Code::Literal, Severity::Warning, spot, message, hint));
        }
    }
    findings
}

fn eras(facts: &Facts) -> Vec<Finding> {
    let finding = |known: &Known| {
        let revision = known.legacy.as_ref()?;
        let message = format!("it speaks {revision}; Conflux translates for newer clients");
        let hint = "nothing to do; a newer version of the server may speak 2026-07-28";
        let spot = spot_of(facts, &known.key);
        Some(Finding::new(Code::Legacy, Severity::Note, spot, message, hint))
    };
    facts.known.iter().filter_map(finding).collect()
}

fn twins(facts: &Facts) -> Vec<Finding> {
    let mut first: BTreeMap<Vec<&str>, &Entry> = BTreeMap::new();
    let mut findings = Vec::new();
    for entry in facts.entries.iter().filter(|entry| !entry.is_disabled()) {
        let target = entry.value("url").or(entry.value("command"));
        let Some(target) = target else { continue };
        let server = [vec![target], entry.below("args")].concat();
        let Some(other) = first.insert(server.clone(), entry) else { continue };
        first.insert(server, other);
        let is_same = ["env", "headers", "cwd"].iter().all(|path| {
            entry.below(path) == other.below(path) && entry.value(path) == other.value(path)
        });
        let (severity, hint) = if is_same {
            (Severity::Warning, "remove one of them: every tool is there twice")
        } else {
            (Severity::Note, "nothing to do if their variables or headers make two of it")
        };
        let message = format!("`{}` and `{}` are the same server", other.key, entry.key);
        let spot = spot_of(facts, &entry.key);
        findings.push(Finding::new(Code::Twins, severity, spot, message, hint));
    }
    findings
}

fn disabled(facts: &Facts) -> Vec<Finding> {
    let disabled = facts.entries.iter().filter(|entry| entry.is_disabled());
    let finding = |entry: &Entry| {
        let hint = format!("`conflux enable {}` takes it in again", entry.key);
        let spot = spot_of(facts, &entry.key);
        Finding::new(Code::Disabled, Severity::Note, spot, "it is disabled", hint)
    };
    disabled.map(finding).collect()
}

fn failures(facts: &Facts) -> Vec<Finding> {
    let finding = |failed: &Failed| {
        let spot = spot_of(facts, &failed.key);
        let message = format!("it could not be used: {}", failed.why);
        Finding::new(Code::Failed, Severity::Error, spot, message, failed.hint.clone())
    };
    facts.failures.iter().map(finding).collect()
}

fn sockets(facts: &Facts) -> Vec<Finding> {
    let finding = |path: &PathBuf| {
        let message = "nobody listens at this socket any more: its gateway was killed";
        let hint = "nothing to do: the next `conflux status` removes it, and so does `--fix`";
        Finding::new(Code::Socket, Severity::Note, Spot::file(path), message, hint)
            .fix(Fix::Sweep(path.clone()))
    };
    facts.stale.iter().map(finding).collect()
}

fn state(facts: &Facts) -> Vec<Finding> {
    let finding = |(path, why): &(PathBuf, String)| {
        let message = format!("nothing can be kept here: {why}");
        let hint = "make it a directory that you may write to, or set `CONFLUX_STATE` to one; \
                    without it, every start has to ask all servers again";
        Finding::new(Code::State, Severity::Error, Spot::file(path), message, hint)
    };
    facts.state.iter().map(finding).collect()
}

fn rules(facts: &Facts) -> Vec<Finding> {
    let finding = |problem| Finding::of(problem, Code::Rule, Severity::Error);
    facts.rules.iter().map(finding).collect()
}

fn keys(facts: &Facts) -> Vec<Finding> {
    let open = facts.kept.iter().filter(|file| file.mode & OTHERS != 0);
    let finding = |Kept { path, why, anew, mode }: &Kept| {
        let message = format!("others can read or change it (mode {mode:03o}), and {why}");
        let mut hint = format!("`chmod 600 {}`, which `--fix` does", path.display());
        if let Some(anew) = anew {
            hint = format!("{hint}; if somebody may have read it, {anew}");
        }
        Finding::new(Code::Key, Severity::Error, Spot::file(path), message, hint)
            .fix(Fix::Close(path.clone()))
    };
    open.map(finding).collect()
}

/// Returns where a value of an upstream is.
fn spot(entry: &Entry, file: &Path, value: &yaml::Value) -> Spot {
    Spot {
        file: Some(file.to_owned()),
        line: Some(value.place.line),
        column: Some(value.place.column),
        key: Some(format!("upstreams.{}.{}", entry.key, value.path)),
    }
}

/// Returns where an upstream is.
fn spot_of(facts: &Facts, key: &str) -> Spot {
    let name = format!("upstreams.{key}");
    match facts.entries.iter().find(|entry| entry.key == key) {
        Some(entry) => Spot {
            file: Some(entry.file.clone()),
            line: Some(entry.place.line),
            column: Some(entry.place.column),
            key: Some(name),
        },
        None => Spot::key(name),
    }
}

/// Returns where a value of an upstream is, or the upstream if it is not written there.
fn spot_at(facts: &Facts, key: &str, path: &str) -> Spot {
    let entry = facts.entries.iter().find(|entry| entry.key == key);
    let found = entry.and_then(|entry| Some((entry, entry.at(path)?)));
    match found {
        Some((entry, (file, value))) => spot(entry, file, value),
        None => spot_of(facts, key),
    }
}
