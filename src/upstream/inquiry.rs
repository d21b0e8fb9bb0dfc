//! What a legacy upstream asks in the middle of a call, taken to the caller that caused it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;

use crate::exchange::ask::Answers;
use crate::exchange::ask::InputRequest;
use crate::exchange::ask::Kind;
use crate::exchange::ask::Refusal;
use crate::upstream::connection::Connection;
use crate::upstream::connection::Meant;
use crate::upstream::task;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::frame;
use crate::wire::frame::Request;

/// How many questions of one upstream may be unanswered.
const LIMIT: usize = 32;
/// The key of the one question a legacy request asks.
const KEY: &str = "question";

/// Takes a request of the upstream to its caller and answers it when the caller did.
///
/// Returns what takes the question back, or nothing if it was answered at once. Whatever the
/// caller cannot answer is refused at once, so that the upstream never waits for nothing.
pub(super) fn begin(
    connection: &Connection,
    request: Request,
    unanswered: usize,
) -> Option<CancellationToken> {
    let named = task::named_by(request.params.as_ref());
    let Some(input) = InputRequest::parse(&request.method, request.params) else {
        let problem = format!("a client does not answer `{}`", request.method);
        let error = frame::error(code::METHOD_NOT_FOUND, &problem, None);
        connection.answer_now(&request.id, Err(&error));
        return None;
    };
    let kind = input.kind();
    let meant = if unanswered < LIMIT {
        task::meant(connection, named.as_deref())
    } else {
        Err(Refusal::TooMany)
    };
    let meant = match meant {
        Ok(meant) => meant,
        Err(refusal) => {
            connection.answer_now(&request.id, refused(kind, &refusal).as_ref());
            return None;
        }
    };
    let input = input.with(|params| task::addressed(connection, &meant, params));
    let taken_back = CancellationToken::new();
    let (ours, theirs) = (connection.clone(), taken_back.clone());
    connection.tasks().spawn(async move {
        tokio::select! {
            outcome = ask(&ours, meant, input) => {
                let outcome = outcome.map(|answer| task::answered(answer, named.as_deref()));
                ours.answer(&request.id, outcome.as_ref()).await;
            }
            () = theirs.cancelled() => {}
        }
        // Marks the id as free again.
        theirs.cancel();
    });
    Some(taken_back)
}

async fn ask(connection: &Connection, meant: Meant, input: InputRequest) -> Result<Raw, Raw> {
    let kind = input.kind();
    let questions = vec![(KEY.to_owned(), input)];
    let answers = match meant {
        Meant::Call { exchange, asking, .. } => {
            let _waits = Waits::new(asking);
            exchange.ask(connection.upstream(), questions).await
        }
        Meant::Caller(caller) => caller.ask(connection.upstream(), questions).await,
    };
    match answers {
        Ok(answers) => only(answers),
        Err(refusal) => refused(kind, &refusal),
    }
}

fn only(answers: Answers) -> Result<Raw, Raw> {
    let answer = answers.into_iter().next().map(|(_, answer)| answer);
    answer.unwrap_or_else(|| Err(frame::error(code::INTERNAL_ERROR, "no answer came", None)))
}

/// Says no in the terms of the legacy era.
///
/// A person who does not answer has dismissed the question; everything else is an error.
fn refused(kind: Kind, refusal: &Refusal) -> Result<Raw, Raw> {
    let is_elicitation = matches!(kind, Kind::ElicitForm | Kind::ElicitUrl);
    if is_elicitation && matches!(refusal, Refusal::TimedOut(_) | Refusal::Gone) {
        return Ok(Raw::of(&serde_json::json!({ "action": "cancel" })));
    }
    let code = match refusal {
        Refusal::Unsupported(_) => code::METHOD_NOT_FOUND,
        _ => code::INTERNAL_ERROR,
    };
    Err(frame::error(code, &refusal.to_string(), None))
}

/// Counts a question while it is unanswered; meanwhile the clock of its call stands still.
struct Waits(Arc<AtomicUsize>);

impl Waits {
    fn new(asking: Arc<AtomicUsize>) -> Self {
        asking.fetch_add(1, Ordering::Relaxed);
        Self(asking)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
