//! The official conformance suite through Conflux: what the server passes alone passes here.
//!
//! Conflux speaks every revision in front, whatever the server behind it speaks. So each set runs
//! against each kind of server. What cannot pass is excused check by check; see
//! `Findings::excusing`.

use serde_json::json;

use crate::support::conformance;
use crate::support::conformance::Findings;
use crate::support::conformance::Server;
use crate::support::conformance::Set;
use crate::support::gateway::Gateway;
use crate::support::http;

/// How scenarios begin that leave questions unanswered, and so calls under way. Where nothing tells
/// to which call a question belongs, the next one would be refused (decision 3).
const UNANSWERED: &str = "input-required-result-";

/// What fails with a server of 2025-11-25.
const NOT_LEGACY: [&str; 27] = [
    // Its question comes as a request, which has no key; the suite wants the one of its fixture.
    "input-required-result-basic-elicitation sep-2322-elicitation-incomplete",
    // The same: the answer that the suite hides among others goes by that key.
    "input-required-result-ignore-extra-params sep-2322-ignore-unexpected-params",
    // Each of its questions comes for itself and is asked at once: nothing says that more follow,
    // and a server that asks one after the other would be waited for in vain.
    "input-required-result-multiple-input-requests sep-2322-multiple-inputs-incomplete",
    // It is told once for all clients what they can do, and this tool asks nothing that could be
    // refused: it only looks whether it could ask.
    "server-stateless sep-2575-missing-capability-http-400",
    "server-stateless sep-2575-server-rejects-undeclared-capability",
    // There are no tasks of the extension in that revision. It carries a call out before it
    // answers, or refuses it, so nothing can be found out about the task.
    "tasks-capability-negotiation tasks-per-request-meta-opt-in",
    "tasks-dispatch-and-envelope sep-2663-durable-create-strong-consistency",
    "tasks-dispatch-and-envelope tasks-result-type-complete-on-non-task-responses",
    "tasks-dispatch-and-envelope tasks-server-directed-creation-no-hint",
    "tasks-lifecycle sep-2663-cancel-ack-empty-result",
    "tasks-lifecycle sep-2663-result-type-task-on-create",
    "tasks-lifecycle sep-2663-tasks-get-status-completed",
    "tasks-lifecycle sep-2663-tasks-get-status-failed",
    "tasks-lifecycle sep-2663-tasks-get-status-working",
    "tasks-lifecycle sep-2663-tool-error-uses-completed-status",
    "tasks-lifecycle tasks-cancel-terminal-idempotent-ack",
    "tasks-mrtr-composition sep-2663-mrtr-synchronous-before-task-creation",
    "tasks-mrtr-input sep-2663-tasks-get-status-input-required",
    "tasks-mrtr-input tasks-mrtr-partial-fulfillment",
    "tasks-mrtr-input tasks-mrtr-tasks-update-resumes",
    "tasks-request-headers sep-2663-routing-headers-accepted-on-tasks-get",
    "tasks-request-headers sep-2663-server-rejects-mismatched-mcp-name-on-tasks-get",
    "tasks-request-state-removal tasks-request-state-removal-setup",
    "tasks-wire-fields tasks-no-early-ttl-expiry",
    "tasks-wire-fields tasks-no-related-task-meta-on-inlined-result",
    "tasks-wire-fields tasks-wire-field-renames",
    // For the same reason it refuses the tool that must become a task, in its own words.
    "tasks-required-task-error sep-2663-server-returns-missing-capability-when-required",
];

/// What Conflux does better than refuse: it waits for a task in the place of a client that knows
/// none.
const WAITED_FOR: [&str; 1] =
    ["tasks-required-task-error sep-2663-server-returns-missing-capability-when-required"];

#[tokio::test]
async fn passes_through_from_a_legacy_server_over_stdio() {
    passes(&Behind::Stdio("legacy"), &NOT_LEGACY).await;
}

#[tokio::test]
async fn passes_through_from_a_modern_server_over_stdio() {
    passes(&Behind::Stdio("modern"), &WAITED_FOR).await;
}

#[tokio::test]
async fn passes_through_from_a_legacy_server_over_http() {
    passes(&Behind::Http("--http", "legacy"), &NOT_LEGACY).await;
}

#[tokio::test]
async fn passes_through_from_a_modern_server_over_http() {
    passes(&Behind::Http("--http", "modern"), &WAITED_FOR).await;
}

#[tokio::test]
async fn passes_through_from_a_server_over_sse() {
    passes(&Behind::Http("--sse", "legacy"), &NOT_LEGACY).await;
}

async fn passes(behind: &Behind, excused: &[&str]) {
    let mut findings = Findings::default();
    let front = behind.start().await;
    for set in Set::ALL {
        findings.add(set.check(&front.url).await);
    }
    if behind.tells_no_call_of_a_question() {
        for scenario in findings.take_scenarios(UNANSWERED) {
            let front = behind.start().await;
            findings.add(conformance::check_server(&scenario, &front.url).await);
        }
    }
    assert_eq!(findings.excusing(excused).complaints(), "");
}

/// How the server behind Conflux is reached, and which era it speaks.
enum Behind {
    Stdio(&'static str),
    Http(&'static str, &'static str),
}

/// A running Conflux with a server behind it.
struct Front {
    url: String,
    _conflux: http::Server,
    _gateway: Gateway,
    _server: Option<Server>,
}

impl Behind {
    /// Only Streamable HTTP has a stream for each request, and only legacy servers ask on their own.
    fn tells_no_call_of_a_question(&self) -> bool {
        matches!(self, Self::Stdio("legacy") | Self::Http("--sse", _))
    }

    async fn start(&self) -> Front {
        let (mut entry, server) = match self {
            Self::Stdio(era) => (conformance::server(&["--era", era]).entry(), None),
            Self::Http(transport, era) => {
                let server = Server::start(transport, &["--era", era]).await;
                (json!({"url": server.url}), Some(server))
            }
        };
        entry["prefix"] = json!("");
        let gateway = Gateway::new(&[("suite", entry)]);
        let conflux = http::Server::start(&gateway).await;
        let url = format!("{}/mcp", conflux.origin);
        Front { url, _conflux: conflux, _gateway: gateway, _server: server }
    }
}
