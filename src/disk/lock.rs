//! Keeps other processes out while files are changed that they change, too.

use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::disk::directory;
use crate::disk::file;

/// How often it is looked whether a lock is free.
const STEP: Duration = Duration::from_millis(2);

/// What keeps others out until it is dropped, or this process ends, however it does.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock that a file stands for, which is made if there is none.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] while somebody else has it; or it cannot be made.
    pub fn try_take(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        file.try_lock()?;
        Ok(Self { _file: file })
    }

    /// Does the same, and waits for a while until nobody else has it; not where a runtime waits.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] if somebody else has it for longer than `limit`; or it cannot be
    /// made.
    pub fn take(path: &Path, limit: Duration) -> io::Result<Self> {
        let file = open(path)?;
        wait(&file, limit)?;
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        directory::make_private(directory)?;
    }
    file::private().write(true).create(true).truncate(false).open(path)
}

/// Waits until nobody else has locked a file, and locks it; not where a runtime waits.
///
/// # Errors
///
/// [`io::ErrorKind::TimedOut`] if that takes longer than `limit`.
pub fn wait(file: &File, limit: Duration) -> io::Result<()> {
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if waited >= limit => {
                let problem =
                    format!("another process has locked it for over {}s", limit.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, problem));
            }
            Err(TryLockError::WouldBlock) => pause(STEP),
        }
        waited += STEP;
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever waits here has a thread of their own")]
fn pause(time: Duration) {
    thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn one_at_a_time_has_it() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("new/lock");
        let lock = Lock::try_take(&path).unwrap();
        let refused = Lock::try_take(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        let late = Lock::take(&path, STEP * 3).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        drop(lock);
        drop(Lock::try_take(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn whoever_waits_gets_it_when_it_is_free() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("lock");
        let total = home.path().join("total");
        fs::write(&total, "0").unwrap();
        let add = || {
            let _lock = Lock::take(&path, Duration::from_mins(1)).unwrap();
            let before: u32 = fs::read_to_string(&total).unwrap().parse().unwrap();
            thread::yield_now();
            fs::write(&total, (before + 1).to_string()).unwrap();
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..20).for_each(|_| add()));
            }
        });
        assert_eq!(fs::read_to_string(&total).unwrap(), "80");
    }
}
