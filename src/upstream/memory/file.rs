//! Files that are there as a whole or not at all, and that only their user reads.

use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;
use std::time::SystemTime;

use tokio::task;
use tokio::time;

/// Only the user it belongs to may read a file; where there are no such modes, it is in a directory
/// of that user.
#[cfg(unix)]
pub(in crate::upstream) const MODE: u32 = 0o600;
/// The same for a directory, in whose names configurations can be told apart.
#[cfg(unix)]
const DIRECTORY_MODE: u32 = 0o700;
/// Opens whatever it is at once.
#[cfg(unix)]
const NONBLOCKING: i32 = nix::libc::O_NONBLOCK;
/// What the name of a file that is still being written ends with.
pub(in crate::upstream) const DRAFT: &str = "tmp";

/// Does `work` where it holds nobody up, and no longer waits for it after `limit`.
pub(in crate::upstream) async fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match time::timeout(limit, task::spawn_blocking(work)).await {
        Ok(done) => done.map_err(io::Error::other)?,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the disk is slow")),
    }
}

/// Reads a file of at most `largest` bytes, and when it was last confirmed; nothing if there is
/// none.
pub(in crate::upstream) fn read(
    path: &Path,
    largest: u64,
) -> io::Result<Option<(Vec<u8>, SystemTime)>> {
    let mut options = OpenOptions::new();
    options.read(true);
    // To open a pipe that nobody writes to would never end.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, NONBLOCKING);
    let mut file = match options.open(path) {
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
        return Err(io::Error::other(format!("it has more than {largest} bytes")));
    }
    // In one reading: a file that is here as a whole does not grow.
    let mut bytes = vec![0; usize::try_from(metadata.len()).unwrap_or_default()];
    file.read_exact(&mut bytes)?;
    Ok(Some((bytes, metadata.modified()?)))
}

/// Writes a file, and the directory it is in if there is none.
///
/// Renamed into place, so that another process never reads half of it. Whether it outlives a power
/// failure does not matter: half a file is not believed.
pub(in crate::upstream) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    make(directory)?;
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(io::Error::other)?;
    // Two that write at the same time, perhaps as the same process of two containers, do not meet.
    let draft = path.with_extension(format!("{:016x}.{DRAFT}", u64::from_be_bytes(number)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, MODE);
    let written = options.open(&draft).and_then(|mut file| file.write_all(bytes));
    let renamed = written.and_then(|()| fs::rename(&draft, path));
    if renamed.is_err() {
        drop(fs::remove_file(&draft));
    }
    renamed
}

/// Confirms what a file says, as of now.
pub(in crate::upstream) fn touch(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.set_modified(SystemTime::now())
}

/// Makes a directory, and those it is in, unless it is there.
pub(in crate::upstream) fn make(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, DIRECTORY_MODE);
    builder.create(directory)
}
