//! Batches, which only sessions of 2025-03-26 know: many messages in, one array out.

use tokio::sync::oneshot;

use crate::downstream::call::Reply;
use crate::downstream::codes;
use crate::downstream::connection::Connection;
use crate::downstream::outbox::Kind;
use crate::downstream::outbox::Outbox;
use crate::downstream::outbox::Verdict;
use crate::downstream::room::Room;
use crate::wire::Raw;
use crate::wire::frame;
use crate::wire::frame::Message;

/// How many messages one batch may hold.
const LENGTH_LIMIT: usize = 1000;

/// Takes every message of a batch; the answers that need one go out together.
///
/// If there was no `room` for it, its requests are refused.
pub(super) async fn run(connection: &Connection, array: &Raw, room: Room, outbox: &Outbox) {
    let elements = array.elements().unwrap_or_default();
    let problem = match elements.len() {
        0 => Some("the batch is empty".to_owned()),
        1..=LENGTH_LIMIT => None,
        _ => Some(format!("a batch holds at most {LENGTH_LIMIT} messages")),
    };
    if let Some(problem) = problem {
        return outbox.refuse(None, &codes::invalid(&problem)).await;
    }
    let mut answers = Vec::with_capacity(elements.len());
    for element in &elements {
        let (sender, answer) = oneshot::channel();
        match frame::read_value(element) {
            Ok(Message::Request(request)) => {
                let reply = Reply::in_batch(outbox, sender);
                let now = match room.refusal(&request, &connection.shared.service.room) {
                    Some(error) => Some(reply.at_once(&request.id, &Err(error))),
                    None => connection.request(request, reply),
                };
                if let Some(answer) = now {
                    connection.say(answer).await;
                }
                answers.push(answer);
            }
            Ok(Message::Notification(notification)) => connection.notification(&notification),
            Ok(Message::Response(response)) => connection.shared.questions.answered(response),
            Err(defect) => {
                let (id, error) = codes::defect(&defect);
                drop(sender.send(frame::response(id, Err(&error))));
                answers.push(answer);
            }
        }
    }
    let outbox = outbox.clone();
    connection.shared.tasks.spawn(async move {
        let mut out = Vec::new();
        for answer in answers {
            // A cancelled request has none.
            if let Ok(answer) = answer.await {
                out.push(if out.is_empty() { b'[' } else { b',' });
                answer.parts().into_iter().for_each(|part| out.extend_from_slice(part));
            }
        }
        if !out.is_empty() {
            out.push(b']');
            let _is_read = outbox.push(Kind::Answer(Verdict::Done), out.into()).await;
        }
    });
}
