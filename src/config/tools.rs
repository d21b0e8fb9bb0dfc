//! Which tools of an upstream, or of a profile, are offered.

use crate::config::hints::Wanted;
use crate::config::patterns::Patterns;

/// Which tools are offered: those whose name `allow` matches and `deny` does not, and whose
/// annotations are the wanted ones. Case matters, and a pattern matches whole names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolFilter {
    allow: Patterns,
    deny: Patterns,
    wanted: Wanted,
}

impl ToolFilter {
    /// Offers what all three say.
    pub(super) fn new(allow: Patterns, deny: Patterns, wanted: Wanted) -> Self {
        Self { allow, deny, wanted }
    }

    /// Whether the tool with this name is offered, whatever its annotations say.
    pub fn permits(&self, name: &str) -> bool {
        self.allow.is_match(name) && !self.deny.is_match(name)
    }

    /// Returns what annotations must say.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Returns the patterns of tools to offer, and those of tools to hide.
    pub fn patterns(&self) -> [&Patterns; 2] {
        [&self.allow, &self.deny]
    }

    /// Returns the patterns of tools to offer, as written.
    pub fn allow(&self) -> impl Iterator<Item = &str> {
        self.allow.iter()
    }

    /// Returns the patterns of tools to hide, as written.
    pub fn deny(&self) -> impl Iterator<Item = &str> {
        self.deny.iter()
    }
}
