//! How clients come over HTTP, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::config::file::LISTEN;
use crate::config::units::WrittenDuration;

/// How clients come over HTTP.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Where `conflux serve --listen` listens, unless it names an address itself; port 0 is any
    /// free one, and `unix:` with a whole path a socket in the file system. Without `--listen`,
    /// Conflux serves one client over stdin and stdout.
    pub listen: String,

    /// Names by which clients reach this gateway, in addition to those of this machine itself
    /// (`localhost`, `127.0.0.1`, `[::1]`). Requests with any other `Host` are refused.
    pub hosts: Vec<String>,

    /// Web pages that may use this gateway, in addition to those of this machine itself, such as
    /// `https://chat.example.com`. Requests with any other `Origin` are refused.
    pub origins: Vec<String>,

    /// Whether everybody who can reach an address that is not this machine's own may use
    /// everything here. Without it, and without `auth`, Conflux listens on loopback addresses only,
    /// and lets nobody but its own user connect to a socket in the file system.
    pub unauthenticated: bool,

    /// The certificate to serve HTTPS with.
    pub tls: Tls,

    /// What clients may take up over HTTP, all of them together.
    pub limits: HttpLimits,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: LISTEN.to_string(),
            hosts: Vec::new(),
            origins: Vec::new(),
            unauthenticated: false,
            tls: Tls::default(),
            limits: HttpLimits::default(),
        }
    }
}

/// The certificate to serve HTTPS with; without one, Conflux serves HTTP.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// A PEM file with the certificate and those that lead to its root. Relative paths start at
    /// the directory of this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
    /// A PEM file with its private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What clients may take up over HTTP, all of them together. `limits` holds over HTTP as well.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpLimits {
    /// How many connections may be open.
    #[schemars(range(min = 1, max = 65536))]
    pub connections: usize,

    /// How many sessions may be open; clients of 2026-07-28 have none.
    #[schemars(range(min = 1, max = 65536))]
    pub sessions: usize,

    /// How many requests without a session may be under way, subscriptions and those that wait
    /// for an answer of their client included.
    #[schemars(range(min = 1, max = 65536))]
    pub requests: usize,

    /// After which time a session ends that nobody uses; from `1s` to `720h`.
    pub session_idle: WrittenDuration,

    /// How long a client may take to send the head of a connection's first request, and then the
    /// body of each; from `100ms` to `1h`. Between two requests, a connection may rest for three
    /// minutes, or as long as this if it is longer.
    pub request_time: WrittenDuration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        let written = |text: &str| WrittenDuration(text.to_owned());
        Self {
            connections: 1024,
            sessions: 1024,
            requests: 1024,
            session_idle: written("30m"),
            request_time: written("30s"),
        }
    }
}
