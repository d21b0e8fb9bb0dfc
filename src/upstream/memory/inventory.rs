//! What an upstream listed last, as a file.

use std::fmt;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use crate::config;
use crate::disk::file;
use crate::disk::file::Outlives;
use crate::disk::wait;
use crate::ids::UpstreamId;
use crate::upstream::error::Fault;
use crate::upstream::lists::List;
use crate::upstream::lists::Listed;
use crate::upstream::memory::Disk;
use crate::upstream::memory::LIMIT;
use crate::upstream::memory::fingerprint;
use crate::wire::Raw;
use crate::wire::object;

/// The directory these files are in.
pub(in crate::upstream) const DIRECTORY: &str = "catalogs";
/// How long the disk may take while nobody waits for it.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// The most bytes that are remembered of one upstream; one that lists more is waited for.
pub(super) const LARGEST: usize = 8 * 1024 * 1024;
/// How the file is written; what is written in another way is not read.
const VERSION: &str = "1";

/// The lists of an upstream, each as it wrote the items; nothing of one that was never had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Its tools.
    pub tools: Option<Vec<Raw>>,
    /// Its prompts.
    pub prompts: Option<Vec<Raw>>,
    /// Its resources.
    pub resources: Option<Vec<Raw>>,
    /// Its resource templates.
    pub templates: Option<Vec<Raw>>,
    /// Its skills.
    pub skills: Option<Vec<Raw>>,
}

/// The first moment that has no year of four digits, in seconds since 1970.
const YEAR_10000: u64 = 253_402_300_800;

/// When something was known for certain; shown as in RFC 3339, to the second, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(SystemTime);

impl From<SystemTime> for Moment {
    /// What a disk says may be any time; one that cannot be shown becomes the nearest that can.
    fn from(time: SystemTime) -> Self {
        let last = SystemTime::UNIX_EPOCH + Duration::from_secs(YEAR_10000 - 1);
        Self(time.clamp(SystemTime::UNIX_EPOCH, last))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds(self.0).fmt(f)
    }
}

impl Inventory {
    /// Takes over each list that could be had; of the others, what was known stays.
    pub(super) fn learn(&mut self, listed: &Listed) {
        let learn = |known: &mut Option<Vec<Raw>>, list: &Result<List, Fault>| {
            if let Ok(list) = list {
                *known = Some(list.items.clone());
            }
        };
        learn(&mut self.tools, &listed.tools);
        learn(&mut self.prompts, &listed.prompts);
        learn(&mut self.resources, &listed.resources);
        learn(&mut self.templates, &listed.templates);
        learn(&mut self.skills, &listed.skills);
    }

    /// Returns the same, with each list that was never had taken from `older`.
    fn over(self, older: Self) -> Self {
        Self {
            tools: self.tools.or(older.tools),
            prompts: self.prompts.or(older.prompts),
            resources: self.resources.or(older.resources),
            templates: self.templates.or(older.templates),
            skills: self.skills.or(older.skills),
        }
    }

    fn is_empty(&self) -> bool {
        self.named().iter().all(|(_, items)| items.is_none())
    }

    /// Every list under the name it has in the file.
    fn named(&self) -> [(&'static str, Option<&Vec<Raw>>); 5] {
        [
            ("tools", self.tools.as_ref()),
            ("prompts", self.prompts.as_ref()),
            ("resources", self.resources.as_ref()),
            ("templates", self.templates.as_ref()),
            ("skills", self.skills.as_ref()),
        ]
    }

    /// Writes it down for the configuration that `fingerprint` stands for.
    fn encode(&self, fingerprint: &str) -> Raw {
        let had = self.named().into_iter().filter_map(|(key, items)| Some((key, items?)));
        let lists: Vec<_> = had.map(|(key, items)| (key, Raw::array(items))).collect();
        let fingerprint = Raw::of(fingerprint);
        let head = [("version", VERSION), ("configuration", fingerprint.get())];
        object::build(head.into_iter().chain(lists.iter().map(|(key, list)| (*key, list.get()))))
    }

    /// Reads what was written for this very configuration.
    fn decode(bytes: Vec<u8>, fingerprint: &str) -> Result<Self, Unreadable> {
        let file = Raw::from_bytes(bytes.into()).map_err(|_| Unreadable::NotJson)?;
        let members = file.object().map_err(|_| Unreadable::NotJson)?;
        if members.get("version") != Some(VERSION) {
            return Err(Unreadable::Version);
        }
        if members.get("configuration") != Some(Raw::of(fingerprint).get()) {
            return Err(Unreadable::Foreign);
        }
        let list = |key| {
            let Some(text) = members.get(key) else { return Ok(None) };
            let items = file.part(text).elements().ok_or(Unreadable::NoList(key))?;
            // A line break that somebody wrote into the file would end a message on its way.
            Ok(Some(items.into_iter().map(Raw::on_one_line).collect()))
        };
        Ok(Self {
            tools: list("tools")?,
            prompts: list("prompts")?,
            resources: list("resources")?,
            templates: list("templates")?,
            skills: list("skills")?,
        })
    }
}

/// Why a file is not believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Unreadable {
    #[error("it is no JSON object")]
    NotJson,
    #[error("it is not of version {VERSION}")]
    Version,
    #[error("it is about another configuration")]
    Foreign,
    #[error("its `{0}` are no list")]
    NoList(&'static str),
}

/// The file of what one upstream lists.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Catalog {
    disk: Disk,
    path: PathBuf,
    fingerprint: String,
}

impl Catalog {
    /// Names the file for `config` on `disk`.
    pub(in crate::upstream) fn new(disk: &Disk, config: &config::Upstream) -> Self {
        Self::of(disk, &config.id, fingerprint(config))
    }

    /// Names the file for the configuration that `fingerprint` stands for.
    pub(super) fn of(disk: &Disk, id: &UpstreamId, fingerprint: String) -> Self {
        let name = format!("{id}-{fingerprint}.json");
        let path = disk.directory().join(DIRECTORY).join(name);
        Self { disk: disk.clone(), path, fingerprint }
    }

    /// Reads what was listed last, and when; what cannot be read is not remembered.
    pub(in crate::upstream) async fn recall(&self) -> Option<(Inventory, Moment)> {
        let catalog = self.clone();
        wait::within(LIMIT, move || Ok(catalog.read())).await.ok().flatten()
    }

    /// Does so where it may take its time.
    pub(super) fn read(&self) -> Option<(Inventory, Moment)> {
        match read(&self.path, &self.fingerprint) {
            Ok(found) => found.filter(|(inventory, _)| !inventory.is_empty()),
            Err(error) => {
                tracing::debug!(path = %self.path.display(), %error, "is not remembered");
                None
            }
        }
    }

    /// Writes down what is listed now, unless the file says the same; then only that it is still
    /// so. Returns whether that could be done.
    pub(super) async fn keep(&self, now: Inventory) -> bool {
        let (path, fingerprint) = (self.path.clone(), self.fingerprint.clone());
        let kept = wait::within(WRITE_LIMIT, move || keep(&path, &fingerprint, now)).await;
        if let Err(error) = &kept {
            self.disk.failed(&self.path, error);
        }
        kept.is_ok()
    }
}

fn read(path: &Path, fingerprint: &str) -> io::Result<Option<(Inventory, Moment)>> {
    let Some((bytes, modified)) = file::read(path, LARGEST as u64)? else { return Ok(None) };
    let inventory = Inventory::decode(bytes, fingerprint).map_err(io::Error::other)?;
    Ok(Some((inventory, modified.into())))
}

fn keep(path: &Path, fingerprint: &str, now: Inventory) -> io::Result<()> {
    if now.is_empty() {
        return Ok(());
    }
    // Whatever is wrong with the file is mended by writing it.
    let before = read(path, fingerprint).ok().flatten().map(|(inventory, _)| inventory);
    let now = now.over(before.clone().unwrap_or_default());
    if before.as_ref() == Some(&now) && file::touch(path).is_ok() {
        return Ok(());
    }
    let text = now.encode(fingerprint);
    if text.get().len() <= LARGEST {
        return file::write(path, text.get().as_bytes(), Outlives::Process);
    }
    tracing::debug!(path = %path.display(), limit = LARGEST, "too much is listed to be kept");
    // Better nothing than what is no longer so.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
