//! Clients in front that send too much, too slowly or dirt, or do not read: the others do not
//! notice.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::faults::dirt;
use crate::faults::scene::MESSAGE_LIMIT;
use crate::faults::scene::Peak;
use crate::faults::scene::Scene;
use crate::faults::scene::faulty;
use crate::faults::server::Era;
use crate::support::gateway::Gateway;
use crate::support::http::Server;
use crate::support::programs::toy;
use crate::support::wire_client::LIMIT;

fn gateway() -> Gateway {
    let faulty = faulty(Era::Legacy).entry();
    let gateway = Gateway::new(&[("faulty", faulty), ("healthy", toy(&[]).entry())]);
    gateway.limit("message", json!(MESSAGE_LIMIT))
}

async fn expect_well(server: &Server) {
    let reply = server.call("healthy__echo", json!({"a": 1})).reply().await;
    assert_eq!(reply.result()["structuredContent"], json!({"a": 1}));
}

#[tokio::test]
async fn a_body_that_is_packed_is_refused_unread() {
    let server = Server::start(&gateway()).await;
    expect_well(&server).await;
    let peak = Peak::of(server.process_id());
    // Within the limit as long as it is packed.
    let bomb = dirt::packed(b"", 16);
    assert!(bomb.len() < 64 << 10);
    for encoding in ["gzip", "br", "deflate, gzip"] {
        let url = format!("{}/mcp", server.origin);
        let request = reqwest::Client::new().post(url).body(bomb.clone());
        let request = request.header("Content-Type", "application/json");
        let request = request.header("Accept", "application/json, text/event-stream");
        let answer = request.header("Content-Encoding", encoding).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 415, "{encoding}");
        let said: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert!(said["error"]["message"].as_str().unwrap().contains("Content-Encoding"), "{said}");
    }
    expect_well(&server).await;
    peak.assert_within(8);
    server.stop().await;
}

/// Sends a head and then the same again and again; returns what is said to that.
async fn insist(server: &Server, head: &str, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let address = server.address();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{head}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let (mut from, mut to) = socket.split();
    let writing = async { while to.write_all(bytes).await.is_ok() {} };
    let mut answer = Vec::new();
    let reading = async {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut chunk).await {
            answer.extend_from_slice(&chunk[..count]);
        }
    };
    timeout(LIMIT, futures_util::future::join(writing, reading)).await.expect("it is closed");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_body_without_end_is_cut_off_at_the_limit() {
    let server = Server::start(&gateway()).await;
    expect_well(&server).await;
    let peak = Peak::of(server.process_id());
    let spaces = vec![b' '; 1 << 20];
    let chunk = [b"100000\r\n", &spaces[..], b"\r\n"].concat();
    for (head, bytes) in
        [("Content-Length: 1073741824", &spaces), ("Transfer-Encoding: chunked", &chunk)]
    {
        let answer = insist(&server, head, bytes).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{head}: {answer}");
        expect_well(&server).await;
    }
    peak.assert_within(8);
    server.stop().await;
}

#[tokio::test]
async fn a_hundred_who_send_a_byte_now_and_then_are_in_nobodys_way() {
    let gateway = gateway().http("limits", json!({"request_time": "1s"}));
    let server = Server::start(&gateway).await;
    expect_well(&server).await;
    let address = server.address().to_owned();
    let mut slow = JoinSet::new();
    for number in 0..100 {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        let head = format!("POST /mcp HTTP/1.1\r\nHost: {address}\r\n");
        let rest = "Content-Type: application/json\r\n\
                    Accept: application/json, text/event-stream\r\nContent-Length: 100\r\n\r\n";
        let begins_body = number % 2 == 0;
        let start = if begins_body { format!("{head}{rest}") } else { head };
        slow.spawn(async move {
            socket.write_all(start.as_bytes()).await.unwrap();
            let (mut from, mut to) = socket.split();
            let dripping = async {
                while to.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            let mut said = Vec::new();
            tokio::select! {
                () = dripping => {}
                _ = from.read_to_end(&mut said) => {}
            }
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(said.is_empty() || said.contains(" 408 "), "{said}");
            assert!(begins_body || said.is_empty(), "{said}");
        });
    }
    let given_up = async {
        while let Some(ended) = slow.join_next().await {
            ended.unwrap();
            expect_well(&server).await;
        }
    };
    timeout(LIMIT, given_up).await.expect("nobody is waited for");
    server.stop().await;
}

#[tokio::test]
async fn who_does_not_read_a_stream_holds_up_nobody_else() {
    let server = Server::start(&gateway()).await;
    expect_well(&server).await;
    let session = server.session("2025-11-25", json!({})).await;
    let peak = Peak::of(server.process_id());
    let flood = json!({"how": "logs", "count": 40_000});
    let unread = session.call(1, "faulty__fault", flood).send().await;
    for _ in 0..20 {
        expect_well(&server).await;
    }
    // The upstream that says so much is not held up either.
    let reply = server.call("faulty__echo", json!({})).reply().await;
    assert!(reply.body.contains("instance"), "{reply:?}");
    peak.assert_within(32);
    drop(unread);
    server.stop().await;
}

#[tokio::test]
async fn a_client_on_stdio_that_does_not_read_gets_everything_when_it_does() {
    let mut scene = Scene::listening(toy(&[]).entry()).await;
    let huge = json!({"bytes": 50_000});
    let id = scene.call("huge", huge.clone()).await;
    scene.answer(id).await;
    let peak = Peak::of(scene.client.process_id());
    let mut ids = Vec::new();
    for _ in 0..400 {
        ids.push(scene.call("huge", huge.clone()).await);
    }
    // Everything that can be done without a reader is done by then, or later.
    tokio::time::sleep(Duration::from_secs(1)).await;
    peak.assert_within(48);
    let mut answered = 0;
    for id in ids {
        let reply = scene.client.reply_to(id).await;
        if reply.line.contains("\"error\"") {
            assert!(reply.line.contains("the limit is 256"), "{}", reply.line);
        } else {
            assert_eq!(reply.text().len(), 50_000);
            answered += 1;
        }
    }
    assert!(answered >= 256, "{answered}");
    peak.assert_within(48);
    scene.end().await;
}

#[tokio::test]
async fn a_line_without_end_is_refused_once_and_not_kept() {
    let mut scene = Scene::listening(toy(&[]).entry()).await;
    scene.healthy().await;
    let peak = Peak::of(scene.client.process_id());
    let line = format!(r#"{{"id":"huge","method":"ping","words":"{}"}}"#, "x".repeat(64 << 20));
    // Nobody has to read the answer before all is written.
    scene.client.send_line(&line).await;
    let refused = scene.client.recv().await;
    assert_eq!((refused.id(), refused.code()), (Some(json!("huge")), -32600));
    scene.healthy().await;
    peak.assert_within(8);
    scene.end().await;
}

#[tokio::test]
async fn large_news_that_nobody_reads_are_bounded_too() {
    let faulty = faulty(Era::Legacy).entry();
    let gateway = Gateway::new(&[("faulty", faulty), ("healthy", toy(&[]).entry())]);
    let server = Server::start(&gateway).await;
    expect_well(&server).await;
    let peak = Peak::of(server.process_id());
    let params = json!({
        "name": "faulty__fault",
        "arguments": {"how": "progress", "count": 80, "size": 1 << 20},
        "_meta": {"progressToken": "t"},
    });
    let unread = server.modern("tools/call", params).send().await;
    expect_well(&server).await;
    // The upstream has said everything when it answers this.
    let reply = server.call("faulty__echo", json!({})).reply().await;
    assert!(reply.body.contains("instance"), "{reply:?}");
    peak.assert_within(40);
    drop(unread);
    server.stop().await;
}
