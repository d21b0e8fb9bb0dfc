//! HTTP+SSE, as it was until 2024-11-05: one stream brings everything, and its first event names
//! the address that messages are posted to.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::header::HeaderMap;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::time;
use url::Url;

use crate::upstream::connection::Connection;
use crate::upstream::error::Error;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::incoming::Incoming;
use crate::upstream::reader::Reader;
use crate::upstream::transport::events::Events;
use crate::upstream::transport::events::Next;
use crate::upstream::transport::headers;
use crate::upstream::transport::site;
use crate::upstream::transport::site::Site;
use crate::wire::frame::Message;
use crate::wire::method;

/// How many messages may be on their way at once.
const POSTING: usize = 64;
/// How long a server may take to accept one.
const POST_LIMIT: Duration = Duration::from_secs(30);

/// Carries a connection over HTTP+SSE until it is closed or the stream ends.
pub(in crate::upstream) async fn run(
    site: Site,
    reader: Reader,
    limit: usize,
    queue: mpsc::Receiver<Message>,
) {
    let connection = reader.connection().clone();
    let closed = connection.closed().clone();
    let carried = async {
        let (events, endpoint) = open(&site, &reader, limit).await?;
        let post = Post {
            site: site.clone(),
            connection: connection.clone(),
            endpoint,
            posting: Arc::new(Semaphore::new(POSTING)),
        };
        connection.tasks().spawn(post.run(queue));
        Err::<(), Error>(follow(&site, &reader, events).await)
    };
    tokio::select! {
        ended = carried => if let Err(error) = ended {
            connection.leave(&error);
        },
        () = closed.cancelled() => {}
    }
    connection.close();
}

/// Opens the stream and waits for its first event.
async fn open(site: &Site, reader: &Reader, limit: usize) -> Result<(Events, Url), Error> {
    let response = site.send(site.get(HeaderMap::from_iter([(ACCEPT, headers::EVENTS)]))).await?;
    if !response.status().is_success() {
        return Err(site.refused(response).await.into_error());
    }
    let wrong = |what: &str| {
        let detail = format!("{}: {what}", site.shown());
        site.error(Kind::HandshakeFailed, &detail, Executed::No)
    };
    if !site::is_stream(&response) {
        let kind = site::content_type(&response);
        return Err(wrong(&format!("a GET brings `{kind}`, not a stream of events")));
    }
    let mut events = Events::new(response, limit, reader);
    loop {
        match events.next(reader, None).await {
            Next::Other(kind, data) if kind == "endpoint" => {
                let named = String::from_utf8_lossy(&data);
                let Ok(endpoint) = site.url().join(named.trim()) else {
                    return Err(wrong("its `endpoint` is not an address"));
                };
                if endpoint.origin() != site.url().origin() {
                    let origin = endpoint.origin().ascii_serialization();
                    return Err(wrong(&format!("its `endpoint` is at another origin, {origin}")));
                }
                return Ok((events, endpoint));
            }
            Next::Other(..) => {}
            Next::Taken => return Err(wrong("a message comes before the `endpoint`")),
            Next::End(_) | Next::Endless => {
                return Err(wrong("the stream ends before it names an `endpoint`"));
            }
        }
    }
}

/// Reads the stream to its end; returns what the end means for whoever waits.
async fn follow(site: &Site, reader: &Reader, mut events: Events) -> Error {
    loop {
        match events.next(reader, None).await {
            Next::Taken | Next::Other(..) => {}
            Next::End(error) => return site.cut(error.as_ref()),
            Next::Endless => {
                let detail = format!("{}: an event has no end", site.shown());
                return site.error(Kind::ConnectionLost, &detail, Executed::Unknown);
            }
        }
    }
}

/// Posts what is queued.
#[derive(Clone)]
struct Post {
    site: Site,
    connection: Connection,
    endpoint: Url,
    posting: Arc<Semaphore>,
}

impl Post {
    async fn run(self, mut queue: mpsc::Receiver<Message>) {
        let dispatched = async {
            while let Some(message) = queue.recv().await {
                self.dispatch(message).await;
            }
        };
        self.connection.closed().run_until_cancelled(dispatched).await;
    }

    async fn dispatch(&self, message: Message) {
        // Nothing else may come before the server knows that the session is open.
        if matches!(&message, Message::Notification(it) if it.method == method::INITIALIZED) {
            return self.post(&message).await;
        }
        let Ok(permit) = Arc::clone(&self.posting).acquire_owned().await else { return };
        let (post, closed) = (self.clone(), self.connection.closed().clone());
        self.connection.tasks().spawn(async move {
            tokio::select! {
                () = post.post(&message) => {}
                () = closed.cancelled() => {}
            }
            drop(permit);
        });
    }

    async fn post(&self, message: &Message) {
        let number = match message {
            Message::Request(request) => request.id.as_number(),
            Message::Notification(_) | Message::Response(_) => None,
        };
        let Err(error) = self.try_post(message).await else { return };
        tracing::debug!(upstream = %self.connection.upstream(), %error, "not accepted");
        if error.kind.is_out_of_reach() || error.kind == Kind::ConnectionLost {
            self.connection.leave(&error);
        }
        if let Some(number) = number {
            self.connection.finish(number, Incoming::Failed(error));
        }
    }

    async fn try_post(&self, message: &Message) -> Result<(), Error> {
        let revision = self.connection.revision();
        let mut headers = headers::of_session(headers::Session { id: None, revision });
        if let Message::Request(request) = message {
            headers::name_trace(&mut headers, request);
        }
        let request = site::post(&self.endpoint, headers, message.write().into_bytes());
        let Ok(response) = time::timeout(POST_LIMIT, self.site.send(request)).await else {
            let detail = format!("{}: a message was not accepted in time", self.site.shown());
            return Err(self.site.error(Kind::TimedOut, &detail, Executed::Unknown));
        };
        let response = response?;
        if response.status().is_success() {
            return Ok(());
        }
        let refused = self.site.refused(response).await;
        let is_lost = refused.means_lost_session();
        let error = refused.into_error();
        if is_lost {
            let detail = format!("the server no longer knows the session: {}", error.detail);
            return Err(self.site.error(Kind::ConnectionLost, &detail, Executed::No));
        }
        Err(error)
    }
}
