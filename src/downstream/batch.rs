//! Batches, which only sessions of 2025-03-26 know: many messages in, one array out.

use tokio::sync::oneshot;

use crate::downstream::call::Reply;
use crate::downstream::codes;
use crate::downstream::outbox::Kind;
use crate::downstream::outbox::Outbox;
use crate::downstream::outbox::Verdict;
use crate::wire::Raw;
use crate::wire::Written;
use crate::wire::frame;
use crate::wire::frame::Defect;

/// How many messages one batch may hold.
const LENGTH_LIMIT: usize = 1000;

/// Returns the messages of a batch, or the error that is the answer to all of it.
pub(super) fn elements(array: &Raw) -> Result<Vec<Raw>, Raw> {
    let elements = array.elements().unwrap_or_default();
    match elements.len() {
        0 => Err(codes::invalid("the batch is empty")),
        1..=LENGTH_LIMIT => Ok(elements),
        _ => Err(codes::invalid(&format!("a batch holds at most {LENGTH_LIMIT} messages"))),
    }
}

/// The answers to the messages of one batch, in their order.
#[derive(Debug)]
pub(super) struct Answers {
    outbox: Outbox,
    expected: Vec<oneshot::Receiver<Written>>,
}

impl Answers {
    /// Those to a batch of so many messages.
    pub(super) fn of(outbox: &Outbox, length: usize) -> Self {
        Self { outbox: outbox.clone(), expected: Vec::with_capacity(length) }
    }

    /// Makes the reply to the next message, which is a request.
    pub(super) fn reply(&mut self) -> Reply {
        let sender = self.next();
        Reply::in_batch(&self.outbox, sender)
    }

    /// Refuses the next message, which is none.
    pub(super) fn refuse(&mut self, defect: &Defect) {
        let (id, error) = codes::defect(defect);
        drop(self.next().send(frame::response(id, Err(&error))));
    }

    fn next(&mut self) -> oneshot::Sender<Written> {
        let (sender, answer) = oneshot::channel();
        self.expected.push(answer);
        sender
    }

    /// Waits for all of them, and sends them as one.
    pub(super) async fn send(self) {
        let mut out = Vec::new();
        for answer in self.expected {
            // A cancelled request has none.
            if let Ok(answer) = answer.await {
                out.push(if out.is_empty() { b'[' } else { b',' });
                answer.parts().into_iter().for_each(|part| out.extend_from_slice(part));
            }
        }
        if !out.is_empty() {
            out.push(b']');
            let _is_read = self.outbox.push(Kind::Answer(Verdict::Done), out.into()).await;
        }
    }
}
