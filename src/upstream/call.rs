//! A request that is under way, as the one sees it who waits for its answer.

use std::time::Duration;

use tokio::time;
use tokio::time::Instant;

use crate::exchange::Exchange;
use crate::exchange::queue;
use crate::upstream::connection::Connection;
use crate::upstream::incoming::Incoming;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::frame::Message;
use crate::wire::frame::Request;
use crate::wire::method;

/// How long a cancellation may wait for room in the outgoing queue.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

/// A request that is under way. Dropping it cancels it.
#[derive(Debug)]
pub(super) struct Call {
    connection: Connection,
    number: u64,
    begun: Instant,
    incoming: queue::Receiver<Incoming>,
    sent: bool,
    heard: bool,
}

impl Call {
    /// Makes room for a request on a connection; [`Self::send`] sends it.
    ///
    /// Returns nothing if the connection has ended.
    pub(super) fn begin(connection: &Connection, exchange: Option<&Exchange>) -> Option<Self> {
        let (number, begun, incoming) = connection.begin(exchange)?;
        let connection = connection.clone();
        Some(Self { connection, number, begun, incoming, sent: false, heard: false })
    }

    /// Returns since when it is under way.
    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// Returns its number, which is its id and the token of its progress.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Sends the request. Returns whether it got into the queue; once it did, it may be executed.
    ///
    /// Waits while the upstream does not read. Cancel safe: either it is queued or it is not.
    pub(super) async fn send(&mut self, method: &str, params: Option<&Raw>) -> bool {
        let id = Id::number(self.number);
        let (method, params) = (method.into(), params.cloned());
        let request = Message::Request(Request { id, method, params });
        self.sent = self.connection.send(request).await;
        self.sent
    }

    /// Returns whether the request got into the queue.
    pub(super) fn is_sent(&self) -> bool {
        self.sent
    }

    /// Returns whether anything came back for it.
    pub(super) fn was_heard(&self) -> bool {
        self.heard
    }

    /// Waits for what comes next. Cancel safe.
    pub(super) async fn next(&mut self) -> Incoming {
        let incoming = self.incoming.recv().await.unwrap_or(Incoming::Closed);
        self.heard = true;
        incoming
    }

    /// Returns what came last; nobody hears what came before it.
    pub(super) fn last(&mut self) -> Option<Incoming> {
        let mut last = None;
        while let Some(incoming) = self.incoming.try_recv() {
            last = Some(incoming);
        }
        last
    }

    /// Tells the upstream that the answer is no longer wanted, and waits until that is queued.
    pub(super) async fn cancel(self, reason: &str) {
        let Some(message) = self.cancellation(reason) else { return };
        let sending = self.connection.send(message);
        drop(time::timeout(CANCEL_LIMIT, sending).await);
    }

    /// Forgets the request, and returns what tells the upstream so if it could be at work on it.
    fn cancellation(&self, reason: &str) -> Option<Message> {
        let was_pending = self.connection.forget(self.number);
        if !was_pending || !self.sent {
            return None;
        }
        let params = serde_json::json!({ "requestId": self.number, "reason": reason });
        Some(Message::notification(method::CANCELLED, Some(Raw::of(&params))))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(message) = self.cancellation("the client no longer waits") {
            // Without room the upstream does not read, and would not see this either.
            self.connection.send_now(message);
        }
    }
}
