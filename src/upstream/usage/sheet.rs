//! What is known of the tools of one upstream, as a value and as a file that processes share.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use crate::disk::file;
use crate::disk::file::Outlives;
use crate::disk::lock::Lock;
use crate::disk::shared;
use crate::disk::shared::Shared;
use crate::disk::shared::Unreadable;
use crate::upstream::usage::Day;

/// How the names of these files end.
pub(super) const ENDING: &str = "json";
/// How many tools are remembered of one upstream; those that were called last stay.
pub(super) const TOOLS: usize = 10_000;
/// The longest name that is remembered, in bytes, so that no file outgrows [`Shared::LARGEST`].
pub(super) const NAME: usize = 256;
/// How the file is written; what is written in another way is left alone.
const VERSION: u32 = 1;

/// What is known of one tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Since when it is known.
    pub(super) since: Day,
    /// When it was called last.
    pub(super) called: Option<Day>,
}

/// What is known of the tools of one upstream, by the name it gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sheet(BTreeMap<String, Known>);

impl Sheet {
    /// Returns what is known of one tool.
    pub(super) fn tool(&self, name: &str) -> Option<&Known> {
        self.0.get(name)
    }

    /// Notes what is known of one tool; what was known already stays true.
    pub(super) fn note(&mut self, tool: &str, known: Known) {
        if tool.len() > NAME {
            return;
        }
        match self.0.get_mut(tool) {
            Some(before) => {
                before.since = before.since.min(known.since);
                before.called = before.called.max(known.called);
            }
            None => drop(self.0.insert(tool.to_owned(), known)),
        }
    }

    /// Adds what another one knows.
    pub(super) fn merge(&mut self, other: &Self) {
        for (tool, known) in &other.0 {
            self.note(tool, *known);
        }
    }

    /// Forgets what was not called for longest if there is too much.
    pub(super) fn trim(&mut self) {
        let excess = self.0.len().saturating_sub(TOOLS);
        if excess == 0 {
            return;
        }
        let mut all: Vec<_> =
            self.0.iter().map(|(tool, it)| (it.called, it.since, tool.clone())).collect();
        all.sort_unstable();
        for (_, _, tool) in all.into_iter().take(excess) {
            self.0.remove(&tool);
        }
    }
}

impl Shared for Sheet {
    const LARGEST: u64 = 4 * 1024 * 1024;
    // What is lost is a few days on which something was called.
    const OUTLIVES: Outlives = Outlives::Process;
    const ANEW: &'static str = "when tools were called is begun anew";

    fn encode(&self) -> serde_json::Result<Vec<u8>> {
        let written = |known: &Known| WrittenTool {
            since: known.since.to_string(),
            called: known.called.map(|day| day.to_string()),
        };
        let tools = self.0.iter().map(|(tool, known)| (tool.clone(), written(known))).collect();
        serde_json::to_vec(&Written { version: VERSION, tools })
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let Written { tools, .. } = shared::decoded(bytes, VERSION)?;
        let no_day = |text: &str| Unreadable::Senseless(format!("`{text}` is no day"));
        let day = |text: &str| Day::parse(text).ok_or_else(|| no_day(text));
        let mut sheet = Self::default();
        for (tool, WrittenTool { since, called }) in tools {
            let called = called.as_deref().map(day).transpose()?;
            sheet.note(&tool, Known { since: day(&since)?, called });
        }
        Ok(sheet)
    }
}

#[derive(Deserialize, Serialize)]
struct Written {
    version: u32,
    tools: BTreeMap<String, WrittenTool>,
}

#[derive(Deserialize, Serialize)]
struct WrittenTool {
    since: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    called: Option<String>,
}

/// Adds `news` to what the file says.
///
/// A file that is damaged is set aside, and begun anew.
pub(super) fn record(path: &Path, news: &Sheet, lock: &Lock) -> io::Result<()> {
    let before: Option<Sheet> = shared::read_to_change(path, lock)?;
    let mut now = before.clone().unwrap_or_default();
    now.merge(news);
    now.trim();
    // That it is looked at keeps it from being taken for something that nobody has any more.
    if before.as_ref() == Some(&now) && file::touch(path).is_ok() {
        return Ok(());
    }
    shared::write(path, &now, lock)
}
