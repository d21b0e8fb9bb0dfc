//! What the tool `fault` can be told to do.

use std::fs::File;
use std::io;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::Server;
use crate::floods;
use crate::put;
use crate::put_bytes;
use crate::server;

/// What a server that is not one writes.
const GARBAGE: &[u8] = b"Listening on port 3000 ...\n{\"oops\": \xff\xfe\n[1, 2\n";
/// How large an answer is that is too large.
const OVERSIZED: usize = 1 << 20;

impl Server {
    /// Does with a call what `how` says.
    pub(crate) fn go_wrong(&mut self, how: &str, request: &Value) -> io::Result<()> {
        let answer = self.answer(request);
        match how {
            "hang" => self.hanging.push(request["id"].clone()),
            "garbage" => put_bytes(GARBAGE)?,
            "half" => {
                let text = answer.to_string();
                let (half, _) = text.split_at_checked(text.len() / 2).unwrap_or_default();
                put_bytes(format!("{half}\n").as_bytes())?;
            }
            "close_stdout" => {
                rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
            }
            "close_stdin" => {
                rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
                // It does not end by itself.
                pause(u64::MAX);
            }
            "exit" => exit(0),
            "slow" => slowly(&answer)?,
            "wrong_id" => {
                let mut wrong = answer;
                wrong["id"] = json!(4_000_000_000_u64);
                put(&wrong)?;
                wrong["id"] = json!("nobody's");
                put(&wrong)?;
            }
            "twice" => {
                put(&answer)?;
                put(&answer)?;
            }
            "late" => {
                let token = &request["params"]["_meta"]["progressToken"];
                let params = json!({"progressToken": token, "progress": 1});
                let method = "notifications/progress";
                put(&json!({"jsonrpc": "2.0", "method": method, "params": params}))?;
                self.late = Some(request.clone());
            }
            "oversized" => {
                let content = json!([{"type": "text", "text": "x".repeat(OVERSIZED)}]);
                put(&server::response(self.era, &request["id"], json!({"content": content})))?;
            }
            other => floods::begin(self, other, request)?,
        }
        Ok(())
    }
}

/// Writes one byte a second, and what is left once nobody can be waiting for it any more.
fn slowly(answer: &Value) -> io::Result<()> {
    let line = format!("{answer}\n");
    let (start, rest) = line.as_bytes().split_at_checked(3).unwrap_or_default();
    for byte in start {
        put_bytes(&[*byte])?;
        pause(1000);
    }
    put_bytes(rest)
}

/// Waits for so many milliseconds.
pub(crate) fn pause(milliseconds: u64) {
    #[expect(clippy::disallowed_methods, reason = "there is no runtime, and nothing else to do")]
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Ends the process in the middle of whatever it does.
pub(crate) fn exit(code: i32) -> ! {
    #[expect(clippy::exit, reason = "a server that ends in the middle of a call is the point")]
    std::process::exit(code)
}
