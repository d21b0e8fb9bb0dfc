//! How it is written where metrics, health and status are served.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// Where metrics, health and status are served, apart from clients. Who comes there is told how
/// everything is, and can do nothing.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// The address, such as `127.0.0.1:9464`; port 0 is any free one. Without it, there is no such
    /// listener. `/metrics` is for Prometheus, `/healthz` and `/readyz` for orchestrators,
    /// `/status` is what `conflux status --json` shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,

    /// Names by which this listener is reached, in addition to those of this machine itself
    /// (`localhost`, `127.0.0.1`, `[::1]`). Requests with any other `Host` are told nothing.
    pub hosts: Vec<String>,

    /// Whether everybody who can reach an address that is not this machine's own may read what is
    /// there. Without it, only loopback addresses are listened on.
    pub unauthenticated: bool,

    /// Whether calls are also counted by the public names of tools; of the first 500 of them, and
    /// all others together.
    pub per_tool: bool,
}
