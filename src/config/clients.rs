//! For which clients something is, by the name that a client gives itself.

use globset::Error;
use globset::Glob;
use globset::GlobBuilder;
use globset::GlobSet;

/// Patterns of the names that clients give themselves (`clientInfo.name`), without regard to case.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    patterns: Vec<Glob>,
    any: GlobSet,
}

impl Clients {
    /// Compiles the patterns.
    pub(super) fn new(patterns: Vec<Glob>) -> Result<Self, Error> {
        let any = GlobSet::new(&patterns)?;
        Ok(Self { patterns, any })
    }

    /// Returns whether there are any.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Returns whether a client of this name is one of them.
    pub fn are(&self, name: &str) -> bool {
        self.any.is_match(name)
    }

    /// Returns the patterns, as written.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(Glob::glob)
    }
}

impl PartialEq for Clients {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for Clients {}

/// Reads one pattern; the same on every system.
pub(super) fn pattern(text: &str) -> Result<Glob, Error> {
    let mut builder = GlobBuilder::new(text);
    builder.case_insensitive(true).literal_separator(false).backslash_escape(true).build()
}
