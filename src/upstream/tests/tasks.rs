//! What a server says of a task reaches its owner and nobody else.

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use crate::exchange::Back;
use crate::exchange::Exchange;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Caller;
use crate::exchange::mailbox::Notice;
use crate::exchange::task::Dialect;
use crate::upstream::Agreed;
use crate::upstream::Fault;
use crate::upstream::Need;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::incoming::Incoming;
use crate::upstream::incoming::Meant;
use crate::upstream::session::Session;
use crate::upstream::task::delivery;
use crate::upstream::task_calls;
use crate::upstream::tests::LIMIT;
use crate::upstream::tests::World;
use crate::upstream::tests::call;
use crate::upstream::tests::caller;
use crate::upstream::tests::exchange;
use crate::upstream::tests::failed;
use crate::upstream::tests::progress;
use crate::upstream::tests::world;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;

/// Makes a task for a caller that asked for one; returns the id the caller is given.
async fn task_of(
    world: &mut World,
    session: &Arc<Session>,
    caller: &Arc<Caller>,
    id: &str,
) -> String {
    let (exchange, _back) = exchange(caller);
    let (session, exchange) = (Arc::clone(session), exchange.knowing(Dialect::Core));
    let called = world.tasks.spawn(async move {
        let params =
            Raw::of(&json!({ "name": "t", "task": {}, "_meta": { "progressToken": "p" } }));
        task_calls::call(&session, &params, &exchange, Need::None).await
    });
    let task = json!({ "taskId": id, "status": "working" });
    world.server.answer(("result", json!({ "task": task }))).await;
    let result = called.await.unwrap().unwrap();
    result.member("task").unwrap().member("taskId").unwrap().string().unwrap()
}

/// A session with a server of tasks.
fn session_of(world: &World) -> Arc<Session> {
    let all = json!({ "tasks": { "list": {}, "requests": { "tools": { "call": {} } } } });
    let agreed =
        Agreed { revision: Revision::V2025_11_25, capabilities: Raw::of(&all), instructions: None };
    Arc::new(Session::new(world.connection.clone(), agreed))
}

/// Calls a tool that needs a task for a caller that knows none, up to the task `1`.
async fn waited_for(
    world: &mut World,
    exchange: Exchange,
) -> tokio::task::JoinHandle<Result<Raw, Fault>> {
    let session = session_of(world);
    let call = world.tasks.spawn(async move {
        let params = Raw::of(&json!({ "name": "t" }));
        task_calls::call(&session, &params, &exchange, Need::Task).await
    });
    let task = json!({ "taskId": "1", "status": "working", "pollInterval": 100 });
    world.server.answer(("result", json!({ "task": task }))).await;
    call
}

/// Ends a request as a transport does whose answer broke off.
fn lose(world: &World, request: &Value) {
    let error = world.connection.error(Kind::ConnectionLost, "cut", Executed::Unknown);
    world.connection.finish(request["id"].as_u64().unwrap(), Incoming::Failed(error));
}

#[tokio::test]
async fn a_task_that_nobody_knows_is_nobodys() {
    let mut world = world();
    let two = caller(2, &json!({ "roots": {} }));
    world.callers.attach(&two);
    let meta = json!({ "io.modelcontextprotocol/related-task": { "taskId": "of somebody else" } });
    let log = json!({ "jsonrpc": "2.0", "method": method::MESSAGE,
        "params": { "level": "info", "data": 1, "_meta": meta } });
    let ask = json!({ "jsonrpc": "2.0", "id": "q", "method": method::ROOTS,
        "params": { "_meta": meta } });
    world.server.write(&log).await;
    world.server.write(&ask).await;
    assert_eq!(world.server.read().await["error"]["message"], Refusal::Gone.to_string());
    // Neither does it help that the one who is there calls something.
    let (of_two, mut back) = exchange(&two);
    let calling = call(&world, of_two);
    let request = world.server.read().await;
    world.server.write(&ask).await;
    assert_eq!(world.server.read().await["error"]["message"], Refusal::Gone.to_string());
    world.server.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": 1 })).await;
    assert!(calling.await.unwrap().is_ok());
    assert!(back.recv().await.is_none());
    let plain = json!({ "jsonrpc": "2.0", "method": method::MESSAGE,
        "params": { "level": "info", "data": 2 } });
    world.server.write(&plain).await;
    let Notice::Log(params) = two.mailbox().next().await else { panic!("no message") };
    assert_eq!(params.member("data").unwrap().get(), "2", "the first was not meant");

    let named = Raw::of(&json!({ "_meta": meta }));
    let seen = delivery::addressed(world.connection.live(), &Meant::Caller(two), named);
    assert_eq!(delivery::named_by(Some(&seen)), None, "an id that opens it: {}", seen.get());
}

#[tokio::test(start_paused = true)]
async fn a_broken_look_at_a_task_does_not_end_the_waiting() {
    let mut world = world();
    let (exchange, _back) = exchange(&caller(1, &json!({})));
    let call = waited_for(&mut world, exchange).await;
    // The way to the result breaks once, and each look but the last.
    let mut broken =
        vec![method::TASKS_RESULT, method::TASKS_GET, method::TASKS_GET, method::TASKS_GET];
    let (mut fetch, mut has_looked) = (None, false);
    while fetch.is_none() || !has_looked {
        let request = world.server.read().await;
        let found = broken.iter().position(|method| request["method"] == *method);
        if let Some(index) = found {
            broken.remove(index);
            lose(&world, &request);
        } else if request["method"] == method::TASKS_GET {
            let task = json!({ "taskId": "1", "status": "working", "pollInterval": 100 });
            let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": task });
            world.server.write(&answer).await;
            has_looked = true;
        } else {
            assert_eq!(request["method"], method::TASKS_RESULT);
            fetch = Some(request["id"].clone());
        }
    }
    world.server.write(&json!({ "jsonrpc": "2.0", "id": fetch, "result": {} })).await;
    assert_eq!(call.await.unwrap().unwrap().get(), "{}");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_cannot_be_looked_at_is_ended() {
    let mut world = world();
    let (exchange, _back) = exchange(&caller(1, &json!({})));
    let call = waited_for(&mut world, exchange).await;
    loop {
        let request = world.server.read().await;
        match request["method"].as_str().unwrap() {
            method::TASKS_GET => lose(&world, &request),
            method::TASKS_CANCEL => break,
            _ => {}
        }
    }
    assert_eq!(failed(call.await.unwrap()).kind, Kind::ConnectionLost);
}

#[tokio::test(start_paused = true)]
async fn what_a_server_says_of_its_progress_is_not_counted_beside() {
    let mut world = world();
    let (exchange, mut back) = exchange(&caller(1, &json!({})));
    let session = session_of(&world);
    let call = world.tasks.spawn(async move {
        let params = Raw::of(&json!({ "name": "t" }));
        task_calls::call(&session, &params, &exchange, Need::Task).await
    });
    let request = world.server.read().await;
    world.server.write(&progress(&request, 50)).await;
    let task =
        |message: &str| json!({ "taskId": "1", "status": "working", "statusMessage": message });
    let made = json!({ "task": task("begun") });
    world.server.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": made })).await;
    let (mut looks, mut fetch) = (0, Value::Null);
    while looks < 3 {
        let request = world.server.read().await;
        if request["method"] == method::TASKS_RESULT {
            fetch = request["id"].clone();
            continue;
        }
        looks += 1;
        let task = task(&format!("look {looks}"));
        world.server.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": task })).await;
    }
    world.server.write(&json!({ "jsonrpc": "2.0", "id": fetch, "result": {} })).await;
    assert!(call.await.unwrap().is_ok());
    let Some(Back::Progress(params)) = back.recv().await else { panic!("no progress") };
    assert_eq!(params.member("progress").unwrap().get(), "50");
    assert!(back.recv().await.is_none(), "counted beside");
}

#[tokio::test]
async fn what_a_server_says_of_a_task_reaches_its_owner_and_nobody_else() {
    let mut world = world();
    let session = session_of(&world);
    let can = json!({ "roots": {} });
    let (one, two) = (caller(1, &can), caller(2, &can));
    world.callers.attach(&one);
    world.callers.attach(&two);
    let first = task_of(&mut world, &session, &one, "1").await;
    let second = task_of(&mut world, &session, &two, "2").await;
    assert!(world.connection.idle_since().is_none(), "tasks are under way");

    // Without its task, nothing would tell whose question this is.
    let meta = json!({ "io.modelcontextprotocol/related-task": { "taskId": "2" } });
    let ask = json!({ "jsonrpc": "2.0", "id": "q", "method": method::ROOTS,
        "params": { "_meta": meta } });
    world.server.write(&ask).await;
    let Notice::Ask(question) = two.mailbox().next().await else { panic!("not asked") };
    let (key, asked) = question.requests[0].clone();
    assert!(asked.params().unwrap().get().contains(&second), "under the id it knows");
    question.answer(Ok(vec![(
        key,
        Ok(Raw::of(&json!({ "roots": [], "_meta":
        { "io.modelcontextprotocol/related-task": { "taskId": second } } }))),
    )]));
    assert_eq!(world.server.read().await["result"], json!({ "roots": [], "_meta": meta }));

    for id in ["2", "1"] {
        let params = json!({ "taskId": id, "status": "completed" });
        let status = json!({ "jsonrpc": "2.0", "method": method::TASK_STATUS, "params": params });
        world.server.write(&status).await;
    }
    for (caller, id) in [(&one, &first), (&two, &second)] {
        let Notice::Other(said, params) = caller.mailbox().next().await else { panic!("not told") };
        assert_eq!(
            (said, params.as_ref().unwrap().member("taskId").unwrap().string().as_ref()),
            (method::TASK_STATUS.to_owned(), Some(id))
        );
    }
    assert!(world.connection.idle_since().is_some(), "both have ended");

    let (asking, _back) = exchange(&one);
    let listed = world.tasks.spawn(async move { task_calls::list(&session, &asking, LIMIT).await });
    let tasks: Vec<Value> =
        ["1", "2", "3"].map(|id| json!({ "taskId": id, "status": "completed" })).into();
    world.server.answer(("result", json!({ "tasks": tasks }))).await;
    let listed = listed.await.unwrap().unwrap();
    let listed: Vec<Value> = listed.iter().map(|task| task.read().unwrap()).collect();
    assert_eq!(listed, [json!({ "taskId": first, "status": "completed" })], "its own alone");
}
