//! Too much of something, and dirt: what the tool `fault` can be told besides.

use std::io;
use std::io::Write as _;

use serde_json::Value;
use serde_json::json;

use crate::Server;
use crate::faults::exit;
use crate::put;
use crate::put_bytes;
use crate::say;

/// How many messages a flood has unless it is told otherwise.
const COUNT: u64 = 50_000;
/// What is written at once of something huge.
const CHUNK: usize = 1 << 20;

/// Writes so much of what `how` names, and then the answer.
pub(crate) fn begin(server: &Server, how: &str, request: &Value) -> io::Result<()> {
    let arguments = &request["params"]["arguments"];
    let count = arguments["count"].as_u64().unwrap_or(COUNT);
    let answer = server.answer(request);
    let token = &request["params"]["_meta"]["progressToken"];
    let told = |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": format!("notifications/{method}"), "params": params});
    let asked = |number: u64, method: &str| json!({"jsonrpc": "2.0", "id": format!("q{number}"), "method": method, "params": {}});
    let size = arguments["size"].as_u64().and_then(|size| usize::try_from(size).ok());
    let words = "x".repeat(size.unwrap_or(500));
    match how {
        "line" => return huge_line(&request["id"], count),
        "invalid_utf8" => {
            let text = answer.to_string().replace("instance", "\u{1}");
            let bytes: Vec<u8> =
                text.bytes().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
            return put_bytes(&[&bytes, &b"\n"[..]].concat());
        }
        "half_exit" => {
            let text = answer.to_string();
            let (half, _) = text.split_at_checked(text.len() / 2).unwrap_or_default();
            put_bytes(half.as_bytes())?;
            exit(0)
        }
        "banner" => {
            put_bytes(b"* about to answer\n{\n\n[]\n\"text\"\n\xff\n")?;
            put(&answer)?;
            return put_bytes(b"* answered\n\0\r\n");
        }
        "deaf" => server.hang(),
        "stderr" => {
            let chunk = vec![b'x'; CHUNK];
            for _ in 0..count {
                drop(io::stderr().lock().write_all(&chunk));
            }
        }
        _ => {
            let mut out = io::BufWriter::new(io::stdout().lock());
            for number in 0..count {
                let message = match how {
                    "logs" => told("message", json!({"level": "error", "data": words})),
                    "progress" => {
                        let progress = json!({"progressToken": token, "progress": number});
                        told("progress", with(progress, "message", &words))
                    }
                    "changes" => told("tools/list_changed", json!({})),
                    "updates" => told("resources/updated", json!({"uri": format!("x://{number}")})),
                    "unknown" => told("made/up", json!({"words": words})),
                    "pings" => asked(number, "ping"),
                    "asks" => asked(number, "roots/list"),
                    "answers" => json!({"jsonrpc": "2.0", "id": number + 1_000_000, "result": {}}),
                    _ => {
                        say(&format!("faulty: there is no fault `{how}`"));
                        exit(1)
                    }
                };
                writeln!(out, "{message}")?;
            }
            out.flush()?;
        }
    }
    put(&answer)
}

fn with(mut params: Value, key: &str, words: &str) -> Value {
    params[key] = json!(words);
    params
}

/// Writes one line of so many MiB.
fn huge_line(id: &Value, count: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let head = r#""jsonrpc":"2.0","result":{"content":[{"type":"text","text":""#;
    out.write_all(format!(r#"{{"id":{id},{head}"#).as_bytes())?;
    let chunk = vec![b'x'; CHUNK];
    for _ in 0..count {
        out.write_all(&chunk)?;
    }
    out.write_all(b"\"}]}}\n")?;
    out.flush()
}
