//! A command that goes on until it is told to end, read line by line.

use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::BufReader;
use tokio::io::Lines;
use tokio::process::Child;
use tokio::process::ChildStderr;
use tokio::process::ChildStdout;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::wire_client::LIMIT;

/// A command under way; killed when dropped.
pub(crate) struct Reader {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Reader {
    #[track_caller]
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, stdout, stderr }
    }

    /// The next line on stdout.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(LIMIT, self.stdout.next_line()).await.expect("it says something");
        line.unwrap().expect("it goes on")
    }

    /// Whether there is a line on stdout, or one comes soon; it is taken.
    pub(crate) async fn has_line(&mut self, soon: Duration) -> bool {
        timeout(soon, self.stdout.next_line()).await.is_ok_and(|line| line.unwrap().is_some())
    }

    /// The first of the next lines on stdout that has this in it.
    pub(crate) async fn line_with(&mut self, part: &str) -> String {
        loop {
            let line = self.line().await;
            if line.contains(part) {
                return line;
            }
        }
    }

    /// The first of the next lines on stderr that has this in it.
    pub(crate) async fn said(&mut self, part: &str) -> String {
        loop {
            let line = timeout(LIMIT, self.stderr.next_line()).await.expect("it says something");
            let line = line.unwrap().expect("it goes on");
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Ends it as Ctrl-C does.
    pub(crate) async fn interrupt(self) -> ExitStatus {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
        self.wait().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn wait(mut self) -> ExitStatus {
        timeout(LIMIT, self.child.wait()).await.expect("it ends").unwrap()
    }
}
