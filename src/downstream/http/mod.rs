//! The HTTP front end: many clients, each in its own era, on the paths of one address.
//!
//! What a request causes to be said goes into a queue, as everywhere; here the queue is read into
//! the response of the request, or into a stream of the session it belongs to.

pub mod admin;

mod accept;
mod access;
mod body;
mod context;
mod cors;
mod guard;
mod headers;
mod legacy;
mod listener;
mod modern;
mod paths;
mod probes;
mod replay;
mod response;
mod routes;
mod session;
mod sessions;
mod sse;
mod stall;
mod status;
mod stream;
mod tls;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::select;
use tokio::sync::Semaphore;
use tokio::time;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::downstream::Service;
use crate::downstream::connection::Connection;
use crate::downstream::connection::Passing;
use crate::downstream::http::accept::Acceptor;
use crate::downstream::http::access::Visitor;
use crate::downstream::http::guard::Guard;
use crate::downstream::http::listener::Listener;
use crate::downstream::http::session::Session;
use crate::downstream::http::sessions::Sessions;
use crate::downstream::http::sse::Channels;
use crate::downstream::shutdown::Shutdown;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Reach;
use crate::router::Router;

pub use self::access::Access;
pub use self::tls::Certificate;

/// How long what is under way may go on once Conflux stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// How long it may take to end after that; each session has less.
const CANCEL_LIMIT: Duration = Duration::from_secs(2);
/// How long the last answers may take to be written.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// A front end that has its address and serves nobody yet.
pub struct Front {
    listener: Listener,
    tls: Option<TlsAcceptor>,
    certificate: Option<Certificate>,
    settings: config::Http,
    access: Access,
}

/// Why clients cannot be served over HTTP.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be had.
    #[error("cannot listen")]
    Listen(#[source] io::Error),
    /// Nothing can be encrypted.
    #[error("cannot serve HTTPS")]
    Tls(#[from] rustls::Error),
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    service: Service,
    guard: Guard,
    access: Access,
    request_time: Duration,
    /// What modern requests have in common.
    passing: Passing,
    passers: OnceLock<Arc<Caller>>,
    sessions: Sessions,
    session_limit: usize,
    session_idle: Duration,
    channels: Channels,
    /// The requests of no session.
    tasks: TaskTracker,
    /// Ends everything that would go on for ever.
    stopping: CancellationToken,
}

impl Front {
    /// Takes the place that is configured, for those whom `access` lets in.
    pub async fn bind(settings: &config::Http, access: Access) -> Result<Self, Error> {
        let certificate = settings.tls.as_ref().map(Certificate::new);
        let tls = certificate.as_ref().map(Certificate::acceptor).transpose()?;
        let listener = Listener::bind(&settings.listen).await.map_err(Error::Listen)?;
        Ok(Self { listener, tls, certificate, settings: settings.clone(), access })
    }

    /// Returns at which address of the network it listens, if it does.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.address()
    }

    /// Returns the certificate that is shown, if there is one.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Returns where clients on this machine find everything.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.listener.url(scheme)
    }

    /// Serves everybody who comes until `shutdown` begins, and ends in order within a few
    /// seconds after that.
    pub async fn serve(self, service: Service, shutdown: Shutdown) {
        let Self { listener, tls, certificate: _, settings, access } = self;
        let shared = Arc::new(Shared::new(service, listener.address(), &settings, access));
        let connections = TaskTracker::new();
        shared.show_numbers(&connections);
        let acceptor = Acceptor {
            front: Arc::clone(&shared),
            tls,
            limit: settings.limits.connections,
            request_time: settings.limits.request_time,
            connections,
            closing: CancellationToken::new(),
        };
        shared.expire_sessions();
        let (access, stopping) = (shared.access.clone(), shared.stopping.clone());
        shared.tasks.spawn(async move { access.follow(stopping).await });
        select! {
            () = acceptor.run(&listener) => {}
            () = shutdown.begun() => {}
        }
        drop(listener);
        acceptor.closing.cancel();
        acceptor.connections.close();
        shared.drain(&shutdown).await;
        if time::timeout(FLUSH_LIMIT, acceptor.connections.wait()).await.is_err() {
            tracing::debug!(left = acceptor.connections.len(), "some connections did not end");
        }
    }
}

impl Shared {
    fn new(
        service: Service,
        address: Option<SocketAddr>,
        settings: &config::Http,
        access: Access,
    ) -> Self {
        let limit = settings.limits.requests;
        let passer = service.caller(Capabilities::default(), Reach::InCallsOnly);
        let shares = Arc::new(Semaphore::new(limit));
        Self {
            guard: Guard::new(address.map(|address| address.ip()), settings),
            access,
            request_time: settings.limits.request_time,
            passing: Passing {
                limit,
                shares,
                memory: passer.id(),
                declared: Arc::new(ArcSwap::from(Arc::clone(passer.capabilities()))),
                ending: CancellationToken::new(),
            },
            passers: OnceLock::new(),
            sessions: Sessions::new(settings.limits.sessions),
            session_limit: settings.limits.sessions,
            session_idle: settings.limits.session_idle,
            channels: Channels::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            service,
        }
    }

    /// Returns what is served to somebody who looks at this view.
    fn service_for(&self, visitor: &Visitor, router: Arc<Router>) -> Service {
        let service = self.service.looking_at(router);
        service.on_behalf_of(visitor.principal.clone(), visitor.carrier())
    }

    /// Shows in the metrics how many are there.
    fn show_numbers(self: &Arc<Self>, connections: &TaskTracker) {
        let metrics = &self.service.router.telemetry().metrics;
        let (open, shared) = (connections.clone(), Arc::downgrade(self));
        let help = "Connections of clients over HTTP that are open";
        metrics.gauge("conflux_http_connections", help, move || Some(open.len() as u64));
        let help = "Sessions of clients over HTTP that are open";
        metrics.gauge("conflux_http_sessions", help, move || {
            Some(shared.upgrade()?.sessions.len() as u64)
        });
    }

    /// Counts those who come for one request as one more caller from the first of them on.
    ///
    /// Nobody can tell when the last of them has left, so what an upstream says to nobody in
    /// particular is told to nobody while it could be meant for them.
    fn announce_passers(&self) {
        self.passers.get_or_init(|| {
            let caller = self.service.caller(Capabilities::default(), Reach::InCallsOnly);
            let caller = Arc::new(caller);
            self.service.callers.attach(&caller);
            caller
        });
    }

    /// Ends a session that is out of the table. Whatever it has begun is cancelled.
    fn end(&self, session: Arc<Session>) {
        self.tasks.spawn(async move { session.end(future::ready(())).await });
    }

    /// Ends the conversation with a client of 2024-11-05 that is out of the table: what is under
    /// way may finish until `patience` is over.
    fn leave<P>(&self, connection: Arc<Connection>, patience: P)
    where
        P: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(async move {
            connection.end(patience).await;
            connection.shared.outbox.close();
        });
    }

    /// Ends sessions that nobody uses, as long as Conflux runs.
    fn expire_sessions(self: &Arc<Self>) {
        let (shared, stopping) = (Arc::clone(self), self.stopping.clone());
        let mut looks = time::interval(self.session_idle / 8);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.tasks.spawn(stopping.run_until_cancelled_owned(async move {
            loop {
                looks.tick().await;
                for session in shared.sessions.remove_idle(shared.session_idle) {
                    shared.end(session);
                }
            }
        }));
    }

    /// Lets what is under way finish, and cancels the rest; bounded.
    async fn drain(&self, shutdown: &Shutdown) {
        self.stopping.cancel();
        self.service.parking.evict_all();
        for session in self.sessions.remove_all() {
            let patience = shutdown.clone().patience(DRAIN_LIMIT);
            self.tasks.spawn(async move { session.end(patience).await });
        }
        for connection in self.channels.remove_all() {
            self.leave(connection, shutdown.clone().patience(DRAIN_LIMIT));
        }
        self.tasks.close();
        select! {
            () = self.tasks.wait() => return,
            () = shutdown.clone().patience(DRAIN_LIMIT) => {}
        }
        self.passing.ending.cancel();
        if time::timeout(CANCEL_LIMIT, self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "some calls did not end in time");
        }
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front").field("listener", &self.listener).finish_non_exhaustive()
    }
}
