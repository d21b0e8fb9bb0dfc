//! The edge to clients of 2026-07-28, whose requests stand for themselves.

use std::future;
use std::pin::pin;
use std::sync::Arc;

use tokio::select;
use tokio_util::sync::CancellationToken;

use crate::downstream::call::Answer;
use crate::downstream::call::Reply;
use crate::downstream::call::Stream;
use crate::downstream::codes;
use crate::downstream::codes::Outcome;
use crate::downstream::connection::Connection;
use crate::downstream::filter::Filter;
use crate::downstream::greeting;
use crate::downstream::level::Level;
use crate::downstream::level::Wanted;
use crate::downstream::listen::Opening;
use crate::downstream::lists;
use crate::downstream::park;
use crate::downstream::park::Resume;
use crate::downstream::rounds;
use crate::downstream::rounds::Rounds;
use crate::downstream::tasks;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Reach;
use crate::telemetry::metrics::Refusal;
use crate::wire::Raw;
use crate::wire::era::Era;
use crate::wire::era::Revision;
use crate::wire::frame::Request;
use crate::wire::meta;
use crate::wire::meta::RequestMeta;
use crate::wire::method;

/// Methods that the modern era took out.
const REMOVED: [&str; 4] =
    [method::PING, method::SET_LEVEL, method::RESOURCES_SUBSCRIBE, method::RESOURCES_UNSUBSCRIBE];

/// What a modern request says about itself.
struct Terms {
    capabilities: Raw,
    client: Option<Raw>,
    logs: Wanted,
    log_level: Option<Raw>,
    progress_token: Option<Raw>,
}

impl Terms {
    /// Returns what the client declares, to be kept longer than the request.
    fn declared(&self) -> Capabilities {
        let declared = Capabilities::parse(Some(self.capabilities.detached()), Revision::LATEST);
        declared.of_client(self.client.as_ref().map(Raw::detached))
    }
}

impl Connection {
    /// Takes a request that names a revision in `_meta`.
    pub(super) fn modern(
        &self,
        request: &Request,
        meta: &RequestMeta,
        reply: Reply,
    ) -> Option<Answer> {
        let checked = terms(meta).and_then(|terms| {
            let is_removed = REMOVED.contains(&&*request.method);
            if is_removed {
                return Err(codes::no_such_method(&request.method));
            }
            tasks::refusal(request, &terms.capabilities).map_or(Ok(terms), Err)
        });
        let terms = match checked {
            Ok(terms) => terms,
            Err(error) => return Some(reply.at_once(&request.id, &Err(error))),
        };
        let (caller, is_new) = self.modern_caller(&terms);
        let answer = match self.modern_start(request, terms, &caller, reply) {
            Ok(answer) => answer,
            Err((reply, error)) => Some(reply.at_once(&request.id, &Err(error))),
        };
        match answer {
            Some(answer) if is_new => Some(answer.opening(caller)),
            None if is_new => {
                (self.shared.service.opened)(&caller);
                None
            }
            answer => answer,
        }
    }

    /// Starts what the request asks for, or returns what there is to say to it, or why it cannot be
    /// started.
    fn modern_start(
        &self,
        request: &Request,
        terms: Terms,
        caller: &Arc<Caller>,
        reply: Reply,
    ) -> Result<Option<Answer>, (Reply, Raw)> {
        if request.method == method::DISCOVER {
            let router = self.shared.router();
            let result =
                greeting::discovered(router.instructions(caller), router.extensions(caller));
            return Ok(Some(reply.at_once(&request.id, &Ok(result))));
        }
        if request.method == method::LISTEN {
            return self.listen(request, caller, reply).map(|()| None);
        }
        if rounds::may_ask(&request.method) {
            let member = |key| request.params.as_ref().and_then(|params| params.member(key));
            // Answers without a state resume nothing: their worth is for the upstream to say.
            if let Some(state) = member("requestState") {
                let came_back = CameBack { state, responses: member("inputResponses") };
                return self.resume(request, terms, caller, came_back, reply);
            }
        }
        self.start_modern(request, terms, caller, reply).map(|()| None)
    }

    /// Returns who sends modern requests here, and whether that was unknown before.
    fn modern_caller(&self, terms: &Terms) -> (Arc<Caller>, bool) {
        if let Some(caller) = self.caller() {
            return (caller, false);
        }
        if let Some(passing) = &self.shared.passing {
            let mut known = passing.declared.load_full();
            if !known.is_declared_by(&terms.capabilities, terms.client.as_ref()) {
                known = Arc::new(terms.declared());
                passing.declared.store(Arc::clone(&known));
            }
            let caller = self.shared.service.caller(known, Reach::InCallsOnly);
            return (Arc::new(caller.remembered_as(passing.memory)), false);
        }
        self.shared.choose(terms.client.as_ref());
        let caller = self.attach(terms.declared(), Reach::InCallsOnly);
        self.begin_notices();
        (caller, true)
    }

    fn start_modern(
        &self,
        request: &Request,
        terms: Terms,
        caller: &Arc<Caller>,
        reply: Reply,
    ) -> Result<(), (Reply, Raw)> {
        let shared = &self.shared;
        let Some(share) = shared.flights.admit() else {
            shared.service.count_refusal(Refusal::InFlight);
            return Err((reply, codes::too_many(shared.flights.limit())));
        };
        let capabilities = capabilities_of(caller, &terms);
        let Terms { logs, log_level, progress_token, .. } = terms;
        let (progress, tasks) = (progress_token.is_some(), capabilities.tasks());
        let wishes = Wishes { progress, log_level, tasks };
        let (grant, trace) = (reply.outbox().grant().clone(), shared.service.begin(request));
        let caller = Arc::clone(caller);
        let (exchange, way_back) = Exchange::begin(caller, capabilities, wishes, grant, trace);
        let Some(flight) = shared.flights.board(&request.id, exchange.cancelled()) else {
            return Err((reply, codes::id_in_use()));
        };
        let stream = Stream { flight, reply, progress_token, logs };
        let rounds = Rounds {
            parking: Arc::clone(&shared.service.parking),
            method: request.method.clone(),
            params: request.params.clone(),
            exchange,
        };
        let router = Arc::clone(shared.router());
        let ending = shared.passing.as_ref().map(|passing| passing.ending.clone());
        // In a place of its own: a task is moved half a dozen times until it runs.
        shared.tasks.spawn(Box::pin(async move {
            let Rounds { method, params, exchange, .. } = &rounds;
            let work = pin!(lists::request(&router, method, params.as_ref(), exchange));
            let mut running = pin!(rounds.run(stream, way_back, work));
            select! {
                biased;
                () = &mut running => {}
                () = ended(ending) => {
                    exchange.cancelled().cancel();
                    running.await;
                }
            }
            drop(share);
        }));
        Ok(())
    }

    /// Lets a parked exchange go on with what the client brought.
    fn resume(
        &self,
        request: &Request,
        terms: Terms,
        caller: &Arc<Caller>,
        came_back: CameBack,
        reply: Reply,
    ) -> Result<Option<Answer>, (Reply, Raw)> {
        let shared = &self.shared;
        let (state, responses) = match came_back.read() {
            Ok(read) => read,
            Err(problem) => return Err((reply, codes::invalid_params(&problem))),
        };
        let fingerprint = park::fingerprint(&request.method, request.params.as_ref());
        let claim = match shared.service.parking.claim(caller.principal(), &fingerprint, &state) {
            Ok(claim) => claim,
            Err(refused) => return Err((reply, codes::invalid_params(&refused.to_string()))),
        };
        let Some(flight) = shared.flights.board(&request.id, &claim.cancel) else {
            return Err((reply, codes::id_in_use()));
        };
        let Terms { logs, progress_token, .. } = terms;
        let stream = Stream { flight, reply, progress_token, logs };
        let too_late = claim.resume(Resume { stream, responses });
        Ok(too_late.and_then(|stream| {
            let outcome: Outcome = Err(codes::invalid_params(&park::Refused::Used.to_string()));
            stream.answered(&outcome)
        }))
    }

    fn listen(
        &self,
        request: &Request,
        caller: &Arc<Caller>,
        reply: Reply,
    ) -> Result<(), (Reply, Raw)> {
        let shared = &self.shared;
        let filter = match Filter::parse(request.params.as_ref()) {
            Ok(filter) => filter,
            Err(problem) => return Err((reply, codes::invalid_params(&problem))),
        };
        let Some(share) = shared.flights.admit() else {
            shared.service.count_refusal(Refusal::InFlight);
            return Err((reply, codes::too_many(shared.flights.limit())));
        };
        let cancel: CancellationToken = shared.stopping.child_token();
        let Some(flight) = shared.flights.board(&request.id, &cancel) else {
            return Err((reply, codes::id_in_use()));
        };
        shared.service.begun(caller, &request.method);
        let caller = Arc::clone(caller);
        let is_passing = shared.passing.is_some();
        if is_passing {
            self.stay(&caller);
        }
        // The end of a stream of its own says all.
        let says_end = !is_passing;
        let opening = Opening { flight, share, reply, caller, filter, cancel, says_end };
        let listens = Arc::clone(&shared.listens);
        let serving = listens.serve(Arc::clone(shared.router()), opening);
        let stopping = shared.stopping.clone();
        shared.tasks.spawn(async move {
            serving.await;
            if is_passing {
                stopping.cancel();
            }
        });
        Ok(())
    }
}

/// Waits until everything has to end, if there is somebody to say so.
async fn ended(ending: Option<CancellationToken>) {
    match ending {
        Some(ending) => ending.cancelled().await,
        None => future::pending().await,
    }
}

/// What a client brings that comes back.
struct CameBack {
    state: Raw,
    responses: Option<Raw>,
}

impl CameBack {
    /// Reads the ticket and the answers; fails with what is wrong with them.
    fn read(self) -> Result<(String, Vec<(String, Raw)>), String> {
        let state = self.state.string().ok_or("`requestState` must be a string")?;
        let Some(responses) = self.responses else { return Ok((state, Vec::new())) };
        let object = responses.object().map_err(|error| format!("`inputResponses`: {error}"))?;
        let response = |(key, text): (&str, &str)| (key.to_owned(), responses.part(text));
        Ok((state, object.iter().map(response).collect()))
    }
}

/// Reads what a request says about itself, or returns the error it deserves.
fn terms(meta: &RequestMeta) -> Result<Terms, Raw> {
    let lacks = |key| codes::invalid_params(&format!("`_meta` lacks `{key}`"));
    let version = meta.protocol_version.as_ref().ok_or_else(|| lacks(meta::PROTOCOL_VERSION))?;
    let Some(version) = version.string() else {
        let problem = format!("`{}` must be a string", meta::PROTOCOL_VERSION);
        return Err(codes::invalid_params(&problem));
    };
    if Revision::parse(&version).is_none_or(|revision| revision.era() != Era::Modern) {
        return Err(codes::unsupported_version(&version));
    }
    let capabilities = meta.client_capabilities.clone();
    let capabilities = capabilities.ok_or_else(|| lacks(meta::CLIENT_CAPABILITIES))?;
    if let Err(error) = capabilities.object() {
        let problem = format!("`{}`: {error}", meta::CLIENT_CAPABILITIES);
        return Err(codes::invalid_params(&problem));
    }
    let logs = match &meta.log_level {
        None => Wanted::Nothing,
        Some(level) => Level::parse(level)
            .map(Wanted::From)
            .ok_or_else(|| codes::invalid_params(&format!("unknown level {}", level.get())))?,
    };
    let (log_level, progress_token) = (meta.log_level.clone(), meta.progress_token.clone());
    Ok(Terms { capabilities, client: meta.client_info.clone(), logs, log_level, progress_token })
}

/// Returns the capabilities of one request; mostly they are those of the one before.
fn capabilities_of(caller: &Caller, terms: &Terms) -> Arc<Capabilities> {
    if caller.capabilities().is_declared_by(&terms.capabilities, terms.client.as_ref()) {
        return Arc::clone(caller.capabilities());
    }
    Arc::new(terms.declared())
}
