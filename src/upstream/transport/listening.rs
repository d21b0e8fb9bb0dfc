//! The stream a legacy server may send on outside of requests (2025-03-26 to 2025-11-25,
//! "Listening for Messages from the Server").

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time;
use tokio::time::Instant;

use crate::upstream::backoff::Backoff;
use crate::upstream::transport::events::Events;
use crate::upstream::transport::events::Next;
use crate::upstream::transport::http::Http;
use crate::upstream::transport::http::Opening;

/// How long a stream must have lasted for the next one to be opened without a longer pause.
const STEADY: Duration = Duration::from_secs(30);
/// How long a start waits for a server's own stream. Some servers send nothing of it, not even that
/// there is one, before they have something to say.
const LISTEN_LIMIT: Duration = Duration::from_millis(500);

/// Opens the stream on which a legacy server may say what belongs to no request.
///
/// Some ask there in the middle of a call, and what they ask before there is a stream is lost:
/// so this waits until there is one or will be none, at most [`LISTEN_LIMIT`].
pub(in crate::upstream) async fn open(http: &Http) {
    let (tried, answered) = oneshot::channel();
    http.connection().tasks().spawn(run(http.clone(), tried));
    drop(time::timeout(LISTEN_LIMIT, answered).await);
}

/// Keeps the stream open until the connection is closed or the server has none to offer. Lets go of
/// `tried` when the server has answered for the first time.
async fn run(http: Http, tried: oneshot::Sender<()>) {
    let closed = http.connection().closed().clone();
    tokio::select! {
        () = keep_open(&http, tried) => {}
        () = closed.cancelled() => {}
    }
}

async fn keep_open(http: &Http, tried: oneshot::Sender<()>) {
    let mut tried = Some(tried);
    let mut backoff = Backoff::default();
    let mut events: Option<Events> = None;
    loop {
        let last_id = events.as_ref().and_then(Events::last_id).map(str::to_owned);
        let begun = Instant::now();
        let opened = http.open(last_id.as_deref()).await;
        drop(tried.take());
        match opened {
            Ok(response) => {
                let stream = match &mut events {
                    Some(stream) => {
                        stream.resume(response, http.reader());
                        if last_id.is_none() {
                            http.connection().missed().notify_one();
                        }
                        stream
                    }
                    None => events.insert(Events::new(response, http.limit(), http.reader())),
                };
                let before = stream.last_id().map(str::to_owned);
                while !matches!(
                    stream.next(http.reader(), None).await,
                    Next::End(_) | Next::Endless
                ) {}
                // Some servers end each stream soon, and have it taken up again.
                let went_on = stream.last_id().map(str::to_owned) != before;
                if went_on || begun.elapsed() >= STEADY {
                    backoff = Backoff::default();
                }
            }
            // A server that never had a stream may say "not found", whatever the session.
            Err(Opening::NotOffered) => return,
            Err(Opening::Lost(_) | Opening::Refused(_)) if events.is_none() => return,
            Err(Opening::Lost(refused)) => {
                http.lose(refused);
                return;
            }
            // One that once had a stream may still believe in it: some allow one at a time, and
            // take a while to see that the last one broke.
            Err(Opening::Refused(error) | Opening::Failed(error)) => {
                let upstream = http.connection().upstream();
                tracing::debug!(%upstream, %error, "no stream");
            }
        }
        let usual = backoff.next();
        time::sleep(events.as_ref().map_or(usual, |events| events.wait(usual))).await;
    }
}
