//! What a server says of changes, and what upkeep does so that none is missed.

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::exchange::mailbox::Notice;
use crate::exchange::mailbox::Topic;
use crate::ids::UpstreamId;
use crate::upstream::Agreed;
use crate::upstream::Lists;
use crate::upstream::session::Session;
use crate::upstream::tests::Server;
use crate::upstream::tests::World;
use crate::upstream::tests::caller;
use crate::upstream::tests::world;
use crate::upstream::upkeep::Upkeep;
use crate::upstream::wants::Wants;
use crate::upstream::wants::Watching;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;

#[tokio::test]
async fn changed_lists_are_counted_and_updates_reach_subscribers() {
    let mut world = world();
    let one = caller(1, &json!({}));
    world.callers.attach(&one);
    let toy = UpstreamId::new("toy");
    let topic = Topic::Resource("toy://a".to_owned());
    one.mailbox().claim(&toy, &topic, Raw::of("conflux+toy:toy://a")).unwrap().keep(());
    let updated = |uri: &str| {
        let params = json!({ "uri": uri });
        json!({ "jsonrpc": "2.0", "method": method::RESOURCE_UPDATED, "params": params })
    };
    world.server.write(&updated("toy://b")).await;
    world.server.write(&updated("toy://a")).await;
    let Notice::Updated(uri) = one.mailbox().next().await else { panic!("not an update") };
    assert_eq!(uri.get(), r#""conflux+toy:toy://a""#);
    world.server.write(&json!({ "jsonrpc": "2.0", "method": method::TOOLS_CHANGED })).await;
    world.lists.changed().await.unwrap();
    assert_eq!(*world.lists.borrow(), Lists { tools: 1, prompts: 0, resources: 0 });
}

/// A session with a modern server that tells of changes, and what keeps its subscription.
fn kept(world: &World) -> (Arc<Session>, watch::Sender<Wants>, CancellationToken) {
    let capabilities = Raw::of(&json!({ "tools": { "listChanged": true } }));
    let agreed = Agreed { revision: Revision::LATEST, capabilities, instructions: None };
    let session = Arc::new(Session::new(world.connection.clone(), agreed));
    let (wants, seen) = watch::channel(Wants::default());
    let over = CancellationToken::new();
    let (keeping, until) = (Arc::clone(&session), over.clone());
    world.tasks.spawn(async move { Upkeep::begin(keeping, seen).await.run(until).await });
    (session, wants, over)
}

/// Grants a subscription that is asked for, as far as `granted` says.
async fn acknowledge(server: &mut Server, request: &Value, granted: Value) {
    let meta = json!({ "io.modelcontextprotocol/subscriptionId": request["id"] });
    let params = json!({ "_meta": meta, "notifications": granted });
    let message = json!({ "jsonrpc": "2.0", "method": method::ACKNOWLEDGED, "params": params });
    server.write(&message).await;
}

fn is_cancellation_of(message: &Value, request: &Value) -> bool {
    message["method"] == method::CANCELLED && message["params"]["requestId"] == request["id"]
}

fn resource(uri: &str) -> Topic {
    Topic::Resource(uri.to_owned())
}

#[tokio::test]
async fn a_subscription_is_waited_for_and_the_one_before_it_stands_until_then() {
    let mut world = world();
    let (session, wants, over) = kept(&world);
    let first = world.server.read().await;
    assert_eq!(first["params"]["notifications"], json!({ "toolsListChanged": true }));
    // Nothing is asked for anew that is asked for already.
    wants.send_modify(|wants| wants.level = Some(Raw::of("debug")));

    let watching = Watching::begin(&wants, resource("toy://a"));
    let second = world.server.read().await;
    let asked = json!({ "toolsListChanged": true, "resourceSubscriptions": ["toy://a"] });
    assert_eq!(second["params"]["notifications"], asked);
    let told = world.tasks.spawn({
        let session = Arc::clone(&session);
        async move { session.told.of(&resource("toy://a")).await }
    });
    acknowledge(&mut world.server, &first, json!({ "toolsListChanged": true })).await;
    tokio::task::yield_now().await;
    assert!(!told.is_finished(), "the server has not agreed yet");
    acknowledge(&mut world.server, &second, asked).await;
    assert_eq!(told.await.unwrap(), Some(true));
    assert!(is_cancellation_of(&world.server.read().await, &first));

    // It is wanted until nobody does.
    drop(Watching::begin(&wants, resource("toy://a")));
    drop(watching);
    let third = world.server.read().await;
    assert_eq!(third["params"]["notifications"], first["params"]["notifications"]);
    acknowledge(&mut world.server, &third, json!({})).await;
    assert!(is_cancellation_of(&world.server.read().await, &second));

    over.cancel();
    assert!(is_cancellation_of(&world.server.read().await, &third), "a server waits for that");
}

#[tokio::test]
async fn a_subscription_that_is_refused_takes_no_other_with_it() {
    let mut world = world();
    let (session, wants, _over) = kept(&world);
    let first = world.server.read().await;
    acknowledge(&mut world.server, &first, json!({ "toolsListChanged": true })).await;
    let _none = Watching::begin(&wants, resource("toy://none"));
    let error = json!({ "code": -32602, "message": "no such resource" });
    world.server.answer(("error", error)).await;
    assert_eq!(session.told.of(&resource("toy://none")).await, Some(false));

    let _some = Watching::begin(&wants, resource("toy://a"));
    let third = world.server.read().await;
    let asked = json!({ "toolsListChanged": true, "resourceSubscriptions": ["toy://a"] });
    assert_eq!(third["params"]["notifications"], asked, "without what was refused");
    acknowledge(&mut world.server, &third, asked).await;
    assert!(is_cancellation_of(&world.server.read().await, &first), "it stood until now");
    assert_eq!(session.told.of(&resource("toy://a")).await, Some(true));
    assert_eq!(session.told.of(&resource("toy://none")).await, Some(false));
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_missed_is_looked_at_again() {
    let mut world = world();
    let (_session, wants, _over) = kept(&world);
    let one = caller(1, &json!({}));
    world.callers.attach(&one);
    let first = world.server.read().await;
    let (toy, topic) = (UpstreamId::new("toy"), resource("toy://a"));
    let claim = one.mailbox().claim(&toy, &topic, Raw::of("toy://a")).unwrap();
    claim.keep(Watching::begin(&wants, topic.clone()));
    let second = world.server.read().await;
    acknowledge(&mut world.server, &second, json!({})).await;
    assert!(is_cancellation_of(&world.server.read().await, &first));
    assert_eq!(*world.lists.borrow(), Lists::default());

    world.server.write(&json!({ "jsonrpc": "2.0", "id": second["id"], "result": {} })).await;
    let third = world.server.read().await;
    assert_eq!(third["params"]["notifications"], second["params"]["notifications"]);
    acknowledge(&mut world.server, &third, json!({})).await;
    let Notice::Updated(uri) = one.mailbox().next().await else { panic!("not told") };
    assert_eq!(uri.get(), "\"toy://a\"");
    assert_ne!(*world.lists.borrow(), Lists::default());

    // A client that goes takes its wishes with it.
    drop(one);
    assert_eq!(wants.borrow().topics().next(), None);
}
