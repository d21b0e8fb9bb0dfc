//! Upstreams that fail take nothing with them, and nothing that was started outlives the end.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value;
use serde_json::json;
use tokio::process::Command;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server;
use crate::support::programs::Program;
use crate::support::programs::toy;
use crate::support::remote::Remote;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);
const FAILURE: &str = "dev.conflux/error";

/// Six that work, in every era, and four that each fail in their own way.
fn ten(late: &str) -> Gateway {
    let short = json!({"start": "7s"});
    Gateway::new(&[
        ("missing", Program::new("no-such-program-anywhere").entry()),
        ("legacy", toy(&["--late", late]).entry()),
        ("exiting", toy(&["--exit", "7"]).entry()),
        ("modern", toy(&["--era", "modern", "--late", late]).entry()),
        ("hung", with(toy(&["--hang"]).entry(), "timeout", short.clone())),
        ("dual", toy(&["--era", "dual", "--late", late]).entry()),
        ("oldest", toy(&["--revision", "2024-11-05", "--late", late]).entry()),
        ("garbage", with(toy(&["--garbage"]).entry(), "timeout", short)),
        ("banner", toy(&["--banner", "--late", late]).entry()),
        ("locked", toy(&["--era", "locked", "--late", late]).entry()),
    ])
}

const HEALTHY: [&str; 6] = ["legacy", "modern", "dual", "oldest", "banner", "locked"];
const FAILING: [(&str, &str, &str); 4] = [
    ("missing", "cannot_start", "no-such-program-anywhere"),
    ("exiting", "exited", "toy: exiting at once, as told"),
    ("hung", "start_timeout", "7s"),
    ("garbage", "start_timeout", "stdout"),
];

async fn names(client: &mut Client) -> Vec<String> {
    let listed = client.request("tools/list", json!({})).await.result();
    let tools = listed["tools"].as_array().unwrap().iter();
    tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

async fn status_of(client: &mut Client, upstream: &str) -> Value {
    let status = client.call("conflux__status", json!({})).await.structured();
    let upstreams = status["upstreams"].as_array().unwrap();
    let named = upstreams.iter().find(|one| one["name"] == upstream);
    named.unwrap_or_else(|| panic!("no `{upstream}` in {status}")).clone()
}

#[tokio::test]
async fn initialize_waits_for_no_upstream() {
    let gateway = ten("600000");
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let status = client.call("conflux__status", json!({})).await.structured();
    let upstreams = status["upstreams"].as_array().unwrap();
    assert_eq!(upstreams.len(), 10, "{status}");
    assert!(upstreams.iter().all(|one| one["listed"] == false), "{status}");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn four_that_fail_leave_six_that_work() {
    let gateway = ten("0");
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let mut listed = names(&mut client).await;
    // On a busy machine the first list may come before a slow starter.
    while HEALTHY.iter().any(|name| !listed.contains(&format!("{name}__echo"))) {
        client.wait_for("notifications/tools/list_changed", 1).await;
        client.take_seen();
        listed = names(&mut client).await;
    }
    assert_eq!(listed.len(), 6 * 20 + 1, "{listed:?}");
    for name in HEALTHY {
        let echoed = client.call(&format!("{name}__echo"), json!({"from": name})).await;
        assert_eq!(echoed.structured(), json!({"from": name}));
        assert_eq!(status_of(&mut client, name).await["state"], "ready");
    }
    for (name, kind, cause) in FAILING {
        let failed = client.call(&format!("{name}__anything"), json!({})).await;
        let result = failed.result();
        assert_eq!(result["isError"], true, "{result}");
        let failure = &result["_meta"][FAILURE];
        assert_eq!(failure["upstream"], name, "{result}");
        assert_eq!(failure["kind"], kind, "{result}");
        assert_eq!(failure["executed"], "no", "{result}");
        let text = failed.text();
        assert!(text.contains(name) && text.contains(cause), "`{cause}` is not in {text}");
        let status = status_of(&mut client, name).await;
        assert!(status["error"].as_str().unwrap().contains(name), "{status}");
        assert_eq!(status["listed"], false, "{status}");
    }
    let exiting = status_of(&mut client, "exiting").await;
    assert_eq!(exiting["stderr"], json!(["toy: exiting at once, as told"]));
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn one_that_was_ready_is_not_said_to_have_failed_its_start() {
    let gateway = Gateway::new(&[("dying", toy(&[]).entry())]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let lost = client.call("dying__die", json!({})).await.result();
    assert_eq!(lost["_meta"][FAILURE]["kind"], "connection_lost", "{lost}");
    assert!(lost.to_string().contains("during the request: exit code 3"), "{lost}");
    let failed = async {
        loop {
            let status = status_of(&mut client, "dying").await;
            if status["state"] == "backing_off" {
                return status;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let status = tokio::time::timeout(LIMIT, failed).await.expect("it is seen to have ended");
    assert_eq!(status["error"], "`dying` has ended: exit code 3");
    assert!(client.leave().await.success());
}

/// Notes every start, says two things and gives up.
const HOPELESS: &str = r#"
echo started >> "$STARTS"
echo 'looking for a token' >&2
echo 'there is no token' >&2
exit 7
"#;

#[tokio::test]
async fn after_five_failed_starts_calls_are_told_why_and_nothing_is_started_for_them() {
    let mut gateway = Gateway::new(&[]);
    let starts = gateway.path().join("starts");
    let started = || fs::read_to_string(&starts).unwrap().lines().count();
    let program = Program::new("sh").args(&["-c", HOPELESS]).env("STARTS", &starts);
    gateway.add("dead", program.entry());
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let call = async |client: &mut Client| client.call("dead__echo", json!({})).await;
    // Until then each waits for a start.
    while status_of(&mut client, "dead").await["state"] != "failed" {
        assert_eq!(call(&mut client).await.result()["isError"], true);
    }
    assert!(started() >= 5, "{}", started());
    // Once in some seconds it is started by itself, which may be in the middle of a try.
    for _ in 0..2 {
        let before = (status_of(&mut client, "dead").await["since"].clone(), started());
        let refused = call(&mut client).await;
        let after = (status_of(&mut client, "dead").await["since"].clone(), started());
        if before != after {
            continue;
        }
        let failure = refused.result()["_meta"][FAILURE].clone();
        let expected = (&json!("exited"), &json!("no"));
        assert_eq!((&failure["kind"], &failure["executed"]), expected, "{}", refused.line);
        let wait = failure["retry_after_ms"].as_u64().unwrap();
        assert!(wait <= 60_000, "{failure}");
        let text = refused.text();
        for words in ["`dead` exited before it was ready", "exit code 7", "there is no token"] {
            assert!(text.contains(words), "`{words}` is not in {text}");
        }
        assert!(client.leave().await.success());
        return;
    }
    panic!("it is started whenever somebody calls: {} times", started());
}

#[tokio::test]
async fn who_could_not_be_reached_at_first_is_listed_once_it_is_there() {
    let away = Remote::http(&[]).await;
    let (entry, address) = (away.entry("/mcp"), away.address().to_owned());
    away.stop().await;
    let mut gateway = Gateway::new(&[("far", entry)]);
    let path = gateway.path().join("server");
    gateway.add("near", Program::new(&path).entry());
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert_eq!(names(&mut client).await, ["conflux__status"]);
    for (name, kind) in [("far", "unreachable"), ("near", "cannot_start")] {
        // While it is tried once more there is nothing to be said.
        while status_of(&mut client, name).await["errorKind"] != kind {
            tokio::time::sleep(POLL).await;
        }
    }
    client.expect_silence(POLL).await;

    symlink(toy(&[]).path, path).unwrap();
    let far = Remote::start("--http", &address, &[]).await;
    let mut listed = Vec::new();
    while ["far__echo", "near__echo"].iter().any(|name| !listed.contains(&(*name).to_owned())) {
        client.wait_for("notifications/tools/list_changed", 1).await;
        client.take_seen();
        listed = names(&mut client).await;
    }
    assert!(client.leave().await.success());
    far.stop().await;
}

/// A gateway whose upstreams do not end by themselves, with all their processes.
async fn stubborn() -> (Gateway, Client, Vec<Pid>) {
    let eager = |flags: &[&str]| {
        let entry = toy(&[flags, &["--spawn-grandchild"]].concat()).entry();
        with(entry, "start", json!("eager"))
    };
    let gateway = Gateway::new(&[
        ("one", eager(&["--ignore-stdin-eof"])),
        ("two", eager(&["--era", "modern"])),
        ("never", eager(&["--hang", "--ignore-stdin-eof"])),
    ]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let started = started(&client, 3).await;
    for name in ["one", "two"] {
        let facts = client.call(&format!("{name}__process"), json!({})).await.structured();
        assert!(started.contains(&pid(&facts["pid"])), "{facts}");
    }
    (gateway, client, started)
}

fn pid(value: &Value) -> Pid {
    Pid::from_raw(i32::try_from(value.as_i64().unwrap()).unwrap())
}

/// One process of the machine.
struct Process {
    pid: Pid,
    parent: Pid,
    is_zombie: bool,
}

async fn processes() -> Vec<Process> {
    let mut command = Command::new("ps");
    let output = command.args(["-A", "-o", "pid=,ppid=,stat="]).output().await.unwrap();
    let number = |text: &str| Pid::from_raw(text.parse().unwrap());
    let text = String::from_utf8(output.stdout).unwrap();
    let read = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_zombie = fields[2].starts_with('Z');
        Process { pid: number(fields[0]), parent: number(fields[1]), is_zombie }
    };
    text.lines().map(read).collect()
}

/// The processes of `count` upstreams, each with its guard and its child, once all are there.
async fn started(client: &Client, count: usize) -> Vec<Pid> {
    let find = async {
        loop {
            let found = descendants(client).await;
            if found.len() == 3 * count {
                return found;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(LIMIT, find).await.expect("every upstream has its child")
}

/// Every process below a gateway.
async fn descendants(client: &Client) -> Vec<Pid> {
    let all = processes().await;
    let mut found = vec![pid(&json!(client.process_id()))];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(all.iter().filter(|process| process.parent == parent).map(|it| it.pid));
        next += 1;
    }
    found.split_off(1)
}

/// Checks that none of them is alive; a zombie waits for its new parent only.
async fn expect_gone(started: &[Pid]) {
    let alive = async || -> Vec<Pid> {
        let all = processes().await;
        let alive = all.iter().filter(|process| !process.is_zombie);
        alive.map(|process| process.pid).filter(|pid| started.contains(pid)).collect()
    };
    // Five seconds are promised.
    for _ in 0..250 {
        if alive().await.is_empty() {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
    panic!("still alive: {:?}", alive().await);
}

#[tokio::test]
async fn nothing_outlives_a_client_that_leaves() {
    let (_gateway, mut client, processes) = stubborn().await;
    client.close_stdin();
    assert!(client.wait().await.success());
    expect_gone(&processes).await;
}

/// A gateway whose upstream takes no end of its input for one, and notes if it is told to end.
fn noting() -> (Gateway, Program) {
    let toy = toy(&["--ignore-stdin-eof"]);
    let line = "trap 'touch \"$NOTE\"' TERM; \"$0\" \"$@\"; while :; do sleep 0.1; done";
    let gateway = Gateway::new(&[]);
    let args = [vec!["-c".to_owned(), line.to_owned(), toy.path.clone()], toy.args.clone()];
    let args = args.concat();
    let program = Program::new("sh").args(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let program = program.env("NOTE", gateway.path().join("told"));
    (gateway, program)
}

const ENDED: &str = "The request was ended because Conflux is stopping";

/// A call that tells that it has begun, and would go on for ten minutes.
fn endless() -> Value {
    json!({
        "name": "toy__progress",
        "arguments": {"steps": 2, "gap": 600_000},
        "_meta": {"progressToken": 1},
    })
}

#[tokio::test]
async fn a_second_signal_ends_all_at_once() {
    let (mut gateway, program) = noting();
    gateway.add("toy", program.entry());
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let call = client.start("tools/call", endless()).await;
    client.wait_for("notifications/progress", 1).await;
    // A guard, a shell and the server.
    let processes = descendants(&client).await;
    assert_eq!(processes.len(), 3);
    // Two of a kind could become one before anybody looks.
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        kill(pid(&json!(client.process_id())), signal).unwrap();
    }
    assert_eq!(client.reply_to(call).await.error()["message"], ENDED);
    assert!(matches!(client.wait().await.code(), Some(130 | 143)));
    expect_gone(&processes).await;
    assert!(!gateway.path().join("told").exists(), "it was killed, not asked");
}

#[tokio::test]
async fn a_second_signal_ends_clients_over_http_at_once_too() {
    let (mut gateway, program) = noting();
    gateway.add("toy", program.entry());
    let mut server = Server::start(&gateway).await;
    let mut modern = server.modern("tools/call", endless()).events().await;
    let session = server.session("2025-11-25", json!({})).await;
    let mut legacy = session.request(1, "tools/call", endless()).events().await;
    for stream in [&mut modern, &mut legacy] {
        assert_eq!(stream.message().await["params"]["progress"], 1);
    }
    server.signal();
    while !server.stderr().contains("stopping: calls under way get two seconds") {
        tokio::time::sleep(POLL).await;
    }
    server.signal();
    for mut stream in [modern, legacy] {
        let last = stream.rest().await.pop().unwrap().json();
        assert_eq!(last["error"]["message"], ENDED, "{last}");
    }
    assert_eq!(server.ended().await.code(), Some(143));
    assert!(!gateway.path().join("told").exists(), "it was killed, not asked");
}

#[tokio::test]
async fn nothing_outlives_sigterm() {
    let (_gateway, mut client, processes) = stubborn().await;
    kill(pid(&json!(client.process_id())), Signal::SIGTERM).unwrap();
    client.wait().await;
    expect_gone(&processes).await;
}

#[tokio::test]
async fn nothing_outlives_a_conflux_that_is_killed_not_even_daemons() {
    let toy = toy(&["--ignore-stdin-eof", "--spawn-grandchild"]);
    let line = "setsid sleep 300 & \"$0\" \"$@\"";
    let args = [vec!["-c".to_owned(), line.to_owned(), toy.path.clone()], toy.args.clone()];
    let args = args.concat();
    let args = args.iter().map(String::as_str).collect::<Vec<_>>();
    let gateway = Gateway::new(&[("deep", Program::new("sh").args(&args).entry())]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.call("deep__echo", json!({"text": "x"})).await.result();
    let processes = descendants(&client).await;
    // A guard, a shell, the daemon, the server and its own child.
    assert_eq!(processes.len(), 5, "{processes:?}");
    kill(pid(&json!(client.process_id())), Signal::SIGKILL).unwrap();
    client.wait().await;
    expect_gone(&processes).await;
}

/// A server that, once its tool was called, refuses to list tools, and has one prompt more.
const FORGETFUL: &str = r#"
say() { printf '{"jsonrpc":"2.0",%s}\n' "$1"; }
answer() { say "\"id\":$id,$1"; }
prompts='{"name":"p"}'
refused=
while read -r line; do
  id=${line#*'"id":'}; id=${id%%,*}
  case $line in
    *server/discover*) answer '"error":{"code":-32601,"message":"no"}' ;;
    *'"initialize"'*)
      can='"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{}'
      answer '"result":{"protocolVersion":"2025-11-25","capabilities":{'"$can"'}}' ;;
    *tools/list*)
      if [ "$refused" ]; then answer '"error":{"code":-32603,"message":"out of luck"}'
      else answer '"result":{"tools":[{"name":"flip","inputSchema":{"type":"object"}}]}'; fi ;;
    *prompts/list*) answer '"result":{"prompts":['"$prompts"']}' ;;
    *resources/templates/list*) answer '"error":{"code":-32601,"message":"unknown"}' ;;
    *resources/list*) answer '"result":{"resources":"odd"}' ;;
    *tools/call*)
      refused=1; prompts='{"name":"p"},{"name":"q"}'
      answer '"result":{"content":[]}'
      say '"method":"notifications/prompts/list_changed"' ;;
  esac
done
"#;

#[tokio::test]
async fn a_list_that_is_refused_or_odd_costs_no_other_and_nothing_that_was_listed() {
    let mut gateway = Gateway::new(&[]);
    let script = gateway.write("forgetful.sh", FORGETFUL);
    gateway.add("toy", json!({"command": "sh", "args": [script]}));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert_eq!(names(&mut client).await, ["toy__flip", "conflux__status"]);
    let status = status_of(&mut client, "toy").await;
    let failure = status["listingError"].as_str().unwrap();
    assert!(failure.starts_with("resources: ") && !failure.contains("templates"), "{failure}");
    let expected = (&json!(false), &json!("degraded"));
    assert_eq!((&status["listed"], &status["state"]), expected, "{status}");

    client.call("toy__flip", json!({})).await.result();
    client.wait_for("notifications/prompts/list_changed", 1).await;
    let prompts = client.request("prompts/list", json!({})).await.result();
    assert_eq!(prompts["prompts"].as_array().unwrap().len(), 2, "{prompts}");
    assert_eq!(names(&mut client).await, ["toy__flip", "conflux__status"], "it stays listed");
    let status = status_of(&mut client, "toy").await;
    assert!(status["listingError"].as_str().unwrap().contains("out of luck"), "{status}");
    assert!(client.leave().await.success());
}

/// A server that has no tools to list when it is asked for the first time, and never says more.
const SLOW_TO_KNOW: &str = r#"
answer() { printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$1"; }
knows=
while read -r line; do
  id=${line#*'"id":'}; id=${id%%,*}
  case $line in
    *server/discover*) answer '"error":{"code":-32601,"message":"no"}' ;;
    *'"initialize"'*)
      answer '"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}' ;;
    *tools/list*)
      if [ "$knows" ]; then
        answer '"result":{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}'
      else answer '"error":{"code":-32603,"message":"not yet"}'; fi
      knows=1 ;;
    *tools/call*) answer '"result":{"content":[]}' ;;
  esac
done
"#;

#[tokio::test]
async fn who_could_not_list_at_first_is_asked_again_by_itself_and_for_a_call() {
    let mut gateway = Gateway::new(&[]);
    let script = gateway.write("slow.sh", SLOW_TO_KNOW);
    gateway.add("toy", json!({"command": "sh", "args": [script]}));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert_eq!(names(&mut client).await, ["conflux__status"]);
    client.call("toy__t", json!({})).await.result();
    assert!(client.leave().await.success());

    fs::remove_dir_all(gateway.path().join("state")).unwrap();
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert_eq!(names(&mut client).await, ["conflux__status"]);
    client.wait_for("notifications/tools/list_changed", 1).await;
    assert_eq!(names(&mut client).await, ["toy__t", "conflux__status"]);
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn who_is_down_costs_nothing_with_every_list() {
    let gateway = Gateway::new(&[
        ("gone", Program::new("no-such-program-anywhere").entry()),
        ("toy", toy(&[]).entry()),
    ]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    names(&mut client).await;
    let status = client.call("conflux__status", json!({})).await.structured();
    for _ in 0..5 {
        names(&mut client).await;
    }
    let after = client.call("conflux__status", json!({})).await.structured();
    assert_eq!(status["generation"], after["generation"], "nothing was published: {after}");
    assert!(client.leave().await.success());
}
