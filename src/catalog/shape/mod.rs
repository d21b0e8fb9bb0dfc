//! How one tool is other than its server lists it: its definition, and the arguments of its calls.
//!
//! What callers are shown and what they may send follow from the same rules, so that what fits the
//! schema as it is shown becomes what fits the one the server gave.

mod argument;
mod change;
mod definition;
mod dependent;
mod follow;
mod named;
mod schema;
mod step;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use self::argument::Refused;
pub use self::change::Change;
pub use self::follow::Unfollowed;

pub(in crate::catalog) use self::definition::Made;
pub(in crate::catalog) use self::definition::make;
pub(in crate::catalog) use self::schema::has_argument;

use crate::catalog::shape::argument::Arguments;
use crate::wire::Raw;

/// How a tool differs from what its server lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    changes: Vec<Change>,
    arguments: Arguments,
    timeout: Option<Duration>,
}

impl Shape {
    /// Returns what is different, in the order in which people would tell it.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Returns how long the answer to a call may take, if this is a variant that says so.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Returns the arguments that the server is sent for those that came; nothing if they are the
    /// same.
    ///
    /// # Errors
    ///
    /// If they name one that callers are not shown, or cannot be read beyond doubt.
    pub fn arguments(&self, came: Option<&Raw>) -> Result<Option<Raw>, Refused> {
        self.arguments.sent_for(came)
    }
}

/// An item that is other than its upstream listed it.
#[derive(Clone, Debug)]
pub(in crate::catalog) struct Shaped {
    /// What it is called, before that is made a public name.
    pub(in crate::catalog) name: String,
    /// What it is listed as, but for that name.
    pub(in crate::catalog) definition: Raw,
    pub(in crate::catalog) shape: Arc<Shape>,
    /// Whether it stands beside the tool it is made of.
    pub(in crate::catalog) is_variant: bool,
}

impl Made {
    /// Returns what it is listed as under a name.
    pub(in crate::catalog) fn shaped(
        self,
        name: String,
        timeout: Option<Duration>,
        is_variant: bool,
    ) -> Shaped {
        let Self { definition, changes, arguments, unfollowed: _ } = self;
        let shape = Arc::new(Shape { changes, arguments, timeout });
        Shaped { name, definition, shape, is_variant }
    }
}
