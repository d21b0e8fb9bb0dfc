//! Speaks to clients: reads what they send, has the router carry it out, answers in their era.
//!
//! A client of a legacy revision has a session and can be asked at any time; a modern one sends
//! requests that stand for themselves, and is asked by answering `input_required`. Both edges turn
//! a request into an exchange and empty its way back. Only this room picks JSON-RPC codes.

/// Many clients over HTTP.
pub mod http;
/// One question for people on this machine, over a local socket: how is it?
pub mod local;
/// The process's own stdin and stdout, as the runtime likes them.
pub mod pipes;
/// How a front end is told to end.
pub mod shutdown;
/// One client on a pair of streams, a message a line.
pub mod stdio;

mod asks;
mod batch;
mod call;
mod codes;
mod connection;
mod content;
mod filter;
mod fit;
mod flights;
mod greeting;
mod legacy;
mod level;
mod lines;
mod listen;
mod lists;
mod modern;
mod notices;
mod outbox;
mod park;
mod question;
mod records;
mod room;
mod rounds;
mod seal;
mod tasks;
mod watches;

#[cfg(any(test, fuzzing))]
pub mod probe;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::downstream::level::Levels;
use crate::downstream::park::Parking;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Callers;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Carrier;
use crate::exchange::caller::Reach;
use crate::exchange::principal::Principal;
use crate::ids::CallerId;
use crate::router::Router;
use crate::telemetry::Trace;
use crate::telemetry::metrics::Refusal;
use crate::wire::budget::Budget;
use crate::wire::frame::Request;

/// How many exchanges of one principal may be parked.
const PARKED_LIMIT: usize = 64;

/// What every front end serves; cheap to clone.
#[derive(Clone)]
pub struct Service {
    router: Arc<Router>,
    callers: Callers,
    principal: Principal,
    carrier: Carrier,
    limits: Limits,
    opened: Arc<Opened>,
    parking: Arc<Parking>,
    levels: Arc<Levels>,
    /// Where large messages take their room from.
    room: Budget,
    next_caller: Arc<AtomicU64>,
}

/// Is told of each new client.
type Opened = dyn Fn(&Arc<Caller>) + Send + Sync;

/// What one client may take up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest message, in bytes.
    pub message: usize,
    /// How many requests may be in flight, parked ones and subscriptions included.
    pub in_flight: usize,
}

/// Why a front end cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system has no random numbers to give.
    #[error("cannot make a key")]
    Randomness(#[source] getrandom::Error),
    /// The client's messages cannot be read.
    #[error("cannot read from the client")]
    Read(#[source] io::Error),
}

impl Service {
    /// Makes a service for clients that call on behalf of `principal`, and counts them among
    /// `callers`.
    ///
    /// `opened` is called once per client, when its capabilities are known and the answer to its
    /// first request is queued, or that request is on its way. It must not block.
    pub fn try_new(
        router: Arc<Router>,
        callers: Callers,
        principal: Principal,
        limits: Limits,
        opened: impl Fn(&Arc<Caller>) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let parking = Arc::new(Parking::try_new(PARKED_LIMIT).map_err(Error::Randomness)?);
        let levels = Arc::<Levels>::default();
        let (counted, seen) = (Arc::downgrade(&levels), Arc::downgrade(&router));
        router.when_reloaded(move || {
            if let (Some(levels), Some(router)) = (counted.upgrade(), seen.upgrade()) {
                levels.repeat(&router);
            }
        });
        let parked = Arc::downgrade(&parking);
        let help = "Requests that wait for their client to come back with answers";
        router
            .telemetry()
            .metrics
            .gauge("conflux_parked_requests", help, move || Some(parked.upgrade()?.len() as u64));
        Ok(Self {
            router,
            callers,
            principal,
            carrier: Carrier::default(),
            limits,
            opened: Arc::new(opened),
            parking,
            levels,
            room: Budget::new(room::SIZE),
            next_caller: Arc::default(),
        })
    }

    /// Begins to note what happens to a request.
    fn begin(&self, request: &Request) -> Trace {
        self.router.telemetry().tracer.begin(request.params.as_ref(), &request.id)
    }

    /// Counts that something was turned away.
    fn count_refusal(&self, why: Refusal) {
        self.router.telemetry().metrics.refused(why);
    }

    /// Returns the same service with another view of what there is.
    fn looking_at(&self, router: Arc<Router>) -> Self {
        Self { router, ..self.clone() }
    }

    /// Returns the same service for clients that call on behalf of somebody else, over something
    /// else.
    fn on_behalf_of(&self, principal: Principal, carrier: Carrier) -> Self {
        Self { principal, carrier, ..self.clone() }
    }

    /// Makes a caller and counts it as present.
    fn attach(&self, capabilities: Capabilities, reach: Reach, router: &Router) -> Arc<Caller> {
        let caller = Arc::new(self.caller(capabilities, reach));
        self.count(&caller, router);
        caller
    }

    /// Makes a caller that nobody tells anything outside of its calls.
    fn caller(&self, capabilities: impl Into<Arc<Capabilities>>, reach: Reach) -> Caller {
        let id = CallerId(self.next_caller.fetch_add(1, Ordering::Relaxed));
        let caller = Caller::new(id, capabilities.into(), reach).over(self.carrier);
        caller.on_behalf_of(self.principal.clone())
    }

    /// Counts a caller as present, and as one that sees what `router` shows.
    fn count(&self, caller: &Arc<Caller>, router: &Router) {
        self.callers.attach(caller);
        router.audience().attach(caller);
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("limits", &self.limits).finish_non_exhaustive()
    }
}
