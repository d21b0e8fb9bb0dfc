//! A client for the suite's scenarios for clients: all it does goes through Conflux.
//!
//! The suite starts it with the URL of a server. It starts Conflux with that server alone, lists
//! what there is, and uses all of it once, in the era of the revision under test.

mod client;
mod values;

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::client::Client;

/// What the suite says about a run.
struct Run {
    url: String,
    modern: bool,
    /// The calls to make, where the scenario prescribes them.
    calls: Option<Vec<Value>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Run::read() {
        Some(run) => drive(&run).await,
        None => Err("the suite starts this with the URL of a server".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let written = writeln!(std::io::stderr().lock(), "conformance_client: {problem}");
            drop(written);
            ExitCode::FAILURE
        }
    }
}

impl Run {
    #[expect(clippy::disallowed_methods, reason = "the suite speaks through the environment")]
    fn read() -> Option<Self> {
        let url = env::args().next_back().filter(|url| url.starts_with("http"))?;
        let revision = env::var("MCP_CONFORMANCE_PROTOCOL_VERSION").ok()?;
        let context = env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_default();
        let context: Value = serde_json::from_str(&context).unwrap_or_default();
        let calls = context.get("toolCalls").and_then(Value::as_array).cloned();
        Some(Self { url, modern: revision.as_str() >= "2026-07-28", calls })
    }
}

/// Starts Conflux and uses everything that it offers.
async fn drive(run: &Run) -> Result<(), String> {
    let home = TempDir::new().map_err(|error| error.to_string())?;
    let upstream = json!({"url": run.url, "prefix": ""});
    let config = home.path().join("upstreams.yaml");
    fs::write(&config, json!({"upstreams": {"suite": upstream}}).to_string())
        .map_err(|error| error.to_string())?;
    let mut client = Client::start(&conflux()?, &config, &home.path().join("state"), run.modern)?;
    client.open().await?;
    call_tools(&mut client, run).await?;
    read_resources(&mut client).await?;
    get_prompts(&mut client).await?;
    client.close().await
}

/// The program under test is built next to the examples.
fn conflux() -> Result<PathBuf, String> {
    let own = env::current_exe().map_err(|error| error.to_string())?;
    let path = own.ancestors().nth(2).unwrap_or(&own).join("conflux");
    if path.exists() { Ok(path) } else { Err(format!("`{}` is not built", path.display())) }
}

async fn call_tools(client: &mut Client, run: &Run) -> Result<(), String> {
    let tools = list(client, "tools").await?;
    let made = |tool: &Value| {
        // Only Conflux's own tools have its name in front.
        let name = tool.get("name")?.as_str().filter(|name| !name.starts_with("conflux__"))?;
        Some(json!({"name": name, "arguments": values::arguments(tool, &tools)}))
    };
    let calls = run.calls.clone().unwrap_or_else(|| tools.iter().filter_map(made).collect());
    for call in calls {
        client.request("tools/call", call).await?;
    }
    Ok(())
}

async fn read_resources(client: &mut Client) -> Result<(), String> {
    for resource in list(client, "resources").await? {
        client.request("resources/read", json!({"uri": resource.get("uri")})).await?;
    }
    Ok(())
}

async fn get_prompts(client: &mut Client) -> Result<(), String> {
    for prompt in list(client, "prompts").await? {
        client.request("prompts/get", json!({"name": prompt.get("name")})).await?;
    }
    Ok(())
}

async fn list(client: &mut Client, what: &str) -> Result<Vec<Value>, String> {
    let mut result = client.request(&format!("{what}/list"), json!({})).await?;
    match result.get_mut(what).map(Value::take) {
        Some(Value::Array(items)) => Ok(items),
        _ => Err(format!("`{what}/list` was answered with {result}")),
    }
}
