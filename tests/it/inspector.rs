//! The command line of the MCP Inspector in front of Conflux.

use std::process::Stdio;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::conformance;
use crate::support::gateway;
use crate::support::gateway::Gateway;
use crate::support::http;
use crate::support::programs::Program;
use crate::support::real;
use crate::support::wire_client::LIMIT;

#[tokio::test]
async fn lists_and_calls_over_stdio() {
    let home = TempDir::new().unwrap();
    let conflux = gateway::conflux(home.path(), &[("suite", conformance::server(&[]))]);
    // The Inspector has a `--config` of its own, so Conflux gets its by the environment.
    let [verb, _, config] = conflux.args.as_slice() else { panic!("{conflux:?}") };
    let config = format!("CONFLUX_CONFIG={config}");
    let state = format!("CONFLUX_STATE={}", home.path().join("state").display());
    check(home, &["-e", &config, "-e", &state, "--", &conflux.path, verb]).await;
}

#[tokio::test]
async fn lists_and_calls_over_http() {
    over_http("/mcp", "http").await;
}

#[tokio::test]
async fn lists_and_calls_over_sse() {
    over_http("/sse", "sse").await;
}

async fn over_http(path: &str, transport: &str) {
    let gateway = Gateway::new(&[("suite", conformance::server(&[]).entry())]);
    let server = http::Server::start(&gateway).await;
    let url = format!("{}{path}", server.origin);
    check(TempDir::new().unwrap(), &[&url, "--transport", transport]).await;
}

/// Lists the tools and calls one.
async fn check(home: TempDir, target: &[&str]) {
    let listed = inspect(&home, &["--method", "tools/list"], target).await;
    let tools = listed["tools"].as_array().unwrap();
    let greet = tools.iter().find(|tool| tool["name"] == "suite__greet");
    let schema = &greet.unwrap()["inputSchema"];
    assert_eq!(schema["properties"]["name"]["type"], "string", "{listed}");

    let call = ["--method", "tools/call", "--tool-name", "suite__greet", "--tool-arg", "name=Ada"];
    let called = inspect(&home, &call, target).await;
    assert_eq!(called["content"], json!([{"type": "text", "text": "Hello, Ada!"}]));
}

async fn inspect(home: &TempDir, wish: &[&str], target: &[&str]) -> Value {
    let launcher = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js";
    // What begins the target of a command line ends it, too; an address comes first.
    let (first, last) = if target[0].starts_with("http") { (target, wish) } else { (wish, target) };
    let program: Program = real::suite(launcher).args(&["--cli"]).args(first).args(last);
    let program = program.env("HOME", home.path()).directory(home.path());
    let mut command = program.command();
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.unwrap().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the Inspector failed:\n{stdout}{stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}:\n{stdout}{stderr}"))
}
