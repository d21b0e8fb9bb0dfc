//! The process between Conflux and a program it starts: when either of them ends, however that
//! comes, nothing is left of what the program started.
//!
//! It is the parent of the program, and of every process of its tree that loses its own parent;
//! daemons that left their group and session are among them. It does nothing but wait, so it is
//! still there when Conflux is killed. Where the system knows no such adoption, the program's group
//! is ended, which is the nearest.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitPidFlag;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use tokio::time::Instant;

/// The word by which Conflux starts itself as a guard.
pub const COMMAND: &str = "guard";
/// What tells a guard to end the tree in order.
pub(super) const TERMINATE: Signal = Signal::SIGTERM;
/// What tells a guard to end the tree at once.
pub(super) const AT_ONCE: Signal = Signal::SIGINT;

/// How long a program may take to end by itself when Conflux is gone, and its stdin with it.
const CLOSE_LIMIT: Duration = Duration::from_millis(1500);
/// How long what is left of a tree may take to end once it was told to.
const TERMINATE_LIMIT: Duration = Duration::from_secs(1);
/// How long the end of what was killed is waited for.
const KILL_LIMIT: Duration = Duration::from_secs(1);
/// How often it is looked for what was started while the tree was killed.
const KILL_AGAIN: Duration = Duration::from_millis(20);
/// How often it is looked whether Conflux is there, where that cannot be waited for.
const LOOK: Duration = Duration::from_millis(250);

/// What can happen.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A child ended.
    Ended,
    /// The tree is to end.
    Terminate,
    /// The tree is to end at once.
    Kill,
    /// Conflux is gone.
    Orphaned,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// The program runs.
    Running,
    /// It may end by itself until then.
    Closing(Instant),
    /// What is left was told to end, and may do so until then.
    Terminating(Instant),
    /// What is left is killed, until then.
    Killing(Instant),
}

/// A program and all it started.
#[derive(Debug)]
struct Tree {
    program: Pid,
    /// How the program ended, if it has.
    status: Option<WaitStatus>,
    /// Whether there is no process left: one whose parent ended has become a child of this one.
    is_empty: bool,
    phase: Phase,
}

/// Starts `program` on the standard streams of this process, and stays until its tree has ended.
///
/// `conflux` is the process that counts on it. Returns the exit code of the program; if that was
/// ended by a signal, this process ends itself by the same one.
pub fn run(conflux: u32, program: &OsString, arguments: &[OsString]) -> io::Result<u8> {
    let (tell, events) = mpsc::channel();
    // Before there are threads, so that all of them leave signals to the one that waits for them.
    let signals = SigSet::from_iter([Signal::SIGCHLD, TERMINATE, AT_ONCE, Signal::SIGHUP]);
    signals.thread_block()?;
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true)?;
    #[expect(clippy::disallowed_methods, reason = "in the guard's process, that is its purpose")]
    let child = Command::new(program).args(arguments).process_group(0).spawn()?;
    let program = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let_go_of_streams()?;
    let tell_too = tell.clone();
    thread::spawn(move || tell_signals(&signals, &tell_too));
    thread::spawn(move || {
        wait_for_end_of(conflux);
        let _is_heard = tell.send(Event::Orphaned).is_ok();
    });
    let mut tree = Tree { program, status: None, is_empty: false, phase: Phase::Running };
    loop {
        let event = match tree.pause() {
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(pause) => events.recv_timeout(pause),
        };
        tree.take(event.ok());
        if tree.is_over() {
            return tree.end();
        }
    }
}

impl Tree {
    /// Does what follows from an event, or from a time that has passed.
    fn take(&mut self, event: Option<Event>) {
        let now = Instant::now();
        let next = match event {
            Some(Event::Ended) => {
                self.reap();
                // What a program left behind has nobody to work for.
                self.status.map(|_| Phase::Terminating(now + TERMINATE_LIMIT))
            }
            Some(Event::Orphaned) => Some(Phase::Closing(now + CLOSE_LIMIT)),
            Some(Event::Terminate) => Some(Phase::Terminating(now + TERMINATE_LIMIT)),
            Some(Event::Kill) => Some(Phase::Killing(now + KILL_LIMIT)),
            None => match self.phase {
                Phase::Closing(until) if until <= now => {
                    Some(Phase::Terminating(now + TERMINATE_LIMIT))
                }
                Phase::Terminating(until) if until <= now => Some(Phase::Killing(now + KILL_LIMIT)),
                _ => None,
            },
        };
        if let Some(next) = next
            && next.rank() > self.phase.rank()
        {
            self.phase = next;
            if matches!(next, Phase::Terminating(_)) {
                self.signal(Signal::SIGTERM);
            }
        }
        if matches!(self.phase, Phase::Killing(_)) {
            self.signal(Signal::SIGKILL);
            self.reap();
        }
    }

    /// How long to wait for the next event; nothing for as long as it takes.
    fn pause(&self) -> Option<Duration> {
        match self.phase {
            Phase::Running => None,
            Phase::Closing(until) | Phase::Terminating(until) => {
                Some(until.saturating_duration_since(Instant::now()))
            }
            Phase::Killing(_) => Some(KILL_AGAIN),
        }
    }

    /// Takes note of every child that has ended.
    fn reap(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return,
                Ok(status) if status.pid() == Some(self.program) => self.status = Some(status),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => {
                    self.is_empty = true;
                    return;
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        let is_late = matches!(self.phase, Phase::Killing(until) if until <= Instant::now());
        is_late || self.is_empty
    }

    fn signal(&self, signal: Signal) {
        for pid in descendants() {
            // It may have ended meanwhile, which is what is wanted.
            let _ = signal::kill(pid, signal);
        }
        if self.status.is_none() {
            let _ = signal::killpg(self.program, signal);
        }
    }

    /// Ends as the program did.
    fn end(self) -> io::Result<u8> {
        match self.status {
            Some(WaitStatus::Exited(_, code)) => u8::try_from(code).map_err(io::Error::other),
            Some(WaitStatus::Signaled(_, signal, _)) => {
                let alone = SigSet::from_iter([signal]);
                alone.thread_unblock()?;
                signal::raise(signal)?;
                Err(io::Error::other(format!("the program was ended by {signal}")))
            }
            _ => Err(io::Error::other("the program does not end")),
        }
    }
}

impl Phase {
    fn rank(self) -> u8 {
        match self {
            Self::Running => 0,
            Self::Closing(_) => 1,
            Self::Terminating(_) => 2,
            Self::Killing(_) => 3,
        }
    }
}

/// The program alone may hold its ends of the pipes, so that their end is seen on the other side.
fn let_go_of_streams() -> io::Result<()> {
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)?;
    Ok(())
}

fn tell_signals(signals: &SigSet, tell: &Sender<Event>) {
    while let Ok(signal) = signals.wait() {
        let event = match signal {
            Signal::SIGCHLD => Event::Ended,
            AT_ONCE => Event::Kill,
            _ => Event::Terminate,
        };
        if tell.send(event).is_err() {
            return;
        }
    }
}

/// Waits until the process `conflux`, which started this one, is gone.
fn wait_for_end_of(conflux: u32) {
    #[cfg(target_os = "linux")]
    if let Some(pid) = i32::try_from(conflux).ok().and_then(rustix::process::Pid::from_raw)
        && let Ok(process) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
        && std::os::unix::process::parent_id() == conflux
    {
        let mut watched = [rustix::event::PollFd::new(&process, rustix::event::PollFlags::IN)];
        while rustix::event::poll(&mut watched, None).is_err() {}
        return;
    }
    while std::os::unix::process::parent_id() == conflux {
        thread::park_timeout(LOOK);
    }
}

/// Every process below this one.
#[cfg(target_os = "linux")]
fn descendants() -> Vec<Pid> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let all: Vec<(i32, i32)> = processes
        .filter_map(|process| {
            let pid = process.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name before it may hold anything, a closing bracket included.
            let (_, rest) = stat.rsplit_once(')')?;
            Some((pid, rest.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let mut found = vec![Pid::this().as_raw()];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.into_iter().skip(1).map(Pid::from_raw).collect()
}

/// Where processes cannot be told apart so, the program's group has to do.
#[cfg(not(target_os = "linux"))]
fn descendants() -> Vec<Pid> {
    Vec::new()
}
