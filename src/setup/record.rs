//! The records of what was done to files of clients, in the directory of state.

use std::path::Path;
use std::path::PathBuf;

use crate::disk::document;
use crate::disk::document::Document;
use crate::setup::NAME;
use crate::setup::install;
use crate::setup::install::Record;

/// The directory of records, below the one of state.
const DIRECTORY: &str = "installed";

/// How much of a hash tells files apart, in hexadecimal digits.
const HASH: usize = 12;

/// Why what was done to a file cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record cannot be read.
    #[error(transparent)]
    Disk(#[from] document::Error),
    /// It is no record.
    #[error(
        "`{}`, which says what was done to `{}`, is broken",
        path.display(),
        file.display()
    )]
    Broken {
        /// The record.
        path: PathBuf,
        /// The client's file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: serde_json::Error,
    },
}

impl Error {
    /// Returns what to do about it.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Disk(_) => None,
            Self::Broken { path, .. } => Some(format!(
                "put back what the client's file was from the `*.conflux-backup` beside it, or \
                 take the entry `{NAME}` out by hand; then remove `{}`",
                path.display()
            )),
        }
    }
}

/// The record of one file, there or not.
pub struct Entry {
    document: Document,
    /// What was done to the file.
    pub record: Record,
}

impl Entry {
    /// Reads the record of a client's file.
    ///
    /// # Errors
    ///
    /// It is there and cannot be read or understood.
    pub fn read(state: &Path, client: &str, file: &Path) -> Result<Self, Error> {
        let hash: String = install::digest(&file.to_string_lossy()).chars().take(HASH).collect();
        let path: PathBuf = state.join(DIRECTORY).join(format!("{client}-{hash}.json"));
        let document = Document::read(&path)?;
        let file = file.to_owned();
        let known = document.bytes().map(serde_json::from_slice).transpose();
        let known = known.map_err(|cause| Error::Broken { path, file: file.clone(), cause })?;
        let none = || Record { client: client.to_owned(), file, steps: Vec::new() };
        Ok(Self { document, record: known.unwrap_or_else(none) })
    }

    /// Writes the record, or removes it if nothing is left to undo.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&mut self) -> Result<(), document::Error> {
        if !self.record.steps.is_empty() {
            let text = serde_json::to_vec_pretty(&self.record).unwrap_or_default();
            self.document.replace(&text)?;
        } else if self.document.bytes().is_some() {
            self.document.remove()?;
        }
        self.document = Document::read(self.document.path())?;
        Ok(())
    }
}
