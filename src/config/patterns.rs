//! Patterns of names, such as `get_*`: of tools, of prompts, of clients.

use globset::Error;
use globset::Glob;
use globset::GlobBuilder;
use globset::GlobSet;

/// The pattern that every name matches.
const EVERYTHING: &str = "*";

/// Whether the case of a name matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// As it does in the names of tools.
    Matters,
    /// As in what clients call themselves.
    Ignored,
}

/// Patterns of names; each matches whole names.
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

    /// Compiles patterns of names whose case matters.
    pub fn of_names<'t>(written: impl IntoIterator<Item = &'t str>) -> Result<Self, Error> {
        let patterns = written.into_iter().map(|text| pattern(text, Case::Matters));
        Self::new(patterns.collect::<Result<_, _>>()?)
    }

    /// Patterns that match nothing.
    pub(super) fn none() -> Self {
        Self { written: Vec::new(), matcher: Matcher::Some(GlobSet::empty()) }
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
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

/// Reads one pattern; the same on every system.
pub(super) fn pattern(text: &str, case: Case) -> Result<Glob, Error> {
    let mut builder = GlobBuilder::new(text);
    builder.case_insensitive(case == Case::Ignored);
    builder.literal_separator(false).backslash_escape(true).build()
}
