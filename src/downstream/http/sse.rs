//! The transport of 2024-11-05: one stream of events to the client for as long as it is there, and
//! messages from it by POST.

use std::collections::HashMap;
use std::future;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use crate::downstream::http::response::Response;
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::Uri;
use hyper::body::Incoming;
use tokio::time;
use tokio_util::task::TaskTracker;

use crate::downstream::connection::Connection;
use crate::downstream::http::Shared;
use crate::downstream::http::access::Visitor;
use crate::downstream::http::body;
use crate::downstream::http::body::Received;
use crate::downstream::http::headers;
use crate::downstream::http::paths;
use crate::downstream::http::sessions;
use crate::downstream::http::status;
use crate::downstream::http::status::Refusal;
use crate::downstream::http::stream;
use crate::downstream::http::stream::Source;
use crate::downstream::outbox::Outbox;
use crate::downstream::outbox::Outgoing;
use crate::downstream::room::Room;
use crate::router::Router;
use crate::wire::line::Line;
use crate::wire::sse::Event;

/// The parameter that says which stream a message belongs to.
const PARAMETER: &str = "sessionId";
/// How long a message may wait for a client that does not read what it is told.
const PATIENCE: Duration = Duration::from_secs(10);

/// The streams that are open, by the ids in their addresses.
#[derive(Debug, Default)]
pub(super) struct Channels {
    open: Mutex<HashMap<String, Arc<Connection>>>,
}

/// The stream of one client.
struct Channel {
    /// Where to post messages; said first.
    address: Option<String>,
    outgoing: Outgoing,
    _presence: Presence,
}

/// Ends what a client has begun once its stream is gone.
struct Presence {
    front: Arc<Shared>,
    id: String,
}

/// Opens the stream of a new client.
pub(super) fn open(
    front: &Arc<Shared>,
    router: Arc<Router>,
    visitor: &Visitor,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    headers::takes_events(headers)?;
    let Some(id) = sessions::random_id() else {
        let problem = "the system has no random numbers for an address";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, problem));
    };
    let (outbox, outgoing) = Outbox::channel();
    // This transport says nothing of scopes, so those of whoever opens the stream count.
    let outbox = outbox.granting(visitor.grant.clone());
    let service = front.service_for(visitor, router);
    let connection = Connection::new(service, outbox, TaskTracker::new());
    {
        let mut open = front.channels.lock();
        if open.len() >= front.session_limit {
            let problem = format!("{} streams are open; try again later", front.session_limit);
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, &problem));
        }
        open.insert(id.clone(), Arc::new(connection));
    }
    let address = Some(format!("{}?{PARAMETER}={id}", paths::MESSAGES));
    let presence = Presence { front: Arc::clone(front), id };
    let stream = stream::events(Channel { address, outgoing, _presence: presence });
    Ok(stream.until(visitor.clone().ended(front.access.clone())))
}

/// Takes one message; whatever it causes to be said is said on the stream.
pub(super) async fn post(
    front: &Shared,
    visitor: &Visitor,
    uri: &Uri,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<Response, Refusal> {
    headers::is_plain_json(headers)?;
    let parameters = uri.query().into_iter().flat_map(|query| query.split('&'));
    let mut pairs = parameters.filter_map(|pair| pair.split_once('='));
    let id = pairs.find(|(key, _)| *key == PARAMETER).map(|(_, id)| id);
    let Some(id) = id else {
        let problem = format!("`{PARAMETER}` is missing; post to the address that `/sse` gives");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, &problem));
    };
    let connection = front.channels.lock().get(id).cloned();
    let is_own = |it: &Arc<Connection>| it.shared.service.principal == visitor.principal;
    let connection = connection.filter(is_own);
    let Some(connection) = connection else {
        let problem = "there is no such stream, or no longer; open one with GET `/sse`";
        return Err(Refusal::new(StatusCode::NOT_FOUND, problem));
    };
    let service = &front.service;
    let Received { bytes, room, spare: _spare } =
        body::read(body, service.limits.message, front.request_time, &service.room).await?;
    let taking = connection.receive(match room {
        Room::Within => Line::Whole(bytes),
        Room::Beyond => Line::Beyond(bytes),
    });
    if time::timeout(PATIENCE, taking).await.is_err() {
        let problem = "what this client was told before is still unread";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, problem));
    }
    Ok(status::bare(StatusCode::ACCEPTED))
}

impl Channels {
    /// Takes out all.
    pub(super) fn remove_all(&self) -> Vec<Arc<Connection>> {
        self.lock().drain().map(|(_, connection)| connection).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let connection = self.front.channels.lock().remove(&self.id);
        if let Some(connection) = connection {
            // Nobody reads any more, so nothing is worth waiting for.
            self.front.leave(connection, future::ready(()));
        }
    }
}

impl Source for Channel {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(address) = self.address.take() {
            let kind = Some("endpoint".to_owned());
            return Some(Event { kind, data: address.into(), ..Event::default() }.write());
        }
        let data = self.outgoing.next().await?.frame.into_bytes();
        let kind = Some("message".to_owned());
        Some(Event { kind, data, ..Event::default() }.write())
    }
}
