//! Too much of everything, and dirt, from a server over Streamable HTTP.

use serde_json::Value;
use serde_json::json;

use crate::faults::scene::Peak;
use crate::faults::scene::Scene;
use crate::faults::scene::assert_outcome;
use crate::faults::server::Era;
use crate::faults::table::ERAS;
use crate::faults::table::Outcome;
use crate::faults::web::Web;
use crate::support::gateway::with;

const TOO_LARGE: Outcome =
    Outcome::Failed { kind: "too_large", executed: "unknown", says: "exceeded the message limit" };
const LOST: Outcome = Outcome::Failed {
    kind: "connection_lost",
    executed: "unknown",
    says: "went away during the request",
};
const ODD: Outcome = Outcome::Failed {
    kind: "bad_answer",
    executed: "unknown",
    says: "gave an answer that cannot be used",
};
const LATE: Outcome =
    Outcome::Failed { kind: "timeout", executed: "unknown", says: "did not answer in time" };
const REFUSED: Outcome = Outcome::Failed {
    kind: "http_status",
    executed: "unknown",
    says: "answered with HTTP status 500",
};

/// How much Conflux may grow, whatever is thrown at it, in MiB.
const GROWTH: u64 = 24;

/// Has a server of each era answer a call so; returns how much of something endless it got rid of.
async fn answer(how: &str, expected: Outcome) -> u64 {
    let mut written = 0;
    for era in ERAS {
        let web = Web::start(*era).await;
        let entry = json!({"url": web.url});
        let entry = match expected {
            Outcome::Failed { kind: "timeout", .. } => {
                with(entry, "timeout", json!({"call": "1s"}))
            }
            _ => entry,
        };
        let mut scene = Scene::begin(*era, entry).await;
        let before = scene.usable().await;
        let peak = Peak::of(scene.client.process_id());
        let id = scene.call("fault", json!({"how": how})).await;
        assert_outcome(&scene.answer(id).await, expected);
        assert_eq!(scene.usable().await, before, "it stays in use");
        peak.assert_within(GROWTH);
        scene.end().await;
        written = written.max(web.written());
    }
    written
}

/// Has a server say something too often in a call, which is answered all the same.
async fn flood(how: &str, count: u64) {
    let web = Web::start(Era::Legacy).await;
    let mut scene = Scene::listening(json!({"url": web.url})).await;
    let before = scene.usable().await;
    let peak = Peak::of(scene.client.process_id());
    let id = scene.fault_with_progress(how, count).await;
    assert_outcome(&scene.answer(id).await, Outcome::Answered);
    assert_eq!(scene.usable().await, before, "it stays in use");
    peak.assert_within(GROWTH);
    scene.end().await;
}

#[tokio::test]
async fn notifications_answers_and_questions() {
    for (how, count) in [
        ("logs", 10_000),
        ("progress", 20_000),
        ("changes", 20_000),
        ("unknown", 20_000),
        ("answers", 20_000),
        ("asks", 20_000),
    ] {
        flood(how, count).await;
    }
}

#[tokio::test]
async fn a_gibibyte_is_cut_off_at_the_limit() {
    for how in ["huge", "huge_event"] {
        let written = answer(how, TOO_LARGE).await;
        // What is more than the limit is on its way already.
        assert!(written < 64 << 20, "{how}: {written} bytes were read");
    }
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let written = answer("huge_head", LOST).await;
    assert!(written < 64 << 20, "{written} bytes were read");
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_is_not_waited_for() {
    answer("slow_head", LATE).await;
}

#[tokio::test]
async fn what_is_packed_is_unpacked_up_to_the_limit_only() {
    answer("bomb", TOO_LARGE).await;
    answer("bomb_event", TOO_LARGE).await;
    answer("bomb_refusal", REFUSED).await;
}

#[tokio::test]
async fn what_is_packed_in_a_way_nobody_asked_for_is_no_answer() {
    answer("unasked", ODD).await;
}

#[tokio::test]
async fn a_stream_that_is_cut_or_dirty_fails_its_call() {
    answer("cut_event", LOST).await;
    answer("dirty_event", ODD).await;
}

#[tokio::test]
async fn an_answer_to_a_call_of_another_is_given_to_nobody() {
    for (how, expected) in [("others", ODD), ("others_event", LOST)] {
        for era in ERAS {
            let web = Web::start(*era).await;
            let mut scene = Scene::begin(*era, json!({"url": web.url})).await;
            let before = scene.usable().await;
            let held = scene.call("fault", json!({"how": "hold"})).await;
            web.holds().await;
            let id = scene.call("fault", json!({"how": how})).await;
            assert_outcome(&scene.answer(id).await, expected);
            assert!(!scene.client.has_reply_to(held));
            let id = scene.call("fault", json!({"how": "release"})).await;
            assert_outcome(&scene.answer(id).await, Outcome::Answered);
            let own: Value = scene.answer(held).await.structured();
            assert_eq!(own, before, "it is its own answer");
            scene.end().await;
        }
    }
}
