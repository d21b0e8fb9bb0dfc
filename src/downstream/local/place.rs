//! The directory where sockets lie: of one user, closed to everybody else, and no link.
//!
//! Whoever could write there could pretend to be a gateway, or have a file of theirs taken away.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use nix::errno::Errno;
use nix::sys::signal;
use nix::unistd::Pid;

use crate::disk::directory;
use crate::disk::directory::Open;
use crate::disk::directory::Others;
use crate::downstream::local::ask;

/// How old a socket must be that nobody answers at before it is taken away although there is a
/// process of that id: it may be another one, or one that is just about to listen.
const GRACE: Duration = Duration::from_secs(10);
/// How many sockets are looked at.
const SOCKETS: usize = 256;

/// What is told at a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// How is it?
    Status,
    /// What would a reload do?
    Reload,
    /// What did upstreams say, and what do they say now?
    Logs,
    /// Which calls end?
    Calls,
}

impl Question {
    const ALL: [Self; 4] = [Self::Status, Self::Reload, Self::Logs, Self::Calls];

    /// Returns how the name of the socket ends; before it stands the id of the process.
    fn ending(self) -> &'static str {
        match self {
            Self::Status => "sock",
            Self::Reload => "reload",
            Self::Logs => "logs",
            Self::Calls => "calls",
        }
    }
}

/// A directory that only its owner, who is the user of this process, can look into.
#[derive(Clone, Debug)]
pub struct Place(PathBuf);

/// Why there can be no socket.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No directory is known.
    #[error("there is neither `XDG_RUNTIME_DIR` nor a directory of state")]
    Nowhere,
    /// Others than the user could change what is there.
    #[error("{0}, so sockets in it cannot be trusted")]
    Open(Open),
    /// The system refused.
    #[error("`{}`: {error}", path.display())]
    Unusable {
        /// What could not be used.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

impl From<directory::Error> for Error {
    fn from(error: directory::Error) -> Self {
        match error {
            directory::Error::Open(open) => Self::Open(open),
            directory::Error::Unusable { path, error } => Self::Unusable { path, error },
        }
    }
}

impl Place {
    /// Makes the directory, if it is not there, and closes it to others.
    pub(super) fn make(path: &Path) -> Result<Self, Error> {
        directory::make(path, Others::StayOut)?;
        Ok(Self(path.to_owned()))
    }

    /// Finds the directory; nothing if there is none.
    pub fn find(path: &Path) -> Result<Option<Self>, Error> {
        match directory::check(path, Others::StayOut).map_err(Error::from) {
            Ok(()) => Ok(Some(Self(path.to_owned()))),
            Err(Error::Unusable { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns where the socket of a process is.
    pub(super) fn socket(&self, process: u32, question: Question) -> PathBuf {
        self.0.join(process.to_string()).with_extension(question.ending())
    }

    /// Returns every socket for this question, by the id of its process.
    pub fn sockets(&self, question: Question) -> Vec<(u32, PathBuf)> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let socket = |entry: io::Result<fs::DirEntry>| {
            let entry = entry.ok().filter(|entry| entry.file_type().is_ok_and(|it| it.is_socket()));
            let path = entry?.path();
            let is_ours = path.extension().is_some_and(|ending| ending == question.ending());
            let process = path.file_stem()?.to_str()?.parse().ok()?;
            is_ours.then_some((process, path))
        };
        let mut sockets: Vec<_> = entries.filter_map(socket).take(SOCKETS).collect();
        sockets.sort_unstable();
        sockets
    }

    /// Returns the sockets of processes that are gone, in the order of their names.
    pub async fn stale(&self) -> Vec<PathBuf> {
        let mut stale = Vec::new();
        for question in Question::ALL {
            for (process, path) in self.sockets(question) {
                if is_left(process, &path).await {
                    stale.push(path);
                }
            }
        }
        stale.sort();
        stale
    }

    /// Takes away the sockets of processes that are gone.
    pub async fn sweep(&self) {
        for question in Question::ALL {
            self.sweep_of(question).await;
        }
    }

    /// Does so with those for one question, so that whoever makes one socket after the other does
    /// not visit its own.
    pub(super) async fn sweep_of(&self, question: Question) {
        for (process, path) in self.sockets(question) {
            if !is_left(process, &path).await {
                continue;
            }
            match fs::remove_file(&path) {
                Ok(()) => tracing::debug!(process, "a socket was left by a process that is gone"),
                Err(error) => tracing::debug!(process, %error, "a socket cannot be taken away"),
            }
        }
    }
}

/// Whether nobody is there any more who could answer at a socket.
async fn is_left(process: u32, path: &Path) -> bool {
    ask::is_deserted(path).await && (is_gone(process) || is_old(path))
}

/// Whether there is no process with this id, or it is this one.
fn is_gone(process: u32) -> bool {
    let Ok(id) = i32::try_from(process) else { return true };
    process == std::process::id() || signal::kill(Pid::from_raw(id), None) == Err(Errno::ESRCH)
}

fn is_old(path: &Path) -> bool {
    let made = fs::symlink_metadata(path).and_then(|found| found.modified());
    made.is_ok_and(|made| SystemTime::now().duration_since(made).is_ok_and(|age| age > GRACE))
}
