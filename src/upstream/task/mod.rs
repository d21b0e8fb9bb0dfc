//! The tasks of an upstream, in both kinds: those of 2025-11-25, and those of the extension. What
//! they look like, for whom they are, and what is said of them.

/// Whom what is said of tasks is meant for.
pub(super) mod delivery;
/// What a modern request says about tasks.
pub(super) mod offer;
/// The tasks of one connection, and for whom they are.
pub(super) mod registry;
/// What tasks look like.
pub(super) mod shape;
/// Tools, as far as it counts for a call whether it may become a task.
mod tool;

pub use self::tool::Need;
pub use self::tool::Tool;
