//! Tasks through the gateway: they pass where client and server know the same kind, and are waited
//! for where they do not.

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http;
use crate::support::programs::toy;
use crate::support::remote::Remote;
use crate::support::servers::Server;
use crate::support::wire_client::Client;
use crate::support::wire_client::MODERN;
use crate::support::wire_client::Message;

const RELATED: &str = "io.modelcontextprotocol/related-task";
const EXTENSION: &str = "io.modelcontextprotocol/tasks";
const CORE: &str = "2025-11-25";
const PROGRESS: &str = "notifications/progress";
const STATUS: &str = "notifications/tasks/status";
const NEWS: &str = "notifications/tasks";

/// What a client knows of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knows {
    /// Nothing, in this revision.
    Nothing(&'static str),
    /// Those of 2025-11-25.
    Core,
    /// The extension.
    Extension,
}

fn before(flags: &[&str]) -> Gateway {
    Gateway::new(&[("toy", toy(flags).args(&["--tasks"]).entry())])
}

fn legacy() -> Gateway {
    before(&[])
}

fn modern() -> Gateway {
    before(&["--era", "modern"])
}

async fn client(gateway: &Gateway, knows: Knows) -> Client {
    let can = json!({"elicitation": {"form": {}}});
    let mut client = match knows {
        Knows::Nothing(MODERN) => gateway.modern(can),
        Knows::Nothing(revision) => gateway.legacy(revision, can).await,
        Knows::Core => gateway.legacy(CORE, can).await,
        Knows::Extension => gateway.modern(with(can, "extensions", json!({EXTENSION: {}}))),
    };
    client.answer("elicitation/create", named());
    client
}

fn named() -> Value {
    json!({"action": "accept", "content": {"name": "Ada"}})
}

/// Calls a tool that can be a task, and asks for one.
async fn begin(client: &mut Client, tool: &str, arguments: Value) -> Message {
    let meta = json!({"progressToken": "mine"});
    let task = json!({"ttl": 60_000});
    let name = format!("toy__{tool}");
    let call = json!({"name": name, "arguments": arguments, "task": task, "_meta": meta});
    client.request("tools/call", call).await
}

/// Begins a task in a client that knows tasks; returns the id it is given.
async fn given(client: &mut Client, arguments: Value) -> String {
    let result = begin(client, "work", arguments).await.result();
    let task = if client.is_modern() { &result } else { &result["task"] };
    let id = task["taskId"].as_str().unwrap_or_else(|| panic!("no task: {result}"));
    assert!(!id.contains("task-"), "an id of the upstream's own: {id}");
    id.to_owned()
}

async fn ask_about(client: &mut Client, method: &str, id: &str) -> Message {
    client.request(method, json!({"taskId": id})).await
}

/// Looks at a task until it has this status; returns it.
async fn until(client: &mut Client, id: &str, status: &str) -> Value {
    loop {
        let task = ask_about(client, "tasks/get", id).await.result();
        assert_eq!(task["taskId"], id);
        if task["status"] == status {
            return task;
        }
    }
}

/// What the upstream says its tasks are.
async fn known_upstream(client: &mut Client) -> Value {
    client.call("toy__tasks", json!({})).await.structured()
}

async fn is_any_working(client: &mut Client) -> bool {
    let known = known_upstream(client).await;
    known.as_object().unwrap().values().any(|status| status == "working")
}

// The same kind on both sides.

#[tokio::test]
async fn a_task_of_a_session_passes() {
    let gateway = legacy();
    let mut client = client(&gateway, Knows::Core).await;
    let made = begin(&mut client, "must_work", json!({"hold": true, "steps": 1})).await.result();
    assert_eq!(made["x-unknown"], json!(1.0), "every other byte stays");
    let task = &made["task"];
    assert_eq!((&task["ttl"], &task["pollInterval"]), (&json!(60_000), &json!(100)));
    let id = task["taskId"].as_str().unwrap().to_owned();
    assert!(id.len() > 40 && id.len() < 120, "{id}");
    let told = client.wait_for(STATUS, 1).await.params();
    assert_eq!((&told["taskId"], &told["statusMessage"]), (&json!(id), &json!("step 1")));

    let other = given(&mut client, json!({})).await;
    assert_ne!(other, id);
    let listed = client.request("tasks/list", json!({})).await.result();
    let ids: Vec<&Value> =
        listed["tasks"].as_array().unwrap().iter().map(|it| &it["taskId"]).collect();
    assert_eq!(ids, [&json!(id), &json!(other)]);

    let cancelled = ask_about(&mut client, "tasks/cancel", &id).await.result();
    assert_eq!((&cancelled["taskId"], &cancelled["status"]), (&json!(id), &json!("cancelled")));
    let again = ask_about(&mut client, "tasks/cancel", &id).await;
    assert_eq!(again.code(), -32602, "the upstream's own error: {}", again.line);
    assert_eq!(
        known_upstream(&mut client).await,
        json!({"task-1": "cancelled", "task-2": "completed"})
    );
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn the_result_of_a_task_of_a_session_is_waited_for_and_asks_what_it_asks() {
    let gateway = legacy();
    let mut client = client(&gateway, Knows::Core).await;
    let id = given(&mut client, json!({"ask": true})).await;
    let waiting = client.start("tasks/result", json!({"taskId": id})).await;
    let result = client.reply_to(waiting).await.result();
    let asked = client.wait_for("elicitation/create", 1).await.params();
    assert_eq!(asked["_meta"][RELATED]["taskId"], id);
    assert_eq!(asked["message"], "[toy] Who are you?");
    assert_eq!(result["structuredContent"]["answer"]["result"], named());
    assert_eq!(result["_meta"][RELATED]["taskId"], id);
    until(&mut client, &id, "completed").await;
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn the_answer_to_a_question_of_a_task_names_the_task_of_the_upstream() {
    let gateway = legacy();
    let mut client = client(&gateway, Knows::Core).await;
    let id = given(&mut client, json!({"ask": true})).await;
    let answer = with(named(), "_meta", json!({RELATED: {"taskId": id}}));
    client.answer("elicitation/create", answer);
    let result = ask_about(&mut client, "tasks/result", &id).await.result();
    let heard = &result["structuredContent"]["answer"]["result"];
    assert_eq!(heard["_meta"][RELATED]["taskId"], "task-1");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn progress_of_a_task_of_a_session_comes_after_its_answer_too() {
    let gateway = legacy();
    let mut client = client(&gateway, Knows::Core).await;
    let id = given(&mut client, json!({"steps": 5, "gap": 1, "progress": true})).await;
    let last = client.wait_for(PROGRESS, 5).await.params();
    assert_eq!((&last["progress"], &last["progressToken"]), (&json!(5), &json!("mine")));
    assert_eq!(last["_meta"][RELATED]["taskId"], id);
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_failed_task_of_a_session_fails_as_its_call_would_have() {
    let gateway = legacy();
    let mut client = client(&gateway, Knows::Core).await;
    let id = given(&mut client, json!({"fail": "error"})).await;
    until(&mut client, &id, "failed").await;
    let error = ask_about(&mut client, "tasks/result", &id).await.error();
    assert_eq!(error, json!({"code": -32000, "message": "it failed", "data": {"x": 1}}));
    let id = given(&mut client, json!({"fail": "result"})).await;
    assert_eq!(ask_about(&mut client, "tasks/result", &id).await.result()["isError"], true);
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn waiting_for_a_result_can_be_given_up_without_the_task() {
    let gateway = legacy();
    let mut client = client(&gateway, Knows::Core).await;
    let id = given(&mut client, json!({"hold": true})).await;
    let waiting = client.start("tasks/result", json!({"taskId": id})).await;
    client.cancel(waiting).await;
    until(&mut client, &id, "working").await;
    ask_about(&mut client, "tasks/cancel", &id).await.result();
    until(&mut client, &id, "cancelled").await;
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_task_of_the_extension_passes() {
    let gateway = modern();
    let mut client = client(&gateway, Knows::Extension).await;
    let made = begin(&mut client, "must_work", json!({"ask": true})).await.result();
    assert_eq!((&made["resultType"], &made["ttlMs"]), (&json!("task"), &Value::Null));
    let id = made["taskId"].as_str().unwrap().to_owned();
    let asking = until(&mut client, &id, "input_required").await;
    assert_eq!(asking["resultType"], "complete");
    let question = &asking["inputRequests"]["name"];
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["message"], "[toy] Who are you?");
    let update = json!({"taskId": id, "inputResponses": {"name": named()}});
    let updated = client.request("tasks/update", update).await.result();
    assert_eq!(updated["resultType"], "complete");
    let done = until(&mut client, &id, "completed").await;
    assert_eq!(done["result"]["structuredContent"]["answer"]["result"], named());

    let id = given(&mut client, json!({"fail": "error"})).await;
    let failed = until(&mut client, &id, "failed").await;
    assert_eq!(failed["error"], json!({"code": -32000, "message": "it failed", "data": {"x": 1}}));
    let id = given(&mut client, json!({"hold": true})).await;
    ask_about(&mut client, "tasks/cancel", &id).await.result();
    until(&mut client, &id, "cancelled").await;
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn news_of_a_task_of_the_extension_reach_who_listens() {
    let gateway = modern();
    let mut client = client(&gateway, Knows::Extension).await;
    let (id, other) = (
        given(&mut client, json!({"ask": true})).await,
        given(&mut client, json!({"ask": true})).await,
    );
    let filter = json!({"taskIds": [id, "made up"]});
    let listen = client.start("subscriptions/listen", json!({"notifications": filter})).await;
    let agreed = client.wait_for("notifications/subscriptions/acknowledged", 1).await.params();
    assert_eq!(agreed["notifications"], json!({"taskIds": [id]}));
    for id in [&other, &id] {
        until(&mut client, id, "input_required").await;
        let update = json!({"taskId": id, "inputResponses": {"name": named()}});
        client.request("tasks/update", update).await.result();
    }
    let told = client.wait_for(NEWS, 2).await.params();
    assert_eq!((&told["taskId"], &told["status"]), (&json!(id), &json!("completed")));
    assert_eq!(told["result"]["structuredContent"]["answer"]["result"], named());
    assert_eq!(told["_meta"]["io.modelcontextprotocol/subscriptionId"], listen);
    assert!(client.seen(NEWS).iter().all(|one| one.params()["taskId"] == id), "of its task only");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_task_of_the_extension_passes_over_http() {
    let server = http::Server::start(&modern()).await;
    let knows = json!({"extensions": {EXTENSION: {}}});
    let call = json!({"name": "toy__must_work", "arguments": {}});
    let made = server.modern_with("tools/call", call, knows.clone()).reply().await.result();
    let id = made["taskId"].as_str().unwrap().to_owned();
    let about = || json!({"taskId": id});
    // Each request is another caller to Conflux; the task is found all the same.
    loop {
        let post = server.modern_with("tasks/get", about(), knows.clone());
        let task = post.header("Mcp-Name", &id).reply().await.result();
        assert_eq!(task["taskId"], id);
        if task["status"] == "completed" {
            assert_eq!(task["result"]["structuredContent"], json!({"answer": null}));
            break;
        }
    }
    let stranger = server.modern("tasks/get", about()).header("Mcp-Name", &id).reply().await;
    assert_eq!((stranger.status, stranger.code()), (400, -32021));
    let nameless = server.modern_with("tasks/get", about(), knows).reply().await;
    assert_eq!(nameless.code(), -32020);
    server.stop().await;
}

// Over HTTP, in front and behind.

/// An upstream with tasks that is reached over HTTP+SSE or Streamable HTTP.
async fn far(flags: &[&str], path: &str) -> (Remote, Gateway) {
    let flags = [flags, &["--tasks"]].concat();
    let remote =
        if path == "/sse" { Remote::sse(&flags).await } else { Remote::http(&flags).await };
    let gateway = Gateway::new(&[("toy", remote.entry(path))]);
    (remote, gateway)
}

/// Every way to a server with tasks of 2025-11-25.
async fn legacy_upstreams() -> Vec<(Option<Remote>, Gateway)> {
    let mut all = vec![(None, legacy())];
    for (flags, path) in [
        (&["--revision", CORE][..], "/mcp"),
        (&["--revision", CORE, "--event-ids"], "/mcp"),
        (&["--revision", CORE], "/sse"),
    ] {
        let (remote, gateway) = far(flags, path).await;
        all.push((Some(remote), gateway));
    }
    all
}

/// Every way to a server with tasks of the extension.
async fn modern_upstreams() -> Vec<(Option<Remote>, Gateway)> {
    let (remote, gateway) = far(&["--era", "modern"], "/mcp").await;
    vec![(None, modern()), (Some(remote), gateway)]
}

/// Begins a task in a session over HTTP; returns its id.
async fn begun(session: &http::Session<'_>, arguments: Value) -> String {
    let call = json!({"name": "toy__must_work", "arguments": arguments, "task": {"ttl": 60_000}});
    let made = session.request(1, "tools/call", call).reply().await.result();
    made["task"]["taskId"].as_str().unwrap_or_else(|| panic!("no task: {made}")).to_owned()
}

async fn about(session: &http::Session<'_>, method: &str, id: &str) -> http::Reply {
    session.request(2, method, json!({"taskId": id})).reply().await
}

async fn listed(session: &http::Session<'_>) -> Vec<String> {
    let listed = session.request(3, "tasks/list", json!({})).reply().await.result();
    let ids = listed["tasks"].as_array().unwrap().iter().map(|task| task["taskId"].clone());
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn sessions_over_http_have_tasks_of_their_own() {
    for (_remote, gateway) in legacy_upstreams().await {
        let server = http::Server::start(&gateway).await;
        let session = server.session(CORE, json!({})).await;
        let other = server.session(CORE, json!({})).await;
        let mut standing = session.get(None).events().await;
        let mut elsewhere = other.get(None).events().await;
        let id = begun(&session, json!({"hold": true, "steps": 1})).await;
        let theirs = begun(&other, json!({"hold": true, "steps": 1})).await;
        assert_ne!(id, theirs);
        for (stream, own) in [(&mut standing, &id), (&mut elsewhere, &theirs)] {
            let told = stream.message().await;
            assert_eq!((&told["method"], &told["params"]["taskId"]), (&json!(STATUS), &json!(own)));
            assert_eq!(told["params"]["statusMessage"], "step 1");
        }
        assert_eq!(listed(&session).await, [id.as_str()]);
        assert_eq!(listed(&other).await, [theirs.as_str()]);
        assert_eq!(about(&other, "tasks/get", &id[1..]).await.code(), -32602);
        let task = about(&session, "tasks/get", &id).await.result();
        assert_eq!((&task["taskId"], &task["status"]), (&json!(id), &json!("working")));
        let cancelled = about(&session, "tasks/cancel", &id).await.result();
        assert_eq!((&cancelled["taskId"], &cancelled["status"]), (&json!(id), &json!("cancelled")));
        let told = standing.message().await;
        assert_eq!(
            (&told["method"], &told["params"]["status"]),
            (&json!(STATUS), &json!("cancelled"))
        );
        // What is said to nobody else is said to the other session neither.
        about(&other, "tasks/cancel", &theirs).await.result();
        let told = elsewhere.message().await;
        assert_eq!(told["params"]["taskId"], theirs, "{told}");
        // Whoever comes back with its id in another session finds its task.
        let id = begun(&session, json!({})).await;
        session.delete().reply().await;
        let again = server.session(CORE, json!({})).await;
        let result = about(&again, "tasks/result", &id).await.result();
        assert_eq!(result["structuredContent"], json!({"answer": null}));
        assert_eq!(result["_meta"][RELATED]["taskId"], id);
        drop((standing, elsewhere));
        assert_eq!(server.stop().await.0.code(), Some(0));
    }
}

#[tokio::test]
async fn a_task_of_a_session_over_http_asks_where_its_result_is_waited_for() {
    for (_remote, gateway) in legacy_upstreams().await {
        let server = http::Server::start(&gateway).await;
        let session = server.session(CORE, json!({"elicitation": {"form": {}}})).await;
        let id = begun(&session, json!({"ask": true})).await;
        let waiting = session.request(7, "tasks/result", json!({"taskId": id}));
        let mut waiting = waiting.events().await;
        let asked = loop {
            let said = waiting.message().await;
            if said["method"] != STATUS {
                break said;
            }
        };
        assert_eq!(asked["method"], "elicitation/create");
        assert_eq!(asked["params"]["_meta"][RELATED]["taskId"], id);
        session.answer(&asked, named()).await;
        let result = waiting.message().await;
        assert_eq!(result["id"], 7, "{result}");
        assert_eq!(result["result"]["structuredContent"]["answer"]["result"], named());
        while about(&session, "tasks/get", &id).await.result()["status"] != "completed" {}
        // It failed, and so does what waits for it.
        let id = begun(&session, json!({"fail": "error"})).await;
        assert_eq!(about(&session, "tasks/result", &id).await.code(), -32000);
    }
}

#[tokio::test]
async fn news_of_a_task_reach_who_listens_over_http() {
    for (_remote, gateway) in modern_upstreams().await {
        let server = http::Server::start(&gateway).await;
        let knows = json!({"extensions": {EXTENSION: {}}, "elicitation": {"form": {}}});
        let call = json!({"name": "toy__must_work", "arguments": {"ask": true}});
        let made = server.modern_with("tools/call", call, knows.clone()).reply().await.result();
        let id = made["taskId"].as_str().unwrap().to_owned();
        let filter = json!({"notifications": {"taskIds": [id]}});
        let listen = server.modern_with("subscriptions/listen", filter, knows.clone());
        let mut listening = listen.events().await;
        let agreed = listening.message().await;
        assert_eq!(agreed["params"]["notifications"], json!({"taskIds": [id]}), "{agreed}");
        let ask = async |method: &str, params: Value| {
            let post = server.modern_with(method, params, knows.clone());
            post.header("Mcp-Name", &id).reply().await.result()
        };
        while ask("tasks/get", json!({"taskId": id})).await["status"] != "input_required" {}
        let responses = json!({"name": named()});
        ask("tasks/update", json!({"taskId": id, "inputResponses": responses})).await;
        let told = loop {
            let told = listening.message().await;
            assert_eq!((&told["method"], &told["params"]["taskId"]), (&json!(NEWS), &json!(id)));
            if told["params"]["status"] == "completed" {
                break told;
            }
        };
        let answer = &told["params"]["result"]["structuredContent"]["answer"];
        assert_eq!(answer["result"], named());
    }
}

#[tokio::test]
async fn tasks_of_servers_over_http_pass_and_are_waited_for() {
    let core = legacy_upstreams().await.into_iter().map(|upstream| (Knows::Core, upstream));
    let extension = modern_upstreams().await.into_iter();
    let extension = extension.map(|upstream| (Knows::Extension, upstream));
    for (knows, (_remote, gateway)) in core.chain(extension) {
        let mut own = client(&gateway, knows).await;
        let id = given(&mut own, json!({"hold": true})).await;
        ask_about(&mut own, "tasks/cancel", &id).await.result();
        until(&mut own, &id, "cancelled").await;
        assert!(own.leave().await.success());
        for stranger in [Knows::Nothing("2025-06-18"), Knows::Nothing(MODERN)] {
            let mut client = client(&gateway, stranger).await;
            let done = call(&mut client, stranger, json!({"ask": true, "steps": 3, "gap": 50}));
            let done = done.await.structured();
            assert_eq!(done, json!({"answer": {"result": named()}}), "{knows:?} {stranger:?}");
            assert!(client.leave().await.success());
            let mut client = self::client(&gateway, stranger).await;
            let mut params = json!({"name": "toy__must_work"});
            params["arguments"] = json!({"hold": true, "steps": 1});
            params["_meta"] = json!({"progressToken": 6});
            let waiting = client.start("tools/call", params).await;
            // From then on it is known to be a task.
            client.wait_for(PROGRESS, 1).await;
            client.cancel(waiting).await;
            while is_any_working(&mut client).await {}
            assert!(client.leave().await.success());
        }
    }
}

// Different kinds: the call is waited for.

/// Every client with a toy whose tasks it does not know, or did not ask for.
fn strangers() -> Vec<(Knows, Gateway)> {
    vec![
        (Knows::Nothing("2024-11-05"), legacy()),
        (Knows::Nothing("2025-06-18"), legacy()),
        (Knows::Nothing(CORE), legacy()),
        (Knows::Nothing(MODERN), legacy()),
        (Knows::Extension, legacy()),
        (Knows::Nothing("2025-06-18"), modern()),
        (Knows::Nothing(CORE), modern()),
        (Knows::Nothing(MODERN), modern()),
        (Knows::Core, modern()),
    ]
}

/// Calls the tool that does nothing without a task, as `client` would.
async fn call(client: &mut Client, knows: Knows, arguments: Value) -> Message {
    let meta = json!({"progressToken": 5});
    let mut call = json!({"name": "toy__must_work", "arguments": arguments, "_meta": meta});
    if knows == Knows::Core {
        call["task"] = json!({"ttl": 60_000});
    }
    client.converse("tools/call", call).await
}

/// Begins a call of it that is held, and waits until its task is there.
async fn held(client: &mut Client, knows: Knows) -> u64 {
    let mut params = json!({"name": "toy__must_work", "arguments": {"hold": true}});
    if knows == Knows::Core {
        params["task"] = json!({});
    }
    let id = client.start("tools/call", params).await;
    while known_upstream(client).await != json!({"task-1": "working"}) {}
    id
}

#[tokio::test]
async fn a_call_is_waited_for_with_progress() {
    for (knows, gateway) in strangers() {
        let mut client = client(&gateway, knows).await;
        // Longer than the pause between two looks, so that some steps are seen.
        let done = call(&mut client, knows, json!({"steps": 4, "gap": 150})).await.result();
        assert_eq!(done["structuredContent"], json!({"answer": null}), "{knows:?}");
        assert!(done["_meta"][RELATED].is_null(), "{knows:?}: {done}");
        assert_eq!(done["resultType"].is_null(), !client.is_modern(), "{knows:?}: {done}");
        let seen: Vec<Value> = client.seen(PROGRESS).iter().map(Message::params).collect();
        let steps: Vec<u64> = seen.iter().filter_map(|one| one["progress"].as_u64()).collect();
        assert!(seen.iter().all(|one| one["progressToken"] == 5), "{knows:?}: {seen:?}");
        assert!(steps.is_sorted_by(|a, b| a < b) && !steps.is_empty(), "{knows:?}: {seen:?}");
        assert!(seen.iter().all(|one| one["message"].is_string()), "{knows:?}: {seen:?}");
        assert_eq!(client.seen(STATUS).len(), 0, "{knows:?}");
        assert_eq!(known_upstream(&mut client).await, json!({"task-1": "completed"}));
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn what_a_task_asks_is_asked_by_the_call() {
    for (knows, gateway) in strangers() {
        if knows == Knows::Nothing("2024-11-05") {
            continue;
        }
        let mut client = client(&gateway, knows).await;
        let done = call(&mut client, knows, json!({"ask": true})).await.structured();
        assert_eq!(done, json!({"answer": {"result": named()}}), "{knows:?}");
        let asked = client.wait_for("elicitation/create", 1).await.params();
        assert_eq!(asked["message"], "[toy] Who are you?", "{knows:?}");
        assert!(asked["_meta"][RELATED].is_null(), "{knows:?}: {asked}");
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn a_task_that_fails_fails_the_call() {
    for (knows, gateway) in strangers() {
        let mut client = client(&gateway, knows).await;
        let error = call(&mut client, knows, json!({"fail": "error"})).await.error();
        let expected = json!({"code": -32000, "message": "it failed", "data": {"x": 1}});
        assert_eq!(error, expected, "{knows:?}");
        let failed = call(&mut client, knows, json!({"fail": "result"})).await.result();
        assert_eq!(failed["isError"], true, "{knows:?}");
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn a_cancelled_call_ends_its_task() {
    for (knows, gateway) in strangers() {
        let mut client = client(&gateway, knows).await;
        let id = held(&mut client, knows).await;
        client.cancel(id).await;
        while known_upstream(&mut client).await != json!({"task-1": "cancelled"}) {}
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn a_task_that_the_server_ends_fails_the_call() {
    for (knows, gateway) in strangers() {
        let mut client = client(&gateway, knows).await;
        let id = held(&mut client, knows).await;
        client.call("toy__end_task", json!({"id": "task-1"})).await.result();
        let failed = client.reply_to(id).await;
        assert_eq!(failed.result()["isError"], true, "{knows:?}: {}", failed.line);
        assert!(failed.line.contains("task_ended"), "{knows:?}: {}", failed.line);
        assert!(failed.text().contains("it was cancelled: as told"), "{}", failed.text());
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn a_tool_that_may_be_a_task_is_an_ordinary_one_for_strangers() {
    for (knows, gateway) in strangers() {
        let mut client = client(&gateway, knows).await;
        let mut params = json!({"name": "toy__work", "arguments": {}});
        if knows == Knows::Core {
            params["task"] = json!({});
        }
        let done = client.request("tools/call", params).await.structured();
        assert_eq!(done, json!({"answer": null}), "{knows:?}");
        assert_eq!(known_upstream(&mut client).await, json!({}), "{knows:?}: no task was made");
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn a_server_without_tasks_is_waited_for() {
    for (knows, flags) in [
        (Knows::Core, &[][..]),
        (Knows::Core, &["--era", "modern"]),
        (Knows::Extension, &[]),
        (Knows::Extension, &["--era", "modern"]),
    ] {
        let gateway = Gateway::new(&[("toy", toy(flags).entry())]);
        let mut client = client(&gateway, knows).await;
        let params = json!({"name": "toy__echo", "arguments": {"a": 1}, "task": {"ttl": 1}});
        let done = client.request("tools/call", params).await.structured();
        assert_eq!(done, json!({"a": 1}), "{knows:?} {flags:?}");
        assert!(client.leave().await.success());
    }
}

// What tools say.

#[tokio::test]
async fn a_tool_says_that_it_may_be_a_task_only_where_it_may() {
    for (gateway, expected) in [
        (legacy(), json!({"taskSupport": "required", "x-unknown": 1})),
        (modern(), json!({"x-unknown": 1})),
    ] {
        let mut client = client(&gateway, Knows::Core).await;
        let listed = client.request("tools/list", json!({})).await.result();
        let tools = listed["tools"].as_array().unwrap();
        let tool = tools.iter().find(|tool| tool["name"] == "toy__must_work").unwrap();
        assert_eq!(tool["execution"], expected);
        assert!(client.leave().await.success());
    }
}

// Ids.

#[tokio::test]
async fn an_id_that_was_not_given_leads_nowhere() {
    for (knows, gateway) in [(Knows::Core, legacy()), (Knows::Extension, modern())] {
        let mut client = client(&gateway, knows).await;
        let id = given(&mut client, json!({"hold": true})).await;
        let mut altered = id.clone();
        altered.replace_range(..1, if id.starts_with('A') { "B" } else { "A" });
        let mut errors = Vec::new();
        for id in ["task-1", "", "toy", &altered, &id[1..]] {
            let about = ask_about(&mut client, "tasks/cancel", id).await;
            errors.push(about.error());
            assert_eq!(about.code(), -32602, "{}", about.line);
        }
        errors.dedup();
        assert_eq!(errors.len(), 1, "one answer for all: {errors:?}");
        assert_eq!(known_upstream(&mut client).await, json!({"task-1": "working"}));
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn two_upstreams_with_the_same_ids_are_told_apart() {
    for (knows, era) in [(Knows::Core, "legacy"), (Knows::Extension, "modern")] {
        let flags = ["--era", era, "--tasks"];
        let gateway = Gateway::new(&[("a", toy(&flags).entry()), ("b", toy(&flags).entry())]);
        let mut client = client(&gateway, knows).await;
        let mut ids = Vec::new();
        for upstream in ["a", "b"] {
            let call = json!({"name": format!("{upstream}__work"), "arguments": {"hold": true}, "task": {}});
            let result = client.request("tools/call", call).await.result();
            let task = if client.is_modern() { &result } else { &result["task"] };
            ids.push(task["taskId"].as_str().unwrap().to_owned());
        }
        assert_ne!(ids[0], ids[1]);
        ask_about(&mut client, "tasks/cancel", &ids[1]).await.result();
        for (upstream, status) in [("a", "working"), ("b", "cancelled")] {
            let known = client.call(&format!("{upstream}__tasks"), json!({})).await.structured();
            assert_eq!(known, json!({"task-1": status}), "{upstream}");
        }
        if knows == Knows::Core {
            let listed = client.request("tasks/list", json!({})).await.result();
            let listed: Vec<&str> = listed["tasks"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|it| it["taskId"].as_str())
                .collect();
            assert_eq!(listed, ids);
        }
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn an_id_outlives_the_gateway_and_a_lost_task_is_said_to_be_lost() {
    for (knows, gateway) in [(Knows::Core, legacy()), (Knows::Extension, modern())] {
        let mut first = client(&gateway, knows).await;
        let id = given(&mut first, json!({"hold": true})).await;
        drop(first.call("toy__die", json!({})).await);
        loop {
            // The upstream may have to be left alone for a moment after it ended.
            let about = ask_about(&mut first, "tasks/get", &id).await;
            if about.code() == -32602 {
                assert_eq!(about.error()["message"], "Task not found", "the upstream's own word");
                break;
            }
        }
        assert!(first.leave().await.success());
        let mut second = client(&gateway, knows).await;
        let about = ask_about(&mut second, "tasks/get", &id).await;
        assert_eq!(about.error()["message"], "Task not found", "it was asked: {}", about.line);
        assert!(second.leave().await.success());
    }
}

#[tokio::test]
async fn a_server_that_ends_under_a_task_fails_the_call() {
    for (knows, gateway) in strangers() {
        let mut client = client(&gateway, knows).await;
        let id = held(&mut client, knows).await;
        drop(client.call("toy__die", json!({})).await);
        let failed = client.reply_to(id).await;
        assert!(failed.line.contains("connection_lost"), "{knows:?}: {}", failed.line);
        assert!(failed.line.contains(r#""executed":"unknown""#), "{knows:?}: {}", failed.line);
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn a_server_with_a_task_is_in_use() {
    for (knows, era) in [(Knows::Core, "legacy"), (Knows::Extension, "modern")] {
        let entry = toy(&["--era", era, "--tasks"]).entry();
        let gateway = Gateway::new(&[("toy", with(entry, "timeout", json!({"idle": "1ms"})))]);
        let mut client = client(&gateway, knows).await;
        let id = given(&mut client, json!({"hold": true})).await;
        let state = async |client: &mut Client| {
            let status = client.call("conflux__status", json!({})).await.structured();
            status["upstreams"][0]["state"].clone()
        };
        for _ in 0..20 {
            assert_eq!(state(&mut client).await, "ready", "{knows:?}");
        }
        ask_about(&mut client, "tasks/cancel", &id).await.result();
        if knows == Knows::Extension {
            // That it ended is known from looking at it.
            until(&mut client, &id, "cancelled").await;
        }
        while state(&mut client).await != "idle" {}
        assert!(client.leave().await.success());
    }
}

// A real server.

/// Everything, as its authors publish it, with a tool that must be called as a task.
fn everything(home: &TempDir) -> Gateway {
    Gateway::new(&[("everything", Server::Everything.program(home.path()).entry())])
}

fn research() -> Value {
    let arguments = json!({"topic": "python", "ambiguous": true});
    let meta = json!({"progressToken": "mine"});
    json!({"name": "everything__simulate-research-query", "arguments": arguments, "_meta": meta})
}

#[tokio::test]
async fn everything_researches_for_a_session_without_tasks() {
    check_research(Knows::Nothing("2025-06-18")).await;
}

#[tokio::test]
async fn everything_researches_for_a_modern_client() {
    check_research(Knows::Nothing(MODERN)).await;
}

#[tokio::test]
async fn everything_researches_for_a_client_with_the_extension() {
    check_research(Knows::Extension).await;
}

async fn check_research(knows: Knows) {
    let home = TempDir::new().unwrap();
    let gateway = everything(&home);
    let mut client = client(&gateway, knows).await;
    let answer = json!({"action": "accept", "content": {"interpretation": "snake"}});
    client.answer("elicitation/create", answer);
    let done = client.converse("tools/call", research()).await;
    assert!(done.text().contains("python (snake)"), "{knows:?}: {}", done.text());
    let told = client.seen(PROGRESS);
    assert!(told.iter().any(|one| one.line.contains("Gathering sources...")), "{told:?}");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn everything_researches_for_a_client_with_tasks() {
    let home = TempDir::new().unwrap();
    let gateway = everything(&home);
    let mut client = client(&gateway, Knows::Core).await;
    let answer = json!({"action": "accept", "content": {"interpretation": "snake"}});
    client.answer("elicitation/create", answer);
    let made = client.request("tools/call", with(research(), "task", json!({"ttl": 60_000}))).await;
    let id = made.result()["task"]["taskId"].as_str().unwrap().to_owned();
    until(&mut client, &id, "input_required").await;
    let listed = client.request("tasks/list", json!({})).await.result();
    assert_eq!(listed["tasks"][0]["taskId"], id);
    let done = ask_about(&mut client, "tasks/result", &id).await;
    assert!(done.text().contains("python (snake)"), "{}", done.text());
    assert_eq!(done.result()["_meta"][RELATED]["taskId"], id);
    let asked = client.wait_for("elicitation/create", 1).await.params();
    assert_eq!(asked["_meta"][RELATED]["taskId"], id);
    assert!(client.leave().await.success());
}
