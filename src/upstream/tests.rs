//! Connections and edges against a scripted server on the other end of a pipe in memory.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::io::DuplexStream;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::exchange::Back;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Callers;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Reach;
use crate::exchange::mailbox::Notice;
use crate::exchange::task::Dialect;
use crate::ids::CallerId;
use crate::ids::UpstreamId;
use crate::upstream::Agreed;
use crate::upstream::Error;
use crate::upstream::Fault;
use crate::upstream::Lists;
use crate::upstream::Need;
use crate::upstream::connection;
use crate::upstream::connection::Connection;
use crate::upstream::connection::OUTGOING_CAPACITY;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::legacy;
use crate::upstream::modern;
use crate::upstream::negotiate::Verdict;
use crate::upstream::negotiate::negotiate;
use crate::upstream::reader::Noise;
use crate::upstream::reader::Reader;
use crate::upstream::session::Session;
use crate::upstream::task;
use crate::upstream::transport::pipes;
use crate::upstream::transport::tail::Tail;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;

const LIMIT: Duration = Duration::from_mins(1);
const MESSAGE_LIMIT: usize = 64 * 1024;

/// The server's end of a connection.
struct Server {
    input: BufReader<ReadHalf<DuplexStream>>,
    output: WriteHalf<DuplexStream>,
}

impl Server {
    async fn read(&mut self) -> Value {
        let mut line = String::new();
        self.input.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a message: {line:?}"))
    }

    async fn write(&mut self, message: &Value) {
        self.write_line(&message.to_string()).await;
    }

    async fn write_line(&mut self, line: &str) {
        self.output.write_all(line.as_bytes()).await.unwrap();
        self.output.write_all(b"\n").await.unwrap();
    }

    /// Reads a request and answers it.
    async fn answer(&mut self, outcome: (&str, Value)) -> Value {
        let request = self.read().await;
        let (key, value) = outcome;
        self.write(&json!({ "jsonrpc": "2.0", "id": request["id"], key: value })).await;
        request
    }
}

struct World {
    connection: Connection,
    server: Server,
    callers: Callers,
    lists: watch::Receiver<Lists>,
    tasks: TaskTracker,
}

fn world() -> World {
    let (ours, theirs) = tokio::io::duplex(1024 * 1024);
    let (input, output) = tokio::io::split(ours);
    let (outgoing, queue) = mpsc::channel(OUTGOING_CAPACITY);
    let (lists_sender, lists) = watch::channel(Lists::default());
    let callers = Callers::default();
    let around = connection::Surroundings {
        callers: callers.clone(),
        lists: lists_sender,
        tasks: TaskTracker::new(),
        mirrors: None,
    };
    let connection = Connection::new(UpstreamId::new("toy"), outgoing, &around);
    let noise = Noise::new(&Tail::new(config::secrets::Secrets::default()));
    around.tasks.spawn(pipes::write(connection.clone(), queue, output));
    let reader = Reader::new(connection.clone(), noise);
    around.tasks.spawn(pipes::read(reader, input, MESSAGE_LIMIT));
    let (input, output) = tokio::io::split(theirs);
    let server = Server { input: BufReader::new(input), output };
    World { connection, server, callers, lists, tasks: around.tasks }
}

fn caller(number: u64, capabilities: &Value) -> Arc<Caller> {
    let capabilities = Arc::new(Capabilities::parse(Some(Raw::of(capabilities)), Revision::LATEST));
    Arc::new(Caller::new(CallerId(number), capabilities, Reach::Anytime))
}

fn exchange(caller: &Arc<Caller>) -> (Exchange, mpsc::Receiver<Back>) {
    let wishes = Wishes { progress: true, ..Wishes::default() };
    Exchange::new(Arc::clone(caller), Arc::clone(caller.capabilities()), wishes)
}

/// Sends `tools/call` in the legacy way, as a task.
fn call(world: &World, exchange: Exchange) -> tokio::task::JoinHandle<Result<Raw, Fault>> {
    let connection = world.connection.clone();
    world.tasks.spawn(async move {
        let params = Raw::of(&json!({ "name": "t" }));
        legacy::request(&connection, method::TOOLS_CALL, Some(&params), &exchange, LIMIT).await
    })
}

fn progress(request: &Value, step: u64) -> Value {
    let params =
        json!({ "progressToken": request["params"]["_meta"]["progressToken"], "progress": step });
    json!({ "jsonrpc": "2.0", "method": method::PROGRESS, "params": params })
}

#[track_caller]
fn failed(outcome: Result<Raw, Fault>) -> Error {
    match outcome {
        Err(Fault::Failed(error)) => error,
        other => panic!("expected a failure, got {other:?}"),
    }
}

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
    let late = legacy::request(&world.connection, "x", None, &exchange, LIMIT).await;
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

/// What the server asks in the middle of calls, and what it gets.
#[tokio::test]
async fn a_question_goes_to_the_caller_of_the_call_and_to_nobody_else() {
    let mut world = world();
    let (one, two) = (caller(1, &json!({ "roots": {} })), caller(2, &json!({ "roots": {} })));
    world.callers.attach(&one);
    world.callers.attach(&two);
    let ask = json!({ "jsonrpc": "2.0", "id": "q", "method": method::ROOTS });

    // Nobody is in a call, and two could be meant.
    world.server.write(&ask).await;
    let refused = world.server.read().await;
    assert_eq!(refused["error"]["message"], Refusal::Ambiguous.to_string());

    let (of_one, mut back_of_one) = exchange(&one);
    let first = call(&world, of_one);
    let first_request = world.server.read().await;
    world.server.write(&ask).await;
    let Some(Back::Ask(question)) = back_of_one.recv().await else { panic!("not asked") };
    let key = question.requests[0].0.clone();
    question.answer(Ok(vec![(key, Ok(Raw::of(&json!({ "roots": [] }))))]));
    assert_eq!(world.server.read().await["result"], json!({ "roots": [] }));

    // Both are in calls, and nothing tells them apart.
    let (of_two, _back_of_two) = exchange(&two);
    let _second = call(&world, of_two);
    world.server.read().await;
    world.server.write(&ask).await;
    let refused = world.server.read().await;
    assert_eq!(refused["error"]["message"], Refusal::Ambiguous.to_string());

    world.server.write(&json!({ "jsonrpc": "2.0", "id": first_request["id"], "result": 1 })).await;
    assert!(first.await.unwrap().is_ok());
}

#[tokio::test]
async fn what_the_caller_cannot_answer_is_refused_at_once() {
    let mut world = world();
    let (exchange, _back) = exchange(&caller(1, &json!({ "elicitation": {} })));
    let _call = call(&world, exchange);
    world.server.read().await;
    let url = json!({ "mode": "url", "url": "https://example.com", "message": "m" });
    let (not_there, in_no_such_mode) =
        (crate::wire::code::METHOD_NOT_FOUND, crate::wire::code::INVALID_PARAMS);
    for (method, params, code) in
        [(method::SAMPLE, json!({}), not_there), (method::ELICIT, url, in_no_such_mode)]
    {
        let ask = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        world.server.write(&ask).await;
        let refused = world.server.read().await;
        assert_eq!(refused["error"]["code"], code, "{method}");
    }
    world.server.write(&json!({ "jsonrpc": "2.0", "id": 8, "method": "no/such" })).await;
    assert_eq!(world.server.read().await["error"]["code"], crate::wire::code::METHOD_NOT_FOUND);
    world.server.write(&json!({ "jsonrpc": "2.0", "id": 9, "method": method::PING })).await;
    assert_eq!(world.server.read().await["result"], json!({}));
}

#[tokio::test]
async fn how_far_an_answer_is_reaches_the_upstream_under_its_own_token() {
    for token in [json!("mine"), json!(7)] {
        let mut world = world();
        let (exchange, mut back) = exchange(&caller(1, &json!({ "roots": {} })));
        let _call = call(&world, exchange);
        world.server.read().await;
        let params = json!({ "_meta": { "progressToken": token } });
        let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": method::ROOTS, "params": params });
        world.server.write(&ask).await;
        let Some(Back::Ask(question)) = back.recv().await else { panic!("not asked") };
        let (key, request) = question.requests[0].clone();
        for step in 1..=3 {
            let said = json!({ "progressToken": 99, "progress": step, "message": "m" });
            request.progress().unwrap().try_send(Raw::of(&said)).unwrap();
        }
        for step in 1..=3 {
            let told = world.server.read().await;
            assert_eq!(told["method"], method::PROGRESS);
            let expected = json!({ "progressToken": token, "progress": step, "message": "m" });
            assert_eq!(told["params"], expected);
        }
        question.answer(Ok(vec![(key, Ok(Raw::of(&json!({ "roots": [] }))))]));
        assert_eq!(world.server.read().await["result"]["roots"], json!([]));
    }
}

#[tokio::test]
async fn an_answer_is_said_in_the_words_of_the_upstream() {
    let text = |text: &str| json!({ "type": "text", "text": text });
    let image = json!({ "type": "image", "data": "", "mimeType": "image/png" });
    let said = |content: Value| json!({ "role": "assistant", "content": content, "n": 1.0 });
    for (given, older) in [
        (said(text("a")), Some(said(text("a")))),
        (said(json!([text("a")])), Some(said(text("a")))),
        (said(json!([image.clone()])), Some(said(image.clone()))),
        (said(json!([text("a"), text("b")])), Some(said(text("ab")))),
        (said(json!([text("a"), image])), None),
    ] {
        for revision in Revision::ALL.into_iter().filter(|it| *it <= Revision::LATEST_LEGACY) {
            let mut world = world();
            world.connection.agree(revision);
            let (exchange, mut back) = exchange(&caller(1, &json!({ "sampling": {} })));
            let _call = call(&world, exchange);
            world.server.read().await;
            world
                .server
                .write(&json!({ "jsonrpc": "2.0", "id": 1, "method": method::SAMPLE }))
                .await;
            let Some(Back::Ask(question)) = back.recv().await else { panic!("not asked") };
            let key = question.requests[0].0.clone();
            question.answer(Ok(vec![(key, Ok(Raw::of(&given)))]));
            let answer = world.server.read().await;
            let expected =
                if revision < Revision::V2025_11_25 { older.clone() } else { Some(given.clone()) };
            match expected {
                Some(expected) => assert_eq!(answer["result"], expected, "{revision}"),
                None => assert_eq!(answer["error"]["code"], -32603, "{revision}: {answer}"),
            }
        }
    }
}

/// What an upstream of 2025-11-25 answers when addresses must be visited first.
fn visits_first(ids: &[&str]) -> Value {
    let visit = |id: &&str| {
        let url = format!("https://example.com/{id}");
        json!({ "mode": "url", "message": "Sign in.", "url": url, "elicitationId": id })
    };
    let elicitations: Vec<Value> = ids.iter().map(visit).collect();
    json!({ "code": -32042, "message": "first", "data": { "elicitations": elicitations } })
}

/// A caller of a revision that can be asked to visit addresses.
fn visitor(number: u64, revision: Revision) -> Arc<Caller> {
    let declared = Raw::of(&json!({ "elicitation": { "url": {} } }));
    let capabilities = Arc::new(Capabilities::parse(Some(declared), revision));
    Arc::new(Caller::new(CallerId(number), capabilities, Reach::Anytime))
}

#[tokio::test]
async fn a_call_is_repeated_after_the_visits_it_wants_first() {
    for revision in [Revision::V2025_06_18, Revision::LATEST] {
        let mut world = world();
        let (exchange, mut back) = exchange(&visitor(1, revision));
        let call = call(&world, exchange);
        for ids in [&["a", "b"][..], &["b"]] {
            let request = world.server.read().await;
            assert_eq!(request["params"]["name"], "t");
            let answer =
                json!({ "jsonrpc": "2.0", "id": request["id"], "error": visits_first(ids) });
            world.server.write(&answer).await;
            let Some(Back::Ask(ask)) = back.recv().await else { panic!("not asked") };
            let asked: Vec<_> = ask.requests.iter().map(|(_, it)| it.params().unwrap()).collect();
            let urls: Vec<_> = asked.iter().map(|it| it.member("url").unwrap()).collect();
            let expected = ids.iter().map(|id| Raw::of(&format!("https://example.com/{id}")));
            assert_eq!(urls, expected.collect::<Vec<_>>());
            let accept = || Ok(Raw::of(&json!({ "action": "accept" })));
            let answers = ask.requests.iter().map(|(key, _)| (key.clone(), accept()));
            let answers = answers.collect();
            ask.answer(Ok(answers));
        }
        let request = world.server.read().await;
        world.server.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": 1 })).await;
        assert_eq!(call.await.unwrap().unwrap().get(), "1");
    }
}

#[tokio::test]
async fn a_visit_that_is_declined_ends_the_call() {
    for (answer, word) in [
        (Ok(Raw::of(&json!({ "action": "decline" }))), "decline"),
        (Ok(Raw::of(&json!({ "action": "cancel" }))), "cancel"),
        (Err(Raw::of(&json!({ "code": -1, "message": "not now" }))), "not now"),
    ] {
        let mut world = world();
        let (exchange, mut back) = exchange(&visitor(1, Revision::LATEST));
        let call = call(&world, exchange);
        let request = world.server.read().await;
        let refusal =
            json!({ "jsonrpc": "2.0", "id": request["id"], "error": visits_first(&["a"]) });
        world.server.write(&refusal).await;
        let Some(Back::Ask(ask)) = back.recv().await else { panic!("not asked") };
        let key = ask.requests[0].0.clone();
        ask.answer(Ok(vec![(key, answer)]));
        let Err(Fault::Failed(error)) = call.await.unwrap() else { panic!("it must fail") };
        assert_eq!((error.kind, error.executed), (Kind::InputRefused, Executed::No));
        assert!(error.detail.contains(word), "{error}");
    }
}

#[tokio::test]
async fn a_visit_is_said_to_be_over_to_the_one_client_that_was_asked() {
    let mut world = world();
    let (first, second) = (visitor(1, Revision::V2025_11_25), visitor(2, Revision::V2025_11_25));
    for caller in [&first, &second] {
        world.callers.attach(caller);
    }
    // One is asked in mid-call, the other gets the error, which it knows how to take.
    let (asked, mut back) = exchange(&first);
    let asking = call(&world, asked);
    let request = world.server.read().await;
    let params = visits_first(&["one"])["data"]["elicitations"][0].take();
    let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": method::ELICIT, "params": params });
    world.server.write(&ask).await;
    assert!(matches!(back.recv().await, Some(Back::Ask(_))));
    world.server.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": 1 })).await;
    asking.await.unwrap().unwrap();
    let (refused, _back) = exchange(&second);
    let refused = call(&world, refused);
    let request = loop {
        let message = world.server.read().await;
        if message["method"] == method::TOOLS_CALL {
            break message;
        }
    };
    let refusal = json!({ "jsonrpc": "2.0", "id": request["id"], "error": visits_first(&["two"]) });
    world.server.write(&refusal).await;
    let Err(Fault::Answered(error)) = refused.await.unwrap() else { panic!("it must be passed") };
    assert_eq!(error.read::<Value>().unwrap(), visits_first(&["two"]));

    for id in ["unknown", "two", "one", "one"] {
        let params = json!({ "elicitationId": id });
        let method = method::ELICITATION_COMPLETE;
        world.server.write(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }
    for (caller, id) in [(&first, "one"), (&second, "two")] {
        let Notice::Other(method, params) = caller.mailbox().next().await else { panic!() };
        assert_eq!(method, method::ELICITATION_COMPLETE);
        let told = params.unwrap().member("elicitationId").unwrap();
        assert_eq!(told.string().unwrap(), id);
    }
    world.server.write(&json!({ "jsonrpc": "2.0", "id": 9, "method": method::PING })).await;
    world.server.read().await;
    for caller in [&first, &second] {
        let more = tokio::time::timeout(Duration::ZERO, caller.mailbox().next()).await;
        assert!(more.is_err(), "told once, and nobody else: {more:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_a_call_stands_still_while_a_person_thinks() {
    let mut world = world();
    let (exchange, mut back) = exchange(&caller(1, &json!({ "elicitation": {} })));
    let call = call(&world, exchange);
    let request = world.server.read().await;
    let params = json!({ "message": "?", "requestedSchema": {} });
    let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": method::ELICIT, "params": params });
    world.server.write(&ask).await;
    let Some(Back::Ask(question)) = back.recv().await else { panic!("not asked") };
    time::sleep(LIMIT * 4).await;
    let key = question.requests[0].0.clone();
    question.answer(Ok(vec![(key, Ok(Raw::of(&json!({ "action": "accept" }))))]));
    assert_eq!(world.server.read().await["result"]["action"], "accept");
    world.server.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": 1 })).await;
    assert!(call.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_question_the_upstream_takes_back_is_taken_back_from_the_caller() {
    let mut world = world();
    let (exchange, mut back) = exchange(&caller(1, &json!({ "roots": {} })));
    let _call = call(&world, exchange);
    world.server.read().await;
    world.server.write(&json!({ "jsonrpc": "2.0", "id": "q", "method": method::ROOTS })).await;
    let Some(Back::Ask(mut question)) = back.recv().await else { panic!("not asked") };
    let params = json!({ "requestId": "q" });
    world
        .server
        .write(&json!({ "jsonrpc": "2.0", "method": method::CANCELLED, "params": params }))
        .await;
    question.withdrawn().await;
}

#[tokio::test]
async fn changed_lists_are_counted_and_updates_reach_subscribers() {
    let mut world = world();
    let one = caller(1, &json!({}));
    world.callers.attach(&one);
    let toy = UpstreamId::new("toy");
    assert!(one.mailbox().subscribe(&toy, "toy://a", Raw::of("conflux+toy:toy://a")));
    let updated = |uri: &str| {
        let params = json!({ "uri": uri });
        json!({ "jsonrpc": "2.0", "method": method::RESOURCE_UPDATED, "params": params })
    };
    world.server.write(&updated("toy://b")).await;
    world.server.write(&updated("toy://a")).await;
    let crate::exchange::mailbox::Notice::Updated(uri) = one.mailbox().next().await else {
        panic!("not an update")
    };
    assert_eq!(uri.get(), r#""conflux+toy:toy://a""#);
    world.server.write(&json!({ "jsonrpc": "2.0", "method": method::TOOLS_CHANGED })).await;
    world.lists.changed().await.unwrap();
    assert_eq!(*world.lists.borrow(), Lists { tools: 1, prompts: 0, resources: 0 });
}

/// A modern upstream asks first: the caller answers, and the request comes again.
#[tokio::test]
async fn input_that_is_required_is_asked_for_and_sent_along() {
    let mut world = world();
    let (exchange, mut back) = exchange(&caller(1, &json!({ "elicitation": { "form": {} } })));
    let connection = world.connection.clone();
    let call = world.tasks.spawn(async move {
        let params = Raw::parse(r#"{"name":"t","arguments":{"n":100000000000000000000}}"#).unwrap();
        modern::request(&connection, method::TOOLS_CALL, Some(&params), &exchange, LIMIT).await
    });
    let question = json!({ "method": method::ELICIT, "params": { "message": "who?" } });
    let wanted = json!({
        "resultType": "input_required", "inputRequests": { "name": question }, "requestState": "s1",
    });
    let first = world.server.answer(("result", wanted)).await;
    let capabilities = &first["params"]["_meta"][crate::wire::meta::CLIENT_CAPABILITIES];
    assert_eq!(*capabilities, json!({ "elicitation": { "form": {} } }));
    let Some(Back::Ask(question)) = back.recv().await else { panic!("not asked") };
    assert_eq!(question.requests[0].0, "name");
    let answer = Raw::of(&json!({ "action": "accept", "content": { "name": "Ada" } }));
    question.answer(Ok(vec![("name".to_owned(), Ok(answer.clone()))]));
    let second = world.server.answer(("result", json!({ "resultType": "complete" }))).await;
    assert_ne!(first["id"], second["id"]);
    assert_eq!(second["params"]["requestState"], "s1");
    assert_eq!(second["params"]["inputResponses"]["name"], answer.read::<Value>().unwrap());
    assert_eq!(second["params"]["arguments"], first["params"]["arguments"]);
    assert!(call.await.unwrap().is_ok());
}

/// What a server does with the first questions, and what comes of it.
#[tokio::test(start_paused = true)]
async fn eras_are_found() {
    let discovered =
        json!({ "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} } });
    let initialized = json!({ "protocolVersion": "2025-03-26", "capabilities": {} });
    let unknown = json!({ "code": -32601, "message": "no such method" });
    let odd = json!({ "code": -32000, "message": "?" });
    let locked =
        json!({ "code": -32022, "message": "no", "data": { "supported": ["2026-07-28"] } });
    let older = json!({ "code": -32022, "message": "no", "data": { "supported": ["2025-11-25"] } });
    let alien = json!({ "protocolVersion": "1999-01-01", "capabilities": {} });
    let ok = |value: &Value| Some(("result", value.clone()));
    let no = |value: &Value| Some(("error", value.clone()));
    let cases = [
        ("modern", ok(&discovered), None, "2026-07-28"),
        ("modern, when asked once more", no(&locked), ok(&discovered), "2026-07-28"),
        ("an empty answer means legacy", ok(&json!({})), None, "again Legacy"),
        ("legacy", no(&unknown), ok(&initialized), "2025-03-26"),
        ("any error means legacy", no(&odd), ok(&initialized), "2025-03-26"),
        ("modern error that offers legacy", no(&older), ok(&initialized), "2025-03-26"),
        ("silent on discover", None, ok(&initialized), "2025-03-26"),
        ("silent, then says it is modern", None, no(&locked), "again Modern"),
        ("unknown revision", no(&unknown), ok(&alien), "failed"),
        ("refuses everything", no(&unknown), no(&odd), "failed"),
    ];
    for (what, first, second, expected) in cases {
        let mut world = world();
        let connection = world.connection.clone();
        let offer = Raw::of(&json!({}));
        let verdict =
            world.tasks.spawn(async move { negotiate(&connection, &offer, None, LIMIT).await });
        let one_decides = first.is_some() && second.is_none();
        for answer in [first, second] {
            match answer {
                Some(answer) => drop(world.server.answer(answer).await),
                None => drop(world.server.read().await),
            }
            if one_decides {
                break;
            }
        }
        let found = match verdict.await.unwrap() {
            Verdict::Agreed(agreed) => agreed.revision.to_string(),
            Verdict::StartAgain(era) => format!("again {era:?}"),
            Verdict::Failed(_) => "failed".to_owned(),
            Verdict::Closed => "closed".to_owned(),
            Verdict::OlderTransport(error) | Verdict::Refused(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{what}");
    }
}

#[tokio::test]
async fn an_upstream_that_no_longer_reads_can_still_answer() {
    let (ours, theirs) = tokio::io::duplex(64);
    let (answers, answering) = tokio::io::duplex(1024);
    let (outgoing, queue) = mpsc::channel(OUTGOING_CAPACITY);
    let around = connection::Surroundings {
        callers: Callers::default(),
        lists: watch::channel(Lists::default()).0,
        tasks: TaskTracker::new(),
        mirrors: None,
    };
    let connection = Connection::new(UpstreamId::new("toy"), outgoing, &around);
    let (exchange, _back) = exchange(&caller(1, &json!({})));
    let (first, second) = (exchange.clone(), exchange);
    let (one, two) = (connection.clone(), connection.clone());
    around.tasks.spawn(pipes::write(connection.clone(), queue, ours));
    let waits =
        around.tasks.spawn(async move { legacy::request(&one, "x", None, &first, LIMIT).await });
    // It takes the first request, stops reading, and answers only then.
    let mut theirs = BufReader::new(theirs);
    let mut line = String::new();
    theirs.read_line(&mut line).await.unwrap();
    drop(theirs);
    let refused =
        around.tasks.spawn(async move { legacy::request(&two, "x", None, &second, LIMIT).await });
    tokio::task::yield_now().await;
    let noise = Noise::new(&Tail::new(config::secrets::Secrets::default()));
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
        task::call(&session, &params, &exchange, LIMIT, Need::None).await
    });
    let task = json!({ "taskId": id, "status": "working" });
    world.server.answer(("result", json!({ "task": task }))).await;
    let result = called.await.unwrap().unwrap();
    result.member("task").unwrap().member("taskId").unwrap().string().unwrap()
}

#[tokio::test]
async fn what_a_server_says_of_a_task_reaches_its_owner_and_nobody_else() {
    let mut world = world();
    let all = json!({ "tasks": { "list": {}, "requests": { "tools": { "call": {} } } } });
    let agreed =
        Agreed { revision: Revision::V2025_11_25, capabilities: Raw::of(&all), instructions: None };
    let session = Arc::new(Session { connection: world.connection.clone(), agreed });
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
    let listed = world.tasks.spawn(async move { task::list(&session, &asking, LIMIT).await });
    let tasks: Vec<Value> =
        ["1", "2", "3"].map(|id| json!({ "taskId": id, "status": "completed" })).into();
    world.server.answer(("result", json!({ "tasks": tasks }))).await;
    let listed = listed.await.unwrap().unwrap();
    let listed: Vec<Value> = listed.iter().map(|task| task.read().unwrap()).collect();
    assert_eq!(listed, [json!({ "taskId": first, "status": "completed" })], "its own alone");
}
