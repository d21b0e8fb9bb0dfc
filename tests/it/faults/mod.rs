//! Whatever an upstream does wrong, its caller gets one answer that says what happened, its
//! neighbour notices nothing, and it can be used again.

mod dirt;
mod floods;
mod front;
mod http;
mod page;
mod remote_floods;
mod scene;
#[path = "../../../examples/faulty_upstream/server.rs"]
mod server;
mod stdio;
mod table;
mod web;

use std::fmt::Write as _;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::faults::server::Era;
use crate::faults::table::Case;
use crate::faults::table::FAULTS;
use crate::faults::table::Fault;
use crate::support::page::assert_section;

/// How many cases run at once; most of their time they wait.
const AT_ONCE: usize = 6;

/// Runs what `select` finds of every fault in one era, side by side, and fails with all that went
/// wrong.
async fn run<F: Future<Output = ()> + Send + 'static>(
    era: Era,
    select: fn(&Fault) -> Option<&Case>,
    play: fn(&'static Case, Era) -> F,
) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut cases = JoinSet::new();
    for fault in FAULTS {
        let Some(case) = select(fault).filter(|case| case.eras.contains(&era)) else { continue };
        let places = Arc::clone(&places);
        cases.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            let mut playing = JoinSet::new();
            playing.spawn(play(case, era));
            (fault.what, playing.join_next().await.unwrap())
        });
    }
    let mut report = String::new();
    while let Some(ended) = cases.join_next().await {
        if let (what, Err(error)) = ended.unwrap() {
            writeln!(report, "an upstream that {what}: {error}").unwrap();
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn the_page_says_what_is_asserted() {
    assert_section("docs/running.md", "faults", &page::table());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legacy_over_stdio() {
    run(Era::Legacy, |fault| fault.stdio.as_ref(), stdio::play).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modern_over_stdio() {
    run(Era::Modern, |fault| fault.stdio.as_ref(), stdio::play).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legacy_over_http() {
    run(Era::Legacy, |fault| fault.http.as_ref(), http::play).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modern_over_http() {
    run(Era::Modern, |fault| fault.http.as_ref(), http::play).await;
}
