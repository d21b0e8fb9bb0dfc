//! The machine and the day of a run.

use std::fs;
use std::time::SystemTime;

use serde::Serialize;

/// What figures depend on besides the programs.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    /// The load average when the run began: what else ran.
    pub(crate) load: String,
}

impl Machine {
    /// Reads it from the system; the date may be given.
    pub(crate) fn here(date: Option<String>) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let value = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key));
            let value = line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim());
            value.unwrap_or_default().to_owned()
        };
        let memory = value(&read("/proc/meminfo"), "MemTotal");
        let memory: u64 = memory.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0);
        let today = || {
            let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
            now.split('T').next().unwrap_or_default().to_owned()
        };
        let load = read("/proc/loadavg");
        Self {
            date: date.unwrap_or_else(today),
            processor: value(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: memory / (1024 * 1024),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}
