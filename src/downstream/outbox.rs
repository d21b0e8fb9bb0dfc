//! The one way out to a client: a bounded queue, and the task that writes it.

use std::time::Duration;

use bytes::Bytes;
use tokio::io;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::select;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many messages wait for a slow client; who has one more waits with it.
const QUEUE_CAPACITY: usize = 64;
/// How much is gathered into one write: a pipe's usual capacity.
const BATCH_SIZE: usize = 64 * 1024;
/// How long a client may read nothing before it counts as gone.
const WRITE_LIMIT: Duration = Duration::from_mins(10);

/// Where everything for one client is queued; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    queue: mpsc::Sender<Bytes>,
    closing: CancellationToken,
}

impl Outbox {
    /// Starts the task that writes to `writer`; it ends after [`Outbox::close`], or with an error.
    pub(super) fn open<W>(writer: W, tasks: &TaskTracker) -> (Self, JoinHandle<io::Result<()>>)
    where
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(QUEUE_CAPACITY);
        let closing = CancellationToken::new();
        let task = tasks.spawn(write(waiting, writer, closing.clone()));
        (Self { queue, closing }, task)
    }

    /// Queues one message, waiting while the queue is full. A client that is gone needs none.
    pub(super) async fn push(&self, frame: Bytes) {
        drop(self.queue.send(on_one_line(frame)).await);
    }

    /// Waits until nothing can be written any more.
    pub(super) async fn closed(&self) {
        self.queue.closed().await;
    }

    /// Takes no more messages; those queued are still written.
    pub(super) fn close(&self) {
        self.closing.cancel();
    }
}

/// Replaces line breaks, which in JSON are white space wherever they stand unescaped.
fn on_one_line(frame: Bytes) -> Bytes {
    if !frame.contains(&b'\n') && !frame.contains(&b'\r') {
        return frame;
    }
    let is_break = |byte: u8| byte == b'\n' || byte == b'\r';
    frame.iter().map(|byte| if is_break(*byte) { b' ' } else { *byte }).collect()
}

async fn write<W: AsyncWrite + Unpin>(
    mut waiting: mpsc::Receiver<Bytes>,
    mut writer: W,
    closing: CancellationToken,
) -> io::Result<()> {
    let mut batch = Vec::with_capacity(BATCH_SIZE);
    loop {
        let next = select! {
            biased;
            next = waiting.recv() => next,
            () = closing.cancelled(), if !waiting.is_closed() => {
                waiting.close();
                continue;
            }
        };
        let Some(mut frame) = next else { return Ok(()) };
        loop {
            if frame.len() >= BATCH_SIZE {
                // Too large to be worth a copy.
                write_all(&mut writer, &batch).await?;
                batch.clear();
                write_all(&mut writer, &frame).await?;
            } else {
                batch.extend_from_slice(&frame);
            }
            batch.push(b'\n');
            if batch.len() >= BATCH_SIZE {
                break;
            }
            match waiting.try_recv() {
                Ok(next) => frame = next,
                Err(_) => break,
            }
        }
        write_all(&mut writer, &batch).await?;
        batch.clear();
        limited(writer.flush()).await?;
    }
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
