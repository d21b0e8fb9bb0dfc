//! The official conformance suite through Conflux: what the server passes alone passes here.
//!
//! Conflux speaks every revision in front, whatever the server behind it speaks. So each set runs
//! against each kind of server; what a server of the other era cannot offer is named here.

use serde_json::json;

use crate::support::conformance;
use crate::support::conformance::Server;
use crate::support::conformance::Set;
use crate::support::gateway::Gateway;
use crate::support::http;

const SETS: [Set; 3] = [Set::First, Set::Legacy, Set::Modern];

/// What a server of 2025-11-25 cannot offer, however it is spoken to.
const MODERN_ONLY: [&str; 4] = [
    // It has no tools that answer `input_required`, and no tasks of the extension.
    "input-required-result-",
    "tasks-",
    // It finds out in the middle of a call that its client cannot be asked; until then nobody
    // could have refused the call.
    "server-stateless sep-2575-missing-capability-http-400",
    "server-stateless sep-2575-server-rejects-undeclared-capability",
];

/// What Conflux does better than refuse: it waits for a task in the place of a client that knows
/// none.
const WAITED_FOR: [&str; 1] =
    ["tasks-required-task-error sep-2663-server-returns-missing-capability-when-required"];

#[tokio::test]
async fn passes_through_from_a_legacy_server_over_stdio() {
    passes(&Behind::Stdio("legacy"), &MODERN_ONLY).await;
}

#[tokio::test]
async fn passes_through_from_a_modern_server_over_stdio() {
    passes(&Behind::Stdio("modern"), &WAITED_FOR).await;
}

#[tokio::test]
async fn passes_through_from_a_legacy_server_over_http() {
    passes(&Behind::Http("--http", "legacy"), &MODERN_ONLY).await;
}

#[tokio::test]
async fn passes_through_from_a_modern_server_over_http() {
    passes(&Behind::Http("--http", "modern"), &WAITED_FOR).await;
}

#[tokio::test]
async fn passes_through_from_a_server_over_sse() {
    passes(&Behind::Http("--sse", "legacy"), &MODERN_ONLY).await;
}

/// How the server behind Conflux is reached, and which era it speaks.
enum Behind {
    Stdio(&'static str),
    Http(&'static str, &'static str),
}

async fn passes(behind: &Behind, without: &[&str]) {
    let (entry, _server) = match behind {
        Behind::Stdio(era) => (conformance::server(&["--era", era]).entry(), None),
        Behind::Http(transport, era) => {
            let server = Server::start(transport, &["--era", era]).await;
            (json!({"url": server.url}), Some(server))
        }
    };
    let mut entry = entry;
    entry["prefix"] = json!("");
    let conflux = http::Server::start(&Gateway::new(&[("suite", entry)])).await;
    let url = format!("{}/mcp", conflux.origin);
    let mut complaints = String::new();
    for set in SETS {
        let findings = set.check(&url).await.without(without);
        complaints.push_str(&findings.complaints());
    }
    assert_eq!(complaints, "");
}
