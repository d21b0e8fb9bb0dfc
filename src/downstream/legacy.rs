//! The edge to clients of the revisions before 2026-07-28, which have a session.

use std::pin::pin;
use std::sync::Arc;

use crate::downstream::call;
use crate::downstream::call::Answer;
use crate::downstream::call::Reply;
use crate::downstream::call::Stream;
use crate::downstream::codes;
use crate::downstream::connection;
use crate::downstream::connection::Connection;
use crate::downstream::connection::Shared;
use crate::downstream::level::Level;
use crate::downstream::level::Wanted;
use crate::downstream::lists;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::telemetry::metrics::Refusal;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::frame::Request;
use crate::wire::meta::RequestMeta;
use crate::wire::method;

impl Connection {
    /// Takes a request without modern `_meta`.
    pub(super) fn legacy(
        &self,
        request: Request,
        meta: RequestMeta,
        reply: Reply,
    ) -> Option<Answer> {
        let has_session = self.session().is_some();
        if request.method == method::PING && (has_session || self.caller().is_none()) {
            return Some(reply.at_once(&request.id, &Ok(connection::empty())));
        }
        if !has_session {
            return Some(reply.at_once(&request.id, &Err(self.no_session(&request.method))));
        }
        // Whoever sends requests has seen the answer to `initialize`, said so or not.
        self.begin_notices();
        if request.method == method::SET_LEVEL {
            return Some(reply.at_once(&request.id, &self.set_level(&request)));
        }
        self.start_legacy(request, meta, reply)
    }

    fn start_legacy(&self, request: Request, meta: RequestMeta, reply: Reply) -> Option<Answer> {
        let shared = Arc::clone(&self.shared);
        let caller = self.caller()?;
        let Some(share) = shared.flights.admit() else {
            shared.service.count_refusal(Refusal::InFlight);
            let error = codes::too_many(shared.flights.limit());
            return Some(reply.at_once(&request.id, &Err(error)));
        };
        let capabilities = Arc::clone(caller.capabilities());
        let wishes = Wishes {
            progress: meta.progress_token.is_some(),
            log_level: shared.level.raw(),
            tasks: capabilities.tasks(),
        };
        let (grant, trace) = (reply.outbox().grant().clone(), shared.service.begin(&request));
        let (exchange, way_back) = Exchange::begin(caller, capabilities, wishes, grant, trace);
        let Some(flight) = shared.flights.board(&request.id, exchange.cancelled()) else {
            return Some(reply.at_once(&request.id, &Err(codes::id_in_use())));
        };
        let stream = Stream {
            flight,
            reply,
            progress_token: meta.progress_token,
            logs: Wanted::BySession(Arc::clone(&shared.level)),
        };
        let Request { method, params, .. } = request;
        let questions = Arc::clone(&shared.questions);
        let router = Arc::clone(shared.router());
        // In a place of its own: a task is moved half a dozen times until it runs.
        self.shared.tasks.spawn(Box::pin(async move {
            let work = pin!(lists::request(&router, &method, params.as_ref(), &exchange));
            call::run(stream, &method, &exchange, way_back, &questions, work).await;
            drop(share);
        }));
        None
    }

    /// Keeps the level for this client; upstreams are then told the lowest of all clients.
    fn set_level(&self, request: &Request) -> Result<Raw, Raw> {
        let level = request.params.as_ref().and_then(|params| params.member("level"));
        let level = level.ok_or_else(|| codes::invalid_params("`level` is missing"))?;
        let known = Level::parse(&level)
            .ok_or_else(|| codes::invalid_params(&format!("unknown level {}", level.get())))?;
        let Shared { level: own, service, .. } = &*self.shared;
        own.set(known, &level);
        if let Some(caller) = self.caller() {
            service.levels.count(caller.id(), own, self.shared.router());
        }
        Ok(connection::empty())
    }

    /// Why a request without modern `_meta` cannot be served before `initialize`.
    fn no_session(&self, method: &str) -> Raw {
        let version = Revision::LATEST;
        if self.caller().is_some() {
            let what = "`_meta` lacks `io.modelcontextprotocol/protocolVersion`";
            return codes::invalid_params(&format!("{what}, and no session is open"));
        }
        codes::invalid(&format!(
            "`{method}` came before `initialize`; open a session first, or name revision \
             {version} in `_meta`"
        ))
    }
}
