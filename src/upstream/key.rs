//! The key under which the ids of tasks are sealed, kept between runs.
//!
//! A task may live longer than the Conflux that gave it to a client, and so must its id.

use std::fs;
use std::io;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use tokio::task;
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
    let state = state.to_owned();
    // In one go: from the thread that waits to one that may be held up, and back, takes longer.
    let looking = task::spawn_blocking(move || key(&state));
    let key = async { looking.await.map_err(io::Error::other).flatten() };
    match time::timeout(LIMIT, key).await {
        Ok(Ok(key)) => return Ids::new(&key),
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot keep the key of task ids; they end with this process");
        }
        Err(_) => tracing::warn!("the disk is slow; the ids of tasks end with this process"),
    }
    Ids::default()
}

/// Reads the key; the first process that looks for it makes it.
fn key(state: &Path) -> io::Result<[u8; KEY_SIZE]> {
    let path = state.join("tasks.key");
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    fs::create_dir_all(state)?;
    let mut key = [0; KEY_SIZE];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(io::Error::other)?;
    let draft = state.join(format!("tasks.key.{:016x}.tmp", u64::from_be_bytes(number)));
    let written = write(&draft, &key);
    // A link fails where another process was first, so that all of them have one key.
    let linked = match written {
        Ok(()) => fs::hard_link(&draft, &path),
        Err(error) => Err(error),
    };
    drop(fs::remove_file(&draft));
    match linked {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(&path)?.ok_or_else(|| io::Error::other("the key was there and is gone"))
        }
        Err(error) => Err(error),
    }
}

/// Reads the file; nothing if there is none.
fn read(path: &Path) -> io::Result<Option<[u8; KEY_SIZE]>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let wrong = |_| io::Error::other(format!("`{}` is no key; remove it", path.display()));
    bytes.try_into().map(Some).map_err(wrong)
}

fn write(path: &Path, key: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, MODE);
    options.open(path)?.write_all(key)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::thread;

    use super::MODE;
    use super::key;

    #[test]
    fn every_process_has_one_key_and_nobody_else_reads_it() {
        let state = tempfile::TempDir::new().unwrap();
        let state = state.path().join("new");
        let all = thread::scope(|scope| {
            let all = [(); 3].map(|()| scope.spawn(|| key(&state)));
            all.map(|one| one.join().unwrap().unwrap())
        });
        assert_eq!(all, [key(&state).unwrap(); 3]);
        let files: Vec<_> = std::fs::read_dir(&state).unwrap().map(Result::unwrap).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, MODE);
    }

    #[test]
    fn what_is_no_key_is_not_taken_for_one() {
        let state = tempfile::TempDir::new().unwrap();
        std::fs::write(state.path().join("tasks.key"), "short").unwrap();
        assert!(key(state.path()).unwrap_err().to_string().contains("is no key"));
    }
}
