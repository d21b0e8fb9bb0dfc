//! The process between Conflux and a program it starts: when either of them ends, however that
//! comes, nothing is left of what the program started.
//!
//! It is the parent of the program, and of every process of its tree that loses its own parent;
//! daemons that left their group and session are among them. It does nothing but wait, so it is
//! still there when Conflux is killed. It leads a session of its own, so that no terminal and no
//! signal to the group of Conflux reaches it. Where the system knows no such adoption, the
//! program's group is ended, which is the nearest (`docs/decisions/0012-guards.md`).

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
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
use nix::unistd;
use nix::unistd::Pid;
use tokio::time::Instant;

use crate::upstream::transport::processes;

/// The word by which Conflux starts itself as a guard.
pub const COMMAND: &str = "guard";
/// What tells a guard to end the tree in order.
pub(super) const TERMINATE: Signal = Signal::SIGTERM;
/// What tells a guard to end the tree at once.
pub(super) const AT_ONCE: Signal = Signal::SIGINT;

/// How long a program may take to end by itself when Conflux is gone, and its stdin with it.
const CLOSE_LIMIT: Duration = Duration::from_millis(1500);
/// How long a program may take to end by itself when there is no time: long enough for the end of
/// its stdin to be read, and passed on to what is not in its tree, such as a container.
const LEAVE_LIMIT: Duration = Duration::from_millis(300);
/// How long what is left of a tree may take to end once it was told to.
const TERMINATE_LIMIT: Duration = Duration::from_secs(1);
/// How long the end of what was killed is waited for.
const KILL_LIMIT: Duration = Duration::from_secs(1);
/// How often it is looked for what is left of a tree that is to end, or was started meanwhile.
const AGAIN: Duration = Duration::from_millis(20);
/// How often in a row, without a pause, what was started while the tree was killed is killed, too.
const ROUNDS: usize = 100;
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
    /// It may end by itself until then, and is not told to before it is killed.
    Leaving(Instant),
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
    /// What was killed.
    killed: HashSet<Pid>,
    /// Whether the last look found something to kill that had not been killed before.
    is_growing: bool,
    phase: Phase,
}

/// The process that counts on this one.
#[derive(Debug)]
enum Watched {
    /// Held, so that its end can be waited for.
    #[cfg(target_os = "linux")]
    Held(OwnedFd),
    /// Known by its number alone.
    Numbered(u32),
}

/// Starts `program` on the standard streams of this process, and stays until its tree has ended.
///
/// `conflux` is the process that counts on it. Returns the exit code of the program; if that was
/// ended by a signal, this process ends itself by the same one.
pub fn run(conflux: u32, program: &OsString, arguments: &[OsString]) -> io::Result<u8> {
    // It leads a group already where people start it by hand, which is well, too.
    let _ = unistd::setsid();
    let (tell, events) = mpsc::channel();
    // Before there are threads, so that all of them leave signals to the one that waits for them.
    let signals = SigSet::from_iter([Signal::SIGCHLD, TERMINATE, AT_ONCE, Signal::SIGHUP]);
    signals.thread_block()?;
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true)?;
    // Whatever can fail does so before there is a program that would be left alone.
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    let watched = Watched::new(conflux).ok_or_else(|| io::Error::other("Conflux is gone"))?;
    let (tell_too, tell_end) = (tell.clone(), tell);
    thread::Builder::new().spawn(move || tell_signals(&signals, &tell_too))?;
    thread::Builder::new().spawn(move || {
        watched.wait();
        let _is_heard = tell_end.send(Event::Orphaned).is_ok();
    })?;
    #[expect(clippy::disallowed_methods, reason = "in the guard's process, that is its purpose")]
    let child = Command::new(program).args(arguments).process_group(0).spawn()?;
    let mut tree = Tree {
        program: Pid::from_raw(child.id().cast_signed()),
        status: None,
        is_empty: false,
        killed: HashSet::new(),
        is_growing: false,
        phase: Phase::Running,
    };
    let_go_of_streams(&nothing);
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
        if self.phase != Phase::Running || matches!(event, Some(Event::Ended)) {
            self.reap();
        }
        let next = match event {
            // What a program left behind has nobody to work for.
            Some(Event::Ended) => self.status.map(|_| Phase::Terminating(now + TERMINATE_LIMIT)),
            Some(Event::Orphaned) => Some(Phase::Closing(now + CLOSE_LIMIT)),
            Some(Event::Terminate) => Some(Phase::Terminating(now + TERMINATE_LIMIT)),
            // Whoever is in a hurry may only now be closing its stdin.
            Some(Event::Kill) if self.phase == Phase::Running => {
                Some(Phase::Leaving(now + LEAVE_LIMIT))
            }
            Some(Event::Kill) => Some(Phase::Killing(now + KILL_LIMIT)),
            None => None,
        };
        self.enter(next);
        // Not only when nothing happens: children can end all the time.
        self.enter(match self.phase {
            Phase::Closing(until) if until <= now => {
                Some(Phase::Terminating(now + TERMINATE_LIMIT))
            }
            Phase::Terminating(until) | Phase::Leaving(until) if until <= now => {
                Some(Phase::Killing(now + KILL_LIMIT))
            }
            _ => None,
        });
        if matches!(self.phase, Phase::Killing(_)) {
            self.kill();
        }
    }

    /// Goes on to another phase, if that is a later one.
    fn enter(&mut self, next: Option<Phase>) {
        let Some(next) = next.filter(|next| next.rank() > self.phase.rank()) else { return };
        self.phase = next;
        if matches!(next, Phase::Terminating(_)) {
            self.signal(Signal::SIGTERM);
            // One that is stopped would not hear it.
            self.signal(Signal::SIGCONT);
        }
    }

    /// How long to wait for the next event; nothing for as long as it takes.
    fn pause(&self) -> Option<Duration> {
        (self.phase != Phase::Running).then_some(AGAIN)
    }

    /// Takes note of every child that has ended.
    fn reap(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return,
                Ok(status) if status.pid() == Some(self.program) => self.status = Some(status),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => {
                    self.is_empty = !self.has_group();
                    return;
                }
            }
        }
    }

    /// Whether somebody is left who is no child of this process.
    ///
    /// On Linux everybody is, sooner or later.
    fn has_group(&self) -> bool {
        cfg!(not(target_os = "linux")) && signal::killpg(self.program, None).is_ok()
    }

    fn is_over(&self) -> bool {
        let is_late = matches!(self.phase, Phase::Killing(until) if until <= Instant::now());
        self.is_empty || is_late && !self.is_growing
    }

    /// Sends everybody a signal, once.
    fn signal(&self, signal: Signal) -> Vec<Pid> {
        if cfg!(target_os = "linux") {
            return processes::signal_all_below(signal);
        }
        let _ = signal::killpg(self.program, signal);
        vec![self.program]
    }

    /// Kills everybody, and whoever was started while that was done.
    fn kill(&mut self) {
        for _ in 0..ROUNDS {
            let before = self.killed.len();
            // Who forks and ends all the time is there too short to be looked at. The number of a
            // child is nobody else's before it is reaped here, so there is no need to.
            for child in processes::children() {
                let _ = signal::kill(child, Signal::SIGKILL);
                self.killed.insert(child);
            }
            self.killed.extend(self.signal(Signal::SIGKILL));
            self.reap();
            self.is_growing = self.killed.len() > before;
            if !self.is_growing {
                return;
            }
        }
    }

    /// Ends as the program did.
    fn end(self) -> io::Result<u8> {
        match self.status {
            Some(WaitStatus::Exited(_, code)) => u8::try_from(code).map_err(io::Error::other),
            Some(WaitStatus::Signaled(_, signal, _)) => {
                // There is nothing to be seen in a picture of this process.
                #[cfg(target_os = "linux")]
                nix::sys::prctl::set_dumpable(false)?;
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
            Self::Leaving(_) => 3,
            Self::Killing(_) => 4,
        }
    }
}

/// The program alone may hold its ends of the pipes, so that their end is seen on the other side.
fn let_go_of_streams(nothing: &File) {
    // These numbers are open, so nothing can go wrong.
    let _ = rustix::stdio::dup2_stdin(nothing);
    let _ = rustix::stdio::dup2_stdout(nothing);
    let _ = rustix::stdio::dup2_stderr(nothing);
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

impl Watched {
    /// Takes hold of the process `conflux`, which started this one; nothing if it is gone.
    fn new(conflux: u32) -> Option<Self> {
        #[cfg(target_os = "linux")]
        let held =
            i32::try_from(conflux).ok().and_then(rustix::process::Pid::from_raw).and_then(|pid| {
                rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
            });
        // If it is the parent still, it was so when it was taken hold of.
        if std::os::unix::process::parent_id() != conflux {
            return None;
        }
        #[cfg(target_os = "linux")]
        if let Some(held) = held {
            return Some(Self::Held(held));
        }
        Some(Self::Numbered(conflux))
    }

    /// Waits until it is gone.
    fn wait(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Held(process) => {
                let mut watched =
                    [rustix::event::PollFd::new(process, rustix::event::PollFlags::IN)];
                while rustix::event::poll(&mut watched, None).is_err() {}
            }
            Self::Numbered(conflux) => {
                while std::os::unix::process::parent_id() == *conflux {
                    thread::park_timeout(LOOK);
                }
            }
        }
    }
}
