//! Streamable HTTP, of all revisions: every message is a request of its own.
//!
//! What goes out comes from the connection's queue and is sent side by side; what comes back goes
//! through the reader, which thus knows to which request it belongs. A request of the modern era
//! is cancelled by dropping its answer; a legacy one by a message, as everywhere.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Body;
use reqwest::Response;
use reqwest::StatusCode;
use reqwest::header::ACCEPT;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderValue;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::upstream::connection::Connection;
use crate::upstream::error::Error;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::incoming::Incoming;
use crate::upstream::reader::Reader;
use crate::upstream::transport::events::Events;
use crate::upstream::transport::events::Next;
use crate::upstream::transport::headers;
use crate::upstream::transport::resumes::Resumes;
use crate::upstream::transport::site;
use crate::upstream::transport::site::Refused;
use crate::upstream::transport::site::Site;
use crate::wire::Written;
use crate::wire::budget::SMALL;
use crate::wire::frame;
use crate::wire::frame::Message;
use crate::wire::frame::Request;
use crate::wire::header;
use crate::wire::method;
use crate::wire::pieces::Pieces;

/// How many messages that want no answer may be on their way at once.
const TELLING: usize = 32;
/// How long a server may take to accept one that was said when the connection was closed.
const FAREWELL_LIMIT: Duration = Duration::from_millis(200);
/// How long a server may take to accept one.
const TELL_LIMIT: Duration = Duration::from_secs(10);
/// How long a server may take to end a session.
const DELETE_LIMIT: Duration = Duration::from_secs(2);
/// How long to wait before a broken answer is taken up again, unless the server says so.
const RESUME_WAIT: Duration = Duration::from_secs(1);

/// One connection over Streamable HTTP; cloning shares it.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Http {
    site: Site,
    reader: Reader,
    limit: usize,
    /// The legacy session, if the server has opened one.
    session: Arc<OnceLock<HeaderValue>>,
    telling: Arc<Semaphore>,
    /// Whether the last answer came from the address itself, and not from where it redirects to.
    is_direct: Arc<AtomicBool>,
}

impl Http {
    /// Makes the connection of `reader` one to `site`; one message may have `limit` bytes.
    pub(in crate::upstream) fn new(site: Site, reader: Reader, limit: usize) -> Self {
        let telling = Arc::new(Semaphore::new(TELLING));
        let (session, is_direct) = (Arc::default(), Arc::default());
        Self { site, reader, limit, session, telling, is_direct }
    }

    /// Sends what is queued until the connection is closed.
    pub(in crate::upstream) async fn run(self, mut queue: mpsc::Receiver<Message>) {
        let http = Arc::new(self);
        let dispatched = async {
            while let Some(message) = queue.recv().await {
                http.dispatch(message).await;
            }
        };
        http.connection().closed().run_until_cancelled(dispatched).await;
    }

    /// Tells the server that the session is over; waits for that at most [`DELETE_LIMIT`].
    pub(in crate::upstream) async fn end(self) {
        let is_lost =
            self.connection().why_left().is_some_and(|error| error.kind == Kind::ConnectionLost);
        if self.session.get().is_none() || is_lost {
            return;
        }
        let request = self.site.delete(self.session_headers());
        drop(time::timeout(DELETE_LIMIT, self.site.send(request)).await);
    }

    pub(super) fn connection(&self) -> &Connection {
        self.reader.connection()
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    fn session_headers(&self) -> HeaderMap {
        let (id, revision) = (self.session.get(), self.connection().revision());
        headers::of_session(headers::Session { id, revision })
    }

    async fn dispatch(self: &Arc<Self>, message: Message) {
        let http = Arc::clone(self);
        match message {
            Message::Request(request) => {
                let Some(number) = request.id.as_number() else { return };
                // Whoever wanted it may have left while it waited in the queue.
                let Some(gone) = self.connection().gone(number) else { return };
                let ended = self.connection().closed().clone();
                // In a place of its own: what a task holds is moved a dozen times until it runs.
                self.connection().tasks().spawn(Box::pin(async move {
                    tokio::select! {
                        biased;
                        () = http.exchange(request, number, gone) => {}
                        () = ended.cancelled() => {}
                    }
                }));
            }
            // Nothing else may come before the server knows that the session is open.
            Message::Notification(ref it) if it.method == method::INITIALIZED => {
                self.tell(&message).await;
            }
            // The answer was dropped, and that is how one says it in the modern era.
            Message::Notification(ref it)
                if it.method == method::CANCELLED && self.connection().revision().is_none() => {}
            Message::Notification(_) | Message::Response(_) => {
                let Ok(permit) = Arc::clone(&self.telling).acquire_owned().await else { return };
                let closed = self.connection().closed().clone();
                self.connection().tasks().spawn(async move {
                    // What was said last, such as that an answer is not wanted any more, may be
                    // waited for, but not for long.
                    let ending = async {
                        closed.cancelled().await;
                        time::sleep(FAREWELL_LIMIT).await;
                    };
                    tokio::select! {
                        () = http.tell(&message) => {}
                        () = ending => {}
                    }
                    drop(permit);
                });
            }
        }
    }

    /// Sends a message that wants no answer.
    async fn tell(&self, message: &Message) {
        let body = message.write().into_bytes();
        let posted = site::post(self.site.url(), self.session_headers(), body);
        let sending = self.site.send(posted);
        let upstream = self.connection().upstream();
        match time::timeout(TELL_LIMIT, sending).await {
            Ok(Ok(response)) if response.status().is_success() => {}
            Ok(Ok(response)) => {
                let refused = self.site.refused(response).await;
                if self.is_lost(&refused) {
                    self.lose(refused);
                } else {
                    tracing::debug!(%upstream, error = %refused.into_error(), "not accepted");
                }
            }
            Ok(Err(error)) => tracing::debug!(%upstream, %error, "could not be told"),
            Err(_) => tracing::debug!(%upstream, "did not accept a message in time"),
        }
    }

    async fn exchange(self: Arc<Self>, request: Request, number: u64, gone: CancellationToken) {
        if let Err(error) = self.carry_out(&request, number, &gone).await {
            if error.kind.is_out_of_reach() {
                // Nothing is there any more; whether it comes back is seen by the next start.
                self.connection().leave(&error);
            }
            self.connection().finish(number, Incoming::Failed(error));
        }
    }

    async fn carry_out(
        &self,
        request: &Request,
        number: u64,
        gone: &CancellationToken,
    ) -> Result<(), Error> {
        let (id, revision) = (self.session.get(), self.connection().revision());
        let session = headers::Session { id, revision };
        let headers = headers::of_request(request, session, self.connection().mirrors());
        let is_modern = headers.contains_key(header::METHOD);
        let message = frame::request(&request.id, &request.method, request.params.as_ref());
        let response = tokio::select! {
            response = self.post(message, headers) => response?,
            () = gone.cancelled() => return Ok(()),
        };
        if !response.status().is_success() {
            return Box::pin(self.take_refusal(response, number, gone)).await;
        }
        if request.method == method::INITIALIZE
            && let Some(id) = response.headers().get(header::SESSION_ID)
        {
            let mut id = id.clone();
            id.set_sensitive(true);
            drop(self.session.set(id));
        }
        if site::is_stream(&response) {
            return Box::pin(self.follow(response, number, gone, !is_modern)).await;
        }
        tokio::select! {
            taken = self.take_whole(response, number) => taken,
            () = gone.cancelled() => Ok(()),
        }
    }

    /// Posts a request. A large one is sent from where it was read, unless that has to be done
    /// twice because the server redirects.
    async fn post(&self, message: Written, headers: HeaderMap) -> Result<Response, Error> {
        let is_direct = self.is_direct.load(Ordering::Relaxed);
        let body = if is_direct && message.size() > SMALL {
            Body::wrap(Pieces::from(message))
        } else {
            Body::from(message.into_bytes())
        };
        let response = self.site.send(site::post(self.site.url(), headers, body)).await?;
        let is_direct = response.url() == self.site.url() && !response.status().is_redirection();
        self.is_direct.store(is_direct, Ordering::Relaxed);
        Ok(response)
    }

    /// Takes an answer that is one message.
    async fn take_whole(&self, mut response: Response, number: u64) -> Result<(), Error> {
        let Some(body) = self.whole(&mut response).await? else {
            self.connection().finish(number, Incoming::TooLarge);
            return Ok(());
        };
        if let Ok(Message::Response(answer)) = frame::read(body) {
            self.reader.take_answer(answer, Some(number));
        }
        if !self.connection().is_under_way(number) {
            return Ok(());
        }
        let status = response.status();
        let what = match site::content_type(&response).as_str() {
            "" => "nothing".to_owned(),
            "application/json" => "JSON that is no answer to it".to_owned(),
            other => format!("`{other}`, which is no answer"),
        };
        let detail = format!("{}: {status} with {what}", self.site.shown());
        Err(self.site.error(Kind::BadAnswer, &detail, Executed::Unknown))
    }

    /// Reads a body; nothing if it is over the limit.
    async fn whole(&self, response: &mut Response) -> Result<Option<Bytes>, Error> {
        let known = response.content_length().and_then(|length| usize::try_from(length).ok());
        let mut intake = self.reader.intake();
        match known {
            Some(length) if length > self.limit => return Ok(None),
            Some(length) => intake.expect(length).await,
            None => {}
        }
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if intake.size() + chunk.len() <= self.limit => {
                    intake.cover(intake.size() + chunk.len()).await;
                    intake.push(chunk);
                }
                Ok(Some(_)) => return Ok(None),
                Ok(None) => return Ok(Some(intake.finish(Bytes::new()).bytes)),
                Err(error) => return Err(self.site.cut(Some(&error))),
            }
        }
    }

    /// Takes an answer that is a stream, and takes it up again where it breaks, if it can be.
    async fn follow(
        &self,
        response: Response,
        number: u64,
        gone: &CancellationToken,
        may_resume: bool,
    ) -> Result<(), Error> {
        let mut events = Events::new(response, self.limit, &self.reader);
        let mut resumes = Resumes::default();
        loop {
            let next = tokio::select! {
                next = events.next(&self.reader, Some(number)) => next,
                () = gone.cancelled() => return Ok(()),
            };
            let broken = match next {
                Next::Taken if gone.is_cancelled() => {
                    events.drain().await;
                    return Ok(());
                }
                Next::Taken => {
                    resumes.went_on();
                    continue;
                }
                Next::Other(..) => continue,
                Next::Endless => {
                    self.connection().finish(number, Incoming::TooLarge);
                    return Ok(());
                }
                Next::End(error) => self.site.cut(error.as_ref()),
            };
            if !may_resume || events.last_id().is_none() || !resumes.again() {
                return Err(broken);
            }
            tokio::select! {
                () = time::sleep(events.wait(RESUME_WAIT)) => {}
                () = gone.cancelled() => return Ok(()),
            }
            match self.open(events.last_id()).await {
                Ok(response) => events.resume(response, &self.reader),
                Err(Opening::Failed(error)) => resumes.failed(&error),
                Err(Opening::NotOffered | Opening::Refused(_)) => return Err(broken),
                Err(Opening::Lost(refused)) => {
                    self.lose(refused);
                    return Err(broken);
                }
            }
        }
    }

    /// Asks for a stream outside of requests, or for the rest of one.
    pub(super) async fn open(&self, last_id: Option<&str>) -> Result<Response, Opening> {
        let mut headers = self.session_headers();
        headers.insert(ACCEPT, headers::EVENTS);
        if let Some(id) = last_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert("last-event-id", id);
        }
        let sending = self.site.send(self.site.get(headers));
        let Ok(response) = time::timeout(TELL_LIMIT, sending).await else {
            let detail = format!("{}: no stream came", self.site.shown());
            let error = self.site.error(Kind::TimedOut, &detail, Executed::No);
            return Err(Opening::Failed(error));
        };
        let response = response.map_err(Opening::Failed)?;
        let status = response.status();
        if status.is_success() {
            let is_stream = site::is_stream(&response);
            return if is_stream { Ok(response) } else { Err(Opening::NotOffered) };
        }
        let refused = self.site.refused(response).await;
        if self.is_lost(&refused) {
            return Err(Opening::Lost(refused));
        }
        let error = refused.into_error();
        Err(match status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Opening::NotOffered,
            StatusCode::TOO_MANY_REQUESTS => Opening::Failed(error),
            _ if status.is_client_error() => Opening::Refused(error),
            _ => Opening::Failed(error),
        })
    }

    /// Takes an answer whose status is no success.
    async fn take_refusal(
        &self,
        response: Response,
        number: u64,
        gone: &CancellationToken,
    ) -> Result<(), Error> {
        let refused = tokio::select! {
            refused = self.site.refused(response) => refused,
            () = gone.cancelled() => return Ok(()),
        };
        let answer = match frame::read(refused.body.clone()) {
            Ok(Message::Response(answer)) if answer.outcome.is_err() => Some(answer),
            _ => None,
        };
        // An answer to this very request is one, whatever the status says.
        let is_meant = answer.is_some_and(|it| {
            let is_named = it.id.is_some_and(|id| id.as_number() == Some(number));
            let is_denied =
                matches!(refused.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            !is_denied && (is_named || !self.is_lost(&refused))
        });
        if is_meant {
            self.reader.take(refused.body, Some(number)).await;
            return Ok(());
        }
        if self.is_lost(&refused) {
            let error = self.lose(refused);
            return Err(error);
        }
        Err(refused.into_error())
    }

    /// Whether a refusal says that the session is over.
    fn is_lost(&self, refused: &Refused) -> bool {
        self.session.get().is_some() && refused.means_lost_session()
    }

    /// Leaves a session that the server no longer knows: another one is opened by whoever starts
    /// the upstream again. Returns the error for the request that was refused.
    pub(super) fn lose(&self, refused: Refused) -> Error {
        let cause = refused.into_error();
        let detail = format!("the server no longer knows the session: {}", cause.detail);
        let error = self.site.error(Kind::ConnectionLost, &detail, Executed::No);
        self.connection().leave(&error);
        error
    }
}

/// Why there is no stream.
#[derive(Debug)]
pub(super) enum Opening {
    /// The server has none to offer.
    NotOffered,
    /// The server does not give this one. Where there never was one, it has none.
    Refused(Error),
    /// The session is over.
    Lost(Refused),
    /// Something is wrong, perhaps not for long.
    Failed(Error),
}
