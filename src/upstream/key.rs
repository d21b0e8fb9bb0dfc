//! The key under which the ids of tasks are sealed, kept between runs.
//!
//! A task may live longer than the Conflux that gave it to a client, and so must its id.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::fs;
use tokio::io::AsyncWriteExt as _;
use tokio::time;

use crate::exchange::task_ids::Ids;
use crate::exchange::task_ids::KEY_SIZE;

/// How long the disk may take.
const LIMIT: Duration = Duration::from_secs(1);
/// Only the user it belongs to may read it; where there are no such modes, it is in a directory of
/// that user.
#[cfg(unix)]
const MODE: u32 = 0o600;

/// Returns what makes and reads the ids of tasks, under the key in the directory `state`.
///
/// If no key can be kept there, ids are good until the end of the process.
pub async fn task_ids(state: &Path) -> Ids {
    match time::timeout(LIMIT, key(state)).await {
        Ok(Ok(key)) => return Ids::new(&key),
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot keep the key of task ids; they end with this process");
        }
        Err(_) => tracing::warn!("the disk is slow; the ids of tasks end with this process"),
    }
    Ids::default()
}

/// Reads the key; the first process that looks for it makes it.
async fn key(state: &Path) -> io::Result<[u8; KEY_SIZE]> {
    let path = state.join("tasks.key");
    if let Some(key) = read(&path).await? {
        return Ok(key);
    }
    fs::create_dir_all(state).await?;
    let mut key = [0; KEY_SIZE];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(io::Error::other)?;
    let draft = state.join(format!("tasks.key.{:016x}.tmp", u64::from_be_bytes(number)));
    let written = write(&draft, &key).await;
    // A link fails where another process was first, so that all of them have one key.
    let linked = match written {
        Ok(()) => fs::hard_link(&draft, &path).await,
        Err(error) => Err(error),
    };
    drop(fs::remove_file(&draft).await);
    match linked {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(&path).await?.ok_or_else(|| io::Error::other("the key was there and is gone"))
        }
        Err(error) => Err(error),
    }
}

/// Reads the file; nothing if there is none.
async fn read(path: &Path) -> io::Result<Option<[u8; KEY_SIZE]>> {
    let bytes = match fs::read(path).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let wrong = |_| io::Error::other(format!("`{}` is no key; remove it", path.display()));
    bytes.try_into().map(Some).map_err(wrong)
}

async fn write(path: &Path, key: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(MODE);
    let mut file = options.open(path).await?;
    file.write_all(key).await?;
    file.flush().await
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::MODE;
    use super::key;

    #[tokio::test]
    async fn every_process_has_one_key_and_nobody_else_reads_it() {
        let state = tempfile::TempDir::new().unwrap();
        let state = state.path().join("new");
        let all = tokio::join!(key(&state), key(&state), key(&state));
        let first = all.0.unwrap();
        assert_eq!([all.1.unwrap(), all.2.unwrap()], [first, first]);
        assert_eq!(key(&state).await.unwrap(), first);
        let files: Vec<_> = std::fs::read_dir(&state).unwrap().map(Result::unwrap).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, MODE);
    }

    #[tokio::test]
    async fn what_is_no_key_is_not_taken_for_one() {
        let state = tempfile::TempDir::new().unwrap();
        std::fs::write(state.path().join("tasks.key"), "short").unwrap();
        assert!(key(state.path()).await.unwrap_err().to_string().contains("is no key"));
    }
}
