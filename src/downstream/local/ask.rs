//! Asking a running gateway something, over one of its local sockets.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::time;

/// How long a gateway may take to answer; one that is stopped never will.
pub const LIMIT: Duration = Duration::from_secs(10);
/// The longest answer, in bytes.
const SIZE: u64 = 16 * 1024 * 1024;

/// The longest line, in bytes.
const LINE: u64 = 1024 * 1024;

/// Asks for the document that is told at a socket.
///
/// # Errors
///
/// Nobody listens, nobody answers within [`LIMIT`], or what comes is no such document.
pub async fn document(path: &Path) -> io::Result<serde_json::Value> {
    let asked = async {
        let mut text = Vec::new();
        UnixStream::connect(path).await?.take(SIZE).read_to_end(&mut text).await?;
        if text.is_empty() {
            let silence = "it hung up without an answer";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, silence));
        }
        serde_json::from_slice(&text).map_err(io::Error::from)
    };
    time::timeout(LIMIT, asked).await.unwrap_or_else(|_| Err(late()))
}

/// What is told at a socket that can be followed, line by line.
#[derive(Debug)]
pub struct Lines {
    reader: BufReader<UnixStream>,
    /// How many of the lines that come are of the past.
    pub past: usize,
}

impl Lines {
    /// Begins to follow what is told at a socket.
    ///
    /// # Errors
    ///
    /// Nobody listens, nobody says anything within [`LIMIT`], or what comes is no such head.
    pub async fn open(path: &Path) -> io::Result<Self> {
        let opened = async {
            let reader = BufReader::new(UnixStream::connect(path).await?);
            let mut lines = Self { reader, past: 0 };
            let head = lines.next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let past = head.get("past").and_then(serde_json::Value::as_u64);
            let past = past.and_then(|past| usize::try_from(past).ok());
            lines.past = past.ok_or(io::ErrorKind::InvalidData)?;
            Ok(lines)
        };
        time::timeout(LIMIT, opened).await.unwrap_or_else(|_| Err(late()))
    }

    /// Waits for the next line; nothing when the gateway has ended, or tells no more.
    ///
    /// # Errors
    ///
    /// What comes is no line of JSON.
    pub async fn next(&mut self) -> io::Result<Option<serde_json::Value>> {
        let mut line = Vec::new();
        let count = (&mut self.reader).take(LINE).read_until(b'\n', &mut line).await?;
        if count == 0 {
            return Ok(None);
        }
        serde_json::from_slice(&line).map(Some).map_err(io::Error::from)
    }

    /// Reads the lines of the past.
    ///
    /// # Errors
    ///
    /// They do not come within [`LIMIT`], or are none.
    pub async fn past(&mut self) -> io::Result<Vec<serde_json::Value>> {
        let read = async {
            let mut lines = Vec::new();
            while self.past > 0 {
                self.past -= 1;
                lines.push(self.next().await?.ok_or(io::ErrorKind::UnexpectedEof)?);
            }
            Ok(lines)
        };
        time::timeout(LIMIT, read).await.unwrap_or_else(|_| Err(late()))
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {LIMIT:?}"))
}

/// Returns whether nobody listens at a socket, nor ever will.
pub(in crate::downstream) async fn is_deserted(path: &Path) -> bool {
    let connected = time::timeout(LIMIT, UnixStream::connect(path)).await;
    matches!(connected, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
}
