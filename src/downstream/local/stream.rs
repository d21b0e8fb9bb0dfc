//! Following what happens, at one of the local sockets: a head, the past, and what comes then.
//!
//! Whoever connects gets lines until they leave, until they take nothing for too long, or until the
//! gateway ends. Like the documents, this says and does not listen.

use std::io;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::select;
use tokio::time;

use crate::telemetry::Follower;

/// How long a follower may take nothing of what it is told.
pub(super) const STALL_LIMIT: Duration = Duration::from_secs(30);
/// About how many bytes are written at a time.
const CHUNK: usize = 64 * 1024;

/// What a follower is told: what was, and what comes.
pub(super) type Story = (Vec<Arc<str>>, Follower);

/// Tells a story to somebody, for as long as they take it.
pub(super) async fn tell(mut stream: UnixStream, story: Story) {
    let (past, follower) = story;
    // How many lines of the past there are is said first, so that nobody has to guess where they
    // end.
    let head = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": process::id(),
        "past": past.len(),
    });
    let mut waiting = format!("{head}\n").into_bytes();
    for line in past {
        waiting.extend_from_slice(line.as_bytes());
        waiting.push(b'\n');
        if waiting.len() >= CHUNK && !is_taken(&mut stream, &mut waiting).await {
            return;
        }
    }
    while is_taken(&mut stream, &mut waiting).await {
        select! {
            () = follower.read(&mut waiting, CHUNK) => {}
            () = left(&stream) => return,
        }
    }
}

/// Waits until the other side has left. Nobody has anything to say here: who says something is
/// taken for one who has. Cancel safe.
async fn left(stream: &UnixStream) {
    loop {
        let is_heard = stream.readable().await.is_ok();
        // That it could be read is no promise.
        let word = stream.try_read(&mut [0]);
        if !is_heard || word.is_ok() || word.is_err_and(|it| it.kind() != io::ErrorKind::WouldBlock)
        {
            return;
        }
    }
}

/// Writes what waits; returns whether somebody still takes it.
async fn is_taken(stream: &mut UnixStream, waiting: &mut Vec<u8>) -> bool {
    let mut left = waiting.as_slice();
    while !left.is_empty() {
        let written = time::timeout(STALL_LIMIT, stream.write(left)).await;
        match written.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut))) {
            Ok(count) if count > 0 => left = left.get(count..).unwrap_or_default(),
            Ok(_) => return false,
            Err(error) => {
                tracing::debug!(%error, "a follower at the local socket left or was too slow");
                return false;
            }
        }
    }
    waiting.clear();
    true
}
