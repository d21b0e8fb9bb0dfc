//! A command with a gateway of its own: what it finds, how it ends, what is left.

use std::fs;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value;
use serde_json::json;
use tokio::process::Child;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::programs::toy;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);

fn gateway() -> Gateway {
    Gateway::new(&[("toy", with(toy(&["--era", "dual"]).entry(), "required", json!(true)))])
}

async fn exec(gateway: &Gateway, command: &[&str]) -> Output {
    let mut program = gateway.conflux(&["exec", "--"]);
    program.args(command).stdin(Stdio::null()).kill_on_drop(true);
    timeout(LIMIT, program.output()).await.expect("it ends").unwrap()
}

fn shell(gateway: &Gateway, script: &str) -> Child {
    let mut program = gateway.conflux(&["exec", "--", "sh", "-c", script]);
    program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    program.kill_on_drop(true).spawn().unwrap()
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().unwrap().try_into().unwrap())
}

/// What a command wrote to a file, as soon as there is a whole line.
async fn written(gateway: &Gateway, name: &str) -> String {
    let path = gateway.path().join(name);
    let reading = async {
        loop {
            match fs::read_to_string(&path) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                _ => sleep(POLL).await,
            }
        }
    };
    timeout(LIMIT, reading).await.expect("the command runs")
}

async fn code(mut child: Child) -> Option<i32> {
    timeout(LIMIT, child.wait()).await.expect("it ends").unwrap().code()
}

#[tokio::test]
async fn the_command_finds_a_gateway_that_is_ready() {
    let gateway = gateway();
    let script = r#"
        echo "$CONFLUX_URL"; echo "$CONFLUX_MCP_CONFIG"
        exec "$0" status --json --pid "$CONFLUX_PID"
    "#;
    let output = exec(&gateway, &["sh", "-c", script, env!("CARGO_BIN_EXE_conflux")]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
    let text = String::from_utf8(output.stdout).unwrap();
    let [url, config, status] = text.lines().collect::<Vec<_>>().try_into().unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/mcp"), "{url}");
    let config: Value = serde_json::from_str(config).unwrap();
    let entry = json!({ "type": "http", "url": url });
    assert_eq!(config, json!({ "mcpServers": { "conflux": entry } }));
    let status: Value = serde_json::from_str(status).unwrap();
    assert_eq!(status["listening"], url);
    assert_eq!(status["ready"], true);
    assert_eq!(status["upstreams"][0]["state"], "ready", "{status}");
    // Nothing of it is left.
    let toy = Pid::from_raw(status["upstreams"][0]["pid"].as_i64().unwrap().try_into().unwrap());
    kill(toy, None).expect_err("the upstream has ended");
    let sockets = gateway.path().join("state/run");
    assert_eq!(fs::read_dir(sockets).unwrap().count(), 0);
}

#[tokio::test]
async fn the_command_can_call_and_be_conflux_itself() {
    let gateway = gateway();
    let inner = gateway.write("inner.yaml", "");
    let outer = Gateway::new(&[("demo", json!({ "command": "conflux", "args": ["demo"] }))]);
    let script = r#"
        printf 'upstreams: { outer: { url: "%s", prefix: "" } }' "$CONFLUX_URL" > "$1"
        exec "$0" --config "$1" call demo__add --args '{"a": 40, "b": 2}'
    "#;
    let program = env!("CARGO_BIN_EXE_conflux");
    let output = exec(&outer, &["sh", "-c", script, program, inner.to_str().unwrap()]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("42"), "{output:?}");
}

#[tokio::test]
async fn it_ends_as_the_command_ends() {
    let gateway = gateway();
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137)] {
        let output = exec(&gateway, &["sh", "-c", script]).await;
        assert_eq!(output.status.code(), Some(code), "{script}");
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{script}: {output:?}");
    }
}

#[tokio::test]
async fn a_command_that_cannot_be_started_has_its_own_codes() {
    let gateway = gateway();
    let plain = gateway.write("plain", "no program");
    for (command, code, why) in [
        ("no-such-command-anywhere", 127, "No such file"),
        (plain.to_str().unwrap(), 126, "Permission denied"),
    ] {
        let output = exec(&gateway, &[command]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(
            said.starts_with(&format!("error: cannot start the command `{command}`")),
            "{said}"
        );
        assert!(said.contains(why) && said.contains("hint: "), "{said}");
    }
    let nothing = exec(&gateway, &[]).await;
    assert_eq!(nothing.status.code(), Some(2));
}

#[tokio::test]
async fn the_command_is_not_started_without_what_is_required() {
    let broken = json!({
        "command": "sh",
        "args": ["-c", "echo out of luck >&2; exit 3"],
        "required": true,
    });
    let gateway = Gateway::new(&[("boom", broken)]);
    let output = exec(&gateway, &["touch", "started"]).await;
    assert_eq!(output.status.code(), Some(4));
    assert!(!gateway.path().join("started").exists());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.stdout.is_empty(), "that is the command's");
    let json = said.lines().find(|line| line.starts_with('{')).unwrap();
    let report: Value = serde_json::from_str(json).unwrap();
    assert_eq!(report["upstreams"][0]["errorKind"], "exited", "{report}");
    assert!(said.contains("error: upstream `boom`, which is required, is not ready"), "{said}");
}

#[tokio::test]
async fn signals_are_for_the_command() {
    for (signal, code) in [(Signal::SIGTERM, 41), (Signal::SIGINT, 42), (Signal::SIGUSR1, 43)] {
        let gateway = gateway();
        let script = "trap 'exit 41' TERM; trap 'exit 42' INT; trap 'exit 43' USR1
            echo ready > up; while :; do sleep 0.05; done";
        let child = shell(&gateway, script);
        written(&gateway, "up").await;
        kill(pid_of(&child), signal).unwrap();
        assert_eq!(self::code(child).await, Some(code), "{signal}");
    }
    // What has no trap dies of it, and that is told as shells tell it.
    let gateway = gateway();
    let child = shell(&gateway, "echo ready > up; exec sleep 600");
    written(&gateway, "up").await;
    kill(pid_of(&child), Signal::SIGTERM).unwrap();
    assert_eq!(code(child).await, Some(143));
}

#[tokio::test]
async fn what_the_command_leaves_behind_is_its_own() {
    let gateway = gateway();
    let child = shell(&gateway, "sleep 600 & echo $! > left; exit 5");
    let left = written(&gateway, "left").await;
    assert_eq!(code(child).await, Some(5));
    let left = Pid::from_raw(left.parse().unwrap());
    kill(left, None).expect("it lives on");
    kill(left, Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_signal_before_the_command_ends_the_gateway() {
    let hanging = with(toy(&["--hang"]).entry(), "required", json!(true));
    let gateway = Gateway::new(&[("hanging", hanging)]);
    let child = shell(&gateway, "echo ready > up");
    let socket = gateway.path().join("state/run").join(format!("{}.sock", pid_of(&child)));
    let begun = async {
        while !socket.exists() {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, begun).await.expect("it begins");
    kill(pid_of(&child), Signal::SIGTERM).unwrap();
    assert_eq!(code(child).await, Some(143));
    assert!(!gateway.path().join("up").exists());
}
