//! Processes found by a mark in their environment, wherever in the tree they are.

use std::fs;
use std::time::Duration;

use nix::unistd::Pid;
use tokio::time::Instant;

/// The variable that carries the mark.
pub(crate) const MARK: &str = "TREE_OF_TEST";
/// What is promised: so long after the end of Conflux nothing it started is alive.
pub(crate) const PROMISED: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// Every process that carries this mark and has not ended, with its command line.
pub(crate) fn marked(mark: &str) -> Vec<(Pid, String)> {
    let wanted = format!("{MARK}={mark}");
    let carries = |pid: &i32| {
        // A process that has ended has no environment any more.
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    let line = |pid: i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        (Pid::from_raw(pid), String::from_utf8_lossy(&line).replace('\0', " "))
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(carries).map(line).collect()
}

/// Checks that nothing with this mark is alive when it is promised; says how long it took.
pub(crate) async fn expect_nobody(mark: &str, since: Instant) -> Duration {
    loop {
        // What is late to look does not make anything late that it looks for.
        let now = since.elapsed();
        let alive = marked(mark);
        if alive.is_empty() {
            return now;
        }
        assert!(now < PROMISED, "alive {now:?} after the end: {alive:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until `count` processes carry this mark.
pub(crate) async fn expect_marked(mark: &str, count: usize) -> Vec<Pid> {
    let found = async {
        loop {
            let found = marked(mark);
            if found.len() == count {
                return found.into_iter().map(|(pid, _)| pid).collect();
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let limit = crate::support::wire_client::LIMIT;
    let found = tokio::time::timeout(limit, found).await;
    found.unwrap_or_else(|_| panic!("not {count} processes: {:?}", marked(mark)))
}
