//! When a tool was called last, and since when it is known: remembered between runs, by day.
//!
//! A file per upstream and configuration, below the directory of state, so that another server
//! under the same key has another one. What is kept is a name and two days, nothing of who called
//! or with what. Several processes share the files: each merges what it has seen into what is
//! there, so that neither loses what the other wrote.

mod day;
mod ledger;
mod sheet;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::config;
use crate::disk::shared;
use crate::upstream::memory::fingerprint;
use crate::upstream::usage::sheet::Sheet;

pub use self::day::Day;
pub(in crate::upstream) use self::ledger::Account;
pub use self::ledger::Ledger;

/// The directory these files are in, below the directory of state.
pub(in crate::upstream) const DIRECTORY: &str = "usage";
/// How many files are read.
const FILES: usize = 1024;

/// What is remembered of the tools of all upstreams.
#[derive(Clone, Debug, Default)]
pub struct Usage(HashMap<String, Sheet>);

/// Reads what is remembered below the directory `state`; what cannot be read is not remembered.
///
/// What a gateway that runs has seen in the last seconds may not be there yet.
pub fn load(state: &Path) -> Usage {
    let Ok(entries) = fs::read_dir(state.join(DIRECTORY)) else { return Usage::default() };
    let read = |path: &Path| {
        let stem = path.file_stem()?.to_str()?.to_owned();
        Some((stem, shared::read(path).ok()??))
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let sheets = paths.filter(|path| path.extension().is_some_and(|end| end == sheet::ENDING));
    Usage(sheets.take(FILES).filter_map(|path| read(&path)).collect())
}

impl Usage {
    /// Returns the day on which a tool, by the name its upstream gave, was called last; nothing if
    /// it was not since it is known.
    pub fn last_called(&self, upstream: &config::Upstream, tool: &str) -> Option<Day> {
        self.0.get(&stem(upstream))?.tool(tool)?.called
    }

    /// Returns the day since which a tool is known; nothing if it is not. Of what is known for a
    /// week it cannot be said that it was not called for a month.
    pub fn known_since(&self, upstream: &config::Upstream, tool: &str) -> Option<Day> {
        Some(self.0.get(&stem(upstream))?.tool(tool)?.since)
    }
}

/// The name of the file of one upstream, without its ending.
fn stem(upstream: &config::Upstream) -> String {
    format!("{}-{}", upstream.id, fingerprint(upstream))
}
