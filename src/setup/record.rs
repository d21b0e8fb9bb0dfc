//! The records of what was done to files of clients, in the directory of state.

use std::path::Path;
use std::path::PathBuf;

use crate::setup::disk;
use crate::setup::disk::Document;
use crate::setup::install;
use crate::setup::install::Record;

/// The directory of records, below the one of state.
const DIRECTORY: &str = "installed";

/// How much of a hash tells files apart, in hexadecimal digits.
const HASH: usize = 12;

/// The record of one file, there or not.
pub struct Entry {
    document: Document,
    /// What was done to the file.
    pub record: Record,
}

impl Entry {
    /// Reads the record of a client's file. One that cannot be understood is none.
    ///
    /// # Errors
    ///
    /// It is there and cannot be read.
    pub fn read(state: &Path, client: &str, file: &Path) -> Result<Self, disk::Error> {
        let hash: String = install::digest(&file.to_string_lossy()).chars().take(HASH).collect();
        let path: PathBuf = state.join(DIRECTORY).join(format!("{client}-{hash}.json"));
        let document = Document::read(&path)?;
        let known = document.bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
        let (client, file, steps) = (client.to_owned(), file.to_owned(), Vec::new());
        Ok(Self { document, record: known.unwrap_or(Record { client, file, steps }) })
    }

    /// Writes the record, or removes it if nothing is left to undo.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self) -> Result<(), disk::Error> {
        if !self.record.steps.is_empty() {
            let text = serde_json::to_vec_pretty(&self.record).unwrap_or_default();
            return self.document.replace(&text);
        }
        if self.document.bytes().is_some() { self.document.remove() } else { Ok(()) }
    }
}
