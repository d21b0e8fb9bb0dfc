//! How Conflux introduces itself to upstreams, in either era.

/// Returns the `clientInfo` of Conflux itself.
pub(super) fn own() -> serde_json::Value {
    serde_json::json!({ "name": "conflux", "version": env!("CARGO_PKG_VERSION") })
}
