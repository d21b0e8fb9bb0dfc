//! The official conformance suite: against a server that passes it, and through Conflux.
//!
//! What the server passes alone is written down in `tests/data/conformance`. Where the suite has a
//! server for clients, Conflux is its client.

use crate::support::conformance;
use crate::support::conformance::Server;
use crate::support::conformance::Set;
use crate::support::conformance::Tested;

#[tokio::test]
async fn the_server_passes_the_first_suite_alone() {
    passes_alone(Set::First).await;
}

#[tokio::test]
async fn the_server_passes_what_2025_11_25_requires_alone() {
    passes_alone(Set::Legacy).await;
}

#[tokio::test]
async fn the_server_passes_what_2026_07_28_requires_alone() {
    passes_alone(Set::Modern).await;
}

#[tokio::test]
async fn the_server_passes_the_skills_extension_alone() {
    passes_alone(Set::Skills).await;
}

#[tokio::test]
async fn every_scenario_for_servers_is_in_a_set() {
    let passed = Set::ALL.map(Set::written_down).concat();
    for (revision, scenario) in conformance::scenarios(Tested::Server).await {
        let is_run = passed.lines().any(|line| line.starts_with(&format!("{scenario} ")));
        assert!(is_run, "`{scenario}` at {revision} is in no set");
    }
}

async fn passes_alone(set: Set) {
    let server = Server::start("--http", &[]).await;
    let findings = set.check(&server.url).await;
    assert_eq!(findings.complaints(), "");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(conformance::snapshots());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(set.name(), findings));
}

/// Scenarios for clients, by the revision that they are run at.
const CLIENT_SCENARIOS: [(&str, &str); 13] = [
    ("2025-11-25", "initialize"),
    ("2025-11-25", "tools_call"),
    ("2025-11-25", "elicitation-sep1034-client-defaults"),
    ("2025-11-25", "sse-retry"),
    ("2025-11-25", "json-schema-2020-12-preservation"),
    ("2026-07-28", "tools_call"),
    ("2026-07-28", "request-metadata"),
    ("2026-07-28", "sep-2322-client-request-state"),
    ("2026-07-28", "http-standard-headers"),
    ("2026-07-28", "http-custom-headers"),
    ("2026-07-28", "http-invalid-tool-headers"),
    ("2026-07-28", "json-schema-ref-no-deref"),
    ("2026-07-28", "json-schema-2020-12-preservation"),
];

/// Scenarios for clients that say nothing about Conflux, by how they begin.
const NOT_FOR_CONFLUX: [(&str, &str); 2] = [
    ("auth/", "Conflux does not log in to upstreams yet"),
    ("sep-2640-", "what a client does with skills is up to the client"),
];

#[tokio::test]
async fn passes_as_a_client() {
    let mut complaints = String::new();
    for (revision, scenario) in CLIENT_SCENARIOS {
        let findings = conformance::check_client(scenario, revision).await;
        complaints.push_str(&findings.complaints());
    }
    assert_eq!(complaints, "");
}

#[tokio::test]
async fn every_scenario_for_clients_is_run_or_explained() {
    for (revision, scenario) in conformance::scenarios(Tested::Client).await {
        let run = CLIENT_SCENARIOS.contains(&(revision.as_str(), scenario.as_str()));
        let explained = NOT_FOR_CONFLUX.iter().any(|(start, _)| scenario.starts_with(start));
        assert!(run != explained, "`{scenario}` at {revision} is neither run nor explained");
    }
}
