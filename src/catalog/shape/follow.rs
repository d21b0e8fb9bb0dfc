//! What stands in the way of a configured change to an argument.

/// A change to an argument that is configured and was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the configured change to the argument `{}` cannot be made: {why}",
    .argument.escape_debug()
)]
pub struct Unfollowed {
    /// The argument, by the name its server gave it, or was expected to.
    pub argument: String,
    /// Why it was not made.
    pub why: Why,
}

/// Why a change to an argument was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The schema has no such property.
    #[error("there is no such argument")]
    Unknown,
    /// No tool that the pattern is about has it.
    #[error("none of the tools it matches has it")]
    UnknownToAll,
    /// It is required, and there is nothing to send for it.
    #[error("it is required, so it can be hidden only with a `value` or a `default`")]
    Required,
    /// What it is to be called another one is called.
    #[error("another argument is called `{}`", .0.escape_debug())]
    Taken(String),
    /// It is named where the change cannot be followed.
    #[error("`{0}` in the schema may be about it")]
    Elsewhere(String),
    /// The schema, or that of the argument, cannot be changed.
    #[error("its schema cannot be changed")]
    Unreadable,
}

impl Unfollowed {
    pub(super) fn new(argument: &str, why: Why) -> Self {
        Self { argument: argument.to_owned(), why }
    }

    pub(in crate::catalog) fn of_pattern(argument: &str) -> Self {
        Self::new(argument, Why::UnknownToAll)
    }
}
