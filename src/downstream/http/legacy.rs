//! Messages of 2025-03-26 to 2025-11-25: each belongs to a session.

use std::sync::Arc;

use crate::downstream::http::response::Response;
use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header::HeaderValue;

use crate::downstream::call::Reply;
use crate::downstream::codes;
use crate::downstream::http::Shared;
use crate::downstream::http::access::Visitor;
use crate::downstream::http::headers;
use crate::downstream::http::replay::Position;
use crate::downstream::http::session::Session;
use crate::downstream::http::sessions;
use crate::downstream::http::status;
use crate::downstream::http::status::Refusal;
use crate::downstream::http::stream;
use crate::downstream::outbox::Item;
use crate::downstream::outbox::Kind;
use crate::downstream::outbox::Outbox;
use crate::downstream::outbox::Verdict;
use crate::downstream::room::Room;
use crate::exchange::caller::Reach;
use crate::router::Router;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::frame::Defect;
use crate::wire::frame::Message;
use crate::wire::frame::Request;
use crate::wire::method;

/// The header with which a client comes back for a stream (HTML, section 9.2).
const LAST_EVENT_ID: &str = "last-event-id";

/// Takes one message.
pub(super) async fn message(
    front: &Shared,
    router: &Arc<Router>,
    visitor: &Visitor,
    headers: &HeaderMap,
    message: Message,
) -> Result<Response, Refusal> {
    let is_named = sessions::is_named(headers);
    let message = match message {
        Message::Request(request) if request.method == method::INITIALIZE && !is_named => {
            return Box::pin(open(front, router, visitor, request)).await;
        }
        Message::Request(request) if !is_named => return Err(homeless(&request)),
        // Clients of 2026-07-28 have notifications too, but none that means anything here.
        Message::Notification(_) if !is_named && headers::claim_modern(headers) => {
            return Ok(status::bare(StatusCode::ACCEPTED));
        }
        message => message,
    };
    let session = front.sessions.find(headers, router, &visitor.principal)?;
    let hold = session.hold();
    let (outbox, outgoing) = Outbox::channel();
    let outbox = outbox.granting(visitor.grant.clone());
    let is_request = matches!(message, Message::Request(_));
    session.connection.message(message, &outbox).await;
    drop(outbox);
    if !is_request {
        return Ok(status::bare(StatusCode::ACCEPTED));
    }
    let response = session.respond(outgoing, hold).await.unwrap_or_else(stream::silence);
    Ok(visitor.challenged(response))
}

/// Many messages at once.
pub(super) struct Batch {
    /// An array of them.
    pub(super) array: Raw,
    /// Whether there was room for it.
    pub(super) room: Room,
}

/// Takes many messages at once, in a session that may send them.
pub(super) async fn batch(
    front: &Shared,
    router: &Arc<Router>,
    visitor: &Visitor,
    headers: &HeaderMap,
    batch: Batch,
) -> Result<Response, Refusal> {
    let Batch { array, room } = batch;
    let refused = |array: Raw| {
        let defect = Defect::Batch(array);
        let (id, error) = codes::defect(&defect);
        Refusal::of(StatusCode::BAD_REQUEST, id, error)
    };
    if !sessions::is_named(headers) {
        return Err(refused(array));
    }
    let session = front.sessions.find(headers, router, &visitor.principal)?;
    if session.connection.session() != Some(Revision::V2025_03_26) {
        return Err(refused(array));
    }
    let hold = session.hold();
    let (outbox, outgoing) = Outbox::channel();
    let outbox = outbox.granting(visitor.grant.clone());
    session.connection.batch(&array, room, &outbox).await;
    drop(outbox);
    let answered = session.respond(outgoing, hold).await;
    Ok(answered.unwrap_or_else(|| status::bare(StatusCode::ACCEPTED)))
}

/// Opens the stream of what belongs to no request, or resumes one.
pub(super) fn listen(
    front: &Shared,
    router: &Arc<Router>,
    visitor: &Visitor,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    headers::takes_events(headers)?;
    let session = front.sessions.find(headers, router, &visitor.principal)?;
    let hold = session.hold();
    let until_ended =
        |response: Response| response.until(visitor.clone().ended(front.access.clone()));
    let Some(from) = headers.get(LAST_EVENT_ID) else {
        return Ok(until_ended(session.stand(hold)));
    };
    let resumed = from.to_str().ok().and_then(Position::parse);
    let resumed = resumed.and_then(|position| session.resume(position, hold));
    resumed.map(until_ended).ok_or_else(|| {
        let problem = format!("`Last-Event-ID` is {from:?}, which no stream here goes on after");
        Refusal::new(StatusCode::BAD_REQUEST, &problem)
    })
}

/// Ends a session.
pub(super) fn end(
    front: &Shared,
    router: &Arc<Router>,
    visitor: &Visitor,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let session = front.sessions.remove(headers, router, &visitor.principal)?;
    front.end(session);
    Ok(status::bare(StatusCode::NO_CONTENT))
}

async fn open(
    front: &Shared,
    router: &Arc<Router>,
    visitor: &Visitor,
    request: Request,
) -> Result<Response, Refusal> {
    let session = Session::new(front.service_for(visitor, Arc::clone(router)));
    let (outbox, mut outgoing) = Outbox::channel();
    if let Some(answer) = session.connection.request(request, Reply::to(&outbox)) {
        session.connection.say(answer).await;
    }
    drop(outbox);
    let Some(Item { frame, kind }) = outgoing.next().await else { return Ok(stream::silence()) };
    if kind != Kind::Answer(Verdict::Done) {
        front.end(session);
        return Ok(status::message(StatusCode::BAD_REQUEST, frame));
    }
    if let Some(caller) = session.connection.caller() {
        // Until it opens the stream on which it can be asked.
        caller.set_reach(Reach::InCallsOnly);
    }
    let added = front.sessions.add(&session);
    let (id, evicted) = added.inspect_err(|_| front.end(Arc::clone(&session)))?;
    if let Some(evicted) = evicted {
        front.end(evicted);
    }
    let id = HeaderValue::from_str(&id).expect("base64 is plain ASCII");
    Ok(status::message(StatusCode::OK, frame).with(headers::SESSION_ID, id))
}

fn homeless(request: &Request) -> Refusal {
    let problem = format!(
        "`{}` needs a session or a revision: send the `Mcp-Session-Id` that came with the answer \
         to `initialize`, or name revision {} in headers and `_meta`",
        request.method,
        Revision::LATEST
    );
    Refusal::of(StatusCode::BAD_REQUEST, Some(&request.id), codes::invalid(&problem))
}
