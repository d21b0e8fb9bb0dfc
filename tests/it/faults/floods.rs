//! Too much of everything, and dirt, over stdio: memory stays bounded, the guilty call or upstream
//! fails, the others do not notice.

use std::fs;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::faults::scene::Peak;
use crate::faults::scene::Scene;
use crate::faults::scene::assert_outcome;
use crate::faults::scene::faulty;
use crate::faults::server::Era;
use crate::faults::table::Outcome;
use crate::support::gateway::with;

/// An upstream that is told to go wrong by a client that hears everything.
async fn scene(entry: Value) -> Scene {
    Scene::listening(entry).await
}

/// Has the upstream do something too often in a call, which is answered all the same.
async fn flood(how: &str, count: u64, more_mib: u64) {
    let mut scene = scene(faulty(Era::Legacy).entry()).await;
    let before = scene.usable().await;
    let peak = Peak::of(scene.client.process_id());
    let id = scene.fault_with_progress(how, count).await;
    assert_outcome(&scene.answer(id).await, Outcome::Answered);
    assert_eq!(scene.usable().await["instance"], before["instance"], "it goes on");
    peak.assert_within(more_mib);
    scene.end().await;
}

#[tokio::test]
async fn log_messages() {
    flood("logs", 20_000, 24).await;
}

#[tokio::test]
async fn progress() {
    flood("progress", 50_000, 24).await;
}

#[tokio::test]
async fn news_of_lists_and_resources() {
    flood("changes", 50_000, 24).await;
    flood("updates", 50_000, 24).await;
}

#[tokio::test]
async fn notifications_and_answers_that_nobody_knows() {
    flood("unknown", 50_000, 24).await;
    flood("answers", 50_000, 24).await;
}

#[tokio::test]
async fn pings_and_questions_by_one_who_reads_no_answers() {
    flood("pings", 50_000, 24).await;
    flood("asks", 50_000, 24).await;
}

#[tokio::test]
async fn a_stderr_without_line_ends() {
    flood("stderr", 64, 24).await;
}

#[tokio::test]
async fn a_line_of_a_gibibyte() {
    let mut scene = scene(faulty(Era::Legacy).entry()).await;
    let before = scene.usable().await;
    let peak = Peak::of(scene.client.process_id());
    let id = scene.call("fault", json!({"how": "line", "count": 1024})).await;
    let says = "exceeded the message limit";
    let expected = Outcome::Failed { kind: "too_large", executed: "unknown", says };
    assert_outcome(&scene.answer(id).await, expected);
    assert_eq!(scene.usable().await["instance"], before["instance"], "it goes on");
    peak.assert_within(24);
    scene.end().await;
}

#[tokio::test]
async fn an_answer_that_is_no_utf8_fails_its_call_at_once() {
    let mut scene = scene(faulty(Era::Legacy).entry()).await;
    let before = scene.usable().await;
    let id = scene.call("fault", json!({"how": "invalid_utf8"})).await;
    let says = "gave an answer that cannot be used";
    let expected = Outcome::Failed { kind: "bad_answer", executed: "unknown", says };
    assert_outcome(&scene.answer(id).await, expected);
    assert_eq!(scene.usable().await["instance"], before["instance"], "it goes on");
    scene.end().await;
}

#[tokio::test]
async fn half_a_line_is_the_last_thing_that_is_written() {
    let mut scene = scene(faulty(Era::Legacy).entry()).await;
    let before = scene.usable().await;
    let id = scene.call("fault", json!({"how": "half_exit"})).await;
    let says = "went away during the request: exit code 0";
    let expected = Outcome::Failed { kind: "connection_lost", executed: "unknown", says };
    assert_outcome(&scene.answer(id).await, expected);
    assert_ne!(scene.usable().await["instance"], before["instance"], "it is started again");
    scene.end().await;
}

#[tokio::test]
async fn banners_around_an_answer_do_no_harm() {
    let mut scene = scene(faulty(Era::Legacy).entry()).await;
    let id = scene.call("fault", json!({"how": "banner"})).await;
    assert_outcome(&scene.answer(id).await, Outcome::Answered);
    scene.usable().await;
    scene.end().await;
}

#[tokio::test]
async fn an_answer_after_the_cancellation_reaches_nobody() {
    let mut scene = scene(faulty(Era::Legacy).entry()).await;
    let id = scene.fault_with_progress("late", 1).await;
    scene.client.wait_for("notifications/progress", 1).await;
    scene.client.cancel(id).await;
    // The late answer comes before this one.
    assert_eq!(scene.usable().await["cancelled"], 1);
    scene.end().await;
}

#[tokio::test]
async fn who_reads_nothing_fails_its_own_calls_and_is_there_again_when_it_reads() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("deaf");
    let program = faulty(Era::Legacy).args(&["--hang-while"]).arg(&file);
    let entry = with(program.entry(), "timeout", json!({"call": "1s"}));
    let mut scene = scene(entry).await;
    let before = scene.usable().await;
    let peak = Peak::of(scene.client.process_id());
    fs::write(&file, "").unwrap();
    let deaf = scene.call("fault", json!({"how": "deaf"})).await;
    let words = "x".repeat(60_000);
    // Far more than a pipe and the queue to it hold.
    for _ in 0..2 {
        let mut ids = Vec::new();
        for _ in 0..200 {
            ids.push(scene.call("echo", json!({"words": words})).await);
        }
        for id in ids {
            let reply = scene.client.reply_to(id).await.result();
            assert_eq!(reply["_meta"]["dev.conflux/error"]["kind"], "timeout", "{reply}");
        }
        scene.healthy().await;
    }
    let says = "did not answer in time";
    let expected = Outcome::Failed { kind: "timeout", executed: "unknown", says };
    assert_outcome(&scene.answer(deaf).await, expected);
    fs::remove_file(&file).unwrap();
    assert_eq!(scene.usable().await["instance"], before["instance"], "it goes on");
    peak.assert_within(64);
    scene.end().await;
}
