//! The official conformance suite: against a server that passes it, and through Conflux.
//!
//! What the server passes alone is written down in `tests/data/conformance`; through Conflux the
//! same checks pass, whatever era and transport that server speaks.

use crate::support::conformance;
use crate::support::conformance::Server;
use crate::support::conformance::Set;

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
