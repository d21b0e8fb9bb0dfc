//! The faults of a program.

use std::fs;

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::faults::scene::Scene;
use crate::faults::scene::assert_outcome;
use crate::faults::scene::faulty;
use crate::faults::server::Era;
use crate::faults::table::Act;
use crate::faults::table::Case;
use crate::faults::table::Then;

/// Has a program go wrong, and checks everything about it.
pub(super) async fn play(case: &'static Case, era: Era) {
    let home = TempDir::new().unwrap();
    let (hang, fresh) = (home.path().join("hang"), home.path().join("fresh"));
    let program = faulty(era).args(&["--hang-while"]).arg(&hang);
    let entry = case.entry(program.args(&["--fresh-if"]).arg(&fresh).entry());
    if matches!(case.act, Act::Hang) {
        fs::write(&hang, "").unwrap();
    }
    let mut scene = Scene::begin(era, entry).await;
    let before = match case.act {
        Act::Hang => Value::Null,
        _ => scene.usable().await,
    };
    let id = match case.act {
        Act::Tool(how) => scene.call("fault", json!({"how": how})).await,
        Act::Often(how) => scene.fail_often(how).await,
        Act::Kill | Act::Stop => {
            let id = scene.call("fault", json!({"how": "hang"})).await;
            // One line is read after the other.
            let facts = scene.usable().await;
            assert_eq!(facts["instance"], before["instance"]);
            let signal =
                if matches!(case.act, Act::Kill) { Signal::SIGKILL } else { Signal::SIGSTOP };
            kill(process(&before), signal).unwrap();
            id
        }
        Act::Exit => scene.call("fault", json!({"how": "exit"})).await,
        Act::Hang => scene.call("echo", json!({})).await,
        Act::Change => {
            assert!(scene.tools().await.contains(&"faulty__stale".to_owned()));
            fs::write(&fresh, "").unwrap();
            scene.call("fault", json!({"how": "exit"})).await
        }
    };
    assert_outcome(&scene.answer(id).await, case.call);
    match case.act {
        Act::Stop => kill(process(&before), Signal::SIGCONT).unwrap(),
        Act::Hang => fs::remove_file(&hang).unwrap(),
        _ => {}
    }
    let after = scene.usable().await;
    let is_same = before["instance"] == after["instance"];
    assert_eq!(is_same, case.then == Then::Stays, "{before}, {after}");
    if case.then == Then::Changed {
        scene.expect_listed("fresh").await;
        let id = scene.call("stale", json!({})).await;
        assert_eq!(scene.answer(id).await.code(), -32602);
    }
    scene.end().await;
}

fn process(facts: &Value) -> Pid {
    Pid::from_raw(facts["instance"].as_i64().unwrap().try_into().unwrap())
}
