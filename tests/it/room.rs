//! Large messages: what is in memory of them is bounded, and nobody waits for ever for room.

use std::collections::BTreeMap;
use std::process::Stdio;

use futures_util::future;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::process::Child;
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::http::Reply;
use crate::support::http::Server;
use crate::support::programs::toy;
use crate::support::wire_client::LIMIT;

const MIB: usize = 1 << 20;

fn gateway() -> Gateway {
    Gateway::new(&[("toy", toy(&[]).entry())])
}

/// A text that no other number has.
fn text(number: usize, length: usize) -> String {
    format!("<{number}>").chars().cycle().take(length).collect()
}

fn call(id: usize, name: &str, arguments: &Value) -> Value {
    let params = json!({"name": name, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}

fn is_refused(answer: &Value) -> bool {
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    message.contains("Too much is under way") && message.contains("send it again")
}

/// Checks that a call of `toy__echo` was answered with what was sent, of which it says only the
/// beginning otherwise.
#[track_caller]
fn expect_echo(answer: &Value, arguments: &Value) {
    let start: String = answer.to_string().chars().take(1000).collect();
    assert!(answer["result"]["structuredContent"] == *arguments, "{start}");
}

/// A client on stdio that reads while it writes.
struct Client {
    stdin: ChildStdin,
    lines: mpsc::Receiver<Value>,
    _reading: JoinSet<()>,
    child: Child,
}

impl Client {
    async fn start(gateway: &Gateway, capabilities: Value) -> Self {
        let mut command = gateway.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, lines) = mpsc::channel(1000);
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            while let Ok(Some(line)) = stdout.next_line().await {
                sender.send(serde_json::from_str(&line).unwrap()).await.unwrap();
            }
        });
        let stdin = child.stdin.take().unwrap();
        let mut client = Self { stdin, lines, _reading: reading, child };
        client.send(&crate::support::http::initialize("2025-11-25", capabilities)).await;
        assert!(client.next().await["result"].is_object());
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        client
    }

    async fn send(&mut self, message: &Value) {
        let line = format!("{message}\n");
        let written = timeout(LIMIT, self.stdin.write_all(line.as_bytes())).await;
        written.expect("it goes on reading").unwrap();
    }

    async fn next(&mut self) -> Value {
        timeout(LIMIT, self.lines.recv()).await.expect("a message is due").unwrap()
    }

    /// Returns how much of the program is in memory now and was at most, in bytes.
    fn resident(&self, key: &str) -> usize {
        let status = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        let kib: usize = line.trim_matches([':', '\t', ' ', 'k', 'B']).parse().unwrap();
        kib * 1024
    }
}

#[tokio::test]
async fn a_flood_of_large_calls_is_answered_in_bounded_memory() {
    let mut client = Client::start(&gateway(), json!({})).await;
    client.send(&call(1000, "toy__echo", &json!({}))).await;
    client.next().await;
    let before = client.resident("VmRSS");
    let mut open: Vec<usize> = (0..24).collect();
    // On a machine that is busy with other things, some may not find room in time.
    while !open.is_empty() {
        for number in &open {
            let arguments = json!({"text": text(*number, MIB)});
            client.send(&call(*number, "toy__echo", &arguments)).await;
        }
        let mut refused = Vec::new();
        for _ in 0..open.len() {
            let answer = client.next().await;
            let number = usize::try_from(answer["id"].as_u64().unwrap()).unwrap();
            if is_refused(&answer) {
                refused.push(number);
                continue;
            }
            expect_echo(&answer, &json!({"text": text(number, MIB)}));
        }
        assert!(refused.len() < open.len(), "something gets through");
        open = refused;
    }
    // Without debug assertions, which read all again, it is less.
    let more = client.resident("VmHWM") - before;
    assert!(more < 64 * MIB, "{} MiB more", more / MIB);
}

#[tokio::test]
async fn a_question_is_answered_while_those_who_wait_for_it_hold_all_room() {
    let mut client = Client::start(&gateway(), json!({"roots": {}})).await;
    let arguments = json!({"kind": "roots", "padding": text(7, MIB)});
    for number in 0..20 {
        client.send(&call(number, "toy__ask", &arguments)).await;
    }
    // Nothing was answered so far, and what answers is sent behind all of it.
    let (mut answered, mut refused, mut asked) = (0, 0, 0);
    while answered + refused < 20 {
        let message = client.next().await;
        if message["method"] == "roots/list" {
            asked += 1;
            let roots = json!({"roots": [{"uri": "file:///here"}]});
            let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": roots});
            client.send(&answer).await;
        } else if is_refused(&message) {
            refused += 1;
        } else {
            assert!(message["result"].to_string().contains("file:///here"), "{message}");
            answered += 1;
        }
    }
    assert_eq!(asked, answered);
    assert!(answered >= 8 && refused >= 1, "{answered} answered, {refused} refused");
    // Room was given back, and so was the place of whoever waited for it.
    for number in 100..102 {
        let arguments = json!({"text": text(number, 2 * MIB)});
        client.send(&call(number, "toy__echo", &arguments)).await;
        let answer = client.next().await;
        expect_echo(&answer, &arguments);
    }
}

#[tokio::test]
async fn what_cancels_is_heard_behind_requests_for_which_there_is_no_room() {
    let mut client = Client::start(&gateway(), json!({})).await;
    let arguments = json!({"ms": 600_000, "padding": text(7, MIB)});
    for number in 0..24 {
        client.send(&call(number, "toy__slow", &arguments)).await;
    }
    client.send(&json!({"jsonrpc": "2.0", "id": "ping", "method": "ping"})).await;
    let mut refused = BTreeMap::new();
    loop {
        let message = client.next().await;
        if message["id"] == "ping" {
            break;
        }
        assert!(is_refused(&message), "{message}");
        refused.insert(message["id"].as_u64().unwrap(), message);
    }
    assert!((1..=16).contains(&refused.len()), "{} refused", refused.len());
    for number in (0..24).filter(|number| !refused.contains_key(number)) {
        let params = json!({"requestId": number});
        let method = "notifications/cancelled";
        client.send(&json!({"jsonrpc": "2.0", "method": method, "params": params})).await;
    }
    let arguments = json!({"text": text(8, 2 * MIB)});
    client.send(&call(100, "toy__echo", &arguments)).await;
    let answer = client.next().await;
    expect_echo(&answer, &arguments);
}

/// The answer in a reply, which is a stream if it took long.
fn answer(reply: &Reply) -> Value {
    match reply.header("content-type") {
        Some("text/event-stream") => reply.events().last().unwrap().json(),
        _ => reply.json(),
    }
}

#[tokio::test]
async fn a_flood_over_http_is_answered_or_refused() {
    let server = Server::start_ready(&gateway()).await;
    let session = server.session("2025-11-25", json!({})).await;
    let mut open: Vec<usize> = (1..=20).collect();
    while !open.is_empty() {
        let (server, session) = (&server, &session);
        let replies = open.iter().map(|number| async move {
            let arguments = json!({"text": text(*number, MIB)});
            let modern = number.is_multiple_of(2);
            let reply = if modern {
                server.call("toy__echo", arguments).reply().await
            } else {
                session.call(u64::try_from(*number).unwrap(), "toy__echo", arguments).reply().await
            };
            let answer = answer(&reply);
            if is_refused(&answer) {
                let expected = if modern { (429, Some("1")) } else { (200, None) };
                assert_eq!((reply.status, reply.header("retry-after")), expected, "{reply:?}");
                return Some(*number);
            }
            expect_echo(&answer, &json!({"text": text(*number, MIB)}));
            None
        });
        let refused: Vec<usize> = future::join_all(replies).await.into_iter().flatten().collect();
        assert!(refused.len() < open.len(), "something gets through");
        open = refused;
    }
    drop(session);
    server.stop().await;
}

#[tokio::test]
async fn over_http_a_large_request_finds_no_room_and_small_ones_need_none() {
    let server = Server::start_ready(&gateway()).await;
    let session = server.session("2025-11-25", json!({})).await;
    let hang = |number: u64| {
        let arguments = json!({"ms": 600_000, "padding": text(7, 2 * MIB)});
        session.call(number, "toy__slow", arguments).send()
    };
    // Each response begins after a while; what it is about goes on.
    let hanging = future::join_all((1..=7).map(hang)).await;
    let large = || json!({"text": text(8, 3 * MIB)});
    let refused = server.call("toy__echo", large()).reply().await;
    assert!(is_refused(&refused.json()), "{refused:?}");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    let refused = session.call(100, "toy__echo", large()).reply().await;
    assert!(is_refused(&refused.json()) && refused.status == 200, "{refused:?}");
    assert_eq!(refused.json()["id"], 100);
    let small = server.call("toy__echo", json!({"small": true})).reply().await;
    assert_eq!(small.result()["structuredContent"], json!({"small": true}));
    // An answer is taken, although there is no room for it.
    let padding = text(9, 2 * MIB);
    let asked = json!({"jsonrpc": "2.0", "id": 77, "result": {"padding": padding}});
    assert_eq!(session.post(asked).reply().await.status, 202);
    for number in 1..=7 {
        let params = json!({"requestId": number});
        let method = "notifications/cancelled";
        let cancelled = json!({"jsonrpc": "2.0", "method": method, "params": params});
        assert_eq!(session.post(cancelled).reply().await.status, 202);
    }
    drop(hanging);
    loop {
        let reply = server.call("toy__echo", large()).reply().await;
        let answer = answer(&reply);
        if !is_refused(&answer) {
            expect_echo(&answer, &large());
            break;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_nobody_up() {
    let server = Server::start_ready(&gateway()).await;
    let unread = (0..4).map(|_| server.call("toy__huge", json!({"bytes": 8 * MIB})).send());
    // Their heads came, and nobody reads on.
    let unread = future::join_all(unread).await;
    for number in 0..3 {
        let arguments = json!({"text": text(number, MIB)});
        let reply = server.call("toy__echo", arguments.clone()).reply().await;
        expect_echo(&answer(&reply), &arguments);
    }
    for response in unread {
        let body = timeout(LIMIT, response.text()).await.unwrap().unwrap();
        assert!(body.len() > 8 * MIB, "all of it is still there");
    }
    server.stop().await;
}
