//! The pinned third-party servers, spoken to directly: what parity through Conflux stands on.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::support::inventory::Inventory;
use crate::support::inventory::inventory;
use crate::support::parity::compare;
use crate::support::raw::Raw;
use crate::support::real;
use crate::support::servers::Server;
use crate::support::wire_client::Client;
use crate::support::wire_client::MODERN;

const KEY: &str = "io.modelcontextprotocol";

#[tokio::test]
async fn everything_is_the_same_twice() {
    check_twice(Server::Everything, false).await;
}

#[tokio::test]
async fn filesystem_is_the_same_twice() {
    check_twice(Server::Filesystem, false).await;
}

#[tokio::test]
async fn memory_is_the_same_twice() {
    check_twice(Server::Memory, false).await;
}

#[tokio::test]
async fn sequential_thinking_is_the_same_twice() {
    check_twice(Server::SequentialThinking, false).await;
}

#[tokio::test]
async fn time_is_the_same_twice_in_both_eras() {
    check_twice(Server::Time, false).await;
    check_twice(Server::Time, true).await;
}

#[tokio::test]
async fn git_is_the_same_twice_in_both_eras() {
    check_twice(Server::Git, false).await;
    check_twice(Server::Git, true).await;
}

#[tokio::test]
async fn the_eras_differ_only_in_what_is_allowed() {
    let home = TempDir::new().unwrap();
    for server in [Server::Time, Server::Git] {
        let legacy = take(server, &home.path().join("work"), false).await;
        let modern = take(server, &home.path().join("work"), true).await;
        let through = prefixed(&modern, server.key());
        // The SDK of these servers writes the members of a schema in another order per era: a
        // direct inventory must be taken in the era that Conflux speaks to the server.
        let mut found = compare(&legacy, &through, server.key());
        found.retain(|difference| !difference.contains("Schema: members"));
        assert_eq!(found, Vec::<String>::new());
    }
}

#[tokio::test]
async fn python_servers_lock_the_era_of_their_process() {
    let home = TempDir::new().unwrap();
    let program = Server::Time.program(home.path());

    let mut client = Client::spawn(&mut program.command());
    client.modern(json!({}));
    let versions = client.request("server/discover", json!({})).await.result();
    assert_eq!(versions["supportedVersions"], json!([MODERN]));
    client.plain();
    let refused = client.initialize("2025-11-25", json!({})).await;
    assert_eq!(refused.code(), -32022);

    let mut client = Client::spawn(&mut program.command());
    client.initialize("2025-11-25", json!({})).await;
    client.modern(json!({}));
    assert_eq!(client.request("tools/list", json!({})).await.code(), -32600);
}

#[tokio::test]
async fn compare_finds_what_is_not_allowed() {
    let home = TempDir::new().unwrap();
    let direct = take(Server::Memory, &home.path().join("work"), false).await;
    let good = prefixed(&direct, "memory");
    assert_eq!(compare(&direct, &good, "memory"), Vec::<String>::new());

    let check = |change: &dyn Fn(&mut Inventory), expected: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let found = compare(&direct, &bad, "memory").join("\n");
        assert!(found.contains(expected), "`{expected}` is not in `{found}`");
    };
    let tools = |inventory: &mut Inventory, change: &dyn Fn(&str) -> String| {
        let tools = inventory.lists.get_mut("tools").unwrap();
        tools[0] = Raw::parse(&change(&tools[0].to_string()));
    };
    let reply = |inventory: &mut Inventory, from: &str, to: &str| {
        let answer = &mut inventory.answers[1];
        let text = answer.reply.to_string();
        assert!(text.contains(from), "{text}");
        answer.reply = Raw::parse(&text.replacen(from, to, 1));
    };
    check(&|bad| drop(bad.lists.get_mut("tools").unwrap().pop()), "tools: 9 items directly, 8");
    check(&|bad| tools(bad, &|tool| tool.replace("memory__", "other__")), "became `other__");
    check(&|bad| tools(bad, &|tool| tool.replace("Create multiple", "Create")), ".description:");
    check(
        &|bad| tools(bad, &|tool| tool.replacen('{', r#"{"_meta":{"x":1},"#, 1)),
        r#"directly, ["_meta", "#,
    );
    check(&|bad| reply(bad, r#""type":"text""#, r#""type" : "t\u0065xt""#), ".type:");
    check(&|bad| reply(bad, r#"{"content":"#, r#"{"isError":true,"content":"#), "members");
    check(&|bad| drop(bad.answers.pop()), "answers directly");

    let own = r#"{"_meta":{"dev.conflux/upstream":"memory"},"content":"#;
    let mut allowed = good.clone();
    reply(&mut allowed, r#"{"content":"#, own);
    assert_eq!(compare(&direct, &allowed, "memory"), Vec::<String>::new());
}

#[tokio::test]
async fn compare_minds_order_numbers_and_escapes() {
    for (one, other) in [
        (r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#),
        ("1.0", "1"),
        ("123456789012345678901234567890", "1.2345678901234568e29"),
        (r#""ü""#, r#""\u00fc""#),
        (r#"{"a":1,"a":1}"#, r#"{"a":1}"#),
    ] {
        assert_ne!(Raw::parse(one), Raw::parse(other));
        assert_eq!(Raw::parse(one).to_string(), one);
    }
}

#[test]
#[should_panic(
    expected = "this test needs `no-such-program` on PATH and it is missing: install it"
)]
fn what_is_missing_is_named() {
    real::require("no-such-program", "it");
}

/// Two runs of one server agree in everything that the comparison looks at.
async fn check_twice(server: Server, modern: bool) {
    let home = TempDir::new().unwrap();
    let directory = home.path().join("work");
    let first = take(server, &directory, modern).await;
    let second = take(server, &directory, modern).await;
    let through = prefixed(&second, server.key());
    assert_eq!(compare(&first, &through, server.key()), Vec::<String>::new());
    assert!(first.lists["tools"].len() + first.answers.len() > 3, "{first:?}");
}

async fn take(server: Server, directory: &Path, modern: bool) -> Inventory {
    server.prepare(directory);
    let mut client = Client::spawn(&mut server.program(directory).command());
    if modern {
        client.modern(server.capabilities());
        let found = client.request("server/discover", json!({})).await.result();
        assert_eq!(found["resultType"], "complete");
    } else {
        let opened = client.initialize("2025-11-25", server.capabilities()).await.result();
        assert_eq!(opened["protocolVersion"], "2025-11-25");
    }
    assert_eq!(modern, client.is_modern() && server.is_dual());
    let taken = inventory(&mut client, &server.steps(directory), None).await;
    for answer in taken.answers.iter().filter(|_| modern) {
        let result = answer.reply.get("result").unwrap();
        let server = result.get("_meta").and_then(|meta| meta.get(&format!("{KEY}/serverInfo")));
        assert!(server.is_some(), "{answer:?}");
    }
    client.leave().await;
    taken
}

/// What the inventory looks like through a Conflux that changes names only.
fn prefixed(inventory: &Inventory, prefix: &str) -> Inventory {
    let mut through = inventory.clone();
    for list in ["tools", "prompts"] {
        for item in through.lists.get_mut(list).unwrap() {
            let name = item.string("name").unwrap();
            let public = Raw::Atom(format!("\"{prefix}__{name}\""));
            *item = item.clone().with("name", |_| Some(public));
        }
    }
    through
}
