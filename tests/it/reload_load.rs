//! Two hundred reloads while clients call: nothing that stays the same is touched.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server;
use crate::support::programs::toy;
use crate::support::wire_client::LIMIT;

const RELOADS: u64 = 200;
const CLIENTS: usize = 3;
/// What may be open for a moment at the beginning or the end: a connection, a process that starts.
const SLACK: usize = 8;
const POLL: Duration = Duration::from_millis(5);

fn entry(scheme: &str) -> Value {
    toy(&["--era", "dual", "--scheme", scheme]).entry()
}

/// What the process of the gateway holds: descriptors, and processes below it.
fn held(server: &Server) -> (usize, usize) {
    let process = format!("/proc/{0}", server.process_id());
    let descriptors = fs::read_dir(format!("{process}/fd")).unwrap().count();
    let tasks = fs::read_dir(format!("{process}/task")).unwrap();
    let children = tasks.map(|task| {
        let children = fs::read_to_string(task.unwrap().path().join("children"));
        children.unwrap_or_default().split_whitespace().count()
    });
    (descriptors, children.sum())
}

async fn report(server: &Server) -> Value {
    let called = server.call("conflux__status", json!({})).reply().await.result();
    called["structuredContent"]["reload"].clone()
}

async fn process(server: &Server, name: &str) -> Value {
    let called = server.call(&format!("{name}__process"), json!({})).reply().await.result();
    let pid = called["structuredContent"]["pid"].clone();
    assert!(pid.is_number(), "{called}");
    pid
}

/// The two that change: one is another server each time, one is there every other time.
fn turn(gateway: &mut Gateway, number: u64) {
    gateway.add("changed", with(entry("changed"), "env", json!({"N": number.to_string()})));
    if number % 2 == 1 {
        gateway.add("visitor", entry("visitor"));
    } else {
        gateway.remove("visitor");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_reloads_fail_no_call_and_leave_nothing_behind() {
    let mut gateway = Gateway::new(&[("one", entry("one")), ("two", entry("two"))]);
    gateway.add("changed", entry("changed"));
    gateway.add("visitor", entry("visitor"));
    let server = Arc::new(Server::start(&gateway).await);
    let before = [process(&server, "one").await, process(&server, "two").await];
    process(&server, "changed").await;
    process(&server, "visitor").await;
    let held_before = held(&server);

    let (over, called) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (server, over, called) = (Arc::clone(&server), Arc::clone(&over), Arc::clone(&called));
        clients.spawn(async move {
            let session = server.session("2025-11-25", json!({})).await;
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                number += 1;
                let name = if number % 2 == 0 { "one__echo" } else { "two__echo" };
                let sent = json!({"client": client, "number": number});
                let result = session.call(number, name, sent.clone()).reply().await.result();
                assert_eq!(result["structuredContent"], sent, "{result}");
                called.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let mut last = report(&server).await;
    for number in 0..RELOADS {
        turn(&mut gateway, number);
        gateway.save_at_once();
        server.hang_up();
        // What follows is under way while the next one comes.
        let next = async {
            loop {
                let now = report(&server).await;
                if now != last {
                    return now;
                }
                sleep(POLL).await;
            }
        };
        last = timeout(LIMIT, next).await.expect("it is reloaded");
        assert_eq!(last["outcome"], "applied", "{last}");
    }
    over.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert!(called.load(Ordering::Relaxed) > 0);
    let after = [process(&server, "one").await, process(&server, "two").await];
    assert_eq!(after, before);
    process(&server, "changed").await;
    let settled = async {
        loop {
            let held_now = held(&server);
            let is_little = held_now.0 <= held_before.0 + SLACK && held_now.1 <= held_before.1;
            if is_little {
                return;
            }
            sleep(POLL).await;
        }
    };
    let is_settled = timeout(LIMIT, settled).await.is_ok();
    assert!(is_settled, "held before: {held_before:?}, now: {:?}", held(&server));
}
