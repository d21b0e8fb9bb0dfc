//! Real servers through Conflux: what a client sees is what it sees when it speaks to them itself.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::support::gateway::conflux;
use crate::support::inventory::Answer;
use crate::support::inventory::Inventory;
use crate::support::inventory::inventory;
use crate::support::inventory::list;
use crate::support::parity::compare;
use crate::support::programs::Program;
use crate::support::servers::Server;
use crate::support::wire_client::Client;

const LEGACY: &str = "2025-11-25";
const UNOWNED: &str = "demo://resource/nowhere";
const ELICIT: &str = "elicitation/create";

/// Each server, how many tools it has, and a call: name, arguments (`{}` is the server's
/// directory), a part of the answer.
type Row = (Server, usize, &'static str, &'static str, &'static str);
const SIX: [Row; 6] = [
    (Server::Everything, 17, "get-sum", r#"{"a": 1, "b": 2}"#, "is 3."),
    (Server::Filesystem, 14, "read_text_file", r#"{"path": "{}/a.txt"}"#, "two"),
    (Server::Memory, 9, "read_graph", "{ }", "entities"),
    (
        Server::SequentialThinking,
        1,
        "sequentialthinking",
        r#"{"thought": "hm", "thoughtNumber": 1, "totalThoughts": 1, "nextThoughtNeeded": false}"#,
        "thoughtNumber",
    ),
    (
        Server::Time,
        2,
        "convert_time",
        r#"{"source_timezone": "UTC", "time": "12:30", "target_timezone": "Asia/Tokyo"}"#,
        "+9.0h",
    ),
    (Server::Git, 12, "git_status", r#"{"repo_path": "{}"}"#, "modified:   a.txt"),
];

#[tokio::test]
async fn everything_is_the_same_through_conflux() {
    check(Server::Everything).await;
}

#[tokio::test]
async fn filesystem_is_the_same_through_conflux() {
    check(Server::Filesystem).await;
}

#[tokio::test]
async fn memory_is_the_same_through_conflux() {
    check(Server::Memory).await;
}

#[tokio::test]
async fn sequential_thinking_is_the_same_through_conflux() {
    check(Server::SequentialThinking).await;
}

#[tokio::test]
async fn time_is_the_same_through_conflux() {
    check(Server::Time).await;
}

#[tokio::test]
async fn git_is_the_same_through_conflux() {
    check(Server::Git).await;
}

#[tokio::test]
async fn six_servers_answer_behind_one_conflux() {
    let home = TempDir::new().unwrap();
    let mut upstreams = Vec::new();
    let mut calls = Vec::new();
    for (server, tools, name, arguments, expected) in SIX {
        let directory = home.path().join(server.key());
        server.prepare(&directory);
        upstreams.push((server.key(), server.program(&directory)));
        let directory = directory.to_str().unwrap();
        calls.push((server.key(), tools, name, arguments.replace("{}", directory), expected));
    }
    let gateway = conflux(home.path(), &upstreams);

    for modern in [false, true] {
        let mut client = open(&gateway, Server::Everything, modern).await;
        let tools = list(&mut client, "tools/list", "tools").await;
        let names: Vec<String> = tools.iter().map(|tool| tool.string("name").unwrap()).collect();
        let owners: Vec<&str> = names.iter().map(|name| name.split_once("__").unwrap().0).collect();
        let listed: Vec<(&str, usize)> =
            owners.chunk_by(|one, other| one == other).map(|own| (own[0], own.len())).collect();
        let mut wanted: Vec<(&str, usize)> =
            calls.iter().map(|(key, tools, ..)| (*key, *tools)).collect();
        wanted.push(("conflux", 1));
        // In the order of the file, each server's together: 17 tools of the first one, and so on.
        assert_eq!(listed, wanted);

        // What one of them asks when it starts may come in the middle of the call it was started for.
        let home = format!("file://{}", home.path().display());
        client.answer("roots/list", json!({ "roots": [{ "uri": home }] }));
        for (key, _, name, arguments, expected) in &calls {
            let arguments = serde_json::from_str(arguments).unwrap();
            let reply = client.call(&format!("{key}__{name}"), arguments).await;
            assert!(reply.text().contains(expected), "{key}: {}", reply.line);
            assert_ne!(reply.result()["isError"], true, "{key}: {}", reply.line);
        }
        assert!(client.leave().await.success());
    }
}

/// Compares the server itself, in the era that Conflux speaks to it, with what clients of both
/// eras see through Conflux.
async fn check(server: Server) {
    let home = TempDir::new().unwrap();
    let directory = home.path().join("work");
    server.prepare(&directory);
    let program = server.program(&directory);
    let direct = take(server, &program, &directory, server.is_dual(), None).await;
    assert!(direct.lists["tools"].len() + direct.answers.len() > 3, "{direct:?}");

    let gateway = conflux(home.path(), &[(server.key(), program)]);
    check_through(server, &directory, &direct, &gateway).await;
}

/// Compares what the server said itself with what clients of both eras see through `gateway`.
pub(crate) async fn check_through(
    server: Server,
    directory: &Path,
    direct: &Inventory,
    gateway: &Program,
) {
    for modern in [false, true] {
        server.prepare(directory);
        // What calls of one client made is not there for the next: nothing is remembered between.
        let state = TempDir::new().unwrap();
        let gateway = gateway.clone().env("CONFLUX_STATE", state.path());
        let mut through = take(server, &gateway, directory, modern, Some(server.key())).await;
        let mut direct = direct.clone();
        check_unowned(&mut direct, &mut through);
        check_waited_for(&mut direct, &mut through);
        if modern {
            check_visits(&mut direct, &mut through);
        }
        let mut found = compare(&direct, &through, server.key());
        // Over HTTP it names the session, which over stdio it has none of.
        found.retain(|difference| !difference.contains("for session undefined"));
        assert_eq!(found, Vec::<String>::new(), "modern client: {modern}");
    }
}

/// Removes the answers to a read that nobody's list or template covers: Conflux asks no server
/// then, and says so with the code of the caller's revision.
fn check_unowned(direct: &mut Inventory, through: &mut Inventory) {
    let code = if through.modern { "-32602" } else { "-32002" };
    let unowned = |answer: &Answer| answer.step.contains(UNOWNED);
    for answer in through.answers.iter().filter(|answer| unowned(answer)) {
        let error = answer.reply.get("error").unwrap();
        assert_eq!(error.get("code").unwrap().to_string(), code, "{answer:?}");
    }
    for inventory in [direct, through] {
        inventory.answers.retain(|answer| !unowned(answer));
    }
}

/// Removes the answers to a call that the server refuses without a task: through Conflux it works.
fn check_waited_for(direct: &mut Inventory, through: &mut Inventory) {
    let refused = |answer: &Answer| answer.reply.to_string().contains("requires task augmentation");
    let steps: Vec<_> = direct.answers.iter().filter(|answer| refused(answer)).collect();
    let steps: Vec<String> = steps.into_iter().map(|answer| answer.step.clone()).collect();
    for answer in through.answers.iter().filter(|answer| steps.contains(&answer.step)) {
        let reply = answer.reply.to_string();
        assert!(reply.contains("# Research Report"), "{answer:?}");
    }
    for inventory in [direct, through] {
        inventory.answers.retain(|answer| !steps.contains(&answer.step));
    }
}

/// Checks and removes what modern clients see otherwise: theirs has no elicitation by URL as an
/// error, and no ids of elicitations. A visit that is wanted first is a question, and the call is
/// repeated once it is agreed to.
fn check_visits(direct: &mut Inventory, through: &mut Inventory) {
    let code = |answer: &Answer| Some(answer.reply.get("error")?.get("code")?.to_string());
    let is_visit = |answer: &Answer| code(answer).as_deref() == Some("-32042");
    let visits: Vec<String> =
        direct.answers.iter().filter(|one| is_visit(one)).map(|one| one.step.clone()).collect();
    for answer in through.answers.iter().filter(|one| visits.contains(&one.step)) {
        let asked = answer.on_the_way.first().unwrap();
        assert_eq!((asked.0.as_str(), asked.1.string("mode").unwrap().as_str()), (ELICIT, "url"));
        assert!(answer.reply.get("result").is_some(), "{answer:?}");
    }
    for inventory in [direct, through] {
        inventory.answers.retain(|answer| !visits.contains(&answer.step));
        for (method, params) in inventory.answers.iter_mut().flat_map(|one| &mut one.on_the_way) {
            if method == ELICIT {
                *params = params.clone().with("elicitationId", |_| None);
            }
        }
    }
}

/// Takes the inventory of a server or of a gateway before it.
pub(crate) async fn take(
    server: Server,
    program: &Program,
    directory: &Path,
    modern: bool,
    prefix: Option<&str>,
) -> Inventory {
    let mut client = open(program, server, modern).await;
    let taken = inventory(&mut client, &server.steps(directory), prefix).await;
    let ended = client.leave().await;
    assert!(prefix.is_none() || ended.success(), "Conflux ended with {ended}");
    taken
}

async fn open(program: &Program, server: Server, modern: bool) -> Client {
    let mut client = Client::spawn(&mut program.command());
    if modern {
        client.modern(server.capabilities());
        let found = client.request("server/discover", json!({})).await.result();
        assert_eq!(found["resultType"], "complete");
    } else {
        let opened = client.initialize(LEGACY, server.capabilities()).await.result();
        assert_eq!(opened["protocolVersion"], LEGACY);
    }
    client
}
