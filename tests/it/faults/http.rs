//! The faults of a server over Streamable HTTP.

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::json;
use tokio::time::timeout;

use crate::faults::scene::Scene;
use crate::faults::scene::assert_outcome;
use crate::faults::server::Era;
use crate::faults::table::Act;
use crate::faults::table::Case;
use crate::faults::table::Then;
use crate::faults::web::Web;
use crate::support::remote::Remote;
use crate::support::wire_client::LIMIT;

/// Has a server go wrong, and checks everything about it.
pub(super) async fn play(case: &'static Case, era: Era) {
    match case.act {
        Act::Tool(how) => answered_wrong(case, era, (how, false)).await,
        Act::Often(how) => answered_wrong(case, era, (how, true)).await,
        Act::Hang => hanging(case, era).await,
        Act::Kill | Act::Stop | Act::Exit | Act::Change => gone(case, era).await,
    }
}

async fn answered_wrong(case: &Case, era: Era, (how, is_often): (&str, bool)) {
    let web = Web::start(era).await;
    let mut scene = Scene::begin(era, case.entry(json!({"url": web.url}))).await;
    let before = scene.usable().await;
    let id = if is_often {
        scene.fail_often(how).await
    } else {
        scene.call("fault", json!({"how": how})).await
    };
    assert_outcome(&scene.answer(id).await, case.call);
    let after = scene.usable().await;
    let is_same = before["instance"] == after["instance"];
    assert_eq!(is_same, case.then == Then::Stays, "{before}, {after}");
    scene.end().await;
}

async fn hanging(case: &Case, era: Era) {
    let web = Web::start(era).await;
    web.hang(true);
    let mut scene = Scene::begin(era, case.entry(json!({"url": web.url}))).await;
    let id = scene.call("echo", json!({})).await;
    assert_outcome(&scene.answer(id).await, case.call);
    web.hang(false);
    scene.usable().await;
    scene.end().await;
}

/// A server that is a process, because something becomes of the process.
async fn gone(case: &Case, era: Era) {
    let first = Remote::http(&["--era", era.word()]).await;
    let address = first.address().to_owned();
    let mut scene = Scene::begin(era, case.entry(first.entry("/mcp"))).await;
    let id = scene.call("process", json!({})).await;
    let facts = scene.answer(id).await.structured();
    let process = Pid::from_raw(facts["pid"].as_i64().unwrap().try_into().unwrap());
    let slow = scene.call("slow", json!({"ms": 600_000})).await;
    let begun = async {
        loop {
            let id = scene.call("count", json!({})).await;
            if scene.answer(id).await.structured()["calls"]["slow"] == 1 {
                return;
            }
        }
    };
    timeout(LIMIT, begun).await.expect("the call gets there");
    if matches!(case.act, Act::Stop) {
        kill(process, Signal::SIGSTOP).unwrap();
        assert_outcome(&scene.answer(slow).await, case.call);
        kill(process, Signal::SIGCONT).unwrap();
        scene.usable().await;
        scene.end().await;
        return first.stop().await;
    }
    if matches!(case.act, Act::Kill) {
        kill(process, Signal::SIGKILL).unwrap();
    }
    first.stop().await;
    assert_outcome(&scene.answer(slow).await, case.call);
    let extra: &[&str] = if case.then == Then::Changed { &["--tools", "1"] } else { &[] };
    let flags = [&["--era", era.word()], extra].concat();
    let second = Remote::start("--http", &address, &flags).await;
    scene.usable().await;
    if case.then == Then::Changed {
        scene.expect_listed("extra_1").await;
    }
    scene.end().await;
    second.stop().await;
}
