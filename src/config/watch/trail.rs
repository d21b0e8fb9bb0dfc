//! What leads to a file: the directories in which a change can make it another one.

use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::fs;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// How many links are followed; more lead in a circle.
const LINKS: usize = 40;

/// What leads to some files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trail {
    /// Directories that hold a link on the way, the file, or, if it is not there, the first thing
    /// on the way that is not.
    pub(super) directories: BTreeSet<PathBuf>,
    /// The files themselves, where there are such.
    pub(super) ends: BTreeSet<PathBuf>,
}

impl Trail {
    /// Adds what leads to `path`, which is absolute.
    pub(super) fn to(mut self, path: impl AsRef<Path>) -> Self {
        let (mut at, mut rest) = (PathBuf::new(), parts(path.as_ref()));
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            let next = match Path::new(&part).components().next() {
                Some(Component::ParentDir) => at.parent().unwrap_or(&at).to_owned(),
                Some(Component::CurDir) | None => continue,
                // A root takes the place of everything before it.
                Some(Component::Prefix(_) | Component::RootDir | Component::Normal(_)) => {
                    at.join(&part)
                }
            };
            if let Ok(target) = fs::read_link(&next) {
                self.directories.insert(at.clone());
                links += 1;
                if links > LINKS {
                    return self;
                }
                let mut target = parts(&target);
                target.append(&mut rest);
                rest = target;
                continue;
            }
            if rest.is_empty() || fs::symlink_metadata(&next).is_err() {
                self.directories.insert(at);
                self.ends.insert(next);
                return self;
            }
            at = next;
        }
        self
    }
}

fn parts(path: &Path) -> VecDeque<PathBuf> {
    path.components().map(|part| PathBuf::from(part.as_os_str())).collect()
}
