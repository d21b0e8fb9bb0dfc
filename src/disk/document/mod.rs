//! Files of other programs, and of people: read whole, replaced whole, and never when somebody
//! else changed them in the meantime.
//!
//! A file is replaced by a new one in its directory, which is renamed, so that nobody ever reads
//! half of it. Links are followed: what they lead to is replaced, and they stay.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::Permissions;
use std::io;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process;

use crate::disk::directory;
use crate::disk::file;

/// How many links are followed until it is certain that they go round in a circle; as Linux does.
const MAX_LINKS: usize = 40;

/// Why a file cannot be read or replaced.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is there, and cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It is a directory, a pipe or something else that has no text to replace.
    #[error("`{}` is not a file", path.display())]
    NotAFile {
        /// What is not one.
        path: PathBuf,
    },
    /// It is not UTF-8.
    #[error("`{}` is not UTF-8; save it as UTF-8 first", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// Links lead to links without an end.
    #[error("the link `{}` leads nowhere", path.display())]
    Circle {
        /// The first of them.
        path: PathBuf,
    },
    /// Nobody may write to it, or this user may not.
    #[error("`{}` is read-only; make it writable (`chmod u+w`) and try again", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// It is not what it was when it was read.
    #[error(
        "`{}` was changed by somebody else in the meantime; nothing was written, try again",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// It could not be written.
    #[error("cannot write `{}`", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// A file as it was when it was read, there or not.
#[derive(Clone, Debug)]
pub struct Document {
    /// As it was named.
    named: PathBuf,
    /// What links lead to.
    real: PathBuf,
    content: Option<Vec<u8>>,
}

impl Document {
    /// Reads a file, which need not be there.
    ///
    /// # Errors
    ///
    /// It is there, but no file, or cannot be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let real = followed(path)?;
        let content = content(&real)?;
        Ok(Self { named: path.to_owned(), real, content })
    }

    /// Returns the path it was read by.
    pub fn path(&self) -> &Path {
        &self.named
    }

    /// Returns what was in it, or nothing if it was not there.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.content.as_deref()
    }

    /// Returns its text, with a byte order mark if it has one, or nothing if it was not there.
    ///
    /// # Errors
    ///
    /// It is not UTF-8.
    pub fn text(&self) -> Result<Option<&str>, Error> {
        let text = self.content.as_deref().map(str::from_utf8).transpose();
        text.map_err(|_| Error::NotText { path: self.named.clone() })
    }

    /// Writes what was read to a file beside it, whose name ends in `ending`, with the same
    /// permissions; returns its path. A file that is there already is not touched.
    ///
    /// # Errors
    ///
    /// The copy cannot be written; or there is nothing to copy.
    pub fn back_up(&self, ending: &str) -> Result<PathBuf, Error> {
        let mut name = self.real.as_os_str().to_owned();
        name.push(ending);
        let path = PathBuf::from(name);
        let cause = |cause| Error::Unwritable { path: path.clone(), cause };
        let Some(content) = &self.content else {
            return Err(cause(io::ErrorKind::NotFound.into()));
        };
        let access = Access::of(&self.real).map_err(cause)?;
        write_new(&path, content, Some(&access)).map_err(cause)?;
        Ok(path)
    }

    /// Replaces the file by `content`. A new one can be read by its owner alone, and so can the
    /// directories that are made for it.
    ///
    /// # Errors
    ///
    /// It was changed since it was read, is read-only, or cannot be written. Nothing is written
    /// then.
    pub fn replace(&self, content: &[u8]) -> Result<(), Error> {
        let folder = self.real.parent().unwrap_or(Path::new("."));
        let unwritable = |cause| Error::Unwritable { path: self.named.clone(), cause };
        self.check()?;
        let access = if self.content.is_some() {
            Some(Access::of(&self.real).map_err(unwritable)?)
        } else {
            directory::make_private(folder).map_err(unwritable)?;
            None
        };
        let name = self.real.file_name().unwrap_or_default().to_string_lossy();
        let fresh = folder.join(format!(".{name}.{}.conflux", process::id()));
        // One that a process of the same number left when it was killed is nobody's.
        drop(fs::remove_file(&fresh));
        let written = write_new(&fresh, content, access.as_ref()).map_err(unwritable);
        let replaced = written.and_then(|()| {
            self.unchanged()?;
            fs::rename(&fresh, &self.real).map_err(unwritable)
        });
        if replaced.is_err() {
            drop(fs::remove_file(&fresh));
        }
        replaced
    }

    /// Removes the file.
    ///
    /// # Errors
    ///
    /// It was changed since it was read, is read-only, or cannot be removed.
    pub fn remove(&self) -> Result<(), Error> {
        self.check()?;
        fs::remove_file(&self.real)
            .map_err(|cause| Error::Unwritable { path: self.named.clone(), cause })
    }

    /// Tells whether the file can be replaced, without doing anything.
    ///
    /// # Errors
    ///
    /// It was changed since it was read, or is read-only.
    pub fn check(&self) -> Result<(), Error> {
        self.unchanged()?;
        if self.content.is_none() {
            return Ok(());
        }
        let read_only = || Error::ReadOnly { path: self.named.clone() };
        // Renaming asks for the permission of the directory alone; what is protected stays.
        let about = fs::metadata(&self.real).map_err(|_| read_only())?;
        if about.permissions().readonly() {
            return Err(read_only());
        }
        OpenOptions::new().write(true).open(&self.real).map(drop).map_err(|_| read_only())
    }

    fn unchanged(&self) -> Result<(), Error> {
        let same = followed(&self.named)? == self.real && content(&self.real)? == self.content;
        if same { Ok(()) } else { Err(Error::Changed { path: self.named.clone() }) }
    }
}

/// Returns what a path leads to, which need not be there.
fn followed(path: &Path) -> Result<PathBuf, Error> {
    let mut real = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&real) else { return Ok(real) };
        real = real.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(Error::Circle { path: path.to_owned() })
}

fn content(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let unreadable = |cause| Error::Unreadable { path: path.to_owned(), cause };
    match fs::metadata(path) {
        Ok(about) if !about.is_file() => Err(Error::NotAFile { path: path.to_owned() }),
        Ok(_) => fs::read(path).map(Some).map_err(unreadable),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}

/// Who may do what with a file.
struct Access {
    permissions: Permissions,
    #[cfg(unix)]
    owner: (u32, u32),
}

impl Access {
    fn of(path: &Path) -> io::Result<Self> {
        let about = fs::metadata(path)?;
        Ok(Self {
            permissions: about.permissions(),
            #[cfg(unix)]
            owner: (
                std::os::unix::fs::MetadataExt::uid(&about),
                std::os::unix::fs::MetadataExt::gid(&about),
            ),
        })
    }

    fn grant(&self, path: &Path, file: &File) -> io::Result<()> {
        #[cfg(unix)]
        if Self::of(path)?.owner != self.owner {
            std::os::unix::fs::chown(path, Some(self.owner.0), Some(self.owner.1))?;
        }
        #[cfg(not(unix))]
        let _ = path;
        file.set_permissions(self.permissions.clone())
    }
}

/// Writes a file that is not there yet; its owner alone may read it unless `access` says more.
fn write_new(path: &Path, content: &[u8], access: Option<&Access>) -> io::Result<()> {
    let mut file = file::private().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    if let Some(access) = access {
        access.grant(path, &file)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests;
