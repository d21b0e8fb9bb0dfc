//! The stdio front end: one client on a pair of streams, a message a line.
//!
//! One loop reads, one task writes, every request has a task of its own. Whatever ends the
//! conversation, calls in flight get a moment to finish, then they are cancelled and answered.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::select;
use tokio::task::JoinHandle;
use tokio::time;
use tokio_util::task::TaskTracker;

use crate::downstream::Error;
use crate::downstream::Service;
use crate::downstream::connection::Connection;
use crate::downstream::lines;
use crate::downstream::outbox::Outbox;
use crate::downstream::room;
use crate::downstream::shutdown::Shutdown;
use crate::wire::intake::Intake;
use crate::wire::line::Lines;

/// How long calls in flight may go on once nothing more is read.
///
/// Clients wait about as long before they send SIGTERM, and upstreams need time to end, too.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// How long the last answers may take to be written.
const FLUSH_LIMIT: Duration = Duration::from_millis(500);

/// What ended a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client closed its end, or is gone.
    Closed,
    /// Conflux was asked to stop.
    Stopped,
}

/// Serves one client until it closes its end or `shutdown` begins.
///
/// Returns at most four seconds after that, or two if it is hurried.
pub async fn serve<R, W>(
    service: Service,
    reader: R,
    writer: W,
    shutdown: Shutdown,
) -> Result<End, Error>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let tasks = TaskTracker::new();
    let (outbox, outgoing) = Outbox::channel();
    let writing = TaskTracker::new().spawn(lines::write(outgoing, writer));
    let lines = Lines::new(reader, service.limits.message);
    let intake = Intake::within(service.room.clone(), room::LIMIT);
    let connection = Connection::new(service, outbox.clone(), tasks);
    let lines = lines.through(intake.hurried_by(connection.shared.questions.pressing()));
    let end = read(&connection, lines, &outbox, &shutdown).await;
    let patience = async {
        select! {
            () = outbox.closed() => {}
            () = shutdown.clone().patience(DRAIN_LIMIT) => {}
        }
    };
    connection.end(patience).await;
    outbox.close();
    flush(writing).await;
    end.map_err(Error::Read)
}

async fn read<R: AsyncRead + Unpin>(
    connection: &Connection,
    mut lines: Lines<R>,
    outbox: &Outbox,
    shutdown: &Shutdown,
) -> io::Result<End> {
    let (mut stopped, mut closed) = (pin!(shutdown.begun()), pin!(outbox.closed()));
    loop {
        let line = select! {
            biased;
            () = &mut stopped => return Ok(End::Stopped),
            () = &mut closed => return Ok(End::Closed),
            line = lines.next() => line?,
        };
        let Some(line) = line else { return Ok(End::Closed) };
        select! {
            biased;
            () = connection.receive(line) => {}
            // The client's queue is full, and stays so.
            () = &mut stopped => return Ok(End::Stopped),
        }
    }
}

async fn flush(mut writing: JoinHandle<io::Result<()>>) {
    match time::timeout(FLUSH_LIMIT, &mut writing).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::debug!(%error, "the client took no more answers"),
        Ok(Err(error)) => tracing::error!(%error, "writing to the client failed"),
        Err(_) => writing.abort(),
    }
}
