//! The configuration: validated plain data that cannot be wrong.
//!
//! `load` reads the layers, `file` says how they are written, `validate` turns them into the types
//! here and reports everything that is wrong at once. No serde here, and no environment anywhere
//! but in `surroundings`.

pub mod admin;
pub mod argument;
pub mod audit;
pub mod auth;
mod cache;
mod calls;
pub mod cedar;
mod command;
mod dialect;
pub mod difference;
mod environment;
pub mod exposure;
pub mod file;
pub mod hints;
pub mod host;
mod http;
pub mod interpolate;
mod layer;
mod listen;
pub mod load;
pub mod name;
pub mod overrides;
pub mod pace;
pub mod patterns;
mod plain;
pub mod policy;
pub mod problem;
mod profile;
pub mod quota;
mod reference;
mod remote;
pub mod secrets;
mod shape;
mod shaping;
mod short;
mod skim;
pub mod spot;
pub mod suggest;
pub mod surroundings;
pub mod telemetry;
pub mod tls;
pub mod tools;
mod tree;
pub mod units;
mod validate;
pub mod watch;
mod wrong;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use url::Url;

use crate::config::admin::Admin;
use crate::config::auth::Auth;
use crate::config::exposure::Exposure;
use crate::config::overrides::Overrides;
use crate::config::patterns::Patterns;
use crate::config::policy::Policy;
use crate::config::problem::Problem;
use crate::config::problem::Problems;
use crate::config::quota::Quota;
use crate::config::secrets::Secrets;
use crate::config::telemetry::Otlp;
use crate::config::tls::Identity;
use crate::config::tools::ToolFilter;
use crate::ids::UpstreamId;

pub use self::audit::Audit;
pub use self::cache::Cache;
pub use self::listen::Listen;

/// Everything a gateway is told before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The upstreams in the order of the files.
    pub upstreams: IndexMap<UpstreamId, Upstream>,
    /// How public names are made.
    pub names: Names,
    /// What one message, one client and one start may cost.
    pub limits: Limits,
    /// Parts of what there is, by name, in the order of the files.
    pub profiles: IndexMap<String, Profile>,
    /// The one of them that clients see who ask for none.
    pub profile: Option<String>,
    /// How much of the tools clients are listed.
    pub exposure: Exposure,
    /// Who may do what.
    pub policy: Policy,
    /// How clients come over HTTP.
    pub http: Http,
    /// Who may come over HTTP; whoever reaches it if nothing is said.
    pub auth: Option<Auth>,
    /// Whether and how it is recorded who called what.
    pub audit: Audit,
    /// Where metrics, health and status are served.
    pub admin: Admin,
    /// The collector that gets traces, if there is one.
    pub otlp: Option<Otlp>,
    /// The files this came from, absolute, in the order in which they were layered.
    pub files: Vec<PathBuf>,
    /// The directory for what outlives a run: `CONFLUX_STATE` or the user's state directory.
    pub state: PathBuf,
    /// The directories for sockets of this run, the best one first.
    pub runtime: Vec<PathBuf>,
    /// The environment that every child gets beneath the `env` of its entry.
    pub child_environment: IndexMap<String, String>,
    /// What is probably not meant as it is written, in reading order.
    pub warnings: Vec<Problem>,
    /// What no log, error or record may show.
    pub secrets: Secrets,
}

/// A part of what there is, for clients that need less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Whose things are part of it; everybody's if there is no list.
    pub upstreams: Option<Vec<UpstreamId>>,
    /// Which tools are part of it, by their public names.
    pub tools: ToolFilter,
    /// The clients it is for unless they ask for something else.
    pub clients: Patterns,
    /// How much of them clients are listed.
    pub exposure: Exposure,
}

/// How public names are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The longest public name, in bytes; from 24 to 128.
    pub max_length: usize,
}

/// What one message, one client and one start may cost, and what callers may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest message, in bytes.
    pub message: usize,
    /// How many requests of one client may be under way at once; at least 1.
    pub in_flight: usize,
    /// How long the first listing waits for upstreams that are still starting.
    pub start_budget: StartBudget,
    /// What callers may use up.
    pub quotas: Vec<Quota>,
}

/// How long the first listing waits for upstreams that are still starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartBudget {
    /// Nobody said so: this long at most, and less once some have listed and no more come.
    Unsaid(Duration),
    /// Somebody did: this long, unless all have come.
    Said(Duration),
}

impl StartBudget {
    /// Returns how long nothing waits longer than.
    pub fn limit(self) -> Duration {
        match self {
            Self::Unsaid(limit) | Self::Said(limit) => limit,
        }
    }
}

/// One MCP server behind the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its key in the file.
    pub id: UpstreamId,
    /// What to start, or where it is.
    pub target: Target,
    /// Whether the gateway counts as not ready without it; it is then started like an eager one.
    pub required: bool,
    /// When it is started.
    pub start: Start,
    /// How long to wait for it.
    pub timeout: Timeout,
    /// How many requests it is given at once.
    pub concurrency: Concurrency,
    /// What becomes of large results.
    pub results: Results,
    /// Which results are kept; nothing if none is.
    pub cache: Option<Cache>,
    /// What stands before `__` in its public names; empty for names without a prefix.
    pub prefix: String,
    /// Which of its tools are offered.
    pub tools: ToolFilter,
    /// What is different for some of them.
    pub overrides: Overrides,
    /// Whether it is left out. References in its entry are filled in only where they can be.
    pub disabled: bool,
}

impl Upstream {
    /// Returns whether it is started, and started again, without anybody who asks for it: whether
    /// the gateway is ready must be found out before somebody comes.
    pub fn starts_by_itself(&self) -> bool {
        self.required || self.start == Start::Eager
    }

    /// Returns whether it is reached over HTTP.
    pub fn is_remote(&self) -> bool {
        matches!(self.target, Target::Remote(_))
    }
}

/// How an upstream is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Over the standard input and output of a program.
    Command(Command),
    /// Over HTTP.
    Remote(Remote),
}

/// A program to start. Its `Debug` shows neither arguments nor values: they may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// An absolute path, or a name to look up in `PATH`.
    pub program: String,
    /// The arguments.
    pub args: Vec<String>,
    /// The variables of the entry, to be set over [`Config::child_environment`].
    pub env: IndexMap<String, String>,
    /// The working directory, absolute; without one, Conflux's own.
    pub cwd: Option<PathBuf>,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("program", &self.program)
            .field("args", &self.args.len())
            .field("env", &self.env.keys())
            .field("cwd", &self.cwd)
            .finish()
    }
}

/// A server at an address. Its `Debug` shows neither the values of headers nor the query of the
/// address nor the proxy: they may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where it is: `http:` or `https:`, with a host, without a user, password or fragment.
    pub url: Url,
    /// The headers of every request; names in lower case, of which none belongs to the protocol.
    pub headers: IndexMap<String, String>,
    /// How it is spoken to; nothing if that is to be found out.
    pub transport: Option<Transport>,
    /// The proxy on the way: an `http:` or `https:` address, perhaps with user and password.
    pub proxy: Option<Url>,
    /// A file of certificates to trust besides those of the system, absolute.
    pub ca: Option<PathBuf>,
}

/// How a server at an address is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP, of all revisions.
    Http,
    /// HTTP+SSE, as it was until 2024-11-05.
    Sse,
}

impl Remote {
    /// Returns whether headers that are named like secrets leave this machine unencrypted.
    pub fn exposes_secrets(&self) -> bool {
        let is_secret = |name: &String| command::is_secret_name(name);
        self.url.scheme() == "http"
            && !self.url.host_str().is_some_and(host::is_near)
            && self.headers.keys().any(is_secret)
    }

    /// Returns the address as it may be shown: without its query, which may hold a secret.
    pub fn shown(&self) -> String {
        let mut shown = self.url.clone();
        shown.set_query(None);
        shown.into()
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("url", &self.shown())
            .field("headers", &self.headers.keys())
            .field("transport", &self.transport)
            .field("proxy", &self.proxy.is_some())
            .field("ca", &self.ca)
            .finish()
    }
}

/// When an upstream is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// When it is first needed.
    Lazy,
    /// Together with Conflux; over stdio, when the client has said what it can do.
    Eager,
}

/// How long to wait for an upstream; none is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// From the start of the program, or the first request, until it can be asked.
    pub start: Duration,
    /// For one request of a caller, whatever it waits for.
    pub call: Duration,
    /// For one request in all, if progress extends `call`; nothing if it does not.
    pub progress: Option<Duration>,
    /// Without a request, until the program is stopped or the session closed.
    pub idle: Duration,
}

/// How many requests of callers an upstream is given at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// How many may be under way; at least 1.
    pub calls: usize,
    /// How many may wait for their turn.
    pub queue: usize,
}

/// What becomes of large results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// How many bytes of text one may have; nothing if any number.
    pub spill: Option<usize>,
}

/// How clients come over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where to listen; only where this user comes, unless who comes is known or everybody may use
    /// everything.
    pub listen: Listen,
    /// Further names of this gateway, in lower case.
    pub hosts: Vec<String>,
    /// Further web pages that may use it, in lower case.
    pub origins: Vec<String>,
    /// The certificate to serve HTTPS with.
    pub tls: Option<Tls>,
    /// What clients may take up, all of them together.
    pub limits: HttpLimits,
}

/// A certificate and its key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and those that lead to its root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// What was in both.
    pub identity: Identity,
}

/// What clients may take up over HTTP, all of them together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// How many connections may be open.
    pub connections: usize,
    /// How many sessions may be open.
    pub sessions: usize,
    /// How many requests without a session may be under way.
    pub requests: usize,
    /// After which time a session ends that nobody uses.
    pub session_idle: Duration,
    /// How long the head of a request may take, and then its body.
    pub request_time: Duration,
}

/// Loads the configuration that the options, the environment and the disk hold.
///
/// # Errors
///
/// Everything that is wrong with it, at once.
pub fn load(options: &load::Options) -> Result<Config, Problems> {
    load::load_within(options, &surroundings::Surroundings::of_process())
}

/// Returns whether what has this name (a variable, a header, an option) is probably a secret.
pub fn names_secret(name: &str) -> bool {
    command::is_secret_name(name)
}

/// Returns the JSON Schema of a configuration file.
pub fn schema() -> serde_json::Value {
    file::published()
}

/// Returns the reference of the configuration, in Markdown.
pub fn reference() -> String {
    reference::render()
}

#[cfg(any(test, fuzzing))]
pub mod probe;
#[cfg(test)]
pub mod sample;
#[cfg(test)]
mod tests;
