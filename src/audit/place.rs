//! The directory of records: made for its owner alone, and refused if anybody else could write
//! there.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;

use nix::unistd;

/// Why a directory cannot hold records.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others than the user could change what is there.
    #[error("`{}` is {what}, so records in it prove nothing", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The system refused.
    #[error("`{}`: {error}", path.display())]
    Unusable {
        /// What could not be used.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

/// Makes the directory, if it is not there, and looks who can write to it.
pub(super) fn make(directory: &Path) -> Result<(), Error> {
    let unusable = |error| Error::Unusable { path: directory.to_owned(), error };
    let parent = directory.parent().unwrap_or(directory);
    fs::create_dir_all(parent).map_err(unusable)?;
    let above = fs::metadata(parent).map_err(unusable)?;
    let is_sticky = above.mode() & 0o1000 != 0;
    if !is_mine(&above) && above.uid() != 0 || above.mode() & 0o002 != 0 && !is_sticky {
        let what = "below a directory that others can change";
        return Err(Error::Open { path: directory.to_owned(), what });
    }
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unusable(error)),
        Ok(()) | Err(_) => {}
    }
    let found = fs::symlink_metadata(directory).map_err(unusable)?;
    let what = if !found.is_dir() {
        "no directory"
    } else if !is_mine(&found) {
        "of another user"
    } else if found.mode() & 0o022 != 0 {
        "open to other users"
    } else {
        return Ok(());
    };
    Err(Error::Open { path: directory.to_owned(), what })
}

fn is_mine(found: &fs::Metadata) -> bool {
    found.uid() == unistd::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[track_caller]
    fn check(mode: u32, expected: Option<&str>) {
        let home = tempfile::TempDir::new().unwrap();
        let directory = home.path().join("audit");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
        let refused = make(&directory).err().map(|error| error.to_string());
        let said = |text: &str| refused.as_ref().is_some_and(|refused| refused.contains(text));
        assert!(expected.map_or(refused.is_none(), said), "{mode:o}: {refused:?}");
    }

    #[test]
    fn nobody_else_may_write_there() {
        check(0o700, None);
        check(0o750, None);
        check(0o770, Some("open to other users"));
        check(0o777, Some("open to other users"));
    }

    #[test]
    fn what_is_made_is_closed_and_a_link_is_not_followed() {
        let home = tempfile::TempDir::new().unwrap();
        let directory = home.path().join("state/audit");
        make(&directory).unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&directory, &link).unwrap();
        assert!(make(&link).unwrap_err().to_string().contains("no directory"));
    }
}
