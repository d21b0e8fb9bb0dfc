//! Eras and revisions of the protocol.

use std::fmt;

/// A revision of the specification that Conflux speaks, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// The first one.
    V2024_11_05,
    /// Streamable HTTP, audio, and batches for this one revision.
    V2025_03_26,
    /// Structured output, elicitation, resource links.
    V2025_06_18,
    /// Icons, elicitation by URL, experimental tasks.
    V2025_11_25,
    /// Stateless requests.
    V2026_07_28,
}

/// How a peer speaks: in a session opened by `initialize`, or one request at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// 2024-11-05 to 2025-11-25.
    Legacy,
    /// 2026-07-28.
    Modern,
}

impl Revision {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];
    /// The last one that is opened by `initialize`.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;
    /// The newest one.
    pub const LATEST: Self = Self::V2026_07_28;

    /// Reads a revision as it stands on the wire; nothing if Conflux does not speak it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == text)
    }

    /// Returns the revision as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Returns the era the revision belongs to.
    pub fn era(self) -> Era {
        if self >= Self::V2026_07_28 { Era::Modern } else { Era::Legacy }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
