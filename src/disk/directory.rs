//! Directories that nobody but their owner can change: made so, and refused if they are not.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use nix::unistd;

/// What a directory may be opened to its owner for, and to nobody else.
const MODE: u32 = 0o700;
/// What lets everybody write.
const ALL_WRITE: u32 = 0o002;
/// What keeps whoever may write from changing what belongs to others.
const STICKY: u32 = 0o1000;

/// What others than its owner may do in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They may look, if its owner lets them, and change nothing.
    MayLook,
    /// Nothing.
    StayOut,
}

/// Others than the user could change what is in a directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is {what}", path.display())]
pub struct Open {
    /// The directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be trusted.
    #[error(transparent)]
    Open(#[from] Open),
    /// The system refused.
    #[error("`{}`: {error}", path.display())]
    Unusable {
        /// What could not be used.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

/// Makes a directory and those above it, for their owner alone. One that is there stays as it is.
///
/// # Errors
///
/// One cannot be made.
pub fn make_private(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(MODE).create(directory)
}

/// Makes a directory for its owner alone, if it is not there, and looks who can change what is in
/// it. One that is there and that others must stay out of is closed to them, if it is the user's.
///
/// # Errors
///
/// It cannot be made, or others could change what is in it, or in the directory above.
pub fn make(directory: &Path, others: Others) -> Result<(), Error> {
    let unusable = |error| Error::Unusable { path: directory.to_owned(), error };
    let parent = directory.parent().unwrap_or(directory);
    fs::create_dir_all(parent).map_err(unusable)?;
    let above = Found::of(&fs::metadata(parent).map_err(unusable)?);
    if above.lets_others_replace(user()) {
        let what = "below a directory that others can change";
        return Err(Open { path: directory.to_owned(), what }.into());
    }
    match fs::DirBuilder::new().mode(MODE).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unusable(error)),
        Ok(()) | Err(_) => {}
    }
    if others == Others::StayOut {
        let found = Found::of(&fs::symlink_metadata(directory).map_err(unusable)?);
        if found.is_directory && found.owner == user() {
            let closed = fs::Permissions::from_mode(MODE);
            fs::set_permissions(directory, closed).map_err(unusable)?;
        }
    }
    check(directory, others)
}

/// Looks who can change what is in a directory, without changing anything. A link to one is none.
///
/// # Errors
///
/// It is not there, or others could change what is in it.
pub fn check(directory: &Path, others: Others) -> Result<(), Error> {
    let path = directory.to_owned();
    let found = match fs::symlink_metadata(directory) {
        Ok(found) => Found::of(&found),
        Err(error) => return Err(Error::Unusable { path, error }),
    };
    match found.fault(user(), others) {
        None => Ok(()),
        Some(what) => Err(Open { path, what }.into()),
    }
}

fn user() -> u32 {
    unistd::geteuid().as_raw()
}

/// What the system says about what was found under a name.
#[derive(Clone, Copy, Debug)]
struct Found {
    is_directory: bool,
    owner: u32,
    mode: u32,
}

impl Found {
    fn of(about: &fs::Metadata) -> Self {
        Self { is_directory: about.is_dir(), owner: about.uid(), mode: about.mode() }
    }

    /// Returns what is wrong with it for a user.
    fn fault(self, user: u32, others: Others) -> Option<&'static str> {
        let kept_back = match others {
            Others::MayLook => 0o022,
            Others::StayOut => 0o077,
        };
        if !self.is_directory {
            Some("no directory")
        } else if self.owner != user {
            Some("of another user")
        } else if self.mode & kept_back != 0 {
            Some("open to other users")
        } else {
            None
        }
    }

    /// Returns whether others could put something else in the place of what is in it. The system
    /// itself could do so anywhere.
    fn lets_others_replace(self, user: u32) -> bool {
        let is_trusted = self.owner == user || self.owner == 0;
        !is_trusted || (self.mode & ALL_WRITE != 0 && self.mode & STICKY == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[track_caller]
    fn check_made(mode: u32, others: Others, expected: Option<&str>) {
        let home = TempDir::new().unwrap();
        let directory = home.path().join("a");
        fs::create_dir(&directory).unwrap();
        set_mode(&directory, mode);
        let refused = make(&directory, others).err().map(|error| error.to_string());
        let said = |text: &str| refused.as_ref().is_some_and(|refused| refused.contains(text));
        assert!(expected.map_or(refused.is_none(), said), "{mode:o}: {refused:?}");
    }

    #[test]
    fn where_others_may_look_they_may_change_nothing() {
        check_made(0o700, Others::MayLook, None);
        check_made(0o750, Others::MayLook, None);
        check_made(0o755, Others::MayLook, None);
        check_made(0o770, Others::MayLook, Some("open to other users"));
        check_made(0o777, Others::MayLook, Some("open to other users"));
    }

    #[test]
    fn where_others_stay_out_it_is_closed_when_it_is_made_and_refused_when_it_is_not() {
        for before in [0o700, 0o750, 0o777] {
            check_made(before, Others::StayOut, None);
        }
        let home = TempDir::new().unwrap();
        let directory = home.path().join("a");
        make(&directory, Others::StayOut).unwrap();
        assert_eq!(mode(&directory), 0o700);
        set_mode(&directory, 0o710);
        let refused = check(&directory, Others::StayOut).unwrap_err();
        assert!(refused.to_string().contains("open to other users"), "{refused}");
        assert_eq!(mode(&directory), 0o710, "who only looks changes nothing");
        check(&directory, Others::MayLook).unwrap();
    }

    #[test]
    fn what_is_made_is_closed_and_a_link_is_not_followed() {
        for others in [Others::MayLook, Others::StayOut] {
            let home = TempDir::new().unwrap();
            let directory = home.path().join("state/a");
            make(&directory, others).unwrap();
            assert_eq!(mode(&directory), 0o700);
            set_mode(&directory, 0o755);
            let link = home.path().join("link");
            symlink(&directory, &link).unwrap();
            let refused = [make(&link, others), check(&link, others)].map(Result::unwrap_err);
            for refused in refused {
                assert!(refused.to_string().contains("no directory"), "{refused}");
            }
            assert_eq!(mode(&directory), 0o755, "what a link leads to is left alone");
        }
    }

    #[test]
    fn a_directory_below_one_that_others_can_change_is_refused() {
        let home = TempDir::new().unwrap();
        let (above, directory) = (home.path().join("above"), home.path().join("above/a"));
        fs::create_dir(&above).unwrap();
        set_mode(&above, 0o777);
        let refused = make(&directory, Others::MayLook).unwrap_err();
        assert!(refused.to_string().contains("below a directory"), "{refused}");
        assert!(!directory.exists());
        set_mode(&above, 0o1777);
        make(&directory, Others::MayLook).unwrap();
    }

    #[test]
    fn a_directory_of_another_user_is_refused_whatever_its_mode() {
        let theirs = Found { is_directory: true, owner: 1001, mode: 0o700 };
        for others in [Others::MayLook, Others::StayOut] {
            assert_eq!(theirs.fault(1000, others), Some("of another user"));
            assert_eq!(theirs.fault(0, others), Some("of another user"), "even for root");
            assert_eq!(theirs.fault(1001, others), None);
        }
        assert!(theirs.lets_others_replace(1000));
        assert!(!theirs.lets_others_replace(1001));
        let of_system = Found { owner: 0, ..theirs };
        assert!(!of_system.lets_others_replace(1000));
        assert!(Found { mode: 0o777, ..of_system }.lets_others_replace(1000));
        assert!(!Found { mode: 0o1777, ..of_system }.lets_others_replace(1000));
    }

    #[test]
    fn what_is_not_there_is_told_from_what_is_wrong() {
        let home = TempDir::new().unwrap();
        let missing = check(&home.path().join("a"), Others::StayOut).unwrap_err();
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        assert!(matches!(&missing, Error::Unusable { error, .. } if is_missing(error)));
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(make(&file, Others::StayOut), Err(Error::Open(_))));
    }
}
