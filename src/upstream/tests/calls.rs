//! A call has exactly one answer, whatever the server, its caller or the clock do.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time;
use tokio_util::task::TaskTracker;

use crate::config::secrets::Secrets;
use crate::exchange::Back;
use crate::exchange::caller::Callers;
use crate::exchange::deadline::Limits;
use crate::ids::UpstreamId;
use crate::upstream::Fault;
use crate::upstream::Lists;
use crate::upstream::changes::Changes;
use crate::upstream::connection;
use crate::upstream::connection::Connection;
use crate::upstream::connection::OUTGOING_CAPACITY;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::errors::Errors;
use crate::upstream::legacy;
use crate::upstream::reader::Noise;
use crate::upstream::reader::Reader;
use crate::upstream::tests::LIMIT;
use crate::upstream::tests::MESSAGE_LIMIT;
use crate::upstream::tests::call;
use crate::upstream::tests::caller;
use crate::upstream::tests::exchange;
use crate::upstream::tests::failed;
use crate::upstream::tests::gate;
use crate::upstream::tests::progress;
use crate::upstream::tests::world;
use crate::upstream::transport::pipes;
use crate::wire::method;

#[tokio::test]
async fn progress_and_result_come_in_their_order_and_none_is_lost() {
    let mut world = world();
    let (exchange, mut back) = exchange(&caller(1, &json!({})));
    let call = call(&world, exchange);
    let request = world.server.read().await;
    for step in 0..1000 {
        world.server.write(&progress(&request, step)).await;
    }
    world.server.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": {} })).await;
    for step in 0..1000_u64 {
        let Some(Back::Progress(params)) = back.recv().await else { panic!("{step} is missing") };
        assert_eq!(params.member("progress").unwrap().get(), step.to_string());
    }
    assert_eq!(call.await.unwrap().unwrap().get(), "{}");
    assert!(back.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_call_nobody_answers_ends_and_is_cancelled() {
    let mut world = world();
    let (exchange, _back) = exchange(&caller(1, &json!({})));
    let call = call(&world, exchange);
    let request = world.server.read().await;
    let error = failed(call.await.unwrap());
    assert_eq!((error.kind, error.executed), (Kind::TimedOut, Executed::Unknown));
    let cancelled = world.server.read().await;
    assert_eq!(cancelled["method"], method::CANCELLED);
    assert_eq!(cancelled["params"]["requestId"], request["id"]);
}

#[tokio::test(start_paused = true)]
async fn progress_extends_the_time_of_a_call_up_to_an_end() {
    for (progress, expected) in [(None, 60), (Some(100), 100), (Some(1000), 150)] {
        let mut world = world();
        let (exchange, _back) = exchange(&caller(1, &json!({})));
        let progress = progress.map(Duration::from_secs);
        exchange.deadline().set(Limits { call: LIMIT, progress });
        let call = call(&world, exchange);
        let request = world.server.read().await;
        for step in 1..=2 {
            time::sleep(Duration::from_secs(45)).await;
            world.server.write(&self::progress(&request, step)).await;
        }
        let error = failed(call.await.unwrap());
        assert_eq!(error.kind, Kind::TimedOut);
        assert!(error.detail.ends_with(&format!(" {expected}s")), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_there_when_the_time_is_over_is_given() {
    let mut world = world();
    // Nobody empties the way back.
    let (exchange, _back) = exchange(&caller(1, &json!({})));
    let call = call(&world, exchange);
    let request = world.server.read().await;
    for step in 0..100 {
        world.server.write(&progress(&request, step)).await;
    }
    world.server.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": 1 })).await;
    assert_eq!(call.await.unwrap().unwrap().get(), "1");
}

#[tokio::test]
async fn a_cancelled_call_tells_the_upstream_and_a_late_answer_harms_nobody() {
    let mut world = world();
    let (exchange, _back) = exchange(&caller(1, &json!({})));
    let token = exchange.cancelled().clone();
    let first = call(&world, exchange.clone());
    let request = world.server.read().await;
    token.cancel();
    assert!(matches!(first.await.unwrap(), Err(Fault::Cancelled)));
    assert_eq!(world.server.read().await["method"], method::CANCELLED);
    world.server.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": 1 })).await;
    let (exchange, _back) = self::exchange(&caller(1, &json!({})));
    let second = call(&world, exchange);
    world.server.answer(("result", json!({ "second": true }))).await;
    assert_eq!(second.await.unwrap().unwrap().get(), r#"{"second":true}"#);
}

#[tokio::test]
async fn an_upstream_that_ends_fails_what_is_under_way_and_what_follows() {
    let mut world = world();
    let (exchange, _back) = exchange(&caller(1, &json!({})));
    let under_way = call(&world, exchange.clone());
    world.server.read().await;
    drop(world.server);
    let error = failed(under_way.await.unwrap());
    assert_eq!((error.kind, error.executed), (Kind::ConnectionLost, Executed::Unknown));
    let late = legacy::request(&world.connection, "x", None, &exchange).await;
    let error = failed(late);
    assert_eq!((error.kind, error.executed), (Kind::ConnectionLost, Executed::No));
}

#[tokio::test]
async fn an_answer_over_the_limit_is_an_error_of_its_call_alone() {
    let mut world = world();
    let (exchange, _back) = exchange(&caller(1, &json!({})));
    let large = call(&world, exchange.clone());
    let request = world.server.read().await;
    let small = call(&world, exchange);
    let other = world.server.read().await;
    let padding = "x".repeat(MESSAGE_LIMIT);
    for (id, result) in [(&request["id"], json!(padding)), (&other["id"], json!("small"))] {
        world.server.write(&json!({ "id": id, "jsonrpc": "2.0", "result": result })).await;
    }
    assert_eq!(failed(large.await.unwrap()).kind, Kind::TooLarge);
    assert_eq!(small.await.unwrap().unwrap().get(), "\"small\"");
}

#[tokio::test]
async fn noise_on_stdout_disturbs_nobody() {
    let mut world = world();
    let (exchange, _back) = exchange(&caller(1, &json!({})));
    let call = call(&world, exchange);
    let request = world.server.read().await;
    let junk = [
        "hello",
        "{\"half\":",
        "[]",
        "{}",
        "42",
        "null",
        "{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":1}",
    ];
    for line in junk {
        world.server.write_line(line).await;
    }
    world.server.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": true })).await;
    assert_eq!(call.await.unwrap().unwrap().get(), "true");
}

#[tokio::test]
async fn an_id_that_comes_back_as_a_string_is_understood() {
    let mut world = world();
    let (exchange, _back) = exchange(&caller(1, &json!({})));
    let call = call(&world, exchange);
    let id = world.server.read().await["id"].to_string();
    world.server.write(&json!({ "jsonrpc": "2.0", "id": id, "result": 1 })).await;
    assert_eq!(call.await.unwrap().unwrap().get(), "1");
}

#[tokio::test]
async fn an_upstream_that_no_longer_reads_can_still_answer() {
    let (ours, theirs) = tokio::io::duplex(64);
    let (answers, answering) = tokio::io::duplex(1024);
    let (outgoing, queue) = mpsc::channel(OUTGOING_CAPACITY);
    let around = connection::Surroundings {
        callers: Callers::default(),
        gate: gate(),
        task_ids: Arc::default(),
        lists: watch::channel(Lists::default()).0,
        changes: Changes::default(),
        tasks: TaskTracker::new(),
        mirrors: None,
        errors: Errors::new(UpstreamId::new("toy"), Secrets::default()),
    };
    let connection = Connection::new(outgoing, &around);
    let (exchange, _back) = exchange(&caller(1, &json!({})));
    let (first, second) = (exchange.clone(), exchange);
    let (one, two) = (connection.clone(), connection.clone());
    around.tasks.spawn(pipes::write(connection.clone(), queue, ours));
    let waits = around.tasks.spawn(async move { legacy::request(&one, "x", None, &first).await });
    // It takes the first request, stops reading, and answers only then.
    let mut theirs = BufReader::new(theirs);
    let mut line = String::new();
    theirs.read_line(&mut line).await.unwrap();
    drop(theirs);
    let refused =
        around.tasks.spawn(async move { legacy::request(&two, "x", None, &second).await });
    tokio::task::yield_now().await;
    let noise = Noise::new(connection.errors());
    around.tasks.spawn(pipes::read(Reader::new(connection, noise), answers, MESSAGE_LIMIT));
    let mut answering = answering;
    answering.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1}\n").await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap().get(), "1");
    drop(answering);
    assert_eq!(failed(refused.await.unwrap()).kind, Kind::ConnectionLost);
}

#[tokio::test]
async fn a_server_cannot_cancel_a_call() {
    let mut world = world();
    let (exchange, _back) = exchange(&caller(1, &json!({})));
    let call = call(&world, exchange);
    let id = world.server.read().await["id"].clone();
    let params = json!({ "requestId": id });
    let cancelled = json!({ "jsonrpc": "2.0", "method": method::CANCELLED, "params": params });
    world.server.write(&cancelled).await;
    world.server.write(&json!({ "jsonrpc": "2.0", "id": id, "result": 1 })).await;
    assert_eq!(call.await.unwrap().unwrap().get(), "1");
}
