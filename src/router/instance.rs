//! What this process is: told once by whoever starts it, shown in reports.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::config::problem::Problem;
use crate::config::secrets::Secrets;

/// One running Conflux.
#[derive(Debug)]
pub struct Instance {
    /// When it began, by the clock on the wall.
    pub(super) started: SystemTime,
    /// The same, by a clock that nobody sets.
    pub(super) begun: Instant,
    listening: OnceLock<String>,
    configuration: Mutex<Configuration>,
    /// What in the policy means nothing.
    doubts: Mutex<Vec<String>>,
    /// What reports may not show.
    secrets: OnceLock<Secrets>,
}

/// Where its configuration comes from, and what became of its last change.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    /// The files.
    pub(super) files: Vec<PathBuf>,
    /// The last reload, and when it was; nothing if there was none.
    pub(super) reload: Option<(Reloaded, SystemTime)>,
}

/// What became of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The configuration is in force.
    Applied {
        /// What is different since, a sentence each.
        changes: Vec<String>,
        /// The keys of what comes into force when Conflux is started the next time.
        at_restart: Vec<String>,
    },
    /// The configuration is wrong, and everything stays as it was.
    Refused {
        /// What is wrong with it, in reading order.
        problems: Vec<String>,
    },
}

impl Default for Instance {
    /// Makes the instance that begins now.
    fn default() -> Self {
        Self {
            started: SystemTime::now(),
            begun: Instant::now(),
            listening: OnceLock::new(),
            configuration: Mutex::default(),
            doubts: Mutex::default(),
            secrets: OnceLock::new(),
        }
    }
}

impl Instance {
    /// Says which files its configuration came from; the last word counts.
    pub fn reads(&self, files: &[PathBuf]) {
        let mut configuration = self.configuration.lock().unwrap_or_else(PoisonError::into_inner);
        configuration.files = files.to_vec();
    }

    /// Says what has just become of a reload; the last word counts.
    pub fn reloaded(&self, reloaded: Reloaded) {
        let mut configuration = self.configuration.lock().unwrap_or_else(PoisonError::into_inner);
        configuration.reload = Some((reloaded, SystemTime::now()));
    }

    /// Says what in the policy means nothing; the last word counts.
    pub fn doubt(&self, problems: Vec<String>) {
        *self.doubts.lock().unwrap_or_else(PoisonError::into_inner) = problems;
    }

    /// Returns what in the policy means nothing.
    pub fn doubts(&self) -> Vec<String> {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says where clients find it: an address, or `stdio`; the first word counts.
    pub fn listens(&self, place: &str) {
        self.listening.get_or_init(|| place.to_owned());
    }

    /// Says what must not be shown; the first word counts, and what it learns later.
    pub fn hides(&self, secrets: &Secrets) {
        self.secrets.get_or_init(|| secrets.clone());
    }

    /// Returns `text` without what must not be shown.
    pub(super) fn masked<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.secrets.get().map_or(Cow::Borrowed(text), |secrets| secrets.mask(text))
    }

    /// Returns a problem without what must not be shown.
    pub(super) fn without_secrets(&self, problem: Problem) -> Problem {
        match self.secrets.get() {
            Some(secrets) => problem.masked(secrets),
            None => problem,
        }
    }

    /// Returns where its configuration comes from.
    pub(super) fn configuration(&self) -> Configuration {
        self.configuration.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns where clients find it, if it serves any.
    pub(super) fn listening(&self) -> Option<&str> {
        self.listening.get().map(String::as_str)
    }
}
