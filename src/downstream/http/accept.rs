//! Takes connections: only so many, only for so long without a request, with TLS where wanted.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::HeaderMap;
use hyper::Request;
use hyper::Response;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header;
use hyper::header::HeaderValue;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::select;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::time;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::downstream::http::Shared;
use crate::downstream::http::body;
use crate::downstream::http::listener::Listener;
use crate::downstream::http::listener::Peer;
use crate::downstream::http::listener::Stream;
use crate::downstream::http::probes;
use crate::downstream::http::response;
use crate::downstream::http::response::Body;
use crate::downstream::http::routes;
use crate::downstream::http::stall::Stall;
use crate::downstream::http::status;
use crate::telemetry::metrics::Refusal;

/// How many bytes the head of a request may have.
const HEAD_LIMIT: usize = 64 * 1024;
/// How many requests one HTTP/2 connection may have under way.
const STREAM_LIMIT: u32 = 256;
/// How many connections beyond the limit are told so at a time; more are closed without a word.
const OVERFLOW_LIMIT: usize = 32;
/// How long to wait when no connection can be taken, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection may rest between two requests, at least. Most clients keep one for ninety
/// seconds; one that was closed here first could be so in the moment it is used again, and its
/// request would be lost without anybody knowing whether it was carried out.
const REST_LIMIT: Duration = Duration::from_mins(3);
/// How often HTTP/2 looks whether the client is still there, and how long that may take.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Acceptor {
    /// Who answers requests.
    pub(super) front: Arc<Shared>,
    /// Makes connections secret.
    pub(super) tls: Option<TlsAcceptor>,
    /// How many connections may be open.
    pub(super) limit: usize,
    /// How long the head of a request may take.
    pub(super) request_time: Duration,
    /// Where connections are counted.
    pub(super) connections: TaskTracker,
    /// Ends connections that have nothing to do.
    pub(super) closing: CancellationToken,
}

/// What a connection takes up until it ends.
struct Place {
    /// Whether it is one of those that may be open.
    is_within: bool,
    _permit: OwnedSemaphorePermit,
}

/// Why a connection is served no longer, though it has not ended.
enum End {
    /// No request came in time.
    Silence,
    /// Conflux stops.
    Closing,
}

impl Acceptor {
    /// Takes connections until it is dropped.
    pub(super) async fn run(&self, listener: &Listener) {
        let places = Arc::new(Semaphore::new(self.limit));
        let overflow = Arc::new(Semaphore::new(OVERFLOW_LIMIT));
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection");
                    time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let place = Place::of(&places, true).or_else(|| Place::of(&overflow, false));
            let Some(place) = place else {
                self.front.service.count_refusal(Refusal::TooMany);
                tracing::debug!("a connection was closed: too many are open");
                continue;
            };
            let acceptor = self.clone();
            self.connections.spawn(async move {
                match stream {
                    Stream::Network(stream) => acceptor.greet(stream, peer, place).await,
                    Stream::Local(stream) => acceptor.greet(stream, peer, place).await,
                }
            });
        }
    }

    async fn greet<S>(&self, stream: S, peer: Peer, place: Place)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = Stall::new(stream);
        let Some(tls) = &self.tls else { return self.serve(stream, peer, place).await };
        match time::timeout(self.request_time, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.serve(stream, peer, place).await,
            Ok(Err(error)) => tracing::info!(peer = %peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn serve<S>(&self, stream: S, peer: Peer, place: Place)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let began = Arc::new(AtomicBool::new(false));
        let (front, has_request) = (Arc::clone(&self.front), Arc::clone(&began));
        let is_within = place.is_within;
        // Whoever has no place is answered once, and may come again: over HTTP/2, too, where no
        // answer can say that it is the last one.
        let closing = if is_within { self.closing.clone() } else { self.closing.child_token() };
        let once_answered = closing.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            has_request.store(true, Ordering::Relaxed);
            let (front, peer) = (Arc::clone(&front), peer.clone());
            if !is_within {
                once_answered.cancel();
            }
            // Being full is no reason to be taken for dead.
            let is_answered = is_within || probes::is_one(request.uri().path());
            async move {
                let (head, mut body) = request.into_parts();
                let response = if is_answered {
                    routes::answer(&front, &peer, head, &mut body).await
                } else {
                    front.service.count_refusal(Refusal::TooMany);
                    tracing::info!(%peer, "refused: too many connections are open");
                    full()
                };
                let (limit, patience) = (front.service.limits.message, front.request_time);
                // Who was waited for already is not waited for again.
                let is_late = response.status() == StatusCode::REQUEST_TIMEOUT;
                let is_read = !is_late && body::skip(&mut body, limit, patience).await;
                Ok::<_, Infallible>(if is_within && is_read { response } else { last(response) })
            }
        });
        let builder = self.builder();
        let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
        // Before the first request nobody else looks at the clock.
        let silence = async {
            time::sleep(self.request_time).await;
            if began.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            End::Silence
        };
        let closing = async {
            closing.cancelled().await;
            End::Closing
        };
        // Looked at only if one of them has come, not whenever there is something to do.
        let mut ends = FuturesUnordered::from_iter([silence.left_future(), closing.right_future()]);
        let served = select! {
            biased;
            served = serving.as_mut() => served,
            Some(end) = ends.next() => match end {
                End::Silence => return,
                End::Closing => {
                    serving.as_mut().graceful_shutdown();
                    serving.await
                }
            },
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection ended");
        }
    }

    fn builder(&self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            // The time before the first request is looked at where it is served.
            .header_read_timeout(self.request_time.max(REST_LIMIT))
            .max_buf_size(HEAD_LIMIT);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAM_LIMIT)
            .max_header_list_size(u32::try_from(HEAD_LIMIT).unwrap_or(u32::MAX))
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_INTERVAL);
        builder
    }
}

impl Place {
    fn of(places: &Arc<Semaphore>, is_within: bool) -> Option<Self> {
        let permit = Arc::clone(places).try_acquire_owned().ok()?;
        Some(Self { is_within, _permit: permit })
    }
}

/// The answer to whoever has no place.
fn full() -> Response<Body> {
    let problem = "too many connections are open; try again later";
    let refusal = status::Refusal::new(StatusCode::SERVICE_UNAVAILABLE, problem);
    response::Response::from(refusal).write(HeaderMap::new())
}

/// Ends the connection with an answer.
fn last(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
