//! What is remembered of an upstream between runs: how it is spoken to, and what it says about
//! itself.
//!
//! A file per upstream and configuration. Losing it costs a second at the next start and nothing
//! else, so whatever goes wrong here is passed over.

use std::fmt::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::Digest as _;
use sha2::Sha256;
use tokio::fs;
use tokio::time;

use crate::config;
use crate::config::Target;
use crate::config::Transport;
use crate::upstream::negotiate::Agreed;
use crate::wire::Raw;
use crate::wire::era::Era;

/// How long the disk may take.
const LIMIT: Duration = Duration::from_secs(1);

/// The file of one upstream.
#[derive(Debug)]
pub(super) struct Memory {
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
    /// Names the file for `config` below the directory `state`.
    pub(super) fn new(state: &Path, config: &config::Upstream) -> Self {
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update(part);
            digest.update([0]);
        };
        match &config.target {
            Target::Command(command) => {
                let env = command.env.iter().flat_map(|(name, value)| [name, value]);
                for part in std::iter::once(&command.program).chain(&command.args).chain(env) {
                    add(part.as_bytes());
                }
                if let Some(directory) = &command.cwd {
                    digest.update(directory.as_os_str().as_encoded_bytes());
                }
            }
            Target::Remote(remote) => {
                add(remote.url.as_str().as_bytes());
                for part in remote.headers.iter().flat_map(|(name, value)| [name, value]) {
                    add(part.as_bytes());
                }
            }
        }
        let digest = digest.finalize();
        let hash = digest.iter().take(8).fold(String::new(), |mut hash, byte| {
            let _ = write!(hash, "{byte:02x}");
            hash
        });
        Self { path: state.join("upstreams").join(format!("{}-{hash}.json", config.id)) }
    }

    /// Reads the file; what cannot be read is not remembered.
    pub(super) async fn recall(&self) -> Remembered {
        let read = time::timeout(LIMIT, fs::read(&self.path)).await;
        let written = read.ok().and_then(Result::ok);
        let written = written.and_then(|bytes| serde_json::from_slice::<Written>(&bytes).ok());
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
        if !matches!(time::timeout(LIMIT, self.write(&written)).await, Ok(Ok(()))) {
            tracing::debug!(path = %self.path.display(), "cannot be written");
        }
    }

    async fn write(&self, written: &Written) -> std::io::Result<()> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory).await?;
        }
        // Renamed into place, so that another process never reads half a file.
        let draft = self.path.with_extension(format!("{}.tmp", std::process::id()));
        fs::write(&draft, serde_json::to_vec(written)?).await?;
        fs::rename(&draft, &self.path).await
    }
}
