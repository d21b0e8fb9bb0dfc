//! What is offered: the catalog that all servers of the matrix share, and what was changed in it.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use rmcp::RoleServer;
use rmcp::model::JsonObject;
use rmcp::model::Tool;
use rmcp::service::Peer;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

const CATALOG: &str = include_str!("../../tests/real/servers/catalog.json");

/// An MCP server made with rmcp, for the compatibility matrix.
#[derive(clap::Parser, Clone, Debug)]
pub(crate) struct Flags {
    /// The one revision it speaks.
    #[arg(long)]
    pub(crate) revision: String,
    /// How it is spoken with.
    #[arg(long, default_value = "stdio", value_parser = ["stdio", "http"])]
    pub(crate) transport: String,
    /// The authority of its resources.
    #[arg(long)]
    pub(crate) key: String,
}

/// The catalog, as it is written.
#[derive(Deserialize)]
pub(crate) struct Catalog {
    tools: Vec<Listed>,
    pub(crate) prompt: Prompt,
    pub(crate) completions: Vec<String>,
    pub(crate) failure: String,
    pub(crate) refusal: Refusal,
    pub(crate) sampling: String,
    pub(crate) form: Form,
    pub(crate) url: Url,
    pub(crate) template: String,
}

#[derive(Clone, Deserialize)]
struct Listed {
    name: String,
    description: String,
    arguments: Vec<String>,
    #[serde(default)]
    since: String,
}

#[derive(Deserialize)]
pub(crate) struct Prompt {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) argument: String,
}

#[derive(Deserialize)]
pub(crate) struct Refusal {
    pub(crate) code: i32,
    pub(crate) message: String,
}

#[derive(Deserialize)]
pub(crate) struct Form {
    pub(crate) message: String,
    pub(crate) schema: Value,
}

#[derive(Deserialize)]
pub(crate) struct Url {
    pub(crate) message: String,
    pub(crate) url: String,
    pub(crate) id: String,
}

/// What calls change.
pub(crate) struct State {
    pub(crate) added: Vec<String>,
    pub(crate) cancelled: HashSet<String>,
    pub(crate) text: String,
    /// The legacy sessions that are told of changed lists.
    pub(crate) sessions: Vec<Peer<RoleServer>>,
    /// Those that subscribed to the resource.
    pub(crate) subscribed: Vec<Peer<RoleServer>>,
}

impl Catalog {
    pub(crate) fn new() -> Self {
        serde_json::from_str(CATALOG).expect("the catalog is what it is read as")
    }

    /// The tools of a revision and those that were added.
    pub(crate) fn tools(&self, revision: &str, added: &[String]) -> Vec<Tool> {
        let known = self.tools.iter().filter(|tool| tool.since.as_str() <= revision).cloned();
        let echo = self.tools.first();
        let added = added.iter().filter_map(|name| {
            let echo = echo?.clone();
            Some(Listed { name: name.clone(), ..echo })
        });
        known.chain(added).map(Listed::tool).collect()
    }
}

impl Listed {
    fn tool(self) -> Tool {
        let properties: JsonObject =
            self.arguments.into_iter().map(|name| (name, json!({"type": "string"}))).collect();
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), Value::Object(properties));
        Tool::new(self.name, self.description, schema)
    }
}

impl State {
    pub(crate) fn new() -> Mutex<Self> {
        Mutex::new(Self {
            added: Vec::new(),
            cancelled: HashSet::new(),
            text: "untouched".to_owned(),
            sessions: Vec::new(),
            subscribed: Vec::new(),
        })
    }
}

/// Locks the state; nothing is awaited while it is locked.
pub(crate) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
