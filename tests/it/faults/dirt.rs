//! Too much of something, and dirt, over Streamable HTTP: what the server answers a call with.

use std::io;
use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::faults::web::Shared;
use crate::faults::web::Socket;
use crate::faults::web::head;
use crate::faults::web::json;
use crate::faults::web::slowly;
use crate::faults::web::whole;

const EVENTS: &str = "Content-Type: text/event-stream\r\n";
const PACKED: &str = "Content-Encoding: gzip\r\n";
const MIB: usize = 1 << 20;
/// How long an answer is that is announced to be huge.
const HUGE: usize = 1024 * MIB;

/// 256 MiB of spaces, packed: the same file sixteen times is one.
static SPACES: LazyLock<Vec<u8>> = LazyLock::new(|| packed(b"", 16).repeat(16));
/// The beginning of an event, packed.
static EVENT: LazyLock<Vec<u8>> = LazyLock::new(|| packed(b"data: ", 64));

/// Packs a text; so many MiB of spaces follow it.
pub(super) fn packed(start: &[u8], mib: usize) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(start).unwrap();
    let spaces = vec![b' '; MIB];
    for _ in 0..mib {
        packer.write_all(&spaces).unwrap();
    }
    packer.finish().unwrap()
}

/// Does with a call what `how` says; returns whether the connection goes on.
pub(super) async fn begin(
    shared: &Shared,
    how: &str,
    message: &Value,
    socket: &mut Socket,
) -> io::Result<bool> {
    let answer = shared.answer(message);
    let text = answer.to_string();
    match how {
        "bomb" => json(socket, PACKED, &SPACES).await,
        "bomb_event" => whole(socket, "200 OK", &format!("{EVENTS}{PACKED}"), &EVENT).await,
        "bomb_refusal" => {
            let headers = format!("Content-Type: text/plain\r\n{PACKED}");
            whole(socket, "500 Internal Server Error", &headers, &SPACES).await
        }
        "unasked" => {
            let body = packed(text.as_bytes(), 0);
            json(socket, "Content-Encoding: br\r\n", &body).await
        }
        "huge" => {
            head(socket, "200 OK", "Content-Type: application/json\r\n", HUGE).await?;
            endlessly(shared, socket, &vec![b' '; MIB]).await
        }
        "huge_event" => {
            head(socket, "200 OK", EVENTS, HUGE).await?;
            socket.write_all(b"data: ").await?;
            endlessly(shared, socket, &vec![b' '; MIB]).await
        }
        "huge_head" => {
            socket.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            endlessly(shared, socket, b"X-Words: words, words, words\r\n").await
        }
        "slow_head" => slowly(socket, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await,
        "cut_event" => {
            head(socket, "200 OK", EVENTS, HUGE).await?;
            socket.write_all(format!("data: {text}").as_bytes()).await?;
            socket.flush().await?;
            Ok(false)
        }
        "dirty_event" => {
            let bytes = [b"data: ", text.replace("instance", "\u{fffd}").as_bytes()].concat();
            // The last byte of the sign is not there.
            let bytes: Vec<u8> = bytes.into_iter().filter(|byte| *byte != 0xbd).collect();
            whole(socket, "200 OK", EVENTS, &[&bytes, &b"\n\n"[..]].concat()).await
        }
        "hold" => {
            *shared.held.lock().unwrap() = Some(message["id"].clone());
            shared.released.notified().await;
            json(socket, "", text.as_bytes()).await
        }
        "others" | "others_event" => {
            let mut stolen = answer;
            stolen["id"] = shared.held.lock().unwrap().clone().unwrap_or_default();
            stolen["result"]["structuredContent"] = json!({"stolen": true});
            if how == "others" {
                return json(socket, "", stolen.to_string().as_bytes()).await;
            }
            let event = format!("data: {stolen}\n\n");
            whole(socket, "200 OK", EVENTS, event.as_bytes()).await
        }
        "release" => {
            shared.released.notify_one();
            json(socket, "", text.as_bytes()).await
        }
        _ => flood(how, message, &text, socket).await,
    }
}

/// Writes the same until nobody takes it any more.
async fn endlessly(shared: &Shared, socket: &mut Socket, bytes: &[u8]) -> io::Result<bool> {
    loop {
        socket.write_all(bytes).await?;
        shared.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

/// Says much before the answer, on one stream.
async fn flood(how: &str, message: &Value, answer: &str, socket: &mut Socket) -> io::Result<bool> {
    let params = &message["params"];
    let count = params["arguments"]["count"].as_u64().unwrap();
    let token = &params["_meta"]["progressToken"];
    let told = |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": format!("notifications/{method}"), "params": params});
    let words = "x".repeat(500);
    socket
        .write_all(format!("HTTP/1.1 200 OK\r\n{EVENTS}Connection: close\r\n\r\n").as_bytes())
        .await?;
    for number in 0..count {
        let event = match how {
            "logs" => told("message", json!({"level": "error", "data": words})),
            "progress" => told("progress", json!({"progressToken": token, "progress": number})),
            "changes" => told("tools/list_changed", json!({})),
            "unknown" => told("made/up", json!({"words": words})),
            "asks" => json!({"jsonrpc": "2.0", "id": number, "method": "roots/list"}),
            "answers" => json!({"jsonrpc": "2.0", "id": number + 1_000_000, "result": {}}),
            _ => panic!("there is no fault `{how}`"),
        };
        socket.write_all(format!("data: {event}\n\n").as_bytes()).await?;
    }
    socket.write_all(format!("data: {answer}\n\n").as_bytes()).await?;
    socket.flush().await?;
    Ok(false)
}
