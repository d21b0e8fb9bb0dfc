//! Children that speak over their standard input and output: started here and nowhere else.
//!
//! Each child has a guard for its parent, so that what it starts ends with it; see [`guard`].

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::process::Child;
use tokio::process::ChildStderr;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::process::Command;
use tokio::time;

use crate::config;
use crate::upstream::error::Kind;
use crate::upstream::transport::executable;
#[cfg(unix)]
use crate::upstream::transport::guard;
#[cfg(unix)]
use crate::upstream::transport::processes;

/// How long a child may take to end by itself once its stdin is closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// How long it may take to end once it was told to.
const TERMINATE_LIMIT: Duration = Duration::from_secs(2);
/// How often it is looked whether what a guard left behind is gone.
#[cfg(unix)]
const LOOK: Duration = Duration::from_millis(50);

/// A child that was started.
#[derive(Debug)]
pub(in crate::upstream) struct Process {
    child: Child,
    /// Nothing when it has ended, and its tree with it.
    tree: Option<Tree>,
}

/// How what a child started is reached.
#[derive(Clone, Copy, Debug)]
enum Tree {
    /// By the guard that is its parent.
    Guarded(i32),
    /// By the process group that it leads.
    Group(i32),
}

/// The ends of a child's pipes.
#[derive(Debug)]
pub(in crate::upstream) struct Pipes {
    /// Where requests go.
    pub(in crate::upstream) stdin: ChildStdin,
    /// Where answers come from.
    pub(in crate::upstream) stdout: ChildStdout,
    /// What it tells people.
    pub(in crate::upstream) stderr: ChildStderr,
}

/// Starts `command` with the environment `base` and what the entry itself names, nothing else.
///
/// The program `guard` is put in between, which leaves nothing of it behind.
pub(in crate::upstream) fn start(
    command: &config::Command,
    base: &IndexMap<String, String>,
    guard: Option<&Path>,
) -> io::Result<(Process, Pipes)> {
    // Whoever started this program may not have wanted to hear of the ends of children, which
    // programs inherit, guards included. Listening once takes that back.
    #[cfg(unix)]
    drop(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::child())?);
    let mut starter = match guard {
        Some(guard) => guarded(guard, command, base)?,
        None => prepared(command)?,
    };
    starter.env_clear().envs(base).envs(&command.env);
    starter.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A guard ends its tree first.
    starter.kill_on_drop(guard.is_none());
    // A guard leads a session of its own.
    #[cfg(unix)]
    if guard.is_none() {
        starter.process_group(0);
    }
    if let Some(directory) = &command.cwd {
        starter.current_dir(directory);
    }
    let mut child = starter.spawn()?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let tree = id.map(if guard.is_some() { Tree::Guarded } else { Tree::Group });
    let missing = || io::Error::other("a pipe to the child is missing");
    let pipes = Pipes {
        stdin: child.stdin.take().ok_or_else(missing)?,
        stdout: child.stdout.take().ok_or_else(missing)?,
        stderr: child.stderr.take().ok_or_else(missing)?,
    };
    Ok((Process { child, tree }, pipes))
}

fn prepared(command: &config::Command) -> io::Result<Command> {
    let mut starter = Command::new(executable::program(command)?);
    starter.args(&command.args);
    Ok(starter)
}

fn guarded(
    guard: &Path,
    command: &config::Command,
    base: &IndexMap<String, String>,
) -> io::Result<Command> {
    // A guard could only say afterwards that there is nothing to start.
    executable::find_command(command, base)?;
    let mut starter = Command::new(guard);
    #[cfg(unix)]
    starter.arg0("conflux").arg(guard::COMMAND);
    starter.args(["--conflux", &std::process::id().to_string(), "--"]);
    starter.arg(executable::program(command)?).args(&command.args);
    Ok(starter)
}

/// Returns what a process started first, of what still runs.
fn first_child(id: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

impl Process {
    /// Returns the id of the program, unless it has ended; where the system does not tell what a
    /// guard started, that of the guard.
    pub(in crate::upstream) fn id(&self) -> Option<u32> {
        let id = self.child.id()?;
        match self.tree {
            Some(Tree::Guarded(_)) => Some(first_child(id).unwrap_or(id)),
            _ => Some(id),
        }
    }

    /// Waits until the child has ended. Cancel safe.
    pub(in crate::upstream) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends the child and all it started; its stdin must be closed already.
    ///
    /// Waits for it to end by itself, then terminates it, then kills it. What the child left
    /// behind is terminated even if the child ended in good order.
    pub(in crate::upstream) async fn stop(mut self) -> Option<ExitStatus> {
        let mut status = time::timeout(CLOSE_LIMIT, self.child.wait()).await.ok();
        self.signal(Signal::Terminate);
        if status.is_none() {
            status = time::timeout(TERMINATE_LIMIT, self.child.wait()).await.ok();
        }
        self.signal(Signal::Kill);
        if status.is_none() {
            status = time::timeout(TERMINATE_LIMIT, self.child.wait()).await.ok();
        }
        let status = status.and_then(Result::ok);
        #[cfg(unix)]
        if let (Some(Tree::Guarded(guard)), Some(status)) = (self.tree, status)
            && std::os::unix::process::ExitStatusExt::signal(&status).is_some()
        {
            end_session(guard).await;
        }
        self.tree = None;
        status
    }

    #[cfg(unix)]
    fn signal(&mut self, wanted: Signal) {
        use nix::sys::signal;
        use nix::unistd::Pid;
        // All of it may be gone already, which is what is wanted.
        let _ = match (self.tree, wanted) {
            (None, _) => return,
            // Once it was waited for, its number may be another's.
            (Some(Tree::Guarded(_)), _) if self.child.id().is_none() => return,
            (Some(Tree::Guarded(guard)), Signal::Terminate) => {
                signal::kill(Pid::from_raw(guard), guard::TERMINATE)
            }
            (Some(Tree::Guarded(guard)), Signal::Kill) => {
                signal::kill(Pid::from_raw(guard), guard::AT_ONCE)
            }
            (Some(Tree::Group(group)), Signal::Terminate) => {
                signal::killpg(Pid::from_raw(group), signal::Signal::SIGTERM)
            }
            (Some(Tree::Group(group)), Signal::Kill) => {
                signal::killpg(Pid::from_raw(group), signal::Signal::SIGKILL)
            }
        };
    }

    #[cfg(not(unix))]
    fn signal(&mut self, signal: Signal) {
        // Without process groups the child alone can be reached.
        if matches!(signal, Signal::Kill) {
            drop(self.child.start_kill());
        }
    }
}

impl Drop for Process {
    /// The last resort, when nobody called [`Process::stop`]: the whole tree is killed.
    fn drop(&mut self) {
        self.signal(Signal::Kill);
    }
}

/// Ends what a guard has left behind that was killed itself: everybody in its session.
///
/// Most guards that end by a signal say only that their program did, and leave nobody.
#[cfg(unix)]
async fn end_session(guard: i32) {
    use nix::sys::signal::Signal;
    let session = nix::unistd::Pid::from_raw(guard);
    let steps = [
        (None, CLOSE_LIMIT),
        (Some(Signal::SIGTERM), TERMINATE_LIMIT),
        (Some(Signal::SIGKILL), TERMINATE_LIMIT),
    ];
    for (signal, limit) in steps {
        let until = time::Instant::now() + limit;
        let mut once = signal;
        while time::Instant::now() < until {
            let look = move || processes::signal_session(session, once);
            if !matches!(tokio::task::spawn_blocking(look).await, Ok(true)) {
                return;
            }
            // Who is told twice may take that for more than it means.
            once = signal.filter(|signal| *signal == Signal::SIGKILL);
            time::sleep(LOOK).await;
        }
    }
}

#[derive(Clone, Copy)]
enum Signal {
    Terminate,
    Kill,
}

/// Says how a child ended, as a fragment: `exit code 3`, `signal 9`.
pub(in crate::upstream) fn describe(status: ExitStatus) -> String {
    if let Some(code) = status.code() {
        return format!("exit code {code}");
    }
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("signal {signal}");
    }
    "an unknown status".to_owned()
}

/// Says why a program could not be started, as a fragment.
pub(in crate::upstream) fn explain(error: &io::Error, command: &config::Command) -> (Kind, String) {
    // The system says of all three only that something is not there.
    if let Some(directory) = command.cwd.as_ref().filter(|directory| !directory.is_dir()) {
        let why = format!("there is no directory `{}` to start it in", directory.display());
        return (Kind::NoDirectory, why);
    }
    let program = &command.program;
    let is_there = program.contains(std::path::MAIN_SEPARATOR) && Path::new(program).exists();
    let why = match error.kind() {
        io::ErrorKind::NotFound if is_there => "what its first line names is not there".to_owned(),
        io::ErrorKind::NotFound => "no such program".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be executed".to_owned(),
        _ => error.to_string(),
    };
    (Kind::CannotStart, format!("`{program}`: {why}"))
}
