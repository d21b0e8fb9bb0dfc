//! The programs of the matrix: which client and which server stands for which revision over which
//! transport. They are made with other people's SDKs; `tests/real` has their sources.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::BufReader;
use tokio::process::Child;
use tokio::time::timeout;

use crate::support::matrix::Feature;
use crate::support::matrix::Revision;
use crate::support::matrix::Transport;
use crate::support::matrix_rmcp;
use crate::support::programs::Program;
use crate::support::programs::example;
use crate::support::real;
use crate::support::sdk::Mode;
use crate::support::sdk::Sdk;
use crate::support::wire_client::LIMIT;

/// How long a client may take for all servers, on a busy machine.
const WALK: Duration = Duration::from_secs(150);

/// Somebody else's implementation of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Package {
    Python1,
    Python2,
    TypeScript1,
    TypeScript2,
    Rust,
}

/// A client or a server of one revision over one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) package: Package,
    pub(crate) revision: Revision,
    pub(crate) transport: Transport,
}

/// A server that listens; it ends when this is dropped.
pub(crate) struct Listening {
    pub(crate) peer: Peer,
    pub(crate) url: String,
    _child: Child,
}

#[derive(Deserialize)]
struct Address {
    url: String,
}

impl Package {
    pub(crate) const ALL: [Self; 5] =
        [Self::Python1, Self::Python2, Self::TypeScript1, Self::TypeScript2, Self::Rust];

    /// Short, for keys and for the page.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Python1 => "python1",
            Self::Python2 => "python2",
            Self::TypeScript1 => "ts1",
            Self::TypeScript2 => "ts2",
            Self::Rust => "rmcp",
        }
    }

    /// What it is and in which version, as it is pinned.
    pub(crate) fn pinned(self) -> String {
        let python = |file: &str| {
            let pins = std::fs::read_to_string(real::source().join(file)).unwrap();
            let pin = pins.lines().find_map(|line| line.strip_prefix("mcp=="));
            format!("PyPI `mcp` {}", pin.unwrap())
        };
        let npm = |names: &[&str]| {
            let text = std::fs::read_to_string(real::source().join("package.json")).unwrap();
            let package: Value = serde_json::from_str(&text).unwrap();
            let mut pins = String::from("npm");
            for (at, name) in names.iter().enumerate() {
                let name = format!("@modelcontextprotocol/{name}");
                let version = package["dependencies"][&name].as_str().unwrap();
                write!(pins, "{} `{name}` {version}", if at == 0 { "" } else { "," }).unwrap();
            }
            pins
        };
        match self {
            Self::Python1 => python("requirements-mcp1.txt"),
            Self::Python2 => python("requirements.txt"),
            Self::TypeScript1 => npm(&["sdk"]),
            Self::TypeScript2 => npm(&["client", "server"]),
            Self::Rust => {
                let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
                let lock = std::fs::read_to_string(lock).unwrap();
                let (_, rest) = lock.split_once("name = \"rmcp\"\nversion = \"").unwrap();
                format!("crate `rmcp` {}", rest.split('"').next().unwrap())
            }
        }
    }

    /// Whether a client made with it can make a task of a call: the newer SDKs have no tasks of
    /// 2025-11-25 any more, and the extension only where extensions can be written.
    pub(crate) fn knows(self, feature: Feature, revision: Revision) -> bool {
        let has_tasks = match self {
            Self::Python1 | Self::TypeScript1 => !revision.is_modern(),
            Self::Python2 | Self::Rust => revision.is_modern(),
            Self::TypeScript2 => false,
        };
        feature != Feature::Task || has_tasks
    }
}

impl Peer {
    /// Its key in an `upstreams.yaml`, and the prefix of its names.
    pub(crate) fn key(self) -> String {
        let revision = self.revision.name().replace('-', "");
        format!("{}_{revision}_{}", self.transport.flag(), self.package.name())
    }

    /// Whether a server has something of its own for this feature.
    pub(crate) fn offers(self, feature: Feature) -> bool {
        // What takes long is waited for where an SDK has no tasks.
        let has_tasks = match self.package {
            Package::TypeScript2 => false,
            Package::Rust => self.revision.is_modern(),
            Package::Python1 | Package::Python2 | Package::TypeScript1 => true,
        };
        feature != Feature::Task || has_tasks
    }

    /// How to start it as a server that calls itself `key`.
    pub(crate) fn server(self, key: &str) -> Program {
        let python = |interpreter: &Path, name: &str| {
            // `-B`: no compiled files among the sources. `-W`: what is deprecated works.
            let program = Program::new(interpreter).args(&["-B", "-W", "ignore"]);
            program.arg(real::source().join("servers").join(name))
        };
        let program = match self.package {
            Package::Python1 => python(real::python1(), "server_python1.py"),
            Package::Python2 => python(real::python(), "server_python2.py"),
            Package::TypeScript1 => real::script("servers/server_sdk1.mjs"),
            Package::TypeScript2 => real::script("servers/server_sdk2.mjs"),
            Package::Rust => example("matrix_server"),
        };
        let flags = ["--transport", self.transport.flag(), "--revision", self.revision.name()];
        program.args(&flags).args(&["--key", key])
    }

    /// Starts it as a server that listens.
    pub(crate) async fn listen(self, key: &str) -> Listening {
        let mut command = self.server(key).command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let read = timeout(LIMIT, stdout.read_line(&mut line)).await;
        read.expect("the server says where it listens").unwrap();
        let address: Address = serde_json::from_str(&line).unwrap();
        Listening { peer: self, url: address.url, _child: child }
    }

    /// Uses a server as wished, with the SDK's client in the mode of the revision.
    pub(crate) async fn walk(self, wish: &Value, server: &Program) -> Value {
        let mode = if self.revision.is_modern() { Mode::Modern } else { Mode::Legacy };
        let sdk = match self.package {
            Package::Python1 => Sdk::Python1,
            Package::Python2 => Sdk::Python2(mode),
            Package::TypeScript1 => Sdk::TypeScript1,
            Package::TypeScript2 => Sdk::TypeScript2(mode),
            Package::Rust => return matrix_rmcp::walk(wish, server).await,
        };
        sdk.report_within(WALK, wish, server).await
    }
}

impl Listening {
    /// Its entry in an `upstreams.yaml`.
    pub(crate) fn entry(&self) -> Value {
        json!({"url": self.url, "transport": self.peer.transport.flag()})
    }
}

/// The clients over one transport.
pub(crate) fn clients(transport: Transport) -> Vec<Peer> {
    use Package::Python1;
    use Package::Python2;
    use Package::Rust;
    use Package::TypeScript1;
    use Package::TypeScript2;
    use Revision::July2026;
    use Revision::June2025;
    use Revision::March2025;
    use Revision::November2024;
    use Revision::November2025;
    let chosen = match transport {
        Transport::Stdio => vec![
            (Python1, November2024),
            (TypeScript1, March2025),
            (Python2, June2025),
            (TypeScript1, November2025),
            (TypeScript2, July2026),
            (Python2, July2026),
            (Rust, July2026),
        ],
        Transport::Sse => vec![
            (TypeScript1, November2024),
            (Python1, March2025),
            (TypeScript2, June2025),
            (Python1, November2025),
        ],
        Transport::Http => vec![
            (TypeScript1, November2024),
            (TypeScript2, March2025),
            (Python1, June2025),
            (TypeScript1, November2025),
            (TypeScript2, July2026),
            (Python2, July2026),
            (Rust, July2026),
        ],
    };
    peers(transport, chosen)
}

/// The servers over one transport.
pub(crate) fn servers(transport: Transport) -> Vec<Peer> {
    let (odd, even) = match transport {
        Transport::Stdio | Transport::Http => (Package::Python1, Package::TypeScript1),
        Transport::Sse => (Package::TypeScript1, Package::Python1),
    };
    let mut chosen = vec![
        (odd, Revision::November2024),
        (even, Revision::March2025),
        (odd, Revision::June2025),
        (even, Revision::November2025),
    ];
    if transport != Transport::Sse {
        let modern = [Package::TypeScript2, Package::Python2];
        chosen.extend(modern.map(|package| (package, Revision::July2026)));
    }
    if transport != Transport::Sse {
        chosen.push((Package::Rust, Revision::July2026));
    }
    peers(transport, chosen)
}

fn peers(transport: Transport, chosen: Vec<(Package, Revision)>) -> Vec<Peer> {
    let peer = |(package, revision)| Peer { package, revision, transport };
    chosen.into_iter().map(peer).collect()
}
