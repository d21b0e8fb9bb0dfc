//! Requests of 2026-07-28: one POST each, which says all there is to know.

use std::borrow::Cow;
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::StatusCode;

use crate::downstream::call::Reply;
use crate::downstream::codes;
use crate::downstream::connection::Connection;
use crate::downstream::http::Shared;
use crate::downstream::http::access::Visitor;
use crate::downstream::http::headers;
use crate::downstream::http::response::Response;
use crate::downstream::http::status::Refusal;
use crate::downstream::http::stream;
use crate::downstream::http::stream::HangUp;
use crate::downstream::outbox::Outbox;
use crate::router::Router;
use crate::wire::Raw;
use crate::wire::era::Era;
use crate::wire::era::Revision;
use crate::wire::frame::Request;
use crate::wire::meta::RequestMeta;
use crate::wire::method;
use crate::wire::quote;

/// Returns whether a request is a modern one, by its own words or by its headers.
pub(super) fn is_modern(headers: &HeaderMap, request: &Request, meta: &RequestMeta) -> bool {
    match &*request.method {
        // It opens a session, unless it says that it is of an era that has none.
        method::INITIALIZE => {
            let named = meta.protocol_version.as_ref().and_then(Raw::string);
            let revision = named.and_then(|named| Revision::parse(&named));
            revision.is_some_and(|revision| revision.era() == Era::Modern)
        }
        method::DISCOVER => true,
        _ => meta.protocol_version.is_some() || headers::claim_modern(headers),
    }
}

/// Carries out one request. Dropping this, or the response, cancels it.
pub(super) async fn request(
    front: &Shared,
    router: Arc<Router>,
    visitor: &Visitor,
    headers: &HeaderMap,
    request: Request,
    meta: &RequestMeta,
) -> Result<Response, Refusal> {
    let router = router.for_client(meta.client_info.as_ref()).unwrap_or(router);
    let named = request.params.as_ref().filter(|_| request.method == method::TOOLS_CALL);
    let named = named.and_then(|params| params.member("name"));
    let named = named.as_ref().and_then(|named| quote::unquoted(named.get()));
    let client = meta.client_info.as_ref().and_then(|info| info.member("name")?.string());
    let mirrors = |name: Cow<'_, str>| router.mirrors(&name, &visitor.principal, client.as_deref());
    let mirrors = named.map(mirrors).unwrap_or_default();
    if let Err(problem) = headers::check(headers, &request, meta, &mirrors) {
        let error = codes::header_mismatch(&problem);
        return Err(Refusal::of(StatusCode::BAD_REQUEST, Some(&request.id), error));
    }
    let (outbox, outgoing) = Outbox::channel();
    let outbox = outbox.granting(visitor.grant.clone());
    let reply = Reply::to(&outbox);
    let connection = front.passing(visitor, router, outbox);
    let hang_up = HangUp::new(&connection.shared.flights, &request.id);
    if let Some(answer) = connection.modern(&request, meta, reply) {
        connection.say(answer).await;
    }
    // The request itself holds on to what it still needs; its stream ends with it.
    drop(connection);
    let response = stream::respond(outgoing, hang_up).await;
    // What is told without being asked for goes to nobody who is no longer let in.
    if request.method == method::LISTEN {
        return Ok(response.until(visitor.clone().ended(front.access.clone())));
    }
    Ok(visitor.challenged(response))
}

impl Shared {
    /// Makes a client that is there for one request.
    fn passing(&self, visitor: &Visitor, router: Arc<Router>, outbox: Outbox) -> Connection {
        self.announce_passers();
        let service = self.service_for(visitor, router);
        let stopping = self.stopping.child_token();
        Connection::passing(service, outbox, self.tasks.clone(), stopping, self.passing.clone())
    }
}
