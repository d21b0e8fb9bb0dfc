//! What a process finds around itself: the environment and its directories. Nothing else in Conflux
//! reads them.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use etcetera::BaseStrategy;

/// What a process finds around itself; tests make their own.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// The environment.
    pub variables: BTreeMap<String, String>,
    /// The working directory.
    pub directory: PathBuf,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// The user's directory of configurations.
    pub config: Option<PathBuf>,
    /// The user's directory of state.
    pub state: Option<PathBuf>,
}

impl Surroundings {
    /// Reads the surroundings of this process. Variables that are not Unicode are left out.
    pub fn of_process() -> Self {
        let user = etcetera::choose_base_strategy().ok();
        let user = user.as_ref();
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            variables: env::vars_os().filter_map(text).collect(),
            directory: env::current_dir().unwrap_or_default(),
            home: user.map(|user| user.home_dir().to_path_buf()),
            config: user.map(BaseStrategy::config_dir),
            // Windows has no directory for state of its own; that of caches stays on the machine.
            state: user.map(|user| user.state_dir().unwrap_or_else(|| user.cache_dir())),
        }
    }

    /// Returns what is to be logged, from `CONFLUX_LOG`.
    pub fn log_filter(&self) -> Option<&str> {
        self.variable("CONFLUX_LOG")
    }

    /// Returns how it is to be logged, from `CONFLUX_LOG_FORMAT`.
    pub fn log_format(&self) -> Option<&str> {
        self.variable("CONFLUX_LOG_FORMAT")
    }

    /// Returns how wide the terminal is, in characters, if `COLUMNS` says so.
    pub fn columns(&self) -> Option<usize> {
        self.variable("COLUMNS")?.parse().ok()
    }

    /// Returns whether terminals may be shown colours: neither `NO_COLOR` (no-color.org) nor a
    /// terminal that has none says otherwise.
    pub fn allows_colours(&self) -> bool {
        self.variable("NO_COLOR").is_none() && self.moves_cursor()
    }

    /// Returns whether a terminal can be drawn on, and does more than to add lines.
    pub fn moves_cursor(&self) -> bool {
        self.variable("TERM") != Some("dumb")
    }

    /// Returns the directory for what outlives a run: `CONFLUX_STATE`, or one of the user's.
    pub fn state(&self) -> Option<PathBuf> {
        let named = self.variable("CONFLUX_STATE").map(|named| self.directory.join(named));
        named.or_else(|| self.state.as_ref().map(|state| state.join("conflux")))
    }

    /// Returns the directories where the sockets of what runs may be, the best one first: that of
    /// the user's session (XDG Base Directory Specification), and one that is always there.
    pub fn runtime(&self) -> Vec<PathBuf> {
        let session = self.variable("XDG_RUNTIME_DIR").map(PathBuf::from);
        // A relative path is to be ignored, says the specification; and the system alone makes it.
        let session = session.filter(|path| path.is_absolute() && path.is_dir());
        let session = session.map(|path| path.join("conflux"));
        session.into_iter().chain(self.state().map(|state| state.join("run"))).collect()
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
