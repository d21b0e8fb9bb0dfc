//! One difference between a tool and what its server lists, for people.

use std::fmt;

use crate::config::hints::Hint;

/// One difference between a tool and what its server lists. Values are not among what it says: they
/// may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It stands beside the tool that the server calls this.
    VariantOf(String),
    /// The server calls it this.
    Named(String),
    /// Its title is configured.
    Title,
    /// Its description is configured.
    Description,
    /// The title among its annotations is configured.
    AnnotationTitle,
    /// A hint is configured.
    Hint(Hint, bool),
    /// An argument is called otherwise.
    ArgumentNamed {
        /// What the server calls it.
        was: String,
        /// What callers do.
        now: String,
    },
    /// The description of an argument is configured.
    ArgumentDescribed(String),
    /// An argument that is left out has a value all the same.
    ArgumentDefault(String),
    /// An argument has a value whatever callers say.
    ArgumentFixed(String),
    /// An argument is not shown.
    ArgumentHidden(String),
}

impl fmt::Display for Change {
    /// Writes one sentence, without an end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VariantOf(of) => write!(f, "it is a variant of `{}`", of.escape_debug()),
            Self::Named(was) => write!(f, "its server calls it `{}`", was.escape_debug()),
            Self::Title => f.write_str("its title is configured"),
            Self::Description => f.write_str("its description is configured"),
            Self::AnnotationTitle => f.write_str("its title for older clients is configured"),
            Self::Hint(hint, says) => write!(f, "its `{}` is set to `{says}`", hint.key()),
            Self::ArgumentNamed { was, now } => {
                let (was, now) = (was.escape_debug(), now.escape_debug());
                write!(f, "the argument `{now}` is called `{was}` by its server")
            }
            Self::ArgumentDescribed(name) => {
                write!(f, "the description of the argument `{}` is configured", name.escape_debug())
            }
            Self::ArgumentDefault(name) => {
                write!(f, "the argument `{}` has a configured default", name.escape_debug())
            }
            Self::ArgumentFixed(name) => {
                write!(f, "the argument `{}` has a configured value", name.escape_debug())
            }
            Self::ArgumentHidden(name) => {
                write!(f, "the argument `{}` is hidden", name.escape_debug())
            }
        }
    }
}
