//! What this process is: told once by whoever starts it, shown in reports.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::SystemTime;

use tokio::time::Instant;

/// One running Conflux.
#[derive(Debug)]
pub struct Instance {
    /// When it began, by the clock on the wall.
    pub(super) started: SystemTime,
    /// The same, by a clock that nobody sets.
    pub(super) begun: Instant,
    files: OnceLock<Vec<PathBuf>>,
    listening: OnceLock<String>,
}

impl Default for Instance {
    /// Makes the instance that begins now.
    fn default() -> Self {
        Self {
            started: SystemTime::now(),
            begun: Instant::now(),
            files: OnceLock::new(),
            listening: OnceLock::new(),
        }
    }
}

impl Instance {
    /// Says which files its configuration came from; the first word counts.
    pub fn reads(&self, files: &[PathBuf]) {
        self.files.get_or_init(|| files.to_vec());
    }

    /// Says where clients find it: an address, or `stdio`; the first word counts.
    pub fn listens(&self, place: &str) {
        self.listening.get_or_init(|| place.to_owned());
    }

    /// Returns the files its configuration came from.
    pub(super) fn files(&self) -> &[PathBuf] {
        self.files.get().map_or(&[], Vec::as_slice)
    }

    /// Returns where clients find it, if it serves any.
    pub(super) fn listening(&self) -> Option<&str> {
        self.listening.get().map(String::as_str)
    }
}
