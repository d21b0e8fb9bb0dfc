//! What an upstream is not given yet waits for its turn, and for nothing longer than it may take.

use serde_json::json;
use tokio::time;

use crate::config::Concurrency;
use crate::upstream::Fault;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::gate::Gate;
use crate::upstream::tests::LIMIT;
use crate::upstream::tests::World;
use crate::upstream::tests::call;
use crate::upstream::tests::caller;
use crate::upstream::tests::exchange;
use crate::upstream::tests::failed;
use crate::upstream::tests::guarded;
use crate::wire::method;

fn one_at_a_time(queue: usize) -> World {
    guarded(Gate::new(Concurrency { calls: 1, queue }))
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_its_turn_and_is_not_sent_before() {
    let mut world = one_at_a_time(2);
    let caller = caller(1, &json!({}));
    let (exchange, _back) = exchange(&caller);
    let cancelled = self::exchange(&caller).0;
    let token = cancelled.cancelled().clone();
    let first = call(&world, exchange.clone());
    let request = world.server.read().await;
    let unwanted = call(&world, cancelled);
    time::sleep(LIMIT / 4).await;
    let second = call(&world, self::exchange(&caller).0);
    time::sleep(LIMIT / 4).await;
    let refused = failed(call(&world, exchange).await.unwrap());
    assert_eq!((refused.kind, refused.executed), (Kind::Busy, Executed::No));
    token.cancel();
    assert!(matches!(unwanted.await.unwrap(), Err(Fault::Cancelled)));
    // The first ends late; the second is sent then, and the cancelled one never was.
    assert_eq!(failed(first.await.unwrap()).kind, Kind::TimedOut);
    let told = world.server.read().await;
    assert_eq!(told["params"]["requestId"], request["id"]);
    world.server.answer(("result", json!(2))).await;
    assert_eq!(second.await.unwrap().unwrap().get(), "2");
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_turn_counts() {
    let mut world = one_at_a_time(1);
    let caller = caller(1, &json!({}));
    let first = exchange(&caller).0;
    first.deadline().set(crate::exchange::deadline::Limits::of(LIMIT * 10));
    let first = call(&world, first);
    let request = world.server.read().await;
    let late = failed(call(&world, exchange(&caller).0).await.unwrap());
    assert_eq!((late.kind, late.executed), (Kind::TimedOut, Executed::No));
    assert!(late.detail.contains("waited for its turn for 60s"), "{late}");
    // Nothing was said of it: the next that the server reads is the next call.
    world.server.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": 1 })).await;
    assert!(first.await.unwrap().is_ok());
    let last = call(&world, exchange(&caller).0);
    assert_eq!(world.server.answer(("result", json!(3))).await["method"], method::TOOLS_CALL);
    assert!(last.await.unwrap().is_ok());
}
