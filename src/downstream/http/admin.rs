//! A listener of its own for those who watch: metrics, health and status, and nothing that changes
//! anything.
//!
//! Each connection is for one question, so that those who watch never take each other's place.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use hyper::Request;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::admin::Admin as Settings;
use crate::downstream::http::Error;
use crate::downstream::http::guard::Guard;
use crate::downstream::http::headers;
use crate::downstream::http::probes;
use crate::downstream::http::response::Body;
use crate::downstream::http::response::Response;
use crate::downstream::http::status;
use crate::downstream::http::status::Refusal;
use crate::router::Router;
use crate::telemetry::metrics::Format;

/// How many may ask at the same time; who comes then waits for the system to let them in.
const CONNECTIONS: usize = 32;
/// How long a question may take to come.
const ASKING_LIMIT: Duration = Duration::from_secs(5);
/// How long one may take to be asked, answered and read.
const LIMIT: Duration = Duration::from_secs(30);
/// How long to wait when no connection can be taken, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that has its address and answers nobody yet.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    hosts: Vec<String>,
}

/// What all questions need.
#[derive(Debug)]
struct Shared {
    router: Arc<Router>,
    guard: Guard,
}

impl Admin {
    /// Takes the address.
    pub async fn bind(address: SocketAddr, settings: &Settings) -> Result<Self, Error> {
        let listener = TcpListener::bind(address).await.map_err(Error::Listen)?;
        let address = listener.local_addr().map_err(Error::Listen)?;
        Ok(Self { listener, address, hosts: settings.hosts.clone() })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers everybody who asks how `router` is, until everything stops.
    pub async fn serve(self, router: Arc<Router>, stop: CancellationToken) {
        let guard = Guard::without_pages(self.address.ip(), self.hosts);
        let shared = Arc::new(Shared { router, guard });
        let connections = TaskTracker::new();
        let accepting = accept(self.listener, shared, connections.clone(), stop.clone());
        stop.run_until_cancelled(accepting).await;
        connections.close();
        connections.wait().await;
    }
}

/// Takes connections until it is dropped.
async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    connections: TaskTracker,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("it is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let serving = time::timeout(LIMIT, serve(stream, Arc::clone(&shared)));
                let serving = stop.clone().run_until_cancelled_owned(serving);
                connections.spawn(async move {
                    // However it ended, nobody is left to be told.
                    let _is_over = serving.await.is_some();
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers one question.
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&shared, request)) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ASKING_LIMIT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended");
    }
}

fn answer(shared: &Shared, request: Request<Incoming>) -> hyper::Response<Body> {
    let (head, _) = request.into_parts();
    let is_trusted = || shared.guard.admit(&head.uri, &head.headers).is_ok();
    let response = match probes::respond(&shared.router, &head, is_trusted) {
        Some(response) => response,
        None => guarded(shared, &head).unwrap_or_else(Response::from),
    };
    let response = if head.method == Method::HEAD { response.without_body() } else { response };
    response.write(head.headers)
}

fn guarded(shared: &Shared, head: &Parts) -> Result<Response, Refusal> {
    shared.guard.admit(&head.uri, &head.headers)?;
    match head.uri.path() {
        "/metrics" => metrics(shared, head),
        "/status" => Ok(probes::answer(&head.method, StatusCode::OK, &shared.router.status())),
        _ => {
            let problem = "there are `/metrics`, `/status`, `/healthz` and `/readyz` here";
            Err(Refusal::new(StatusCode::NOT_FOUND, problem))
        }
    }
}

fn metrics(shared: &Shared, head: &Parts) -> Result<Response, Refusal> {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Err(Refusal::not_allowed("GET, HEAD", "metrics are only read"));
    }
    let format = Format::accepted(headers::text(&head.headers, header::ACCEPT));
    let text = shared.router.telemetry().metrics.text(format);
    let kind = HeaderValue::from_static(format.media_type());
    Ok(status::message(StatusCode::OK, text.into_bytes().into()).with(header::CONTENT_TYPE, kind))
}
