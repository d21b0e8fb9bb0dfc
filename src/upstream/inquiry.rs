//! What a legacy upstream asks in the middle of a call, taken to the caller that caused it.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::exchange::ask::Answers;
use crate::exchange::ask::InputRequest;
use crate::exchange::ask::Kind;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Capabilities;
use crate::upstream::answer;
use crate::upstream::connection::Connection;
use crate::upstream::incoming::Meant;
use crate::upstream::task::delivery;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::era::Revision;
use crate::wire::frame;
use crate::wire::frame::Request;
use crate::wire::meta;
use crate::wire::method;

/// How many questions of one upstream may be unanswered.
const LIMIT: usize = 32;
/// How much word on how far an answer is may wait for the upstream; what is over that is missed.
const PROGRESS_CAPACITY: usize = 16;
/// The key of the one question a legacy request asks.
const KEY: &str = "question";

/// Takes a request of the upstream to its caller and answers it when the caller did. Where it
/// came with the answer to the request `origin`, the caller of that one is meant.
///
/// Returns what takes the question back, or nothing if it was answered at once. Whatever the
/// caller cannot answer is refused at once, so that the upstream never waits for nothing.
pub(super) fn begin(
    connection: &Connection,
    request: Request,
    unanswered: usize,
    origin: Option<u64>,
) -> Option<CancellationToken> {
    let named = delivery::named_by(request.params.as_ref());
    let Some(input) = InputRequest::parse(&request.method, request.params) else {
        let problem = format!("a client does not answer `{}`", request.method);
        let error = frame::error(code::METHOD_NOT_FOUND, &problem, None);
        connection.answer_now(&request.id, Err(&error));
        return None;
    };
    let kind = input.kind();
    let meant = if unanswered < LIMIT {
        connection.meant(named.as_deref(), origin)
    } else {
        Err(Refusal::TooMany)
    };
    let meant = match meant {
        Ok(meant) => meant,
        Err(refusal) => {
            connection.answer_now(&request.id, refused(kind, &refusal, None).as_ref());
            return None;
        }
    };
    let input = input.with(|params| delivery::addressed(connection.live(), &meant, params));
    let taken_back = connection.closed().child_token();
    let (ours, theirs) = (connection.clone(), taken_back.clone());
    connection.tasks().spawn(async move {
        tokio::select! {
            outcome = ask(&ours, meant, input, origin) => {
                let outcome = outcome.map(|answer| delivery::answered(answer, named.as_deref()));
                ours.answer(&request.id, outcome.as_ref()).await;
            }
            () = theirs.cancelled() => {}
        }
        // Marks the id as free again.
        theirs.cancel();
    });
    Some(taken_back)
}

async fn ask(
    connection: &Connection,
    meant: Meant,
    input: InputRequest,
    origin: Option<u64>,
) -> Result<Raw, Raw> {
    let kind = input.kind();
    let caller = match &meant {
        Meant::Call { exchange, .. } => exchange.caller(),
        Meant::Caller(caller) => caller,
    };
    if let Some(params) = input.params().filter(|_| kind == Kind::ElicitUrl) {
        connection.visits().note(params, caller);
    }
    let (input, progress) = reporting(input);
    let questions = vec![(KEY.to_owned(), input)];
    let (answers, client) = match meant {
        Meant::Call { exchange, .. } => {
            // Which call of its caller waits for the answer is not said where they share a stream.
            let _still = origin.is_none().then(|| connection.stand_still(exchange.caller()));
            let asked = exchange.ask(connection.upstream(), questions);
            (relaying(connection, progress, asked).await, Arc::clone(exchange.capabilities()))
        }
        Meant::Caller(caller) => {
            let asked = caller.ask(connection.upstream(), questions);
            (relaying(connection, progress, asked).await, Arc::clone(caller.capabilities()))
        }
    };
    match answers {
        Ok(answers) => only(answers).and_then(|answer| {
            let spoken = connection.revision().unwrap_or(Revision::LATEST_LEGACY);
            let fitted = answer::fit(kind, answer, spoken);
            fitted.map_err(|problem| frame::error(code::INTERNAL_ERROR, problem, None))
        }),
        Err(refusal) => refused(kind, &refusal, Some(&client)),
    }
}

/// What the client says on how far its answer is, and the upstream's own token for that.
struct Reports {
    token: Raw,
    said: mpsc::Receiver<Raw>,
}

/// Lets the client say how far its answer is, if the upstream gave a token for that.
fn reporting(input: InputRequest) -> (InputRequest, Option<Reports>) {
    let meta = input.params().and_then(|params| params.member("_meta"));
    let Some(token) = meta.and_then(|meta| meta.member(meta::PROGRESS_TOKEN)) else {
        return (input, None);
    };
    let (sender, said) = mpsc::channel(PROGRESS_CAPACITY);
    (input.reporting(sender), Some(Reports { token: token.detached(), said }))
}

/// Waits for `asked`, and meanwhile tells the upstream how far its answer is.
async fn relaying<T>(
    connection: &Connection,
    reports: Option<Reports>,
    asked: impl Future<Output = T>,
) -> T {
    let Some(Reports { token, mut said }) = reports else { return asked.await };
    let mut asked = std::pin::pin!(asked);
    loop {
        tokio::select! {
            biased;
            Some(params) = said.recv() => {
                let Ok(object) = params.object() else { continue };
                let params = object.edit().set(meta::PROGRESS_TOKEN, token.get()).apply();
                connection.notify(method::PROGRESS, Some(&params)).await;
            }
            answered = &mut asked => return answered,
        }
    }
}

fn only(answers: Answers) -> Result<Raw, Raw> {
    let answer = answers.into_iter().next().map(|(_, answer)| answer);
    answer.unwrap_or_else(|| Err(frame::error(code::INTERNAL_ERROR, "no answer came", None)))
}

/// Says no in the terms of the legacy era, for `client` if it is known who was asked.
///
/// A person who does not answer has dismissed the question; everything else is an error. One that
/// is asked in a mode it lacks says "invalid params" (2025-11-25, elicitation, error handling).
fn refused(kind: Kind, refusal: &Refusal, client: Option<&Capabilities>) -> Result<Raw, Raw> {
    let is_elicitation = matches!(kind, Kind::ElicitForm | Kind::ElicitUrl);
    if is_elicitation && matches!(refusal, Refusal::TimedOut(_) | Refusal::Gone) {
        return Ok(Raw::of(&serde_json::json!({ "action": "cancel" })));
    }
    let knows_the_method = client.is_some_and(|client| match kind {
        Kind::ElicitForm | Kind::ElicitUrl => client.declares(&["elicitation"]),
        Kind::Sampling | Kind::SamplingWithTools => client.declares(&["sampling"]),
        Kind::Roots => client.declares(&["roots"]),
    });
    let code = match refusal {
        Refusal::Unsupported(_) if knows_the_method => code::INVALID_PARAMS,
        Refusal::Unsupported(_) => code::METHOD_NOT_FOUND,
        Refusal::Unfit(_) => code::INVALID_PARAMS,
        _ => code::INTERNAL_ERROR,
    };
    Err(frame::error(code, &refusal.to_string(), None))
}
