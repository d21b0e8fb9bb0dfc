//! Which results of an upstream are kept.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::file;
use crate::config::patterns::Case;
use crate::config::patterns::Patterns;
use crate::config::problem::KeyPath;
use crate::config::validate::Check;

const TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
const LIMIT: RangeInclusive<usize> = 1 << 10..=4 << 20;

/// Which results of an upstream are kept for who asks the same again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// How long at most, for results of tools.
    pub ttl: Duration,
    /// Of which tools, by the names their server gave; if nothing is said, of those that it
    /// declares to be read-only.
    pub tools: Option<Patterns>,
    /// Whether one principal may get what was kept for another.
    pub shared: bool,
    /// The largest result that is kept, in bytes.
    pub limit: usize,
}

impl Cache {
    /// Returns whether results of a tool are kept: it has this name and, if it `reads_only`, is
    /// declared to change nothing.
    pub fn keeps(&self, tool: &str, reads_only: bool) -> bool {
        match &self.tools {
            Some(tools) => tools.is_match(tool),
            None => reads_only,
        }
    }
}

impl Check<'_> {
    /// Checks what is said of results that are kept.
    pub(super) fn cache(&mut self, written: &file::Cache, path: &KeyPath) -> Cache {
        let tools = written.tools.as_ref();
        Cache {
            ttl: self.duration(&written.ttl, &TTL, &path.key("ttl")),
            tools: tools.map(|all| self.patterns(all, &path.key("tools"), Case::Matters)),
            shared: written.shared,
            limit: self.size(&written.limit, &LIMIT, &path.key("limit")),
        }
    }
}
