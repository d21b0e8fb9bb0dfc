//! What a server asks in mid-call goes to the caller of that call, and to nobody else.

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde_json::Value;
use serde_json::json;
use tokio::time;

use crate::exchange::Back;
use crate::exchange::ask::Refusal;
use crate::exchange::mailbox::Notice;
use crate::ids::CallerId;
use crate::upstream::modern;
use crate::upstream::reader::Noise;
use crate::upstream::reader::Reader;
use crate::upstream::tests::LIMIT;
use crate::upstream::tests::call;
use crate::upstream::tests::caller;
use crate::upstream::tests::exchange;
use crate::upstream::tests::world;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;

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

#[tokio::test]
async fn a_notification_of_one_callers_request_is_for_nobody_else() {
    let mut world = world();
    let knows = json!({ "extensions": { "com.example/weather": {} } });
    let (one, two) = (caller(1, &json!({})), caller(2, &knows));
    world.callers.attach(&one);
    world.callers.attach(&two);
    let (of_one, mut back) = exchange(&one);
    let call = call(&world, of_one);
    let request = world.server.read().await;
    let number = request["id"].as_u64();
    let reader = Reader::new(world.connection.clone(), Noise::new(world.connection.errors()));
    let said = |of: &str| {
        let said = json!({ "jsonrpc": "2.0", "method": "weather/said", "params": { "of": of } });
        Bytes::from(said.to_string())
    };
    // Its client does not know the extension.
    reader.take(said("one"), number).await;
    world.server.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": 1 })).await;
    assert!(call.await.unwrap().is_ok());
    // It is over.
    reader.take(said("one"), number).await;
    reader.take(said("nobody"), None).await;
    let Notice::Other(_, params) = two.mailbox().next().await else { panic!("not told") };
    assert_eq!(params.unwrap().get(), r#"{"of":"nobody"}"#);
    assert!(back.recv().await.is_none());
}

#[tokio::test]
async fn a_notification_for_everybody_is_for_those_who_see_anything_of_the_upstream() {
    let world = world();
    let knows = json!({ "extensions": { "com.example/weather": {} } });
    let (one, two) = (caller(1, &knows), caller(2, &knows));
    for caller in [&one, &two] {
        world.callers.attach(caller);
    }
    let upstream = world.connection.upstream().clone();
    world.callers.guard(move |caller, asked, uri| {
        assert_eq!((asked, uri), (&upstream, None));
        caller.id() == CallerId(2)
    });
    let reader = Reader::new(world.connection.clone(), Noise::new(world.connection.errors()));
    let said = json!({ "jsonrpc": "2.0", "method": "weather/said", "params": {} });
    reader.take(Bytes::from(said.to_string()), None).await;
    let Notice::Other(method, _) = two.mailbox().next().await else { panic!("not told") };
    assert_eq!(method, "weather/said");
    assert!(one.mailbox().next().now_or_never().is_none(), "it sees nothing of the upstream");
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

#[tokio::test(start_paused = true)]
async fn no_call_of_a_client_ends_while_that_is_asked() {
    let mut world = world();
    let asked = caller(1, &json!({ "elicitation": {} }));
    let (first_exchange, _first) = exchange(&asked);
    let (second_exchange, mut second) = exchange(&asked);
    let first = call(&world, first_exchange);
    let second_call = call(&world, second_exchange);
    let requests = [world.server.read().await, world.server.read().await];
    let params = json!({ "message": "?", "requestedSchema": {} });
    let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": method::ELICIT, "params": params });
    world.server.write(&ask).await;
    let Some(Back::Ask(question)) = second.recv().await else { panic!("not asked") };
    time::sleep(LIMIT * 4).await;
    question.answer(Ok(Vec::new()));
    world.server.read().await;
    for request in requests {
        world.server.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": 1 })).await;
    }
    assert!(first.await.unwrap().is_ok() && second_call.await.unwrap().is_ok());
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
async fn input_that_is_required_is_asked_for_and_sent_along() {
    let mut world = world();
    let (exchange, mut back) = exchange(&caller(1, &json!({ "elicitation": { "form": {} } })));
    let connection = world.connection.clone();
    let call = world.tasks.spawn(async move {
        let params = Raw::parse(r#"{"name":"t","arguments":{"n":100000000000000000000}}"#).unwrap();
        modern::request(&connection, method::TOOLS_CALL, Some(&params), &exchange).await
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
