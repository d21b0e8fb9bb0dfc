//! Keys that are kept between runs: made by the first process that looks for them, and read by
//! nobody but their user.

use std::fs::File;
use std::io;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;

use crate::disk::file;

/// No key has more bytes.
const LARGEST: u64 = 4096;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("`{}`: {error}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The file holds something else.
    #[error("`{}` is no {name}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        name: &'static str,
    },
}

/// A kind of key, and how it stands in a file.
#[derive(Debug)]
pub struct Format<K> {
    /// What it is called, as in `key`.
    pub name: &'static str,
    /// Understands what a file holds; nothing if that is no such key.
    pub parse: fn(&[u8]) -> Option<K>,
}

impl Error {
    /// Says at what the system refused something.
    fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self::Unusable { path: path.to_owned(), error }
    }
}

/// Reads a key. It may be in a pipe.
///
/// # Errors
///
/// There is no such file, or it cannot be read, or is no key.
pub fn read<K>(path: &Path, format: &Format<K>) -> Result<K, Error> {
    let file = File::open(path).map_err(Error::at(path))?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(Error::at(path))?;
    let is_small = bytes.len() as u64 <= LARGEST;
    let key = is_small.then(|| (format.parse)(&bytes)).flatten();
    key.ok_or_else(|| Error::NoKey { path: path.to_owned(), name: format.name })
}

/// Does the same; nothing if there is no such file.
///
/// # Errors
///
/// It cannot be read, or is no key.
pub fn find<K>(path: &Path, format: &Format<K>) -> Result<Option<K>, Error> {
    match read(path, format) {
        Err(Error::Unusable { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Reads a key; the first process that looks for it writes what `make` gives. All of them have the
/// same one.
///
/// # Errors
///
/// It cannot be read or written, or is no key: what is there is never replaced.
pub fn kept<K>(
    path: &Path,
    format: &Format<K>,
    make: impl FnOnce() -> io::Result<Vec<u8>>,
) -> Result<K, Error> {
    if let Some(key) = find(path, format)? {
        return Ok(key);
    }
    match make().and_then(|bytes| file::write_first(path, &bytes)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Error::at(path)(error));
        }
        Ok(()) | Err(_) => {}
    }
    read(path, format)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::fs::symlink;
    use std::thread;

    use tempfile::TempDir;

    use super::*;

    const FORMAT: Format<[u8; 32]> = Format { name: "key", parse: |bytes| bytes.try_into().ok() };

    fn key(path: &Path) -> Result<[u8; 32], Error> {
        kept(path, &FORMAT, || Ok(file::random::<32>()?.into()))
    }

    #[test]
    fn every_process_has_one_key_and_nobody_else_reads_it() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("new/a.key");
        let all = thread::scope(|scope| {
            let all = [(); 8].map(|()| scope.spawn(|| key(&path)));
            all.map(|one| one.join().unwrap().unwrap())
        });
        assert_eq!(all, [key(&path).unwrap(); 8]);
        let files: Vec<_> = fs::read_dir(home.path().join("new")).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_key_is_neither_taken_for_one_nor_replaced() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("a.key");
        for wrong in [vec![], vec![0; 31], vec![0; 33], vec![0; 1 << 20]] {
            fs::write(&path, &wrong).unwrap();
            assert!(matches!(key(&path), Err(Error::NoKey { .. })), "{} bytes", wrong.len());
            assert_eq!(fs::read(&path).unwrap(), wrong);
        }
        assert!(matches!(key(home.path()), Err(Error::Unusable { .. })));
    }

    #[test]
    fn a_draft_is_no_key() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("a.key");
        fs::write(home.path().join("a.0123456789abcdef.tmp"), [7; 32]).unwrap();
        assert_ne!(key(&path).unwrap(), [7; 32]);
    }

    #[test]
    fn a_link_to_a_key_is_followed_and_one_to_nothing_is_an_error() {
        let home = TempDir::new().unwrap();
        let (link, real) = (home.path().join("link"), home.path().join("real"));
        symlink(&real, &link).unwrap();
        assert!(matches!(key(&link), Err(Error::Unusable { .. })));
        assert!(link.is_symlink() && !real.exists());
        fs::write(&real, [7; 32]).unwrap();
        assert_eq!(key(&link).unwrap(), [7; 32]);
    }
}
