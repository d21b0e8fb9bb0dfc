//! At a terminal: as wide as it is, with colours unless somebody does not want them, and with a word
//! for whom somebody waits.

use std::fs::File;
use std::io;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use nix::pty::Winsize;
use nix::pty::openpty;
use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::programs::toy;
use crate::support::wire_client::LIMIT;

const COLUMNS: u16 = 40;

/// What a program prints to a terminal that one of its streams is.
async fn shown(mut command: Command, connect: impl FnOnce(&mut Command, OwnedFd)) -> String {
    let size = Winsize { ws_row: 20, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(Some(&size), None).unwrap();
    command.env("TERM", "xterm").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    connect(&mut command, terminal.slave);
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    // Only the child holds the other side now.
    drop(command);
    let mut screen = File::from(terminal.master);
    let read = tokio::task::spawn_blocking(move || {
        let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
        // Linux tells that nobody holds the other side any more by an error.
        while let Ok(count) = screen.read(&mut chunk).and_then(ended) {
            text.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8(text).unwrap().replace("\r\n", "\n")
    });
    let text = timeout(LIMIT, read).await.expect("it ends").unwrap();
    timeout(LIMIT, child.wait()).await.unwrap().unwrap();
    text
}

/// What of a line takes up room: no style.
fn seen(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |seen, part| seen + part.split_once('m').map_or(part, |(_, rest)| rest))
}

fn ended(count: usize) -> io::Result<usize> {
    if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(count) }
}

fn stdout(command: &mut Command, terminal: OwnedFd) {
    command.stdout(terminal);
}

fn stderr(command: &mut Command, terminal: OwnedFd) {
    command.stderr(terminal);
}

#[tokio::test]
async fn nothing_is_wider_than_the_terminal_but_names() {
    let gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    let client = gateway.legacy("2025-11-25", json!({})).await;
    let lists = [&["tools"][..], &["tokens"], &["lint"], &["resources"], &["prompts"]];
    for args in lists.into_iter().chain([&["status"][..], &["exec", "--help"]]) {
        let text = shown(gateway.conflux(args), stdout).await;
        let wide = |line: &&str| {
            seen(line).chars().count() > usize::from(COLUMNS) && line.trim_start().contains(' ')
        };
        // What `status` says above its table may have the path of a file in it.
        let table = text.rsplit("\n\n").next().unwrap();
        let wide: Vec<_> = table.lines().filter(wide).collect();
        assert!(!text.is_empty(), "{args:?}");
        assert!(wide.is_empty(), "{args:?}: {wide:#?}");
    }
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn what_was_read_cannot_redraw_the_terminal() {
    let gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    let uri = "toy://item/a\u{1b}]0;b\u{7}c\td";
    assert_eq!(shown(gateway.conflux(&["read", uri]), stdout).await, "item a]0;bc\td\n");
    let output = gateway.conflux(&["read", uri]).stdin(Stdio::null()).output().await.unwrap();
    assert_eq!(output.stdout, b"item a\x1b]0;b\x07c\td\n", "a file gets what came");
}

#[tokio::test]
async fn who_waits_long_is_told_for_whom() {
    let late = with(toy(&["--hang"]).entry(), "timeout", json!({ "start": "4s" }));
    let gateway = Gateway::new(&[("late", late), ("toy", toy(&[]).entry())]);
    let text = shown(gateway.conflux(&["tools"]), stderr).await;
    assert!(text.starts_with("waiting for 1 of 2 upstreams: `late` …\n"), "{text}");
    assert_eq!(text.matches("waiting").count(), 1, "{text}");
    let output = gateway.conflux(&["tools"]).stdin(Stdio::null()).output().await.unwrap();
    assert!(!String::from_utf8(output.stderr).unwrap().contains("waiting"), "not into a file");
}
