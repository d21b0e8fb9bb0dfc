//! Files that are there as a whole or not at all, and that only their user reads.
//!
//! A file is written under another name and renamed, so that no process ever reads half of it. What
//! is left under the other name when a process is killed in between is a draft that nobody reads.

use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use crate::disk::directory;

/// Only the user it belongs to may read a file.
const MODE: u32 = 0o600;
/// Opens whatever it is at once.
const NONBLOCKING: i32 = nix::libc::O_NONBLOCK;
/// What the name of a file that is still being written ends with.
pub const DRAFT: &str = "tmp";

/// What a file must outlive once it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlives {
    /// The process, which costs no wait for the disk. After a power failure there may be half a
    /// file, which whoever reads it must not believe.
    Process,
    /// A power failure.
    Power,
}

/// Opens files that nobody else may read if they are made, whatever the mask of the process.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(MODE);
    options
}

/// Reads a file of at most `largest` bytes, and when it was last confirmed; nothing if there is
/// none.
///
/// # Errors
///
/// It is no file, or has more bytes ([`io::ErrorKind::FileTooLarge`]), or cannot be read.
pub fn read(path: &Path, largest: u64) -> io::Result<Option<(Vec<u8>, SystemTime)>> {
    let mut options = OpenOptions::new();
    // To open a pipe that nobody writes to would never end.
    let mut file = match options.read(true).custom_flags(NONBLOCKING).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    // Whatever else it is may never end.
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if metadata.len() > largest {
        let problem = format!("it has more than {largest} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    // In one reading: a file that is here as a whole does not grow.
    let mut bytes = vec![0; usize::try_from(metadata.len()).unwrap_or_default()];
    file.read_exact(&mut bytes)?;
    Ok(Some((bytes, metadata.modified()?)))
}

/// Returns the text of a file that has at most so many bytes; nothing if there is no such file.
pub fn small(path: &Path, most: u64) -> Option<String> {
    let (bytes, _) = read(path, most).ok()??;
    String::from_utf8(bytes).ok()
}

/// Writes a file, and the directory it is in if there is none. A link is replaced, not followed.
///
/// # Errors
///
/// It cannot be written; what was there before is there still.
pub fn write(path: &Path, bytes: &[u8], outlives: Outlives) -> io::Result<()> {
    put(path, bytes, outlives, |draft| fs::rename(draft, path))
}

/// Writes a file that outlives a power failure, unless there is one of this name.
///
/// # Errors
///
/// [`io::ErrorKind::AlreadyExists`] if there is one; or it cannot be written.
pub fn write_first(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, Outlives::Power, |draft| {
        // A link fails where another process was first, and a renaming does not.
        fs::hard_link(draft, path)?;
        drop(fs::remove_file(draft));
        Ok(())
    })
}

/// Writes a draft, and has `place` give it its name.
fn put(
    path: &Path,
    bytes: &[u8],
    outlives: Outlives,
    place: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    directory::make_private(path.parent().unwrap_or(Path::new(".")))?;
    // Two that write at the same time, perhaps as the same process of two containers, do not meet.
    let number = u64::from_be_bytes(random()?);
    let draft = path.with_extension(format!("{number:016x}.{DRAFT}"));
    let write = || {
        let mut file = private().write(true).create_new(true).open(&draft)?;
        file.write_all(bytes)?;
        match outlives {
            Outlives::Process => Ok(()),
            Outlives::Power => file.sync_all(),
        }
    };
    let placed = write().and_then(|()| place(&draft));
    if placed.is_err() {
        drop(fs::remove_file(&draft));
    }
    placed
}

/// Confirms what a file says, as of now.
///
/// # Errors
///
/// There is none, or it cannot be changed.
pub fn touch(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.set_modified(SystemTime::now())
}

/// Returns bytes that nobody can guess.
///
/// # Errors
///
/// The system has none to give.
pub fn random<const SIZE: usize>() -> io::Result<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::fs::symlink;
    use std::panic;
    use std::panic::AssertUnwindSafe;
    use std::path::PathBuf;
    use std::thread;

    use nix::sys::stat::Mode;
    use nix::unistd;
    use tempfile::TempDir;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn others_than(path: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(path.parent().unwrap()).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(|other| other != path).collect()
    }

    fn bytes(path: &Path) -> Option<Vec<u8>> {
        read(path, 1 << 20).unwrap().map(|(bytes, _)| bytes)
    }

    #[test]
    fn a_file_and_its_directory_are_for_their_owner_alone() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("some/where/a.json");
        assert_eq!(bytes(&path), None);
        for outlives in [Outlives::Process, Outlives::Power] {
            write(&path, b"new", outlives).unwrap();
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
            assert_eq!(others_than(&path), Vec::<PathBuf>::new());
            // What somebody opened is closed again.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        }
    }

    #[test]
    fn what_a_killed_process_left_is_in_nobodys_way() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("a.json");
        write(&path, b"old", Outlives::Power).unwrap();
        // Nothing is tidied up after a panic, as nothing is after a kill.
        let killed = || put(&path, b"half", Outlives::Power, |_| panic!("killed here"));
        assert!(panic::catch_unwind(AssertUnwindSafe(killed)).is_err());
        assert_eq!(bytes(&path).unwrap(), b"old");
        let [left] = others_than(&path).try_into().unwrap();
        assert_eq!((left.extension().unwrap().to_str(), mode(&left)), (Some(DRAFT), 0o600));
        write(&path, b"new", Outlives::Power).unwrap();
        assert_eq!(bytes(&path).unwrap(), b"new");
        assert_eq!(others_than(&path), [left]);
    }

    #[test]
    fn a_failure_leaves_what_was_there_and_nothing_else() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("a.json");
        write(&path, b"old", Outlives::Process).unwrap();
        let failed = put(&path, b"new", Outlives::Process, |_| Err(io::Error::other("full")));
        assert_eq!(failed.unwrap_err().to_string(), "full");
        assert_eq!(bytes(&path).unwrap(), b"old");
        assert_eq!(others_than(&path), Vec::<PathBuf>::new());
    }

    #[test]
    fn of_many_that_write_first_one_is_first() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("a");
        let all = thread::scope(|scope| {
            let write = |number: u8| write_first(&path, &[number; 64]).is_ok();
            let all: Vec<_> = (0..8).map(|number| scope.spawn(move || write(number))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        let first = all.iter().position(|is_first| *is_first).unwrap();
        assert_eq!(all.iter().filter(|is_first| **is_first).count(), 1, "{all:?}");
        assert_eq!(bytes(&path).unwrap(), [u8::try_from(first).unwrap(); 64]);
        assert_eq!(others_than(&path), Vec::<PathBuf>::new());
        assert_eq!(mode(&path), 0o600);
        let late = write_first(&path, b"late").unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_link_is_read_through_and_replaced() {
        let home = TempDir::new().unwrap();
        let (link, real) = (home.path().join("link"), home.path().join("real"));
        fs::write(&real, "theirs").unwrap();
        symlink(&real, &link).unwrap();
        assert_eq!(bytes(&link).unwrap(), b"theirs");
        assert!(write_first(&link, b"ours").is_err());
        write(&link, b"ours", Outlives::Process).unwrap();
        assert!(!link.is_symlink());
        assert_eq!(
            (bytes(&link).unwrap(), bytes(&real).unwrap()),
            (b"ours".into(), b"theirs".into())
        );
    }

    #[test]
    fn what_is_no_file_or_too_large_is_not_read() {
        let home = TempDir::new().unwrap();
        let (pipe, large) = (home.path().join("pipe"), home.path().join("large"));
        unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        fs::write(&large, "12345").unwrap();
        assert_eq!(read(&pipe, 5).unwrap_err().to_string(), "it is no file");
        assert_eq!(read(home.path(), 5).unwrap_err().to_string(), "it is no file");
        assert_eq!(read(&large, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(small(&large, 5).as_deref(), Some("12345"));
        for (path, most) in [(&large, 4), (&pipe, 5), (&home.path().join("none"), 5)] {
            assert_eq!(small(path, most), None);
        }
    }
}
