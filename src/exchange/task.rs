//! Tasks: which kind somebody knows.

/// The name of the extension that has tasks since 2026-07-28 (SEP-2663).
pub const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// Which kind of tasks somebody knows. The two are not compatible on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// None: a call has a result.
    #[default]
    None,
    /// Those of 2025-11-25: a request asks to become one.
    Core,
    /// Those of [`EXTENSION`]: a call may be answered with one.
    Extension,
}
