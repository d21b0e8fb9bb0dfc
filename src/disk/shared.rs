//! Files that several processes change: each reads what is there, adds what it knows, and replaces
//! all of it, while the others wait.
//!
//! What is damaged is set aside and begun anew; what a later Conflux wrote is left alone.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::disk::file;
use crate::disk::file::Outlives;
use crate::disk::lock::Lock;

/// How the name of a file ends that could not be read and was set aside.
pub const BROKEN: &str = "broken";

/// What is in such a file.
pub trait Shared: Sized {
    /// The largest file, in bytes; one that is larger is neither read nor replaced.
    const LARGEST: u64;
    /// What the file must outlive.
    const OUTLIVES: Outlives;
    /// What happens because a file was damaged, as the log says it.
    const ANEW: &'static str;

    /// Returns it as it is written.
    ///
    /// # Errors
    ///
    /// It cannot be written as JSON.
    fn encode(&self) -> serde_json::Result<Vec<u8>>;

    /// Reads what was written: [`decoded`].
    ///
    /// # Errors
    ///
    /// It is of another version, or damaged.
    fn decode(bytes: &[u8]) -> Result<Self, Unreadable>;
}

/// Why a file is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Another Conflux wrote it, and knows how to read it.
    #[error("it is of version {found}, not {known}")]
    Version {
        /// What it says.
        found: u32,
        /// What is known here.
        known: u32,
    },
    /// It is damaged.
    #[error("it is not what Conflux writes: {0}")]
    Damaged(#[from] serde_json::Error),
    /// Something in it makes no sense.
    #[error("{0}")]
    Senseless(String),
    /// The disk does not give it.
    #[error("{0}")]
    Disk(#[from] io::Error),
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Reads what was written as JSON with a `version`, if it is the one that is known.
///
/// # Errors
///
/// It is of another version, or damaged.
pub fn decoded<T: DeserializeOwned>(bytes: &[u8], known: u32) -> Result<T, Unreadable> {
    // First of all, because nobody knows what else there is in another one.
    let Version { version: found } = serde_json::from_slice(bytes)?;
    if found != known {
        return Err(Unreadable::Version { found, known });
    }
    Ok(serde_json::from_slice(bytes)?)
}

/// Reads a file; nothing if there is none.
///
/// # Errors
///
/// It cannot be read, or is not believed.
pub fn read<S: Shared>(path: &Path) -> Result<Option<S>, Unreadable> {
    match file::read(path, S::LARGEST)? {
        Some((bytes, _)) => S::decode(&bytes).map(Some),
        None => Ok(None),
    }
}

/// Reads a file that is to be changed; one that is damaged is set aside, so that there is none.
///
/// # Errors
///
/// It cannot be read, or a later Conflux wrote it, or it cannot be set aside.
pub fn read_to_change<S: Shared>(path: &Path, _lock: &Lock) -> io::Result<Option<S>> {
    let error = match read(path) {
        Ok(found) => return Ok(found),
        Err(Unreadable::Disk(error)) => return Err(error),
        Err(error @ Unreadable::Version { .. }) => return Err(io::Error::other(error)),
        Err(error @ (Unreadable::Damaged(_) | Unreadable::Senseless(_))) => error,
    };
    let aside = path.with_extension(BROKEN);
    fs::rename(path, &aside)?;
    tracing::warn!(path = %aside.display(), %error, "{}", S::ANEW);
    Ok(None)
}

/// Replaces what was read.
///
/// # Errors
///
/// It cannot be written; what was there is there still.
pub fn write<S: Shared>(path: &Path, content: &S, _lock: &Lock) -> io::Result<()> {
    file::write(path, &content.encode()?, S::OUTLIVES)
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use serde::Serialize;
    use tempfile::TempDir;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Names {
        version: u32,
        names: Vec<String>,
    }

    impl Shared for Names {
        const LARGEST: u64 = 4096;
        const OUTLIVES: Outlives = Outlives::Process;
        const ANEW: &'static str = "names are begun anew";

        fn encode(&self) -> serde_json::Result<Vec<u8>> {
            serde_json::to_vec(self)
        }

        fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
            let names: Self = decoded(bytes, 1)?;
            match names.names.iter().find(|name| name.is_empty()) {
                Some(_) => Err(Unreadable::Senseless("a name is empty".to_owned())),
                None => Ok(names),
            }
        }
    }

    fn add(home: &Path, name: &str) -> io::Result<()> {
        let lock = Lock::take(&home.join("lock"), Duration::from_mins(1))?;
        let path = home.join("names.json");
        let before: Option<Names> = read_to_change(&path, &lock)?;
        let mut names = before.unwrap_or(Names { version: 1, names: Vec::new() });
        names.names.push(name.to_owned());
        write(&path, &names, &lock)
    }

    fn names(home: &Path) -> Vec<String> {
        let mut names = read::<Names>(&home.join("names.json")).unwrap().unwrap().names;
        names.sort();
        names
    }

    #[test]
    fn what_is_written_at_the_same_time_is_all_there() {
        let home = TempDir::new().unwrap();
        let added: Vec<_> = (10..50).map(|number| number.to_string()).collect();
        thread::scope(|scope| {
            for part in added.chunks(10) {
                let home = home.path();
                scope.spawn(move || part.iter().for_each(|name| add(home, name).unwrap()));
            }
        });
        assert_eq!(names(home.path()), added);
    }

    #[test]
    fn what_is_damaged_is_set_aside() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("names.json");
        for damaged in ["", "{", "[]", r#"{"version":1}"#, r#"{"version":1,"names":[""]}"#] {
            fs::write(&path, damaged).unwrap();
            assert!(read::<Names>(&path).is_err(), "{damaged}");
            add(home.path(), "new").unwrap();
            assert_eq!(names(home.path()), ["new"], "{damaged}");
            assert_eq!(fs::read_to_string(path.with_extension(BROKEN)).unwrap(), damaged);
        }
    }

    #[test]
    fn what_a_later_conflux_wrote_or_is_too_large_is_left_alone() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("names.json");
        let large = format!(r#"{{"version":1,"names":[]{}}}"#, " ".repeat(4096));
        for (text, said) in [
            (r#"{"version":2,"other":true}"#.to_owned(), "it is of version 2, not 1"),
            (large, "it has more than 4096 bytes"),
        ] {
            fs::write(&path, &text).unwrap();
            assert_eq!(add(home.path(), "new").unwrap_err().to_string(), said);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert!(!path.with_extension(BROKEN).exists());
        }
    }
}
