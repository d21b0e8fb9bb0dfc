//! Shaping and exposure on the catalogs of real servers, one of them with two hundred tools.

use std::path::Path;

use conflux::catalog::tokens;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::servers;
use crate::support::servers::Server;
use crate::support::wire_client::Client;

/// What is said of the tools of an upstream, by its key.
type Tools<'a> = &'a [(&'a str, Value)];

/// Four servers in `directory`, with what is said of their tools.
fn gateway(directory: &Path, tools: Tools<'_>) -> Gateway {
    let all = [Server::Everything, Server::Filesystem, Server::Git];
    let server = |server: Server| {
        let place = directory.join(server.key());
        server.prepare(&place);
        (server.key(), server.program(&place).entry())
    };
    let mut entries: Vec<_> = all.into_iter().map(server).collect();
    entries.push(("gitlab", servers::gitlab().entry()));
    for (key, entry) in &mut entries {
        if let Some((_, said)) = tools.iter().find(|(other, _)| other == key) {
            *entry = with(entry.clone(), "tools", said.clone());
        }
    }
    Gateway::new(&entries)
}

async fn open(gateway: &Gateway, is_modern: bool) -> Client {
    if is_modern {
        return gateway.modern(json!({}));
    }
    gateway.legacy("2025-11-25", json!({})).await
}

async fn listed(client: &mut Client) -> (Vec<Value>, usize) {
    let answer = client.request("tools/list", json!({})).await;
    let cost = tokens::estimate(&answer.line);
    (answer.result()["tools"].as_array().unwrap().clone(), cost)
}

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

fn of<'a>(tools: &'a [Value], upstream: &str) -> Vec<&'a str> {
    let mut names = names(tools);
    names.retain(|name| name.starts_with(&format!("{upstream}__")));
    names
}

#[tokio::test]
async fn a_few_tools_stand_for_hundreds_and_find_each_of_them() {
    let home = TempDir::new().unwrap();
    let mut gateway = gateway(home.path(), &[]);
    let mut client = open(&gateway, false).await;
    let (all, whole) = listed(&mut client).await;
    assert!(of(&all, "gitlab").len() > 80 && whole > 60_000, "{} tools", all.len());
    assert!(client.leave().await.success());
    gateway.set("exposure", json!("search"));
    gateway.set("pinned", json!(["git__git_status"]));
    for is_modern in [false, true] {
        let mut client = open(&gateway, is_modern).await;
        let (few, cost) = listed(&mut client).await;
        let own = ["conflux__search", "conflux__call", "conflux__status"];
        assert_eq!(names(&few)[1..], own, "{few:?}");
        assert!(cost < 2_000, "{cost} tokens");
        for (query, expected) in [
            ("open an issue", "gitlab__create_issue"),
            ("merge a merge request", "gitlab__merge_merge_request"),
            ("retry pipeline", "gitlab__retry_pipeline"),
            ("read a text file", "files__read_text_file"),
            ("which files changed in the working tree", "git__git_status"),
            ("tiny image", "everything__get-tiny-image"),
        ] {
            let wanted = json!({ "query": query, "limit": 5 });
            let found = client.call("conflux__search", wanted).await.result();
            let found = found["structuredContent"]["tools"].as_array().unwrap().clone();
            assert!(names(&found).contains(&expected), "{query}: {:?}", names(&found));
            let real = all.iter().find(|tool| tool["name"] == expected).unwrap();
            let found = found.iter().find(|tool| tool["name"] == expected).unwrap();
            assert_eq!(found["inputSchema"], real["inputSchema"], "{expected}");
        }
        let status = json!({ "repo_path": home.path().join("git") });
        let inner = json!({ "name": "git__git_status", "arguments": status });
        let called = client.call("conflux__call", inner).await;
        assert_eq!(called.text(), client.call("git__git_status", status).await.text());
        assert!(called.text().contains("a.txt"), "{}", called.text());
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn hundreds_of_tools_become_those_that_somebody_wants() {
    let home = TempDir::new().unwrap();
    let git = json!({
        "deny": ["git_reset", "git_checkout"],
        "override": {
            "*": { "arguments": { "repo_path": { "value": home.path().join("git") } } },
            "git_log": { "name": "history", "arguments": { "max_count": { "name": "count" } } },
        },
        "variants": {
            "git_newest": { "of": "git_log", "arguments": {
                "repo_path": { "value": home.path().join("git") },
                "max_count": { "value": 1 },
            } },
        },
    });
    let gitlab = json!({
        "annotations": { "readOnlyHint": true },
        "deny": ["*draft_note*"],
        "override": { "get_issue": {
            "description": "Reads an issue of our project.",
            "arguments": { "project_id": { "value": "ours/one" } },
        } },
    });
    let gateway = gateway(home.path(), &[("git", git), ("gitlab", gitlab)]);
    for is_modern in [false, true] {
        let mut client = open(&gateway, is_modern).await;
        let (all, _) = listed(&mut client).await;
        let reading = of(&all, "gitlab");
        assert!((40..150).contains(&reading.len()), "{reading:?}");
        assert!(!reading.iter().any(|name| name.contains("create_") || name.contains("draft")));
        let issue = all.iter().find(|tool| tool["name"] == "gitlab__get_issue").unwrap();
        assert_eq!(issue["description"], "Reads an issue of our project.");
        let schema = &issue["inputSchema"];
        assert!(schema["properties"].get("project_id").is_none(), "{schema}");
        assert!(!schema["required"].as_array().unwrap().contains(&json!("project_id")), "{schema}");
        let git = of(&all, "git");
        assert!(!git.contains(&"git__git_reset") && !git.contains(&"git__git_log"), "{git:?}");
        let history = client.call("git__history", json!({ "count": 3 })).await;
        assert!(history.text().contains("first"), "{}", history.text());
        let newest = client.call("git__git_newest", json!({})).await;
        assert!(newest.text().contains("first"), "{}", newest.text());
        let status = client.call("git__git_status", json!({ "repo_path": "/" })).await;
        assert!(status.text().contains("a.txt"), "what is fixed wins: {}", status.text());
        assert_eq!(client.call("git__git_checkout", json!({})).await.code(), -32602);
        assert!(client.leave().await.success());
    }
}
