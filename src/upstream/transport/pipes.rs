//! Messages on the pipes of a child, one a line.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::time;

use crate::upstream::connection::Connection;
use crate::upstream::reader::Reader;
use crate::wire::frame::Message;
use crate::wire::line::Line;
use crate::wire::line::Lines;

/// How many messages are written at once.
const WRITE_BATCH: usize = 64;
/// From which size on something is written by itself instead of copied.
const LARGE: usize = 64 * 1024;
/// How long an upstream may take to read what was queued when the connection was closed.
const FAREWELL_LIMIT: Duration = Duration::from_millis(200);

/// Reads until the input ends or the connection is closed, then ends every request under way.
pub(in crate::upstream) async fn read(reader: Reader, input: impl AsyncRead + Unpin, limit: usize) {
    let connection = reader.connection();
    let mut lines = Lines::new(input, limit).through(reader.intake());
    let mut closed = pin!(connection.closed().cancelled());
    loop {
        let line = tokio::select! {
            biased;
            () = &mut closed => break,
            line = lines.next() => line,
        };
        match line {
            Ok(Some(Line::Whole(bytes) | Line::Beyond(bytes))) if lines.is_at_end() => {
                reader.take_last(bytes).await;
            }
            Ok(Some(Line::Whole(bytes) | Line::Beyond(bytes))) => reader.take(bytes, None).await,
            Ok(Some(Line::TooLong { id, kind })) => reader.take_too_long(id.as_ref(), kind, None),
            Ok(None) | Err(_) => break,
        }
    }
    connection.close();
}

/// Writes what is queued, as much at once as is there, until the queue or the connection ends.
pub(in crate::upstream) async fn write(
    connection: Connection,
    mut queue: mpsc::Receiver<Message>,
    mut output: impl AsyncWrite + Unpin,
) {
    let mut batch = Vec::new();
    let mut out = Vec::new();
    let closed = connection.closed().clone();
    loop {
        let count = tokio::select! {
            biased;
            count = queue.recv_many(&mut batch, WRITE_BATCH) => count,
            () = closed.cancelled() => break,
        };
        if count == 0 {
            break;
        }
        if closed.is_cancelled() {
            // Nobody waits for an answer any more.
            batch.retain(|message| !matches!(message, Message::Request(_)));
        }
        let writing = async {
            for message in batch.drain(..) {
                put_line(&mut out, &mut output, message).await?;
            }
            output.write_all(&out).await?;
            out.clear();
            output.flush().await
        };
        // What was said last, such as that an answer is not wanted any more, may be waited for.
        let ending = async {
            closed.cancelled().await;
            time::sleep(FAREWELL_LIMIT).await;
        };
        let written = tokio::select! {
            written = writing => written,
            () = ending => break,
        };
        if written.is_err() {
            break;
        }
    }
    // An upstream that no longer reads may have answered before; nothing more can be sent.
    drop(queue);
    drop(output);
    connection.last_words().await;
    connection.close();
}

/// Adds a message as one line to what is gathered, or writes it if it is too large for that.
async fn put_line(
    out: &mut Vec<u8>,
    output: &mut (impl AsyncWrite + Unpin),
    message: Message,
) -> io::Result<()> {
    for part in message.write().on_one_line().parts() {
        if part.len() >= LARGE {
            output.write_all(out).await?;
            out.clear();
            output.write_all(part).await?;
        } else {
            out.extend_from_slice(part);
        }
    }
    out.push(b'\n');
    if out.len() >= LARGE {
        output.write_all(out).await?;
        out.clear();
    }
    Ok(())
}
