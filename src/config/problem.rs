//! What is wrong with a configuration: each problem with its place and, where one can be
//! guessed, a hint.

use std::error;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::interpolate;
use crate::config::secrets::Secrets;

/// One thing that is wrong, where it is, and what to write instead.
///
/// The text never holds a value that came out of an interpolation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file it is in, as the user named it.
    pub file: Option<PathBuf>,
    /// The line in that file, from 1.
    pub line: Option<u32>,
    /// The column in that line, in characters, from 1.
    pub column: Option<u32>,
    /// The environment variable or flag it comes from, if it is in no file.
    pub origin: Option<String>,
    /// The key it is about; empty if it is about a whole file.
    pub key: KeyPath,
    /// What is wrong: a lowercase fragment without a final period.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// Makes a problem that is about no place in particular.
    pub fn new(message: impl Into<String>) -> Self {
        Self::at(&Place::Nowhere, &KeyPath::default(), message)
    }

    /// Makes a problem at `place`, about `key`.
    pub(super) fn at(place: &Place, key: &KeyPath, message: impl Into<String>) -> Self {
        let (file, line, column, origin) = match place {
            Place::File { source, line, column } => {
                let known = |number: &u32| (*number > 0).then_some(*number);
                (Some(source.shown.clone()), known(line), known(column), None)
            }
            Place::Variable(name) => {
                (None, None, None, Some(format!("environment variable `{name}`")))
            }
            Place::Flag(name) => (None, None, None, Some(format!("flag `{name}`"))),
            Place::Nowhere => (None, None, None, None),
        };
        let (message, key) = (message.into(), key.clone());
        Self { file, line, column, origin, key, message, hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns whether nothing is wrong but that a variable is not set.
    pub fn is_unset_variable(&self) -> bool {
        self.message.contains("the variable `") && self.message.ends_with(interpolate::UNSET)
    }

    /// Returns the same problem without any of `secrets`: what it quotes may hold some.
    #[must_use]
    pub fn masked(self, secrets: &Secrets) -> Self {
        let mask = |text: String| secrets.mask(&text).into_owned();
        Self { message: mask(self.message), hint: self.hint.map(mask), ..self }
    }

    /// Returns the same problem on one line, without what to do about it.
    #[must_use]
    pub fn without_hint(&self) -> Self {
        Self { hint: None, ..self.clone() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            for number in [self.line, self.column].into_iter().flatten() {
                write!(f, "{number}:")?;
            }
            f.write_str(" ")?;
        }
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a configuration, in the order of its files; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Sorts problems into reading order: file by file as in `files`, then by line and column.
    pub(super) fn new(mut problems: Vec<Problem>, files: &[Arc<Source>]) -> Self {
        let rank = |problem: &Problem| {
            let file = problem.file.as_ref()?;
            files.iter().position(|source| source.shown == *file)
        };
        // A problem without a file is about the environment or a flag: those layers come last.
        problems.sort_by_key(|problem| {
            (rank(problem).unwrap_or(usize::MAX), problem.line, problem.column)
        });
        problems.dedup();
        Self(problems)
    }

    /// Takes problems as they are; nothing if there are none.
    pub fn of(problems: Vec<Problem>) -> Option<Self> {
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// Returns the problems in reading order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl error::Error for Problems {}

/// A file that takes part in a configuration.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The path as the user named it.
    pub(super) shown: PathBuf,
    /// The same path, absolute.
    pub(super) absolute: PathBuf,
}

/// Where a key or a value was written.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In a file; line and column count from 1.
    File { source: Arc<Source>, line: u32, column: u32 },
    /// In an environment variable of this name.
    Variable(String),
    /// In a flag of this name.
    Flag(String),
    /// Nowhere: a default.
    Nowhere,
}

impl Place {
    /// Returns the directory that relative paths written here start from, if it is not the
    /// working directory.
    pub(super) fn directory(&self) -> Option<&Path> {
        match self {
            Self::File { source, .. } => source.absolute.parent(),
            Self::Variable(_) | Self::Flag(_) | Self::Nowhere => None,
        }
    }
}

/// The way from the top of a file to a value, as in `upstreams.github.args[1]`. Paths share their
/// beginnings, because one is made for whatever is looked at; cloning shares all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPath(Option<Arc<Step>>);

#[derive(Debug, PartialEq, Eq)]
struct Step {
    front: KeyPath,
    last: Segment,
}

/// The last part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Key(Box<str>),
    Index(usize),
}

impl KeyPath {
    /// Makes the path of these keys.
    pub(super) fn of(keys: &[&str]) -> Self {
        keys.iter().fold(Self::default(), |path, key| path.key(key))
    }

    /// Returns the path of `key` in the map at this path.
    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(Box::from(key)))
    }

    /// Returns the path of an item in the list at this path.
    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        Self(Some(Arc::new(Step { front: self.clone(), last: segment })))
    }

    /// Returns the path of the map or list this path leads out of.
    pub(super) fn parent(&self) -> Option<Self> {
        self.split().map(|(front, _)| front.clone())
    }

    /// Returns the path of the map or list this path leads out of, and what leads there from it.
    pub(super) fn split(&self) -> Option<(&Self, &Segment)> {
        self.0.as_deref().map(|step| (&step.front, &step.last))
    }

    /// Returns the last key, if the path ends in one.
    pub(super) fn last(&self) -> Option<&str> {
        match self.split()? {
            (_, Segment::Key(key)) => Some(key),
            (_, Segment::Index(_)) => None,
        }
    }

    /// Returns the same path with its first key renamed, if that is `from`.
    pub(super) fn renamed_root(&self, from: &str, to: &str) -> Self {
        match self.split() {
            Some((front, Segment::Key(key))) if front.is_empty() && **key == *from => front.key(to),
            Some((front, last)) if !front.is_empty() => {
                front.renamed_root(from, to).with(last.clone())
            }
            Some(_) | None => self.clone(),
        }
    }

    /// Whether `self` is `other` or lies inside it.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self == other || self.split().is_some_and(|(front, _)| front.is_within(other))
    }

    /// Whether the path is that of the whole file.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((front, last)) = self.split() else { return Ok(()) };
        front.fmt(f)?;
        match last {
            Segment::Key(key) if front.is_empty() => f.write_str(key),
            Segment::Key(key) => write!(f, ".{key}"),
            Segment::Index(index) => write!(f, "[{index}]"),
        }
    }
}
