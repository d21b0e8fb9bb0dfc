//! Asking a running gateway something, over one of its local sockets.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::time;

/// How long a gateway may take to answer; one that is stopped never will.
pub const LIMIT: Duration = Duration::from_secs(3);
/// The longest answer, in bytes.
const SIZE: u64 = 16 * 1024 * 1024;

/// Asks for the document that is told at a socket.
///
/// # Errors
///
/// Nobody listens, nobody answers within [`LIMIT`], or what comes is no such document.
pub async fn document(path: &Path) -> io::Result<serde_json::Value> {
    let asked = async {
        let mut text = Vec::new();
        UnixStream::connect(path).await?.take(SIZE).read_to_end(&mut text).await?;
        serde_json::from_slice(&text).map_err(io::Error::from)
    };
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {LIMIT:?}"));
    time::timeout(LIMIT, asked).await.unwrap_or_else(|_| Err(late()))
}

/// Returns whether nobody listens at a socket, nor ever will.
pub(super) async fn is_deserted(path: &Path) -> bool {
    let connected = time::timeout(LIMIT, UnixStream::connect(path)).await;
    matches!(connected, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
}
