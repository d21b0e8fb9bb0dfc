//! A small MCP server over stdio or HTTP that misbehaves on request, written without any SDK.
//!
//! Tests put it behind Conflux; `toy_upstream --help` lists what it can do. Whatever it relays
//! (arguments, answers of the client, files named by flags) leaves as the bytes that came.

mod ask;
mod calls;
mod era;
mod extras;
mod flags;
mod http;
mod ledger;
mod lists;
mod serve;
mod sse;
mod stream;
mod streamable;
mod subscriptions;
mod tasks;
mod tools;
mod wire;

use std::io::Write as _;
use std::process::ExitCode;
use std::process::Stdio;
use std::time::Duration;

use clap::Parser as _;
use tokio::signal::unix;

use crate::flags::Flags;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    if let Some(code) = flags.exit {
        say("toy: exiting at once, as told");
        return ExitCode::from(code);
    }
    // Held to the end: while somebody listens, SIGTERM does not end the process.
    let _deaf = flags.ignore_stdin_eof.then(|| unix::signal(unix::SignalKind::terminate()));
    let _grandchild = flags.spawn_grandchild.then(spawn_grandchild);
    tokio::time::sleep(Duration::from_millis(flags.late.unwrap_or(0))).await;
    if flags.banner || flags.garbage {
        print_banner();
    }
    let ignore_eof = flags.ignore_stdin_eof;
    let served = match flags.http.or(flags.sse) {
        Some(address) => http::serve(flags, address).await,
        None => serve::serve(flags).await,
    };
    match served {
        Ok(()) => {}
        Err(problem) => {
            say(&format!("toy: {problem}"));
            return ExitCode::from(2);
        }
    }
    if ignore_eof {
        std::future::pending::<()>().await;
    }
    ExitCode::SUCCESS
}

/// Starts a child that outlives this process unless somebody ends the whole group.
fn spawn_grandchild() -> Option<tokio::process::Child> {
    let mut command = tokio::process::Command::new("sleep");
    command.arg("300").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().ok()?;
    say(&format!("toy: grandchild {}", child.id().unwrap_or(0)));
    Some(child)
}

fn print_banner() {
    let mut out = std::io::stdout().lock();
    let banner =
        "  _____ toy server v1.0\n* listening on stdio\n{not json\n\n[1, 2\n42\n\"hello\"\n";
    let written = out.write_all(banner.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written {
        say(&format!("toy: cannot write: {error}"));
    }
}

/// Writes one line to stderr; when nobody reads it any more there is nothing left to do.
fn say(line: &str) {
    let written = writeln!(std::io::stderr().lock(), "{line}");
    drop(written);
}

/// Ends the process in the middle of whatever it does.
fn die(code: i32) -> ! {
    #[expect(clippy::exit, reason = "a server that dies in the middle of a call is the point")]
    std::process::exit(code)
}
