//! What a request causes to be said, as the body of its response: one message if the answer comes
//! first, otherwise a stream of events that the answer ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use hyper::StatusCode;
use tokio::select;
use tokio::time;

use crate::downstream::flights::Flights;
use crate::downstream::http::response::Body;
use crate::downstream::http::response::Response;
use crate::downstream::http::status;
use crate::downstream::outbox::Item;
use crate::downstream::outbox::Kind;
use crate::downstream::outbox::Outgoing;
use crate::downstream::outbox::Verdict;
use crate::wire::Id;
use crate::wire::Written;
use crate::wire::sse;
use crate::wire::sse::Event;

/// How long the answer may take before the response begins without it.
///
/// Most answers come sooner and need no stream; whoever waits longer sees that somebody is there.
pub(super) const FIRST_LIMIT: Duration = Duration::from_secs(2);
/// How long a stream may be silent before a comment is sent.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// What a response begins with.
pub(super) enum First {
    /// The answer is there already.
    Answer(Verdict, Written),
    /// Something else is there, or nothing yet.
    Other(Option<Item>),
    /// There will be no answer.
    Nothing,
}

/// Cancels a request when its response is dropped before the answer went out.
#[derive(Debug)]
pub(super) struct HangUp {
    flights: Arc<Flights>,
    id: Id,
}

/// What an event stream is written from.
pub(super) trait Source: Send + 'static {
    /// Waits for the next event, as it is written; nothing at the end. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// The stream of one modern request.
struct Live {
    first: Option<Item>,
    outgoing: Outgoing,
    is_over: bool,
    _hang_up: HangUp,
}

impl HangUp {
    /// Watches over the request `id`.
    pub(super) fn new(flights: &Arc<Flights>, id: &Id) -> Self {
        Self { flights: Arc::clone(flights), id: id.clone() }
    }
}

impl Drop for HangUp {
    fn drop(&mut self) {
        // A request that was answered is not there any more.
        self.flights.cancel(&self.id);
    }
}

/// Waits for what a response begins with, for a moment.
pub(super) async fn first(outgoing: &mut Outgoing) -> First {
    match time::timeout(FIRST_LIMIT, outgoing.next()).await {
        Ok(Some(Item { frame, kind: Kind::Answer(verdict) })) => First::Answer(verdict, frame),
        Ok(Some(item)) => First::Other(Some(item)),
        Ok(None) => First::Nothing,
        Err(_) => First::Other(None),
    }
}

/// Turns what a modern request causes to be said into its response. Dropping it cancels the
/// request.
pub(super) async fn respond(mut outgoing: Outgoing, hang_up: HangUp) -> Response {
    match first(&mut outgoing).await {
        First::Answer(verdict, frame) => status::answer(status::modern(verdict), verdict, frame),
        First::Other(first) => events(Live { first, outgoing, is_over: false, _hang_up: hang_up }),
        First::Nothing => silence(),
    }
}

/// A stream in which nothing is said: what was asked for was cancelled.
pub(super) fn silence() -> Response {
    Response::new(StatusCode::OK, Body::Events(stream::empty().boxed()))
}

/// A stream of events; silence in it is filled with comments.
pub(super) fn events(source: impl Source) -> Response {
    let events = stream::unfold(source, |mut source| async move {
        let next = select! {
            biased;
            next = source.next() => next?,
            () = time::sleep(KEEP_ALIVE_INTERVAL) => Bytes::from_static(sse::KEEP_ALIVE),
        };
        Some((next, source))
    });
    Response::new(StatusCode::OK, Body::Events(events.boxed()))
}

impl Source for Live {
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let item = match self.first.take() {
            Some(item) => item,
            None => self.outgoing.next().await?,
        };
        self.is_over = matches!(item.kind, Kind::Answer(_));
        Some(Event { data: item.frame.into_bytes(), ..Event::default() }.write())
    }
}
