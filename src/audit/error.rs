//! Why records cannot be written or read.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::disk::directory;
use crate::disk::directory::Open;
use crate::disk::key;

/// Why records cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others than the user could change what is in the directory.
    #[error("{0}, so records in it prove nothing")]
    Open(Open),
    /// There is no key.
    #[error(transparent)]
    Key(#[from] key::Error),
    /// The system refused.
    #[error("`{}`: {error}", path.display())]
    Disk {
        /// What could not be used.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Somebody removed or replaced what is written to.
    #[error("`{}` was removed or replaced while it was written to", path.display())]
    Gone {
        /// The segment.
        path: PathBuf,
    },
    /// Another process holds the ledger and does not let go.
    #[error("`{}` is in use by another process for over {}s", path.display(), limit.as_secs())]
    Busy {
        /// The ledger.
        path: PathBuf,
        /// How long it was waited.
        limit: Duration,
    },
    /// The index failed.
    #[error("the index `{}`: {error}", path.display())]
    Index {
        /// The database.
        path: PathBuf,
        /// Why.
        error: Box<sqlx::Error>,
    },
}

impl Error {
    /// Says at what the system refused something.
    pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self::Disk { path: path.to_owned(), error }
    }
}

impl From<directory::Error> for Error {
    fn from(error: directory::Error) -> Self {
        match error {
            directory::Error::Open(open) => Self::Open(open),
            directory::Error::Unusable { path, error } => Self::Disk { path, error },
        }
    }
}

/// Why a call may not go on where records are required.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrecorded {
    /// Too many records wait already.
    #[error("the queue of audit records is full, because the disk is too slow")]
    Full,
    /// It took too long.
    #[error("the audit record was not written within {}s", limit.as_secs())]
    Slow {
        /// How long it was waited.
        limit: Duration,
    },
    /// It cannot be written.
    #[error("the audit record cannot be written: {why}")]
    Failed {
        /// Why not.
        why: String,
    },
    /// Nothing is recorded any more.
    #[error("the audit has ended, because Conflux stops")]
    Over,
}
