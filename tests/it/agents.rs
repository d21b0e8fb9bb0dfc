//! Real clients after `conflux install`: each finds Conflux, and where it reports health, healthy.

use std::fs;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::programs::Program;
use crate::support::real;
use crate::support::wire_client::LIMIT;

const PROGRAM: &str = env!("CARGO_BIN_EXE_conflux");

/// A home directory of its own, with a configuration that has one upstream.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(TempDir::new().unwrap());
        let own = home.0.path().join(".config/conflux");
        fs::create_dir_all(&own).unwrap();
        fs::create_dir(home.0.path().join("project")).unwrap();
        let upstreams = format!("upstreams: {{ demo: {{ command: {PROGRAM}, args: [demo] }} }}\n");
        fs::write(own.join("upstreams.yaml"), upstreams).unwrap();
        home
    }

    /// Runs a program there and returns what it printed.
    async fn run(&self, program: Program) -> String {
        let mut command = program.directory(&self.0.path().join("project")).command();
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.0.path()).envs(program_env());
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(LIMIT, command.output()).await.unwrap().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "it failed:\n{stdout}{stderr}");
        format!("{stdout}{stderr}")
    }

    async fn install(&self, client: &str) {
        let program = Program::new(PROGRAM).args(&["install", "--client", client, "--yes"]);
        self.run(program).await;
    }
}

/// Nothing is sent or fetched by itself, and the directory is one to be trusted.
fn program_env() -> [(&'static str, &'static str); 5] {
    [
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        ("GEMINI_CLI_TRUST_WORKSPACE", "true"),
        ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
    ]
}

async fn list(client: &str, program: &str) -> String {
    let home = Home::new();
    home.install(client).await;
    home.run(real::agent(program).args(&["mcp", "list"])).await
}

#[tokio::test]
async fn claude_code_finds_conflux_healthy() {
    let listed = list("claude-code", "claude").await;
    let line = listed.lines().find(|line| line.starts_with("conflux:"));
    assert!(line.is_some_and(|line| line.contains("Connected")), "{listed}");
}

#[tokio::test]
async fn codex_finds_conflux() {
    let listed = list("codex", "codex").await;
    let line = listed.lines().find(|line| line.starts_with("conflux "));
    assert!(
        line.is_some_and(|line| line.contains("serve") && line.contains("enabled")),
        "{listed}"
    );
}

#[tokio::test]
async fn gemini_finds_conflux_healthy() {
    let listed = list("gemini", "gemini").await;
    let line = listed.lines().find(|line| line.contains("conflux:"));
    assert!(line.is_some_and(|line| line.contains("Connected")), "{listed}");
}

#[tokio::test]
async fn opencode_finds_conflux_healthy() {
    let listed = list("opencode", "opencode").await;
    let line = listed.lines().find(|line| line.contains("conflux"));
    assert!(line.is_some_and(|line| line.contains("connected")), "{listed}");
}

#[tokio::test]
async fn the_inspector_uses_the_file_of_a_client() {
    let home = Home::new();
    home.install("cursor").await;
    let launcher = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js";
    let file = home.0.path().join(".cursor/mcp.json");
    let program = real::suite(launcher).args(&["--cli", "--config"]).arg(file);
    let program = program.args(&["--server", "conflux", "--method", "tools/list"]);
    let listed = home.run(program).await;
    // What it says to people comes behind the data.
    let listed = serde_json::Deserializer::from_str(&listed).into_iter::<Value>().next();
    let listed = listed.unwrap().unwrap();
    let tools = listed["tools"].as_array().unwrap();
    assert!(tools.iter().any(|tool| tool["name"] == "demo__echo"), "{listed}");
}
