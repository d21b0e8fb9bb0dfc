//! How long a result may be kept, and for whom (2026-07-28, caching).

use std::time::Duration;

use serde_json::Number;

use crate::wire::Raw;

/// How long a result may be kept, and for whom; by default for no time, and for one caller alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// For how long, in milliseconds on the wire.
    pub ttl: Duration,
    /// Whether what one caller got may be shown to another.
    pub is_public: bool,
}

impl Freshness {
    /// Reads the hints of a result. What is missing, negative or odd counts as the default.
    pub fn of(result: &Raw) -> Self {
        let ttl = result.member("ttlMs").and_then(|ttl| ttl.read::<Number>().ok());
        let scope = result.member("cacheScope");
        Self {
            ttl: Duration::from_millis(ttl.and_then(|ttl| ttl.as_u64()).unwrap_or(0)),
            is_public: scope.is_some_and(|scope| scope.get() == "\"public\""),
        }
    }

    /// Returns what holds for a result that is made of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { ttl: self.ttl.min(other.ttl), is_public: self.is_public && other.is_public }
    }

    /// Returns `ttlMs` and `cacheScope`, as JSON.
    pub fn members(self) -> [(&'static str, String); 2] {
        let millis = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        let scope = if self.is_public { "\"public\"" } else { "\"private\"" };
        [("ttlMs", millis.to_string()), ("cacheScope", scope.to_owned())]
    }
}
