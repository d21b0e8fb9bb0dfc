//! Commands that end by themselves, and what they said.

use std::process::Output;
use std::process::Stdio;

use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::wire_client::LIMIT;

/// Runs the program with these arguments to its end; nobody types anything.
pub(crate) async fn run(gateway: &Gateway, args: &[&str]) -> Output {
    let mut command = gateway.conflux(args);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    timeout(LIMIT, output).await.expect("it ends").unwrap()
}

/// What it wrote to stdout.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it wrote to stderr.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
