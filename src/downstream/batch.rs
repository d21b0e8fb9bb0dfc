//! Batches, which only sessions of 2025-03-26 know: many messages in, one array out.

use tokio::sync::oneshot;

use crate::downstream::call::Reply;
use crate::downstream::codes;
use crate::downstream::connection::Connection;
use crate::wire::Raw;
use crate::wire::frame;
use crate::wire::frame::Message;

/// How many messages one batch may hold.
const LENGTH_LIMIT: usize = 1000;

/// Takes every message of a batch; the answers that need one go out together.
pub(super) async fn run(connection: &mut Connection, array: &Raw) {
    let elements = array.elements().unwrap_or_default();
    let problem = match elements.len() {
        0 => Some("the batch is empty".to_owned()),
        1..=LENGTH_LIMIT => None,
        _ => Some(format!("a batch holds at most {LENGTH_LIMIT} messages")),
    };
    if let Some(problem) = problem {
        let answer = frame::response(None, Err(&codes::invalid(&problem)));
        return connection.shared.outbox.push(answer).await;
    }
    let mut answers = Vec::with_capacity(elements.len());
    for element in &elements {
        let (sender, answer) = oneshot::channel();
        match frame::read_value(element) {
            Ok(Message::Request(request)) => {
                connection.request(request, Reply::Element(sender)).await;
                answers.push(answer);
            }
            Ok(Message::Notification(notification)) => connection.notification(&notification),
            Ok(Message::Response(response)) => connection.shared.questions.answered(response),
            Err(defect) => {
                drop(sender.send(codes::defect(&defect)));
                answers.push(answer);
            }
        }
    }
    let outbox = connection.shared.outbox.clone();
    connection.shared.tasks.spawn(async move {
        let mut out = Vec::new();
        for answer in answers {
            // A cancelled request has none.
            if let Ok(answer) = answer.await {
                out.push(if out.is_empty() { b'[' } else { b',' });
                out.extend_from_slice(&answer);
            }
        }
        if !out.is_empty() {
            out.push(b']');
            outbox.push(out.into()).await;
        }
    });
}
