//! `conflux status --watch`: the same again and again, whatever becomes of the gateway.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use nix::pty::Winsize;
use nix::pty::openpty;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value;
use serde_json::json;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::programs::toy;
use crate::support::reader::Reader;
use crate::support::wire_client::LIMIT;

const ARGS: [&str; 4] = ["status", "--watch", "--interval", "100ms"];

#[tokio::test]
async fn it_says_that_a_gateway_is_gone_and_finds_the_next_one() {
    let gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    let mut reader = Reader::spawn(gateway.conflux(&ARGS));
    let first = reader.line().await;
    assert!(first.starts_with("--- 20") && first.ends_with('Z'), "{first}");
    reader.line_with("no running gateway could be asked").await;
    for _ in 0..2 {
        let client = gateway.legacy("2025-11-25", json!({})).await;
        reader.line_with(&format!("process {}", client.process_id())).await;
        reader.line_with("toy ").await;
        assert!(client.leave().await.success());
        reader.line_with("no running gateway could be asked").await;
    }
    assert_eq!(reader.interrupt().await.code(), Some(0));
}

#[tokio::test]
async fn as_data_it_is_a_line_for_each_gateway_and_look() {
    let gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    let client = gateway.legacy("2025-11-25", json!({})).await;
    let mut reader = Reader::spawn(gateway.conflux(&[&ARGS[..], &["--json"]].concat()));
    for _ in 0..3 {
        let line: Value = serde_json::from_str(&reader.line().await).unwrap();
        assert_eq!(line["pid"], client.process_id());
    }
    assert!(client.leave().await.success());
    reader.said("no running gateway could be asked").await;
    let client = gateway.legacy("2025-11-25", json!({})).await;
    reader.line_with(&format!(r#""pid":{}"#, client.process_id())).await;
    assert_eq!(reader.interrupt().await.code(), Some(0));
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn on_a_terminal_it_is_redrawn_in_place_and_never_wider() {
    let gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    let client = gateway.legacy("2025-11-25", json!({})).await;
    let size = Winsize { ws_row: 8, ws_col: 44, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(Some(&size), None).unwrap();
    let mut command = gateway.conflux(&ARGS);
    command.env("TERM", "xterm").stdin(Stdio::null()).stderr(Stdio::null());
    command.stdout(terminal.slave).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    // Only the child holds the other side now.
    drop(command);
    let mut screen = File::from(terminal.master);
    let read = tokio::task::spawn_blocking(move || {
        let (mut text, mut chunk) = (String::new(), [0; 4096]);
        while text.matches("\u{1b}[H").count() < 4 {
            let count = screen.read(&mut chunk).unwrap();
            text.push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
        (text, screen)
    });
    let (text, _screen) = timeout(LIMIT, read).await.expect("it is drawn").unwrap();
    let frames: Vec<_> = text.split("\u{1b}[H").collect();
    let frame = frames[2].replace("\u{1b}[K", "").replace("\u{1b}[J", "");
    let lines: Vec<_> = frame.trim_end().lines().collect();
    assert!(lines[0].ends_with('…') && lines[0].starts_with("20"), "{frame}");
    assert!(lines.len() <= 7, "{frame}");
    assert!(lines.iter().all(|line| line.chars().count() <= 44), "{frame}");
    assert!(frame.contains("more lines"), "{frame}");
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
    assert_eq!(timeout(LIMIT, child.wait()).await.unwrap().unwrap().code(), Some(0));
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_time_without_a_unit_or_too_short_is_refused() {
    let gateway = Gateway::new(&[]);
    for (interval, why) in [("2", "with its unit"), ("1ms", "`100ms` at least")] {
        let mut command = gateway.conflux(&["status", "--watch", "--interval", interval]);
        let output = timeout(LIMIT, command.stdin(Stdio::null()).output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(why), "{said}");
    }
    let mut command = gateway.conflux(&["status", "--interval", "2s"]);
    let output = timeout(LIMIT, command.stdin(Stdio::null()).output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
