//! Processes: how they are started and ended, and what the kernel says of them.

use std::collections::HashMap;
use std::fs;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::Signal;
use nix::sys::signal::killpg;
use nix::unistd::Pid;
use tokio::time::Instant;

/// How long a process has to end after it was told to.
const FAREWELL: Duration = Duration::from_secs(5);
/// The unit of processor times in `/proc`, in microseconds: `USER_HZ` is 100 on Linux.
pub(crate) const TICK_MICROS: f64 = 10_000.0;

/// A process in a group of its own, which is ended when this is dropped.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

/// A command as a list of words.
pub(crate) fn command(words: &[String]) -> anyhow::Result<Command> {
    let (program, args) = words.split_first().context("no command is given")?;
    #[expect(clippy::disallowed_methods, reason = "no runtime stands between the load and pipes")]
    let mut command = Command::new(program);
    command.args(args);
    Ok(command)
}

/// This program.
pub(crate) fn myself() -> anyhow::Result<String> {
    let path = std::env::current_exe()?;
    Ok(path.to_str().context("the path of this program is no text")?.to_owned())
}

pub(crate) fn sleep(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "there is no runtime to block")]
    std::thread::sleep(time);
}

impl Running {
    /// Starts a command whose stderr goes to `log`.
    pub(crate) fn start(mut command: Command, log: PathBuf) -> anyhow::Result<Self> {
        command.stdout(Stdio::piped()).stderr(File::create(&log)?);
        Self::spawn(command, log)
    }

    /// Starts a command whose stdout, which nobody reads, goes to `log` as well.
    pub(crate) fn start_silent(mut command: Command, log: PathBuf) -> anyhow::Result<Self> {
        let file = File::create(&log)?;
        command.stdout(file.try_clone()?).stderr(file);
        Self::spawn(command, log)
    }

    fn spawn(mut command: Command, log: PathBuf) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child, log })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its pipes, once.
    pub(crate) fn pipes(&mut self) -> anyhow::Result<(ChildStdin, ChildStdout)> {
        let pipes = self.child.stdin.take().zip(self.child.stdout.take());
        pipes.context("the pipes of this process are in use")
    }

    /// Its stdout, once; its stdin stays open.
    pub(crate) fn stdout(&mut self) -> anyhow::Result<ChildStdout> {
        self.child.stdout.take().context("the stdout of this process is in use")
    }

    /// What it said on stderr.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines of what it said, for the message of a failure.
    pub(crate) fn last_words(&self) -> String {
        let said = self.said();
        let lines: Vec<_> = said.lines().rev().take(8).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let group = Pid::from_raw(self.child.id().try_into().unwrap_or(i32::MAX));
        // A group that is gone needs no signal.
        let _ = killpg(group, Signal::SIGTERM);
        let told = Instant::now();
        while !self.has_ended() && told.elapsed() < FAREWELL {
            sleep(Duration::from_millis(5));
        }
        let _ = killpg(group, Signal::SIGKILL);
        let ended = self.child.wait();
        debug_assert!(ended.is_ok(), "a child can be waited for");
    }
}

/// What a process and those under it have used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Ticks of the process itself.
    pub(crate) own: u64,
    /// Ticks of all under it that are alive.
    pub(crate) under: u64,
}

/// Processor time of a process and of those under it, in ticks.
pub(crate) fn used(id: u32) -> Used {
    let all = all();
    let own = all.get(&id).map_or(0, |it| it.ticks);
    let under = below(id, &all).iter().filter_map(|it| all.get(it)).map(|it| it.ticks).sum();
    Used { own, under }
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident(id: u32) -> u64 {
    status(id, "VmRSS:")
}

/// The most resident memory since [`forget_peak`], in KiB.
pub(crate) fn peak(id: u32) -> u64 {
    status(id, "VmHWM:")
}

/// Starts to measure the most resident memory anew.
pub(crate) fn forget_peak(id: u32) -> anyhow::Result<()> {
    fs::write(format!("/proc/{id}/clear_refs"), "5").context("cannot reset the peak of memory")
}

/// How many processes with this word among their arguments run this program.
pub(crate) fn count(word: &str) -> usize {
    let mine = std::env::current_exe().ok();
    let runs = |id: &u32| {
        let arguments = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        fs::read_link(format!("/proc/{id}/exe")).ok() == mine
            && arguments.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    };
    all().keys().filter(|id| runs(id)).count()
}

fn status(id: u32, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

struct Stat {
    parent: u32,
    ticks: u64,
}

fn all() -> HashMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id| Some((id, stat(id)?))).collect()
}

/// Reads the fields behind the name, which may hold anything.
fn stat(id: u32) -> Option<Stat> {
    let text = fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let mut times = fields.skip(9);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(Stat { parent, ticks: user + system })
}

fn below(id: u32, all: &HashMap<u32, Stat>) -> Vec<u32> {
    let mut found = vec![id];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(all.iter().filter(|(_, it)| it.parent == parent).map(|(id, _)| *id));
        at += 1;
    }
    found.split_off(1)
}
