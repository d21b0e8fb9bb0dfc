//! Nothing that was started outlives Conflux, whatever it does and however Conflux ends.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::signal::killpg;
use nix::unistd::Pid;
use nix::unistd::getsid;
use serde_json::Value;
use serde_json::json;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::processes::MARK;
use crate::support::processes::expect_marked;
use crate::support::processes::expect_nobody;
use crate::support::processes::marked;
use crate::support::programs::Program;
use crate::support::programs::toy;
use crate::support::wire_client::Client;

const PROGRAM: &str = env!("CARGO_BIN_EXE_conflux");
const POLL: Duration = Duration::from_millis(20);

/// A toy that a shell starts in the way of `line`, where `"$0" "$@"` is the toy.
fn under_shell(line: &str, flags: &[&str]) -> Program {
    let toy = toy(flags);
    let program = Program::new("sh").args(&["-c", line]).arg(&toy.path);
    toy.args.iter().fold(program, Program::arg)
}

/// A mark that no other test has, nor another run of this one.
fn mark(of: &str) -> String {
    format!("{of}-{}", std::process::id())
}

fn eager(program: &Program, mark: &str) -> Value {
    with(program.clone().env(MARK, mark).entry(), "start", json!("eager"))
}

fn id(client: &Client) -> Pid {
    Pid::from_raw(client.process_id().cast_signed())
}

/// The session of `Gateway::legacy`, of a Conflux that leads a group, as shells start it.
async fn leading(gateway: &Gateway) -> Client {
    let mut client = Client::spawn(gateway.command().process_group(0));
    client.initialize("2025-11-25", json!({})).await.result();
    client
}

async fn expect_file(path: &Path) {
    let limit = crate::support::wire_client::LIMIT;
    let found = async {
        while !path.exists() {
            tokio::time::sleep(POLL).await;
        }
    };
    assert!(tokio::time::timeout(limit, found).await.is_ok(), "no {}", path.display());
}

/// Does what `docker run -i` does: what really runs is a child of somebody else, and hears of the
/// end from its client, if that is left the time to say so.
const CLIENT: &str = r#"trap 'touch "$HERE/told"' TERM; "$0" "$@"; touch "$HERE/over""#;
const CONTAINER: &str = r#"while [ ! -e "$HERE/over" ]; do sleep 0.05; done"#;

#[tokio::test]
async fn clients_of_containers_see_their_stdin_closed_before_anything_is_ended() {
    for end in ["leaves", "SIGTERM", "Ctrl-C", "SIGTERM twice", "SIGKILL"] {
        let mut gateway = Gateway::new(&[]);
        let home = gateway.path().to_owned();
        let mut container = Command::new("setsid");
        container.args(["sh", "-c", CONTAINER]).env("HERE", &home).kill_on_drop(true);
        let mut container = container.spawn().unwrap();
        gateway.add("boxed", under_shell(CLIENT, &[]).env("HERE", &home).entry());
        let mut client = leading(&gateway).await;
        client.call("boxed__echo", json!({})).await.result();
        match end {
            "leaves" => client.close_stdin(),
            "Ctrl-C" => killpg(id(&client), Signal::SIGINT).unwrap(),
            "SIGKILL" => kill(id(&client), Signal::SIGKILL).unwrap(),
            signals => {
                let params = json!({"name": "boxed__slow", "arguments": {"ms": 600_000}});
                client.start("tools/call", params).await;
                client.request("ping", json!({})).await.result();
                kill(id(&client), Signal::SIGTERM).unwrap();
                if signals == "SIGTERM twice" {
                    // Two of a kind could become one before anybody looks.
                    kill(id(&client), Signal::SIGINT).unwrap();
                }
            }
        }
        client.wait().await;
        expect_file(&home.join("over")).await;
        container.wait().await.unwrap();
        assert!(!home.join("told").exists(), "{end}: it was told before it could end by itself");
    }
}

#[tokio::test]
async fn many_that_do_not_end_are_ended_side_by_side() {
    let mark = mark("many");
    let stubborn = eager(&toy(&["--hang", "--ignore-stdin-eof"]), &mark);
    let names: Vec<String> = (0..12).map(|number| format!("stubborn{number}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), stubborn.clone())).collect();
    let client = Gateway::new(&entries).legacy("2025-11-25", json!({})).await;
    expect_marked(&mark, 24).await;
    // One after the other they would take longer than this waits.
    assert!(client.leave().await.success());
    expect_nobody(&mark, Instant::now()).await;
}

#[tokio::test]
async fn who_is_stopped_is_told_to_end_all_the_same() {
    let mut gateway = Gateway::new(&[]);
    let note = gateway.path().join("told");
    let deaf = "trap 'touch \"$NOTE\"; exit' TERM; kill -STOP $$; while :; do sleep 0.1; done";
    let line = "sh -c \"$STOPPED\" & exec \"$0\" \"$@\"";
    gateway.add("toy", under_shell(line, &[]).env("NOTE", &note).env("STOPPED", deaf).entry());
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.call("toy__echo", json!({})).await.result();
    assert!(client.leave().await.success());
    expect_file(&note).await;
}

#[tokio::test]
async fn a_guard_that_is_killed_itself_leaves_nobody_for_long() {
    let mark = mark("unguarded");
    let line = "sleep 300 & \"$0\" \"$@\"; :";
    let program = under_shell(line, &["--ignore-stdin-eof", "--spawn-grandchild"]);
    let gateway = Gateway::new(&[("toy", eager(&program, &mark))]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    // A guard, a shell, what that left aside, the toy, and its own child.
    let before = expect_marked(&mark, 5).await;
    let guard = *before.iter().find(|pid| getsid(Some(**pid)) == Ok(**pid)).unwrap();
    assert_ne!(getsid(Some(guard)), getsid(Some(id(&client))), "no terminal reaches it");
    client.call("toy__echo", json!({})).await.result();
    kill(guard, Signal::SIGKILL).unwrap();
    // The next one is not started before the last one is gone.
    client.call("toy__echo", json!({})).await.result();
    let after = expect_marked(&mark, 5).await;
    assert!(after.iter().all(|pid| !before.contains(pid)), "{before:?} {after:?}");
    assert!(client.leave().await.success());
    expect_nobody(&mark, Instant::now()).await;
}

/// A process that never stays the same one: each starts the next one and ends.
const HOPPING: &str = "#!/bin/sh\n[ -e \"$OVER\" ] || setsid \"$0\" &\n";

#[tokio::test]
async fn who_forks_faster_than_it_is_looked_for_is_ended_too() {
    let mark = mark("hopping");
    let mut gateway = Gateway::new(&[]);
    let (script, over) = (gateway.write("hop.sh", HOPPING), gateway.path().join("over"));
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let line = format!("{} & exec \"$0\" \"$@\"", script.display());
    gateway.add("toy", eager(&under_shell(&line, &[]).env("OVER", &over), &mark));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.call("toy__echo", json!({})).await.result();
    let hops = async || -> Vec<Pid> { marked(&mark).into_iter().map(|(pid, _)| pid).collect() };
    let first = hops().await;
    while hops().await.iter().all(|pid| first.contains(pid)) {
        tokio::time::sleep(POLL).await;
    }
    kill(id(&client), Signal::SIGKILL).unwrap();
    let since = Instant::now();
    client.wait().await;
    // Whatever comes of it, it ends with the test.
    let mut ended = JoinSet::new();
    ended.spawn(async move { expect_nobody(&mark, since).await });
    let ended = ended.join_next().await.unwrap();
    std::fs::write(over, "").unwrap();
    ended.unwrap();
}

#[tokio::test]
async fn nothing_is_started_for_a_conflux_that_is_gone() {
    let gateway = Gateway::new(&[]);
    let note = gateway.path().join("started");
    let mut guard = Command::new(PROGRAM);
    // It is the child of the test, not of that one.
    guard.args(["guard", "--conflux", "1", "--", "touch"]).arg(&note);
    let output = guard.output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Conflux is gone"), "{said}");
    assert!(!note.exists());
}

#[tokio::test]
async fn who_started_conflux_without_interest_in_ends_of_children_does_not_hide_them() {
    let gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    let command = gateway.command();
    let command = command.as_std();
    let mut deaf = Command::new("env");
    deaf.arg("--ignore-signal=CHLD").arg(PROGRAM).args(command.get_args());
    deaf.current_dir(gateway.path()).env_clear();
    for (name, value) in command.get_envs() {
        deaf.env(name, value.unwrap());
    }
    let mut client = Client::spawn(&mut deaf);
    client.initialize("2025-11-25", json!({})).await.result();
    let lost = client.call("toy__die", json!({})).await.text();
    assert!(lost.contains("exit code 3"), "{lost}");
    client.call("toy__echo", json!({})).await.result();
    assert!(client.leave().await.success());
}

const KILLS: u32 = 100;
const SIDE_BY_SIDE: u32 = 5;

/// `npx`: node starts a shell, that starts the server, and all share its pipes.
const NPX: &str = r#"node -e 'require("child_process").spawn("sh", ["-c", "\"$0\" \"$@\"; :",
    ...process.argv.slice(1)], {stdio: "inherit"})' "$0" "$@""#;
const DAEMON: &str = r#"setsid sleep 300 & "$0" "$@"; :"#;
const TWICE_FORKED: &str =
    r#"(setsid sh -c "sleep 300 & nohup sleep 300 <&0 &" &); exec "$0" "$@""#;
const DEAF: &str = r#"trap "" TERM HUP INT; sleep 300 & "$0" "$@"; sleep 300"#;

/// The trees of one Conflux: two of the four kinds, each pair as often as the others.
fn trees(number: u32, mark: &str) -> Vec<(&'static str, Value)> {
    let all = [
        ("npx", under_shell(NPX, &["--spawn-grandchild"])),
        ("daemon", under_shell(DAEMON, &["--era", "modern"])),
        ("forked", under_shell(TWICE_FORKED, &["--hang"])),
        ("deaf", under_shell(DEAF, &["--ignore-stdin-eof", "--spawn-grandchild"])),
    ];
    let pair = [(0, 1), (2, 3), (0, 2), (1, 3), (1, 2), (0, 3)][number as usize % 6];
    [pair.0, pair.1].map(|at| (all[at].0, eager(&all[at].1, mark))).into()
}

/// Kills a Conflux so long after it was started; says how long the last of its tree lived on.
async fn kill_one(number: u32, after: Duration) -> (usize, Duration) {
    let mark = mark(&format!("killed-{number}"));
    let gateway = Gateway::new(&trees(number, &mark));
    // Upstreams are started when a client has come; this one does not wait for an answer.
    let mut client = Client::spawn(gateway.command().stdin(Stdio::piped()));
    let info = json!({"name": "tests", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info});
    client.start("initialize", params).await;
    tokio::time::sleep(after).await;
    let alive = marked(&mark).len();
    kill(id(&client), Signal::SIGKILL).unwrap();
    let since = Instant::now();
    client.wait().await;
    (alive, expect_nobody(&mark, since).await)
}

#[tokio::test]
async fn a_hundred_kills_leave_nobody() {
    // Some before anything is started, most while it is, some when all are ready.
    let after =
        |number: u32| Duration::from_millis((number * 7919 % 1000 * (number % 3 + 1) / 3).into());
    let mut running = JoinSet::new();
    for lane in 0..SIDE_BY_SIDE {
        running.spawn(async move {
            let mut outcomes = Vec::new();
            for number in (lane..KILLS).step_by(SIDE_BY_SIDE as usize) {
                outcomes.push(kill_one(number, after(number)).await);
            }
            outcomes
        });
    }
    let outcomes: Vec<(usize, Duration)> = running.join_all().await.into_iter().flatten().collect();
    assert_eq!(outcomes.len(), KILLS as usize);
    let sizes = outcomes.iter().map(|(size, _)| *size);
    let (least, most) = (sizes.clone().min().unwrap(), sizes.max().unwrap());
    let longest = outcomes.iter().map(|(_, took)| *took).max().unwrap();
    println!("trees of {least} to {most} processes, the last gone after {longest:?}");
    assert!(most >= 9, "no tree was ever whole: {most}");
}
