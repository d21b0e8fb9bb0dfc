//! What is known of the tools of one upstream, as a value and as a file that processes share.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use crate::upstream::memory::file;
use crate::upstream::usage::Day;

/// How the names of these files end.
pub(super) const ENDING: &str = "json";
/// How the name of a file ends that could not be read and was set aside.
pub(super) const BROKEN: &str = "broken";
/// The largest file, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024;
/// How many tools are remembered of one upstream; those that were called last stay.
pub(super) const TOOLS: usize = 10_000;
/// The longest name that is remembered, in bytes, so that no file outgrows [`LARGEST`].
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

    fn encode(&self) -> io::Result<Vec<u8>> {
        let written = |known: &Known| WrittenTool {
            since: known.since.to_string(),
            called: known.called.map(|day| day.to_string()),
        };
        let tools = self.0.iter().map(|(tool, known)| (tool.clone(), written(known))).collect();
        Ok(serde_json::to_vec(&Written { version: VERSION, tools })?)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let Version { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(Unreadable::Version(version));
        }
        let Written { tools, .. } = serde_json::from_slice(bytes)?;
        let day = |text: &str| Day::parse(text).ok_or_else(|| Unreadable::Day(text.to_owned()));
        let mut sheet = Self::default();
        for (tool, WrittenTool { since, called }) in tools {
            let called = called.as_deref().map(day).transpose()?;
            sheet.note(&tool, Known { since: day(&since)?, called });
        }
        Ok(sheet)
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
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

/// Why a file is not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// Another Conflux wrote it, and knows how to read it.
    #[error("it is of version {0}, not {VERSION}")]
    Version(u32),
    /// It is damaged.
    #[error("it is not what Conflux writes: {0}")]
    Damaged(#[from] serde_json::Error),
    /// A day is none.
    #[error("`{0}` is no day")]
    Day(String),
    /// The disk does not give it.
    #[error("{0}")]
    Disk(#[from] io::Error),
}

/// Reads a file; nothing if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Sheet>, Unreadable> {
    match file::read(path, LARGEST)? {
        Some((bytes, _)) => Sheet::decode(&bytes).map(Some),
        None => Ok(None),
    }
}

/// Adds `news` to what the file says. Nobody else may write meanwhile: [`lock`].
///
/// A file that is damaged is set aside, and begun anew.
pub(super) fn record(path: &Path, news: &Sheet) -> io::Result<()> {
    let before = match read(path) {
        Ok(before) => before,
        Err(Unreadable::Disk(error)) => return Err(error),
        Err(error @ Unreadable::Version(_)) => return Err(io::Error::other(error)),
        Err(error @ (Unreadable::Damaged(_) | Unreadable::Day(_))) => {
            let aside = path.with_extension(BROKEN);
            fs::rename(path, &aside)?;
            let path = aside.display();
            tracing::warn!(%path, %error, "when tools were called is begun anew");
            None
        }
    };
    let mut now = before.clone().unwrap_or_default();
    now.merge(news);
    now.trim();
    // That it is looked at keeps it from being taken for something that nobody has any more.
    if before.as_ref() == Some(&now) && file::touch(path).is_ok() {
        return Ok(());
    }
    file::write(path, &now.encode()?)
}

/// Keeps others from writing until what is returned is dropped, or this process ends.
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] while somebody else writes.
pub(super) fn lock(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, file::MODE);
    let lock = options.open(path)?;
    lock.try_lock()?;
    Ok(lock)
}
