//! What the system knows of this process, under the names that every Prometheus client library
//! gives it.

use nix::sys::resource;
use nix::sys::resource::UsageWho;
use nix::sys::time::TimeVal;

/// What the system knows of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    /// How much memory it has, in bytes; only Linux says so.
    pub(super) resident: Option<u64>,
    /// How long it has had a processor, in seconds.
    pub(super) cpu: Option<f64>,
    /// How many files it has open; only Linux says so.
    pub(super) files: Option<u64>,
}

impl Process {
    /// Asks the system.
    pub(super) fn now() -> Self {
        let usage = resource::getrusage(UsageWho::RUSAGE_SELF).ok();
        let status = std::fs::read_to_string("/proc/self/status").ok();
        Self {
            resident: status.and_then(|status| resident(&status)),
            cpu: usage.map(|usage| seconds(usage.user_time() + usage.system_time())),
            files: std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64),
        }
    }
}

/// Reads `VmRSS`, which is in units of 1024 bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let size: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(size * 1024)
}

#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are centuries")]
fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::Process;
    use super::resident;

    #[test]
    fn what_the_system_says_is_read() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    1234 kB\n"), Some(1234 * 1024));
        assert_eq!(resident("Name:\tx\n"), None);
        let now = Process::now();
        assert!(now.cpu.is_some_and(|time| time > 0.0), "{now:?}");
        #[cfg(target_os = "linux")]
        assert!(now.resident.is_some_and(|size| size > 100_000), "{now:?}");
    }
}
