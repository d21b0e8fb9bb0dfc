//! A configuration as it is written; the doc comments here become the JSON Schema and the
//! reference.
//!
//! Nothing here is checked beyond its shape: `validate` turns it into [`crate::config::Config`],
//! which cannot be wrong.

mod admin;
mod audit;
mod auth;
mod cache;
mod exposure;
mod http;
pub mod policy;
mod quota;
mod telemetry;
mod tools;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::config::short;
use crate::config::units::WrittenDuration;
use crate::config::units::WrittenSize;

pub use self::admin::Admin;
pub use self::audit::Arguments;
pub use self::audit::Audit;
pub use self::audit::AuditMode;
pub use self::audit::Checkpoint;
pub use self::audit::Index;
pub use self::auth::Algorithm;
pub use self::auth::Auth;
pub use self::auth::Provider;
pub use self::auth::Scopes;
pub use self::cache::Cache;
pub use self::exposure::Exposure;
pub use self::http::Http;
pub use self::http::HttpLimits;
pub use self::http::Tls;
pub use self::policy::Policy;
pub use self::quota::Dimension;
pub use self::quota::Quota;
pub use self::telemetry::Otlp;
pub use self::telemetry::Telemetry;
pub use self::tools::Annotations;
pub use self::tools::Argument;
pub use self::tools::Changes;
pub use self::tools::NewAnnotations;
pub use self::tools::Override;
pub use self::tools::Profile;
pub use self::tools::Selection;
pub use self::tools::Tools;
pub use self::tools::Variant;
pub use self::tools::WrittenValue;

/// Where to listen if nothing is said.
pub(super) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7420);
/// How many requests an upstream is given at once: more than servers do side by side, few enough
/// that one who is flooded does not fill the memory of either.
const CALLS: usize = 64;
/// How many wait: with those under way, more than one client may have (`limits.in_flight`).
const QUEUE: usize = 256;
/// How long the first listing waits at most if nothing is said.
pub(super) const START_BUDGET: &str = "5s";

/// The upstreams of a Conflux gateway and its limits.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Conflux configuration")]
pub struct File {
    /// The JSON Schema of this file, for editors; Conflux itself ignores it.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,

    /// The MCP servers behind this gateway, by key. The order here is the order in which their
    /// tools are listed. A key consists of `A-Z`, `a-z`, `0-9`, `_` and `-`, holds no `__`, does
    /// not end in `_` and is not `conflux`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub upstreams: BTreeMap<String, Upstream>,

    /// The same as `upstreams`, in the shape of MCP clients' own files, so that an existing JSON
    /// can be pasted. A file has one of the two.
    #[serde(rename = "mcpServers", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mcp_servers: BTreeMap<String, McpServer>,

    /// How public names are made.
    #[serde(default)]
    pub names: Names,

    /// What one message, one client and one start may cost.
    #[serde(default)]
    pub limits: Limits,

    /// Parts of what there is, by name, for clients that need less. Over HTTP a profile is at
    /// `/profiles/<name>/mcp`. Names follow the rules of upstreams' keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profiles: BTreeMap<String, Profile>,

    /// The profile that clients see, whoever they are, over stdin and stdout and at `/mcp`; paths
    /// of other profiles go before it. `--profile` says so for one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,

    /// How clients come over HTTP.
    #[serde(default)]
    pub http: Http,

    /// Who may come over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,

    /// Where metrics, health and status are served, apart from clients.
    #[serde(default)]
    pub admin: Admin,

    /// Where traces go.
    #[serde(default)]
    pub telemetry: Telemetry,

    /// Who may do what.
    #[serde(default)]
    pub policy: Policy,

    /// How much of the tools clients are listed.
    #[serde(default)]
    pub exposure: Exposure,

    /// Patterns of the tools, by their public names, that are listed where others have to be
    /// searched, as in `["github__create_issue", "files__read_*"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<String>,

    /// Whether there is a record of every request and every decision: `audit: on`, or a map that
    /// says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
}

/// One MCP server: a program that Conflux starts (`command`), or a remote one (`url`).
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// The program to start. A name is looked up in `PATH`; `~/`, `./` and `../` at the start
    /// mean the home directory and the directory of this file (or `cwd`, if given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,

    /// The arguments of the program, passed as they are: no shell is involved.
    pub args: Vec<String>,

    /// Environment variables of the program, in addition to the small safe environment that
    /// every upstream gets.
    pub env: BTreeMap<String, String>,

    /// The working directory of the program, relative to the directory of this file; `~/` is
    /// the home directory. Without it, the program runs where Conflux runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,

    /// The address of a remote MCP server, in the place of `command`, as in
    /// `https://example.com/mcp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,

    /// Headers of every request to `url`, as in `Authorization: "Bearer ${TOKEN}"`. Those that
    /// the protocol itself sets cannot be among them.
    pub headers: BTreeMap<String, String>,

    /// How the server at `url` is spoken to. Without it that is found out, and remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,

    /// The proxy on the way to `url`, as in `http://proxy.example:3128`; `none` for no proxy.
    /// Without it, `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say which, but for
    /// servers on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,

    /// Whom to trust when `url` begins with `https:`.
    pub tls: Trust,

    /// Whether `conflux check --connect`, `conflux tools`, `conflux exec` and `conflux serve
    /// --ready` fail (exit code 4) without this upstream, and `/readyz` is 503. It is started
    /// together with Conflux then, whatever `start` says; a plain `conflux serve` serves the others
    /// all the same.
    pub required: bool,

    /// When the program is started, or the remote server spoken to.
    pub start: Start,

    /// How long to wait for this upstream.
    pub timeout: Timeout,

    /// How many requests this upstream is given at once.
    pub concurrency: Concurrency,

    /// What stands before `__` in the public names of this upstream's tools and prompts, by
    /// default its key, with the same rules; `""` leaves the names as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,

    /// Which of the upstream's tools are offered, and what is different for some of them.
    pub tools: Tools,

    /// What becomes of large results.
    pub results: Results,

    /// Which results are kept for who asks the same again. Without it, none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,

    /// Whether to leave this upstream out; its variables need not be set then.
    pub disabled: bool,
}

/// An upstream in the shape of MCP clients' own files: all keys of an upstream, and these.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct McpServer {
    /// The same as `transport`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Transport>,

    /// The opposite of `disabled`; give one of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,

    /// Everything else is as under `upstreams`.
    #[serde(flatten)]
    pub upstream: Upstream,
}

/// How an upstream is reached.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Over the standard input and output of a program, which `command` alone says already.
    Stdio,
    /// Streamable HTTP, of all revisions.
    Http,
    /// The same as `http`.
    StreamableHttp,
    /// HTTP+SSE, as it was until 2024-11-05.
    Sse,
}

/// Whom to trust.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Trust {
    /// A file with certificates (PEM) of authorities to trust besides those of the system;
    /// relative to the directory of this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// When an upstream is started.
#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// When it is first needed.
    #[default]
    Lazy,
    /// Together with Conflux; over stdio, when the client has said what it can do.
    Eager,
}

/// How long to wait for an upstream. Each is at least `1ms`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeout {
    /// From the start of the program, or the first request, until it can be asked; at most
    /// `24h`.
    pub start: WrittenDuration,
    /// For one request of a client, whatever it waits for: a start, its turn, the answer. While
    /// the client is asked something, time stands still. At most `24h`.
    pub call: WrittenDuration,
    /// In all, if each report of progress gives a call the time `call` anew; at most `24h`. Without
    /// it, progress changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<WrittenDuration>,
    /// Without a request, until the program is stopped or the session closed; the next request
    /// starts it again. At most `720h`.
    pub idle: WrittenDuration,
}

impl Default for Timeout {
    fn default() -> Self {
        let written = |text: &str| WrittenDuration(text.to_owned());
        Self { start: written("30s"), call: written("60s"), progress: None, idle: written("10m") }
    }
}

/// How many requests an upstream is given at once: calls, reads, prompts and completions of all
/// clients. What lives on, such as tasks and subscriptions, does not count.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Concurrency {
    /// How many may be under way. One for a server that can do one thing at a time.
    #[schemars(range(min = 1, max = 65536))]
    pub calls: usize,
    /// How many may wait for their turn, in the order of arrival; any more fail at once.
    #[schemars(range(min = 0, max = 65536))]
    pub queue: usize,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { calls: CALLS, queue: QUEUE }
    }
}

/// What becomes of large results of tools, and of large resources.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Results {
    /// How much text one may have, from `1KiB` to `16MiB`. Where there is more, a client gets the
    /// beginning of each long text, and can read all of it as a resource, page by page, for half an
    /// hour. Without it, results stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spill: Option<WrittenSize>,
}

/// How public names are made.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Names {
    /// The longest public name, in characters; what is longer is shortened and ends in a hash.
    /// The default leaves room for `mcp__conflux__` within the 64 characters that several
    /// clients allow.
    #[schemars(range(min = 24, max = 128))]
    pub max_length: usize,
}

impl Default for Names {
    fn default() -> Self {
        Self { max_length: 50 }
    }
}

/// What one message, one client and one start may cost.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest message that is read from a client or an upstream; from `1KiB` to `1GiB`.
    pub message: WrittenSize,

    /// How many requests of one client may be under way at once.
    #[schemars(range(min = 1, max = 65536))]
    pub in_flight: usize,

    /// How long the first listing waits for upstreams that are still starting; at most `60s`.
    /// Upstreams that take longer are added when they are ready. Unless this is written, the first
    /// listing does not wait any longer either once one upstream has listed and for `750ms` no
    /// other one has listed or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = START_BUDGET))]
    pub start_budget: Option<WrittenDuration>,

    /// What callers may use up: rates, requests under way, and budgets of calls and bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<Quota>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: WrittenSize("16MiB".to_owned()),
            in_flight: 256,
            start_budget: None,
            quotas: Vec::new(),
        }
    }
}

/// Returns the JSON Schema of a configuration file.
pub(super) fn schema() -> Value {
    let mut schema = schemars::schema_for!(File).to_value();
    tidy(&mut schema);
    schema
}

/// Returns the same as others read it: they need to be told what may be written in short.
pub(super) fn published() -> Value {
    let mut schema = schema();
    short::publish(&mut schema);
    schema
}

/// Takes `null` out of the types of optional keys, because a key that is not wanted is left out,
/// and line breaks out of descriptions.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(object) => {
            object.values_mut().for_each(tidy);
            if let Some(Value::Array(types)) = object.get("type")
                && types.iter().any(|kind| kind == "null")
                && let Some(first) = types.first().cloned()
            {
                object.insert("type".to_owned(), first);
            }
            if let Some(Value::Array(choices)) = object.get("anyOf")
                && let Some(Value::Object(first)) = choices.first().cloned()
            {
                object.remove("anyOf");
                object.extend(first);
            }
            // The line breaks of the source code mean nothing here.
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
