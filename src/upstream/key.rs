//! The key under which the ids of tasks are sealed, kept between runs.
//!
//! A task may live longer than the Conflux that gave it to a client, and so must its id.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::disk::file;
use crate::disk::key;
use crate::disk::key::Error;
use crate::disk::key::Format;
use crate::disk::wait;
use crate::exchange::task_ids::Ids;
use crate::exchange::task_ids::KEY_SIZE;

/// How long the disk may take.
const LIMIT: Duration = Duration::from_secs(1);
/// How the key stands in its file.
const FORMAT: Format<[u8; KEY_SIZE]> = Format { name: "key", parse: |it| it.try_into().ok() };

/// Returns where the key is in the directory `state`.
pub fn path(state: &Path) -> PathBuf {
    state.join("tasks.key")
}

/// Returns what makes and reads the ids of tasks, under the key in the directory `state`.
///
/// If no key can be kept there, ids are good until the end of the process.
pub async fn task_ids(state: &Path) -> Ids {
    let state = state.to_owned();
    match wait::within(LIMIT, move || kept(&state)).await {
        Ok(key) => Ids::new(&key),
        Err(error) => {
            tracing::warn!(%error, "cannot keep the key of task ids; they end with this process");
            Ids::default()
        }
    }
}

/// Reads the key; the first process that looks for it makes it.
fn kept(state: &Path) -> io::Result<[u8; KEY_SIZE]> {
    let make = || Ok(file::random::<KEY_SIZE>()?.into());
    let key = key::kept(&path(state), &FORMAT, make);
    key.map_err(|error| match error {
        Error::Unusable { error, .. } => error,
        Error::NoKey { .. } => io::Error::other(format!("{error}; remove it")),
    })
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn a_key_is_kept_and_what_is_none_is_not_taken_for_one() {
        let state = tempfile::TempDir::new().unwrap();
        let key = kept(&state.path().join("new")).unwrap();
        assert_eq!(kept(&state.path().join("new")).unwrap(), key);
        std::fs::write(state.path().join("tasks.key"), "short").unwrap();
        let error = kept(state.path()).unwrap_err().to_string();
        assert!(error.contains("is no key; remove it"), "{error}");
    }
}
