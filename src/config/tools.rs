//! Which tools of an upstream are offered.

use globset::Error;
use globset::Glob;
use globset::GlobBuilder;
use globset::GlobSet;

use crate::config::hints::Wanted;

/// The pattern that every name matches.
const EVERYTHING: &str = "*";

/// Which tools are offered: those whose name `allow` matches and `deny` does not, and whose
/// annotations are the wanted ones. Case matters, and a pattern matches whole names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolFilter {
    allow: Patterns,
    deny: Patterns,
    wanted: Wanted,
}

/// Patterns of names. Case matters, and a pattern matches whole names.
#[derive(Clone, Debug)]
pub struct Patterns {
    written: Vec<Glob>,
    matcher: Matcher,
}

impl Patterns {
    /// Compiles the patterns.
    pub(super) fn new(written: Vec<Glob>) -> Result<Self, Error> {
        let matcher = Matcher::new(&written)?;
        Ok(Self { written, matcher })
    }

    /// Patterns that match nothing.
    pub(super) fn none() -> Self {
        Self { written: Vec::new(), matcher: Matcher::Some(GlobSet::empty()) }
    }

    /// Returns whether one of them matches this name.
    pub fn is_match(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }

    /// Returns them as written.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.written.iter().map(Glob::glob)
    }

    /// Returns those that match none of `names`, as written; `*` is meant to match whatever there
    /// is.
    pub fn idle<'n, N>(&self, names: impl Fn() -> N) -> Vec<&str>
    where
        N: Iterator<Item = &'n str>,
    {
        let is_idle = |glob: &&Glob| {
            let matcher = glob.compile_matcher();
            glob.glob() != EVERYTHING && !names().any(|name| matcher.is_match(name))
        };
        self.written.iter().filter(is_idle).map(Glob::glob).collect()
    }
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Patterns {}

/// What patterns come to. Most upstreams offer everything, which needs no machine.
#[derive(Clone, Debug)]
enum Matcher {
    Everything,
    Some(GlobSet),
}

impl Matcher {
    fn new(patterns: &[Glob]) -> Result<Self, Error> {
        if patterns.iter().any(|pattern| pattern.glob() == EVERYTHING) {
            return Ok(Self::Everything);
        }
        GlobSet::new(patterns).map(Self::Some)
    }

    fn is_match(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Some(patterns) => patterns.is_match(name),
        }
    }
}

impl ToolFilter {
    /// Compiles the patterns.
    pub(super) fn new(allow: Vec<Glob>, deny: Vec<Glob>, wanted: Wanted) -> Result<Self, Error> {
        Ok(Self { allow: Patterns::new(allow)?, deny: Patterns::new(deny)?, wanted })
    }

    /// Whether the tool with this name is offered, whatever its annotations say.
    pub fn permits(&self, name: &str) -> bool {
        self.allow.is_match(name) && !self.deny.is_match(name)
    }

    /// Returns what annotations must say.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Returns the patterns that match none of `names`, as written.
    pub fn idle<'n, N>(&self, names: impl Fn() -> N) -> Vec<&str>
    where
        N: Iterator<Item = &'n str>,
    {
        let deny = self.deny.idle(&names);
        self.allow.idle(names).into_iter().chain(deny).collect()
    }

    /// Returns the patterns of tools to offer, as written.
    pub fn allow(&self) -> impl Iterator<Item = &str> {
        self.allow.iter()
    }

    /// Returns the patterns of tools to hide, as written.
    pub fn deny(&self) -> impl Iterator<Item = &str> {
        self.deny.iter()
    }
}

/// Reads one pattern; the same on every system.
pub(super) fn pattern(text: &str) -> Result<Glob, Error> {
    GlobBuilder::new(text).literal_separator(false).backslash_escape(true).build()
}
