//! What is remembered of an upstream between runs: how it is spoken to, what it says about itself,
//! and what it lists.
//!
//! A file of each sort per upstream and configuration, below the directory of state. Losing one
//! costs a wait at the next start and nothing else, so whatever goes wrong here is passed over.

pub(super) mod inventory;
mod keeper;
mod recall;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::Digest as _;
use sha2::Sha256;

use crate::config;
use crate::config::Target;
use crate::config::Transport;
use crate::disk::file;
use crate::disk::file::Outlives;
use crate::disk::wait;
use crate::ids::UpstreamId;
use crate::upstream::agreed::Agreed;
use crate::wire::Raw;
use crate::wire::era::Era;

pub(super) use self::inventory::Catalog;
pub use self::inventory::Inventory;
pub use self::inventory::Moment;
pub(super) use self::keeper::Keeper;
pub use self::recall::Recalled;
pub use self::recall::Recalling;

/// How long the disk may take while somebody waits for it.
const LIMIT: Duration = Duration::from_secs(1);
/// The longest file about how an upstream is spoken to, in bytes; one that is longer is none of
/// Conflux's.
const LARGEST: u64 = 1024 * 1024;
/// The directory of these files.
const DIRECTORY: &str = "upstreams";
/// How many bytes of the hash of a configuration are in the name of a file.
const HASH_SIZE: usize = 16;

/// The directory in which things are remembered; cloning shares it.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    has_failed: AtomicBool,
}

impl Disk {
    /// Names the directory, which need not be there.
    pub fn new(directory: PathBuf) -> Self {
        Self(Arc::new(Shared { directory, has_failed: AtomicBool::new(false) }))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// Says that something could not be remembered; one line says it for the whole run.
    pub(super) fn failed(&self, path: &Path, error: &io::Error) {
        let path = path.display();
        if self.0.has_failed.swap(true, Ordering::Relaxed) {
            tracing::trace!(%path, %error, "cannot be kept");
        } else {
            tracing::debug!(%path, %error, "cannot be kept; what is known is lost with this run");
        }
    }
}

/// Returns what tells one configuration of an upstream from another: what is started, or where it
/// is, with everything that could make another server of it.
pub(super) fn fingerprint(config: &config::Upstream) -> String {
    let mut digest = Sha256::new();
    // With its length, so that no part can pass for the end of one and the beginning of another.
    let mut add = |part: &[u8]| {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    };
    let count = |count: usize| count.to_le_bytes();
    match &config.target {
        Target::Command(command) => {
            add(b"command");
            add(command.program.as_bytes());
            add(&count(command.args.len()));
            command.args.iter().for_each(|arg| add(arg.as_bytes()));
            add(&count(command.env.len()));
            let env = command.env.iter().flat_map(|(name, value)| [name, value]);
            env.for_each(|part| add(part.as_bytes()));
            if let Some(directory) = &command.cwd {
                add(directory.as_os_str().as_encoded_bytes());
            }
        }
        Target::Remote(remote) => {
            add(b"url");
            add(remote.url.as_str().as_bytes());
            add(&count(remote.headers.len()));
            let headers = remote.headers.iter().flat_map(|(name, value)| [name, value]);
            headers.for_each(|part| add(part.as_bytes()));
            if let Some(proxy) = &remote.proxy {
                add(proxy.as_str().as_bytes());
            }
        }
    }
    let digest = digest.finalize();
    let halves = digest.iter().take(HASH_SIZE).flat_map(|byte| [byte >> 4, byte & 0xf]);
    halves.filter_map(|half| char::from_digit(half.into(), 16)).collect()
}

/// The file about how one upstream is spoken to.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    disk: Disk,
    path: PathBuf,
}

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Remembered {
    /// Which era it spoke.
    pub(super) era: Option<Era>,
    /// How it was reached, if it has an address.
    pub(super) transport: Option<Transport>,
    /// What it told a model about itself.
    pub(super) instructions: Option<String>,
    /// The extensions it declared.
    pub(super) extensions: Option<Raw>,
}

#[derive(Deserialize, Serialize)]
struct Written {
    era: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transport: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extensions: Option<Box<RawValue>>,
}

impl Memory {
    /// Names the file for `config` on `disk`.
    pub(super) fn new(disk: &Disk, config: &config::Upstream) -> Self {
        Self::of(disk, &config.id, &fingerprint(config))
    }

    /// Names the file for the configuration that `fingerprint` stands for.
    fn of(disk: &Disk, id: &UpstreamId, fingerprint: &str) -> Self {
        let name = format!("{id}-{fingerprint}.json");
        Self { disk: disk.clone(), path: disk.directory().join(DIRECTORY).join(name) }
    }

    /// Reads the file; what cannot be read is not remembered.
    pub(super) async fn recall(&self) -> Remembered {
        let memory = self.clone();
        wait::within(LIMIT, move || Ok(memory.read())).await.unwrap_or_default()
    }

    /// Does so where it may take its time.
    fn read(&self) -> Remembered {
        let written = file::read(&self.path, LARGEST).ok().flatten();
        let written = written.and_then(|(bytes, _)| serde_json::from_slice::<Written>(&bytes).ok());
        let Some(written) = written else { return Remembered::default() };
        let era = match written.era.as_str() {
            "legacy" => Some(Era::Legacy),
            "modern" => Some(Era::Modern),
            _ => None,
        };
        let transport = match written.transport.as_deref() {
            Some("http") => Some(Transport::Http),
            Some("sse") => Some(Transport::Sse),
            _ => None,
        };
        let extensions = written.extensions.map(|all| Raw::of(&all));
        Remembered { era, transport, instructions: written.instructions, extensions }
    }

    /// Writes the file, unless it says the same already.
    pub(super) async fn remember(&self, agreed: &Agreed, transport: Option<Transport>) {
        let now = Remembered {
            era: Some(agreed.revision.era()),
            transport,
            instructions: agreed.instructions.clone(),
            extensions: agreed.extensions(),
        };
        self.keep(now).await;
    }

    /// Forgets how it is spoken to; what the upstream says about itself stays true.
    pub(super) async fn forget(&self) {
        let recalled = self.recall().await;
        self.keep(Remembered { era: None, transport: None, ..recalled }).await;
    }

    async fn keep(&self, now: Remembered) {
        if self.recall().await == now {
            return;
        }
        let era = match now.era {
            Some(Era::Legacy) => "legacy",
            Some(Era::Modern) => "modern",
            None => "unknown",
        };
        let transport = now.transport.map(|transport| match transport {
            Transport::Http => "http".to_owned(),
            Transport::Sse => "sse".to_owned(),
        });
        let written = Written {
            era: era.to_owned(),
            transport,
            instructions: now.instructions,
            extensions: now.extensions.and_then(|all| all.read().ok()),
        };
        if let Err(error) = self.write(&written).await {
            self.disk.failed(&self.path, &error);
        }
    }

    async fn write(&self, written: &Written) -> io::Result<()> {
        let (path, bytes) = (self.path.clone(), serde_json::to_vec(written)?);
        wait::within(LIMIT, move || file::write(&path, &bytes, Outlives::Process)).await
    }
}
