//! Which HTTP status an answer has, and the answers that HTTP itself calls for.

use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderValue;

use crate::downstream::codes;
use crate::downstream::http::response::Body;
use crate::downstream::http::response::Response;
use crate::downstream::outbox::Verdict;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::Written;
use crate::wire::code;
use crate::wire::frame;

/// After how many seconds somebody who hit a limit may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Returns the status of an answer to a modern request (2026-07-28, Streamable HTTP, "Protocol
/// Version Header" and "Server Validation").
pub(super) fn modern(verdict: Verdict) -> StatusCode {
    match verdict {
        Verdict::Failed(code::METHOD_NOT_FOUND) | Verdict::Refused(code::METHOD_NOT_FOUND) => {
            StatusCode::NOT_FOUND
        }
        Verdict::Failed(code::INSUFFICIENT_SCOPE) => StatusCode::FORBIDDEN,
        // What never got under way through no fault of its own met a limit.
        Verdict::Refused(code::INTERNAL_ERROR) | Verdict::Limited(_) => {
            StatusCode::TOO_MANY_REQUESTS
        }
        Verdict::Refused(_)
        | Verdict::Failed(
            code::HEADER_MISMATCH | code::MISSING_CLIENT_CAPABILITY | code::UNSUPPORTED_VERSION,
        ) => StatusCode::BAD_REQUEST,
        Verdict::Done | Verdict::Failed(_) => StatusCode::OK,
    }
}

/// Returns the status of an answer within a session, where the message alone says what happened;
/// except that what is no message at all is a bad request.
pub(super) fn legacy(verdict: Verdict) -> StatusCode {
    match verdict {
        Verdict::Refused(code::PARSE_ERROR) => StatusCode::BAD_REQUEST,
        Verdict::Failed(code::INSUFFICIENT_SCOPE) => StatusCode::FORBIDDEN,
        Verdict::Done | Verdict::Failed(_) | Verdict::Refused(_) | Verdict::Limited(_) => {
            StatusCode::OK
        }
    }
}

/// Why a request gets no further: a status, and the same as an error in the body.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    /// The request it answers, if it is known.
    id: Option<Id>,
    error: Raw,
    /// The methods that there are.
    allow: Option<&'static str>,
    /// Who comes is not known, or may not come.
    challenge: Option<Box<Challenge>>,
}

/// What is said to somebody who is not known, or may not come.
#[derive(Debug)]
pub(super) struct Challenge {
    /// How one comes to be known (`WWW-Authenticate`).
    pub(super) header: String,
    /// What the log says, which may be more than whoever is refused is told.
    pub(super) reason: String,
}

impl Refusal {
    /// Refuses with a sentence what cannot be told to any request.
    pub(super) fn new(status: StatusCode, problem: &str) -> Self {
        Self::of(status, None, codes::invalid(problem))
    }

    /// Refuses the message with this id, if it has one.
    pub(super) fn of(status: StatusCode, id: Option<&Id>, error: Raw) -> Self {
        Self { status, id: id.cloned(), error, allow: None, challenge: None }
    }

    /// Says how one comes to be known.
    pub(super) fn challenging(self, challenge: Challenge) -> Self {
        Self { challenge: Some(Box::new(challenge)), ..self }
    }

    /// Refuses a method that a path does not have.
    pub(super) fn not_allowed(allowed: &'static str, problem: &str) -> Self {
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, problem);
        Self { allow: Some(allowed), ..refusal }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        let frame = frame::response(refusal.id.as_ref(), Err(&refusal.error));
        let said = || refusal.error.member("message").and_then(|message| message.string());
        let (header, reason) = match refusal.challenge.map(|challenge| *challenge) {
            Some(Challenge { header, reason }) => (HeaderValue::try_from(header).ok(), reason),
            None => (None, said().unwrap_or_default()),
        };
        let mut response = message(refusal.status, frame).refusing(reason);
        if let Some(challenge) = header {
            response = response.with(header::WWW_AUTHENTICATE, challenge);
        }
        match refusal.allow {
            Some(allow) => response.with(header::ALLOW, HeaderValue::from_static(allow)),
            None => response,
        }
    }
}

/// Answers a request with one message, which says how it ended.
pub(super) fn answer(status: StatusCode, verdict: Verdict, frame: Written) -> Response {
    let response = message(status, frame);
    match verdict {
        Verdict::Limited(seconds) if status == StatusCode::TOO_MANY_REQUESTS => {
            response.with(header::RETRY_AFTER, seconds.into())
        }
        _ => response,
    }
}

/// Answers with one message.
pub(super) fn message(status: StatusCode, frame: Written) -> Response {
    let response = Response::new(status, Body::Message(frame.into()));
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            response.with(header::RETRY_AFTER, RETRY_AFTER)
        }
        _ => response,
    }
}

/// Answers with a status alone.
pub(super) fn bare(status: StatusCode) -> Response {
    Response::new(status, Body::Nothing)
}
