//! The four hints of a tool's annotations: what counts where nothing is said, and what is wanted.

use crate::config::file;

/// One of the hints that a tool can give (2025-03-26 and later, "Tool", `annotations`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// It changes nothing.
    ReadOnly,
    /// It may delete or overwrite something; never said of one that changes nothing.
    Destructive,
    /// A second call with the same arguments changes nothing more.
    Idempotent,
    /// It deals with a world that is not its own, such as the web.
    OpenWorld,
}

impl Hint {
    /// Every hint, in the order of the specification.
    pub const ALL: [Self; 4] =
        [Self::ReadOnly, Self::Destructive, Self::Idempotent, Self::OpenWorld];

    /// Returns the key it has among the annotations.
    pub fn key(self) -> &'static str {
        match self {
            Self::ReadOnly => "readOnlyHint",
            Self::Destructive => "destructiveHint",
            Self::Idempotent => "idempotentHint",
            Self::OpenWorld => "openWorldHint",
        }
    }

    /// Returns what counts if a tool does not say.
    fn unsaid(self) -> bool {
        match self {
            Self::ReadOnly | Self::Idempotent => false,
            Self::Destructive | Self::OpenWorld => true,
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What holds for a tool: what it says, or else what the specification has count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hints(u8);

impl Default for Hints {
    /// Nothing is said.
    fn default() -> Self {
        Self::of(|_| None)
    }
}

impl Hints {
    /// Takes what a tool says; nothing where it says nothing, or something that is no boolean.
    pub fn of(said: impl Fn(Hint) -> Option<bool>) -> Self {
        let holds = |hint: &Hint| said(*hint).unwrap_or_else(|| hint.unsaid());
        let held = Hint::ALL.into_iter().filter(holds).fold(0, |all, hint| all | hint.bit());
        let hints = Self(held);
        // Whatever it says: nothing can be destroyed where nothing is changed.
        if hints.has(Hint::ReadOnly) { Self(held & !Hint::Destructive.bit()) } else { hints }
    }

    /// Returns all there can be of a tool.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..1 << Hint::ALL.len()).map(|bits| Self::of(|hint| Some(bits & hint.bit() != 0)))
    }

    /// Returns whether a hint holds.
    pub fn has(self, hint: Hint) -> bool {
        self.0 & hint.bit() != 0
    }
}

/// The hints that tools must have, or must not have, to be offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted(Vec<(Hint, bool)>);

impl Wanted {
    /// Takes what is written.
    pub(super) fn new(written: &file::Annotations) -> Self {
        let wanted = |hint| Some((hint, written.hint(hint)?));
        Self(Hint::ALL.into_iter().filter_map(wanted).collect())
    }

    /// Returns whether anything is wanted at all.
    pub fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Returns whether a tool of which these hints hold is one of those that are wanted.
    pub fn admits(&self, hints: Hints) -> bool {
        self.0.iter().all(|(hint, wanted)| hints.has(*hint) == *wanted)
    }

    /// Returns the hints and what they must be, in the order of the specification.
    pub fn iter(&self) -> impl Iterator<Item = (Hint, bool)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Hint;
    use super::Hints;
    use super::Wanted;

    #[test]
    fn what_is_not_said_is_what_the_specification_has_count() {
        let said = |all: &'static [(Hint, bool)]| {
            Hints::of(|hint| all.iter().find(|(it, _)| *it == hint).map(|(_, says)| *says))
        };
        let held = |hints: Hints| Hint::ALL.map(|hint| u8::from(hints.has(hint)));
        assert_eq!(held(said(&[])), [0, 1, 0, 1]);
        assert_eq!(held(said(&[(Hint::ReadOnly, true)])), [1, 0, 0, 1]);
        assert_eq!(held(said(&[(Hint::ReadOnly, true), (Hint::Destructive, true)])), [1, 0, 0, 1]);
        assert_eq!(held(said(&[(Hint::Destructive, false), (Hint::OpenWorld, false)])), [0; 4]);
        assert_eq!(held(said(&[(Hint::Idempotent, true)])), [0, 1, 1, 1]);
    }

    #[test]
    fn all_that_is_wanted_must_be_so() {
        let wanted = Wanted(vec![(Hint::ReadOnly, false), (Hint::Destructive, false)]);
        let says = |read_only, destructive| {
            Hints::of(|hint| match hint {
                Hint::ReadOnly => read_only,
                Hint::Destructive => destructive,
                Hint::Idempotent | Hint::OpenWorld => None,
            })
        };
        assert!(wanted.admits(says(None, Some(false))));
        assert!(!wanted.admits(says(None, None)));
        assert!(!wanted.admits(says(Some(true), Some(false))));
        assert!(Wanted::default().admits(says(None, None)));
        assert!(wanted.is_any() && !Wanted::default().is_any());
    }
}
