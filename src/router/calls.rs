//! Requests that ended: counted, recorded, and told to whoever follows; how they ended and how
//! long they took, never what was in them.

use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use serde_json::json;

use crate::config::secrets::Secrets;
use crate::exchange::Decided;
use crate::exchange::Exchange;
use crate::router::Error;
use crate::router::List;
use crate::router::Router;
use crate::router::error::Verdict;
use crate::router::failure::millis;
use crate::router::own;
use crate::telemetry::metrics;
use crate::telemetry::metrics::Method;
use crate::telemetry::metrics::Outcome;
use crate::telemetry::metrics::Refusal;
use crate::telemetry::metrics::UnderWay;
use crate::telemetry::shown;
use crate::telemetry::trace;
use crate::telemetry::trace::Value;
use crate::upstream::error::Kind;
use crate::wire::Raw;
use crate::wire::method;
use crate::wire::quote;

/// How much most spans say.
const ATTRIBUTES: usize = 16;

/// A request under way; notes and tells how it ended, even if nobody waits for that.
pub(super) struct Ending<'a> {
    router: &'a Router,
    method: &'a str,
    params: Option<&'a Raw>,
    exchange: &'a Exchange,
    is_over: bool,
    _under_way: UnderWay<'a>,
}

/// How a request ended.
#[derive(Clone, Copy)]
struct Ended<'a> {
    outcome: Outcome,
    error: Option<&'a Error>,
    /// How large the result is, if there is one.
    bytes: usize,
}

impl<'a> Ending<'a> {
    /// Begins to watch a request.
    pub(super) fn of(
        router: &'a Router,
        method: &'a str,
        params: Option<&'a Raw>,
        exchange: &'a Exchange,
    ) -> Self {
        let under_way = router.shared.telemetry.metrics.begin();
        Self { router, method, params, exchange, is_over: false, _under_way: under_way }
    }

    /// Records and tells how it ended.
    pub(super) fn over(self, outcome: &Result<Raw, Error>) {
        let verdict = Verdict::of(self.method, outcome.as_ref());
        self.end(verdict, outcome.as_ref());
    }

    /// Records and tells how it ended that something was listed.
    pub(super) fn listed(self, outcome: &Result<List, Error>) {
        let verdict = outcome.as_ref().map_or_else(Verdict::from, |_| Verdict::Good);
        self.end(verdict, outcome.as_ref().map(List::result));
    }

    fn end(mut self, verdict: Verdict<'_>, outcome: Result<&Raw, &Error>) {
        self.is_over = true;
        self.conclude(verdict, outcome.err(), outcome.map_or(0, Raw::size));
    }

    fn conclude(&self, verdict: Verdict<'_>, error: Option<&Error>, bytes: usize) {
        let ended = Ended { outcome: self::outcome(&verdict), error, bytes };
        self.router.record_end(self.exchange, self.method, self.params, verdict, bytes);
        self.count(ended);
        if let Some((request, secrets)) = self.exchange.trace().recorded() {
            self.end_span(request, secrets, ended);
        }
        if tracing::enabled!(tracing::Level::INFO) {
            self.log(ended);
        }
        if self.router.shared.calls.is_followed() {
            self.tell(ended);
        }
    }

    /// Counts it, for the upstream that it went to.
    fn count(&self, ended: Ended<'_>) {
        let metrics = &self.router.shared.telemetry.metrics;
        let (method, took) = (Method::of(self.method), self.exchange.deadline().elapsed());
        let bytes_in = self.params.map_or(0, Raw::size);
        let numbers = metrics::Ended { method, outcome: ended.outcome, took };
        match (self.exchange.went_to(), ended.error) {
            (Some(upstream), _) => upstream.answered(numbers, bytes_in, ended.bytes),
            // It was only waited for.
            (None, Some(Error::Upstream(error))) => {
                let upstream = metrics.upstream(&error.upstream);
                upstream.answered(numbers, bytes_in, ended.bytes);
            }
            (None, _) => metrics.nobody().answered(numbers, bytes_in, ended.bytes),
        }
        if let Some(why) = self.refusal(ended) {
            metrics.refused(why);
        }
        if metrics.tells_tools() && self.method == method::TOOLS_CALL {
            self.count_tool(ended.outcome);
        }
    }

    /// Counts it for its tool; names that nobody has are nobody's.
    #[cold]
    fn count_tool(&self, outcome: Outcome) {
        let Some(name) = self.params.and_then(own::meant) else { return };
        if self.router.snapshot().catalog.tool(&name).is_some() {
            let name = self.router.shared.instance.masked(&name);
            self.router.shared.telemetry.metrics.called(&name, outcome);
        }
    }

    /// Says it in the log, a line for each request.
    #[cold]
    fn log(&self, ended: Ended<'_>) {
        let (name, exchange) = (self.name().unwrap_or_default(), self.exchange);
        tracing::info!(
            id = %exchange.trace(),
            trace = exchange.trace().trace_id(self.params),
            method = shown::name(self.method),
            name = self.shown(&name),
            upstream = exchange.went_to().map(|upstream| upstream.id()),
            principal = exchange.caller().principal().name(),
            outcome = ended.outcome.as_str(),
            why = self.why(ended),
            ms = millis(exchange.deadline().elapsed()),
            bytes_in = self.params.map_or(0, Raw::size),
            bytes_out = ended.bytes,
            "a request ended"
        );
    }

    /// Returns what the request names, if it names anything.
    fn name(&self) -> Option<String> {
        let (key, _) = named(self.method)?;
        let params = self.params?;
        match self.method {
            method::TOOLS_CALL => own::meant(params),
            _ => params.member(key)?.string(),
        }
    }

    /// Ends its span.
    #[cold]
    fn end_span(&self, request: &str, secrets: &Secrets, ended: Ended<'_>) {
        let (exchange, mut attributes) = (self.exchange, Vec::with_capacity(ATTRIBUTES));
        let is_there = !matches!(self.refusal(ended), Some(Refusal::Unknown | Refusal::Denied));
        let name = trace::about(&mut attributes, self.method, self.params, is_there, secrets);
        let shown = |text: &str| shown::name(&secrets.mask(text));
        let mut say = |key, value: Value| attributes.push((key, value));
        let client = exchange.capabilities();
        let request = quote::unquoted(request).unwrap_or(request.into());
        say("jsonrpc.request.id", shown(&request).into());
        say("mcp.protocol.version", client.revision().as_str().into());
        let principal = exchange.caller().principal();
        say("network.transport", exchange.caller().carrier().as_str().into());
        if principal.is_known() {
            say("enduser.id", shown(principal.name()).into());
        }
        if let Some(name) = client.client_name() {
            say("conflux.client", shown(name).into());
        }
        if let Some(upstream) = exchange.went_to() {
            say(trace::UPSTREAM, upstream.id().to_owned().into());
        }
        say("conflux.generation", self.router.snapshot().generation.0.into());
        match ended.error {
            Some(Error::Answered(error)) => trace::answered(&mut attributes, error),
            Some(Error::Upstream(error)) => {
                attributes.push((trace::ERROR_TYPE, error.kind.as_str().into()));
            }
            Some(_) => {
                let kind = self.why(ended).map(Value::from);
                attributes.extend(kind.map(|kind| (trace::ERROR_TYPE, kind)));
            }
            None if exchange.was_kept() => attributes.push(("conflux.cached", true.into())),
            None => {}
        }
        let error = trace::failed(&mut attributes, ended.outcome);
        let took = exchange.deadline().elapsed();
        exchange.trace().end(trace::Ended { name, took, attributes, error });
    }

    #[cold]
    fn tell(&self, ended: Ended<'_>) {
        let Some((_, kind)) = named(self.method) else { return };
        let name = self.name().unwrap_or_default();
        let line = json!({
            "time": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            "id": self.exchange.trace().id().to_string(),
            "trace": self.exchange.trace().trace_id(self.params),
            "client": self.exchange.capabilities().client_name(),
            "caller": self.exchange.caller().id().0,
            "kind": kind,
            "name": self.shown(&name),
            "upstream": self.upstream(&name, ended.error),
            "outcome": ended.outcome.as_str().replace('_', " "),
            "why": self.why(ended),
            "cached": self.exchange.was_kept(),
            "ms": millis(self.exchange.deadline().elapsed()),
            "bytesIn": self.params.map_or(0, Raw::size),
            "bytesOut": ended.bytes,
        });
        let line: Arc<str> = line.to_string().into();
        self.router.shared.calls.tell(&line);
    }

    /// Returns why it was turned away, if it was. To its caller, what there is and what it may not
    /// have are one; to whoever watches they are two.
    fn refusal(&self, ended: Ended<'_>) -> Option<Refusal> {
        match refusal(&ended.error?.into())? {
            Refusal::Unknown if self.exchange.decided() == Decided::Refused => {
                Some(Refusal::Denied)
            }
            why => Some(why),
        }
    }

    /// Returns why it ended as it did, where that is not all.
    fn why(&self, ended: Ended<'_>) -> Option<String> {
        let Some(error) = ended.error else {
            return self.exchange.was_kept().then(|| "cached".to_owned());
        };
        why(error.into()).or_else(|| Some(self.refusal(ended)?.as_str().to_owned()))
    }

    /// A name as it may be shown.
    fn shown(&self, name: &str) -> String {
        let is_address = named(self.method).is_some_and(|(key, _)| key == "uri");
        let masked = self.router.shared.instance.masked(name);
        if is_address { shown::address(&masked) } else { shown::name(&masked) }
    }

    /// Whose it was, as far as that is known when it has ended.
    fn upstream(&self, name: &str, error: Option<&Error>) -> Option<String> {
        if let Some(Error::Upstream(error)) = error {
            return Some(error.upstream.as_str().to_owned());
        }
        let snapshot = self.router.snapshot();
        let owner = match self.method {
            method::TOOLS_CALL => snapshot.catalog.tool(name).map(|entry| entry.upstream.clone()),
            method::PROMPTS_GET => {
                snapshot.catalog.prompt(name).map(|entry| entry.upstream.clone())
            }
            _ => {
                let owner = self.router.known_owner(&snapshot, self.exchange, name);
                owner.map(|owner| owner.upstream)
            }
        };
        owner.map(|id| id.as_str().to_owned())
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // Nobody waited for its end, so whoever made it no longer wants it; unless it broke.
        let verdict = if thread::panicking() { Verdict::Panicked } else { Verdict::Cancelled };
        self.conclude(verdict, None, 0);
    }
}

/// Under which key a request names what it is about, and the word for what that is; nothing for
/// requests that are not told of.
fn named(method: &str) -> Option<(&'static str, &'static str)> {
    match method {
        method::TOOLS_CALL => Some(("name", "call")),
        method::PROMPTS_GET => Some(("name", "prompt")),
        method::RESOURCES_READ | method::SKILLS_GET | method::DIRECTORY_READ => {
            Some(("uri", "read"))
        }
        _ => None,
    }
}

/// Returns how a request ended, as it is counted.
fn outcome(verdict: &Verdict<'_>) -> Outcome {
    match verdict {
        Verdict::Good => Outcome::Ok,
        Verdict::ToolError => Outcome::ToolError,
        Verdict::Unknown
        | Verdict::Insufficient(_)
        | Verdict::Forbidden
        | Verdict::Invalid
        | Verdict::Limited(_)
        | Verdict::Unrecorded(_)
        | Verdict::Answered(_) => Outcome::Refused,
        Verdict::TimedOut => Outcome::TimedOut,
        Verdict::Failed(_) | Verdict::Panicked => Outcome::Failed,
        Verdict::Cancelled => Outcome::Cancelled,
    }
}

/// Returns why, in another word, where no word for refusals says it better.
fn why(verdict: Verdict<'_>) -> Option<String> {
    match verdict {
        Verdict::Answered(code) => code,
        Verdict::Failed(kind) => Some(kind.as_str().to_owned()),
        Verdict::Invalid => Some("invalid_params".to_owned()),
        Verdict::Insufficient(_) => Some("insufficient_scope".to_owned()),
        Verdict::Forbidden => Some("policy".to_owned()),
        Verdict::Limited(_) => Some("limited".to_owned()),
        Verdict::Good
        | Verdict::ToolError
        | Verdict::Unknown
        | Verdict::Unrecorded(_)
        | Verdict::TimedOut
        | Verdict::Panicked
        | Verdict::Cancelled => None,
    }
}

/// Returns why a request was turned away; nothing if it was not, or by its upstream.
fn refusal(verdict: &Verdict<'_>) -> Option<Refusal> {
    match verdict {
        Verdict::Unknown => Some(Refusal::Unknown),
        Verdict::Invalid => Some(Refusal::Invalid),
        Verdict::Insufficient(_) | Verdict::Forbidden => Some(Refusal::Denied),
        Verdict::Limited(_) => Some(Refusal::RateLimited),
        Verdict::Unrecorded(_) => Some(Refusal::Unrecorded),
        Verdict::Failed(Kind::Busy) => Some(Refusal::Busy),
        Verdict::Failed(Kind::Suspended) => Some(Refusal::Suspended),
        Verdict::Failed(_)
        | Verdict::Good
        | Verdict::ToolError
        | Verdict::Answered(_)
        | Verdict::TimedOut
        | Verdict::Panicked
        | Verdict::Cancelled => None,
    }
}
