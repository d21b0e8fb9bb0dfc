//! How bytes get to an upstream and back.

/// Children that speak over their standard input and output.
pub(super) mod stdio;
/// The last lines of a child's stderr, and what it wrote to stdout by mistake.
pub(super) mod tail;
