//! The edge towards upstreams of 2026-07-28.
//!
//! Each request says for itself what its client can do. A result that needs input first is turned
//! into questions to the caller, and the request is repeated with the answers.

use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use smallvec::SmallVec;
use tokio::time;

use crate::exchange::Exchange;
use crate::exchange::ask::Answers;
use crate::exchange::ask::InputRequest;
use crate::upstream::client_info;
use crate::upstream::connection::Connection;
use crate::upstream::converse::Sending;
use crate::upstream::converse::Whom;
use crate::upstream::converse::converse;
use crate::upstream::error::Executed;
use crate::upstream::error::Fault;
use crate::upstream::error::Kind;
use crate::upstream::task::offer;
use crate::wire::Raw;
use crate::wire::era::Era;
use crate::wire::era::Revision;
use crate::wire::meta;
use crate::wire::method;
use crate::wire::object;

/// How often one request may ask for input before it is taken for a loop.
const ROUNDS: u32 = 32;
/// How long to wait before asking again when an upstream says "later" without a question.
const LATER: Duration = Duration::from_millis(100);
/// The longest such wait.
const LATER_LIMIT: Duration = Duration::from_secs(5);

/// The revision that every request names.
static VERSION: LazyLock<Raw> = LazyLock::new(|| Raw::of(Revision::LATEST.as_str()));
/// Who sends every request.
static INFO: LazyLock<Raw> = LazyLock::new(|| Raw::of(&client_info::own()));

/// The members that only a repeated request has.
const PER_RETRY: [&str; 2] = ["inputResponses", "requestState"];

/// Carries out one request of a caller, input included.
pub(super) async fn request(
    connection: &Connection,
    method: &str,
    params: Option<&Raw>,
    exchange: &Exchange,
) -> Result<Raw, Fault> {
    let sending = Sending { method, whom: Whom::Caller(exchange) };
    let mut answered: Option<Answered> = None;
    for round in 0..ROUNDS {
        let result = converse(connection, sending, |number| {
            let params = match &answered {
                None => params.map(|params| first(method, params, exchange)),
                Some(answered) => params.map(|params| answered.put_into(params)),
            };
            with_meta(params.as_ref(), Some((exchange, number)))
        })
        .await?;
        if offer::has_passed(method, exchange, &result) {
            return Ok(result);
        }
        let Some(wanted) = wanted(connection, exchange, &result)? else { return Ok(result) };
        let answers = if wanted.requests.is_empty() {
            let wait = LATER.saturating_mul(1 << round.min(10)).min(LATER_LIMIT);
            tokio::select! {
                () = time::sleep(wait) => Vec::new(),
                () = exchange.deadline().passed() => Vec::new(),
                () = exchange.cancelled().cancelled() => return Err(Fault::Cancelled),
            }
        } else {
            ask(connection, exchange, wanted.requests).await?
        };
        answered = Some(Answered { answers, state: wanted.state });
    }
    let detail = format!("it asked for input {ROUNDS} times in a row");
    Err(bad_answer(connection, &detail))
}

/// Returns the parameters without what only a retry has: it would be somebody else's.
///
/// A modern client that comes back is met at its own edge, so this is a legacy client's.
fn first(method: &str, params: &Raw, exchange: &Exchange) -> Raw {
    let is_legacy = exchange.capabilities().revision().era() == Era::Legacy;
    // Answers to a task's questions come in no retry.
    if !is_legacy || method == method::TASKS_UPDATE {
        return params.clone();
    }
    let Ok(object) = params.object() else { return params.clone() };
    if PER_RETRY.iter().all(|key| object.get(key).is_none()) {
        return params.clone();
    }
    let [answers, state] = PER_RETRY;
    object.edit().remove(answers).remove(state).apply()
}

/// Puts into a request what every modern request carries.
pub(super) fn with_meta(params: Option<&Raw>, on_behalf: Option<(&Exchange, u64)>) -> Option<Raw> {
    let Some((exchange, number)) = on_behalf else {
        return with_capabilities(params, &object::build([]));
    };
    carrying(params, offer::offer(exchange), Some((exchange, number)))
}

/// Puts into a request of Conflux's own what every modern request carries.
pub(super) fn with_capabilities(params: Option<&Raw>, capabilities: &Raw) -> Option<Raw> {
    carrying(params, capabilities, None)
}

fn carrying(
    params: Option<&Raw>,
    capabilities: &Raw,
    on_behalf: Option<(&Exchange, u64)>,
) -> Option<Raw> {
    let level = on_behalf.and_then(|(exchange, _)| exchange.wishes().log_level.as_ref());
    let token = on_behalf.filter(|(exchange, _)| exchange.wants_progress());
    let token = token.map(|(_, number)| number.to_string());
    let own = [
        (meta::PROTOCOL_VERSION, VERSION.get()),
        (meta::CLIENT_INFO, INFO.get()),
        (meta::CLIENT_CAPABILITIES, capabilities.get()),
    ];
    let mut set: SmallVec<[_; 5]> = own.into_iter().collect();
    set.extend(level.map(|level| (meta::LOG_LEVEL, level.get())));
    set.extend(token.as_deref().map(|token| (meta::PROGRESS_TOKEN, token)));
    // A level in a legacy client's `_meta` is none of this protocol.
    let remove = if level.is_none() { &[meta::LOG_LEVEL][..] } else { &[] };
    meta::edit(params, &set, remove)
}

/// What a result that is not complete wants.
struct Wanted {
    requests: Vec<(String, InputRequest)>,
    state: Option<Raw>,
}

/// Reads whether a result is complete; nothing if it is.
fn wanted(
    connection: &Connection,
    exchange: &Exchange,
    result: &Raw,
) -> Result<Option<Wanted>, Fault> {
    let kind = result.member("resultType");
    match kind.as_ref().map(Raw::get) {
        None | Some("\"complete\"") => Ok(None),
        Some("\"input_required\"") => Ok(Some(Wanted {
            requests: questions(connection, result)?,
            state: result.member("requestState"),
        })),
        // A kind of an extension that only the client and the upstream know.
        Some(_) if exchange.capabilities().allows_other_results() => Ok(None),
        Some(other) => {
            Err(bad_answer(connection, &format!("`resultType` is {other}, which nobody asked for")))
        }
    }
}

/// Reads the questions of a result, or of a task, that needs input.
pub(super) fn questions(
    connection: &Connection,
    result: &Raw,
) -> Result<Vec<(String, InputRequest)>, Fault> {
    #[derive(Deserialize)]
    struct Question<'a> {
        method: String,
        #[serde(borrow)]
        params: Option<&'a RawValue>,
    }
    let Some(all) = result.member("inputRequests") else { return Ok(Vec::new()) };
    let Ok(object) = all.object() else {
        return Err(bad_answer(connection, "`inputRequests` is not an object"));
    };
    let read = |(key, text): (&str, &str)| {
        let question: Question<'_> = serde_json::from_str(text).ok()?;
        let params = question.params.map(|params| all.part(params.get()));
        Some((key.to_owned(), InputRequest::parse(&question.method, params)?))
    };
    let questions: Option<Vec<_>> = object.iter().map(read).collect();
    questions.ok_or_else(|| bad_answer(connection, "an input request is none a client can answer"))
}

/// Asks the caller, and returns its answers by their keys.
pub(super) async fn ask(
    connection: &Connection,
    exchange: &Exchange,
    requests: Vec<(String, InputRequest)>,
) -> Result<Vec<(String, Raw)>, Fault> {
    let asked = exchange.ask(connection.upstream(), requests);
    let answers: Answers = tokio::select! {
        answers = asked => answers.map_err(|refusal| refused(connection, &refusal.to_string()))?,
        () = exchange.cancelled().cancelled() => return Err(Fault::Cancelled),
    };
    let given = answers.into_iter().map(|(key, answer)| match answer {
        Ok(answer) => Ok((key, answer)),
        Err(error) => {
            let message = error.member("message").and_then(|message| message.string());
            let reason = message.unwrap_or_else(|| "an error".to_owned());
            Err(refused(connection, &format!("the client answered `{key}` with: {reason}")))
        }
    });
    given.collect()
}

/// The answers of the last round, and what the upstream wants to see again.
struct Answered {
    answers: Vec<(String, Raw)>,
    state: Option<Raw>,
}

impl Answered {
    fn put_into(&self, params: &Raw) -> Raw {
        let Ok(object) = params.object() else { return params.clone() };
        let answers = self.answers.iter().map(|(key, answer)| (key.as_str(), answer.get()));
        let all = object::build(answers);
        let mut edit = object.edit().remove("inputResponses").remove("requestState");
        if !self.answers.is_empty() {
            edit = edit.set("inputResponses", all.get());
        }
        if let Some(state) = &self.state {
            edit = edit.set("requestState", state.get());
        }
        edit.apply()
    }
}

fn bad_answer(connection: &Connection, detail: &str) -> Fault {
    connection.error(Kind::BadAnswer, detail, Executed::Unknown).into()
}

fn refused(connection: &Connection, detail: &str) -> Fault {
    // An upstream that asks first has not carried the request out.
    connection.error(Kind::InputRefused, detail, Executed::No).into()
}
