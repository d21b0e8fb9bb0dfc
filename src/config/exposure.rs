//! How much of the tools clients are listed: all of them, or a few by which others are found.

use crate::config::file;
use crate::config::patterns::Case;
use crate::config::patterns::Patterns;
use crate::config::problem::KeyPath;
use crate::config::validate::Check;

/// How much of the tools clients are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Whether it is all of them.
    pub mode: Mode,
    /// Which are listed where others have to be searched, by their public names.
    pub pinned: Patterns,
}

/// Whether all tools are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are.
    #[default]
    Flat,
    /// A few are, and the others are found by those.
    Search,
    /// That depends on how many there are, and on the client.
    Auto,
}

impl Default for Exposure {
    /// Everything is listed.
    fn default() -> Self {
        Self { mode: Mode::default(), pinned: Patterns::none() }
    }
}

impl Check<'_> {
    /// Checks what is said for everybody.
    pub(super) fn exposure(&mut self, mode: file::Exposure, pinned: &[String]) -> Exposure {
        let pinned = self.patterns(pinned, &KeyPath::of(&["pinned"]), Case::Matters);
        Exposure { mode: Mode::of(mode), pinned }
    }

    /// Checks what the profile at `path` says in its place.
    pub(super) fn exposure_of(
        &mut self,
        profile: &file::Profile,
        path: &KeyPath,
        everywhere: &Exposure,
    ) -> Exposure {
        Exposure {
            mode: profile.exposure.map_or(everywhere.mode, Mode::of),
            pinned: match &profile.pinned {
                Some(written) => self.patterns(written, &path.key("pinned"), Case::Matters),
                None => everywhere.pinned.clone(),
            },
        }
    }
}

impl Mode {
    fn of(written: file::Exposure) -> Self {
        match written {
            file::Exposure::Flat => Self::Flat,
            file::Exposure::Search => Self::Search,
            file::Exposure::Auto => Self::Auto,
        }
    }
}
