//! What is recorded of requests: that they were admitted or not, before they go on, and how they
//! ended.

use std::sync::Arc;
use std::time::SystemTime;

use crate::audit::Log;
use crate::audit::record::Decision;
use crate::audit::record::Fact;
use crate::audit::record::Name;
use crate::audit::record::Outcome;
use crate::audit::record::Record;
use crate::audit::record::Subject;
use crate::audit::record::What;
use crate::audit::record::Who;
use crate::exchange::Decided;
use crate::exchange::Exchange;
use crate::router::Error;
use crate::router::Router;
use crate::router::admit::Pass;
use crate::router::admit::Target;
use crate::router::admit::Thing;
use crate::router::error::Verdict;
use crate::router::own;
use crate::router::snapshot::Snapshot;
use crate::wire::Raw;
use crate::wire::method;

/// Where nothing is recorded.
static NOWHERE: Log = Log::off();

impl Router {
    /// Returns where everything is recorded.
    pub fn audit(&self) -> &Log {
        self.shared.audit.get().unwrap_or(&NOWHERE)
    }

    /// Says where everything is recorded; the first word counts.
    pub fn records_in(&self, log: Log) {
        self.shared.audit.get_or_init(|| log);
    }

    /// Lets a request on something go on, or says why not, once that is recorded.
    pub(super) async fn admitted(
        &self,
        snapshot: &Snapshot,
        exchange: &Exchange,
        target: &Target<'_>,
    ) -> Result<Pass, Error> {
        let decided = self.admit(snapshot, exchange, target);
        let generation = snapshot.generation;
        self.proven(exchange, decided, || What { generation, ..self.what(target, exchange) }).await
    }

    /// Hands back what was decided about a request, once it is recorded. What must be recorded and
    /// cannot be does not go on.
    ///
    /// If the caller leaves meanwhile, it is recorded all the same, and nothing goes on.
    pub(super) async fn proven<T>(
        &self,
        exchange: &Exchange,
        decided: Result<T, Error>,
        what: impl FnOnce() -> What,
    ) -> Result<T, Error> {
        let is_denied = decided.as_ref().is_err_and(|error| Verdict::from(error).is_denial());
        if is_denied {
            exchange.note(Decided::Refused);
        }
        let log = self.audit();
        if !log.is_on() {
            return decided;
        }
        let decision = match &decided {
            Ok(_) => Decision::Allow,
            Err(_) if is_denied => Decision::Deny,
            // It is wrong, whoever asks.
            Err(_) => return decided,
        };
        let fact = Fact::Decided { decision, rule: None };
        let record = record(exchange, what(), fact);
        if !is_denied {
            exchange.note(Decided::Admitted);
        }
        if log.is_required() && decided.is_ok() {
            log.confirm(record).await?;
        } else {
            log.record(record);
        }
        decided
    }

    /// Records how a request ended.
    pub(super) fn record_end(
        &self,
        exchange: &Exchange,
        method: &str,
        params: Option<&Raw>,
        outcome: Result<&Raw, &Error>,
    ) {
        if !self.audit().is_on() {
            return;
        }
        let decided = exchange.decided();
        let (word, reason) = told(Verdict::of(method, outcome), decided);
        let fact = Fact::Ended {
            outcome: word,
            reason,
            took: exchange.deadline().elapsed(),
            bytes_in: params.map_or(0, Raw::size),
            bytes_out: outcome.map_or(0, Raw::size),
            is_cached: exchange.was_kept(),
        };
        let what = self.about(exchange, method, params, decided);
        self.audit().record(record(exchange, what, fact));
    }

    /// What a request is about that a decision is made on.
    fn what(&self, target: &Target<'_>, exchange: &Exchange) -> What {
        let params = target.params;
        let name = |public: &str, local: &str| Name {
            public: public.into(),
            local: (public != local).then(|| local.into()),
        };
        let subject = match target.thing {
            Thing::Tool(entry) => Some(Subject::Tool(name(&entry.public, &entry.local))),
            Thing::Prompt(entry) => Some(Subject::Prompt(name(&entry.public, &entry.local))),
            Thing::Resource(uri) => Some(Subject::Uri(uri.into())),
            Thing::Extension => None,
        };
        What {
            method: target.method.into(),
            upstream: Some(target.upstream.clone()),
            subject,
            arguments: arguments(target.method, params).and_then(|raw| self.audit().arguments(raw)),
            trace: exchange.trace().trace_id(params).map(Into::into),
            ..What::default()
        }
    }

    /// What a request was about that has ended. What its decision says already is not said again.
    fn about(
        &self,
        exchange: &Exchange,
        method: &str,
        params: Option<&Raw>,
        decided: Decided,
    ) -> What {
        let said = |key: &str| params?.member(key)?.string();
        let snapshot = self.snapshot();
        let (mut upstream, mut subject) = (None, None);
        match method {
            method::TOOLS_CALL | method::PROMPTS_GET => {
                let is_tool = method == method::TOOLS_CALL;
                let name = if is_tool { params.and_then(own::meant) } else { said("name") };
                let name = name.unwrap_or_default();
                let catalog = &snapshot.catalog;
                let entry = if is_tool { catalog.tool(&name) } else { catalog.prompt(&name) };
                upstream = entry.map(|entry| entry.upstream.clone());
                let local = entry.map(|entry| entry.local.as_str()).filter(|local| *local != name);
                let local = local.map(Into::into);
                let name = Name { public: name.into(), local };
                subject = Some(if is_tool { Subject::Tool(name) } else { Subject::Prompt(name) });
            }
            _ => {
                if let Some(uri) = said("uri") {
                    let owner = self.known_owner(&snapshot, exchange, &uri);
                    upstream = owner.map(|owner| owner.upstream);
                    subject = Some(Subject::Uri(uri.into()));
                } else if let Some(id) = said("taskId") {
                    subject = Some(Subject::Task(id.into()));
                }
            }
        }
        let arguments = || arguments(method, params).and_then(|raw| self.audit().arguments(raw));
        What {
            method: method.into(),
            upstream,
            subject,
            arguments: if decided == Decided::Not { arguments() } else { None },
            generation: snapshot.generation,
            trace: exchange.trace().trace_id(params).map(Into::into),
        }
    }
}

fn record(exchange: &Exchange, what: What, fact: Fact) -> Record {
    let (event, at) = (Some(exchange.trace().id()), SystemTime::now());
    Record { event, at, who: who(exchange), what, fact }
}

fn who(exchange: &Exchange) -> Who {
    let caller = exchange.caller();
    Who {
        principal: Some(caller.principal().clone()),
        capabilities: Some(Arc::clone(exchange.capabilities())),
        session: Some(caller.id()),
        peer: None,
    }
}

/// The part of the parameters that says what is to be done with what they name.
fn arguments(method: &str, params: Option<&Raw>) -> Option<Raw> {
    let params = params?;
    match method {
        method::TOOLS_CALL | method::PROMPTS_GET => params.member("arguments"),
        method::COMPLETE => params.member("argument"),
        _ => None,
    }
}

/// Says how a request ended, and why, where that is not enough.
fn told(verdict: Verdict<'_>, decided: Decided) -> (Outcome, Option<Box<str>>) {
    let word = match verdict {
        Verdict::Insufficient(needed) => {
            return (Outcome::Denied, Some(format!("lacks {}", needed.join(" ")).into()));
        }
        Verdict::Limited(refusal) => return (Outcome::RateLimited, Some(refusal.limit().into())),
        Verdict::Answered(code) => return (Outcome::Answered, code.map(Into::into)),
        Verdict::Unrecorded(unrecorded) => {
            return (Outcome::Unrecorded, Some(unrecorded.to_string().into()));
        }
        Verdict::Unknown if decided == Decided::Refused => Outcome::Denied,
        Verdict::Unknown => Outcome::Unknown,
        Verdict::Good => Outcome::Ok,
        Verdict::ToolError => Outcome::ToolError,
        Verdict::Invalid => Outcome::Invalid,
        Verdict::TimedOut => Outcome::TimedOut,
        Verdict::Failed(kind) => Outcome::Failed(kind.as_str()),
        Verdict::Cancelled => Outcome::Cancelled,
    };
    (word, None)
}
