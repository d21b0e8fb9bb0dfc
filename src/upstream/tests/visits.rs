//! A call that wants addresses visited first is repeated once they were.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::exchange::Back;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Reach;
use crate::exchange::mailbox::Notice;
use crate::ids::CallerId;
use crate::upstream::Fault;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::tests::call;
use crate::upstream::tests::exchange;
use crate::upstream::tests::world;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;

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
