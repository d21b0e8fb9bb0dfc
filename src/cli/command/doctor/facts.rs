//! What is known when the doctor begins to think: gathered once, and only read from then on.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::cli::command::doctor::keys::Kept;
use crate::clients::Client;
use crate::config::problem::Problem;
use crate::setup::secrets;
use crate::setup::yaml;

/// Everything there is to look at.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// What is wrong with the configuration, unset variables apart.
    pub(super) problems: Vec<Problem>,
    /// What of it is probably not meant.
    pub(super) doubts: Vec<Problem>,
    /// What in the policy speaks of nothing that is there.
    pub(super) rules: Vec<Problem>,
    /// The upstreams as they are written, with what later files say over earlier ones.
    pub(super) entries: Vec<Entry>,
    /// The variables that are set.
    pub(super) variables: BTreeSet<String>,
    /// Programs of upstreams that are not where they should be.
    pub(super) missing: Vec<Missing>,
    /// Packages that are fetched by name.
    pub(super) packages: Vec<Package>,
    /// Files with secrets in them.
    pub(super) secrets: Vec<SecretFile>,
    /// Files of the state that others must not read.
    pub(super) kept: Vec<Kept>,
    /// What is known about upstreams from earlier runs, or from this one.
    pub(super) known: Vec<Known>,
    /// Whether clients are listed all of their tools.
    pub(super) is_flat: bool,
    /// Which upstreams could not be started, and why.
    pub(super) failures: Vec<Failed>,
    /// The clients that are there.
    pub(super) clients: Vec<Seen>,
    /// Sockets that nobody listens at.
    pub(super) stale: Vec<PathBuf>,
    /// What keeps audit records from being written, and how many were lost.
    pub(super) unrecorded: Vec<Unrecorded>,
    /// The directory of state, and why nothing can be kept there.
    pub(super) state: Option<(PathBuf, String)>,
}

/// An upstream as it is written.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// The file that says so first.
    pub(super) file: PathBuf,
    pub(super) place: yaml::Place,
    pub(super) values: Vec<(PathBuf, yaml::Value)>,
}

impl Entry {
    /// Returns what stands at a path, as in `env.TOKEN`.
    pub(super) fn value(&self, path: &str) -> Option<&str> {
        self.at(path).map(|(_, value)| value.text.as_str())
    }

    /// Returns the same with where it stands.
    pub(super) fn at(&self, path: &str) -> Option<&(PathBuf, yaml::Value)> {
        self.values.iter().find(|(_, value)| value.path == path)
    }

    /// Returns the texts of what stands below a path.
    pub(super) fn below(&self, path: &str) -> Vec<&str> {
        let is_below = |value: &yaml::Value| {
            value.path.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        let values = self.values.iter().filter(|(_, value)| is_below(value));
        values.map(|(_, value)| value.text.as_str()).collect()
    }

    /// Returns the values that look like secrets that are written out, and the files they are in.
    pub(super) fn literals(&self) -> impl Iterator<Item = &(PathBuf, yaml::Value)> {
        let is_handed_on = |path: &str| {
            let starts = ["env.", "headers.", "args["];
            path == "url" || starts.iter().any(|start| path.starts_with(start))
        };
        self.values.iter().filter(move |(_, value)| {
            let before = self.before(&value.path);
            is_handed_on(&value.path)
                && secrets::is_literal(value.name.as_deref(), before, &value.text)
        })
    }

    /// Returns the argument before the one at a path.
    fn before(&self, path: &str) -> Option<&str> {
        let number = path.strip_prefix("args[")?.strip_suffix(']')?.parse::<usize>().ok()?;
        self.value(&format!("args[{}]", number.checked_sub(1)?))
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.value("disabled") == Some("true") || self.value("enabled") == Some("false")
    }
}

/// A program that cannot be started by its name.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    pub(super) key: String,
    pub(super) program: String,
    /// What is wrong with it, if it is there.
    pub(super) why: Option<String>,
    /// Where it is all the same.
    pub(super) elsewhere: Vec<PathBuf>,
}

/// A package that is fetched by name when an upstream starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) key: String,
    /// As it is written, perhaps with a range of versions.
    pub(super) written: String,
    /// Its name alone.
    pub(super) name: String,
    /// Where in the entry.
    pub(super) path: String,
    /// What stands between the name and its version.
    pub(super) between: &'static str,
    /// Which version is on this machine already.
    pub(super) cached: Option<String>,
}

/// A file with a secret in it.
#[derive(Clone, Debug)]
pub(super) struct SecretFile {
    pub(super) path: PathBuf,
    /// Why there is a secret in it.
    pub(super) why: String,
    /// Its permissions, as in `644`.
    pub(super) mode: u32,
}

/// What is known about an upstream.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) key: String,
    /// Which revision it speaks, or at least that it is one of before 2026-07-28.
    pub(super) legacy: Option<String>,
    /// The public names of its tools.
    pub(super) tools: Vec<String>,
}

/// An upstream that could not be started.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) key: String,
    pub(super) why: String,
    pub(super) hint: String,
}

/// A gateway that does not record all it should.
#[derive(Clone, Debug)]
pub(super) struct Unrecorded {
    /// Its process.
    pub(super) pid: u64,
    /// Why not, if that lasts.
    pub(super) why: Option<String>,
    pub(super) lost: u64,
}

/// A client on this machine.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) client: Client,
    /// What its files have.
    pub(super) servers: Vec<Server>,
}

/// An entry in a file of a client.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) file: PathBuf,
    pub(super) name: String,
    /// The program, if it is Conflux, and whether it is there.
    pub(super) conflux: Option<(String, bool)>,
}
