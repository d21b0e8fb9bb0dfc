//! How Conflux introduces itself: the results of `initialize` and `server/discover`.
//!
//! Both are answered at once, before any upstream is known. So the capabilities are everything
//! Conflux can relay; what no upstream offers has an empty list, and may get one later.

use std::sync::LazyLock;

use rmcp::model::DiscoverResult;
use rmcp::model::Implementation;
use rmcp::model::InitializeResult;
use rmcp::model::JsonObject;
use rmcp::model::PromptsCapability;
use rmcp::model::ProtocolVersion;
use rmcp::model::ResourcesCapability;
use rmcp::model::ServerCapabilities;
use rmcp::model::ToolsCapability;
use serde_json::Map;
use serde_json::Value;

use crate::downstream::tasks;
use crate::wire::Raw;
use crate::wire::era::Era;
use crate::wire::era::Revision;
use crate::wire::extension;

static SERVER_INFO: LazyLock<Raw> = LazyLock::new(|| Raw::of(&implementation()));

/// Returns what `_meta` of a modern result says about its server.
pub(super) fn server_info() -> &'static Raw {
    &SERVER_INFO
}

/// Returns the revision of a session whose client asks for `requested`.
///
/// A client that asks for 2026-07-28 here, or for anything unknown, is offered the newest
/// revision that has sessions at all.
pub(super) fn negotiated(requested: &str) -> Revision {
    Revision::parse(requested)
        .filter(|revision| revision.era() == Era::Legacy)
        .unwrap_or(Revision::LATEST_LEGACY)
}

/// Returns the result of `initialize`.
pub(super) fn initialized(
    revision: Revision,
    instructions: Option<String>,
    extensions: Map<String, Value>,
) -> Raw {
    let mut capabilities = capabilities(extensions);
    if revision < Revision::V2025_03_26 {
        capabilities.completions = None;
    }
    let mut result = InitializeResult::new(capabilities)
        .with_protocol_version(version(revision.as_str()))
        .with_server_info(implementation());
    result.instructions = instructions;
    tasks::initialized(Raw::of(&result), revision)
}

/// Returns the result of `server/discover`.
pub(super) fn discovered(instructions: Option<String>, mut extensions: Map<String, Value>) -> Raw {
    extensions.insert(extension::TASKS.to_owned(), Value::Object(Map::new()));
    let versions = Revision::ALL.iter().rev().map(|revision| version(revision.as_str()));
    let mut result = DiscoverResult::new(versions.collect(), capabilities(extensions))
        .with_server_info(implementation());
    result.instructions = instructions;
    Raw::of(&result)
}

fn capabilities(extensions: Map<String, Value>) -> ServerCapabilities {
    let mut prompts = PromptsCapability::default();
    prompts.list_changed = Some(true);
    let mut resources = ResourcesCapability::default();
    resources.subscribe = Some(true);
    resources.list_changed = Some(true);
    let mut tools = ToolsCapability::default();
    tools.list_changed = Some(true);
    let mut capabilities = ServerCapabilities::default();
    capabilities.logging = Some(JsonObject::new());
    capabilities.completions = Some(JsonObject::new());
    capabilities.prompts = Some(prompts);
    capabilities.resources = Some(resources);
    capabilities.tools = Some(tools);
    let settings = |(id, settings)| match settings {
        Value::Object(settings) => (id, settings),
        // What is declared is declared; settings that are none say nothing more.
        _ => (id, JsonObject::new()),
    };
    capabilities.extensions = Some(extensions.into_iter().map(settings).collect());
    capabilities
}

fn implementation() -> Implementation {
    Implementation::new("conflux", env!("CARGO_PKG_VERSION"))
}

fn version(text: &str) -> ProtocolVersion {
    serde_json::from_value(serde_json::Value::from(text))
        .expect("any string can be read as a version")
}
