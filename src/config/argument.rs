//! What is different for one argument of a tool.

use std::fmt;

/// What is different for one argument of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Argument {
    /// What it is called instead.
    pub name: Option<String>,
    /// What a model is told about it.
    pub description: Option<String>,
    /// What is sent for it beside what the caller says.
    pub given: Given,
    /// Whether callers are not shown it.
    pub is_hidden: bool,
}

/// What is sent for an argument beside what the caller says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Given {
    /// Nothing.
    #[default]
    Nothing,
    /// This, if the caller leaves it out.
    Default(Filled),
    /// This, whatever the caller says.
    Value(Filled),
}

/// A value with everything filled in. Its `Debug` does not show it: it may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Filled {
    /// What it is, as JSON.
    pub json: String,
    /// Whether nobody may be shown it.
    pub is_secret: bool,
}

impl fmt::Debug for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filled").field("is_secret", &self.is_secret).finish_non_exhaustive()
    }
}

impl Given {
    /// Returns the value, if there is one.
    pub fn filled(&self) -> Option<&Filled> {
        match self {
            Self::Nothing => None,
            Self::Default(filled) | Self::Value(filled) => Some(filled),
        }
    }
}
