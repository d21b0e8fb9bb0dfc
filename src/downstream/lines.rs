//! Writes an outbox to a stream, a message a line.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::time;

use crate::downstream::outbox::Outgoing;

/// How much is gathered into one write: a pipe's usual capacity.
const BATCH_SIZE: usize = 64 * 1024;
/// How long a client may read nothing before it counts as gone.
const WRITE_LIMIT: Duration = Duration::from_mins(10);

/// Writes until the outbox is closed and empty, or with an error until nothing can be written.
pub(super) async fn write<W: AsyncWrite + Unpin>(
    mut outgoing: Outgoing,
    mut writer: W,
) -> io::Result<()> {
    let mut batch = Vec::with_capacity(BATCH_SIZE);
    while let Some(mut item) = outgoing.next().await {
        loop {
            for part in item.frame.parts() {
                if part.len() >= BATCH_SIZE {
                    // Too large to be worth a copy.
                    write_all(&mut writer, &batch).await?;
                    batch.clear();
                    write_all(&mut writer, part).await?;
                } else {
                    batch.extend_from_slice(part);
                }
            }
            batch.push(b'\n');
            if batch.len() >= BATCH_SIZE {
                break;
            }
            match outgoing.try_next() {
                Some(next) => item = next,
                None => break,
            }
        }
        write_all(&mut writer, &batch).await?;
        batch.clear();
        limited(writer.flush()).await?;
    }
    Ok(())
}

async fn write_all<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8]) -> io::Result<()> {
    limited(writer.write_all(bytes)).await
}

async fn limited(step: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    match time::timeout(WRITE_LIMIT, step).await {
        Ok(outcome) => outcome,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
