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
use crate::audit::record::Rule;
use crate::audit::record::Subject;
use crate::audit::record::What;
use crate::audit::record::Who;
use crate::exchange;
use crate::exchange::Exchange;
use crate::router::Error;
use crate::router::Router;
use crate::router::admit::Decided;
use crate::router::admit::Pass;
use crate::router::error::Verdict;
use crate::router::own;
use crate::router::ruling::Ruling;
use crate::router::snapshot::Snapshot;
use crate::router::target::Target;
use crate::router::target::Thing;
use crate::wire::Raw;
use crate::wire::budget::SMALL;
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

    /// Lets a request on something go on, or says why not, once that is recorded. What must be
    /// recorded and cannot be does not go on.
    ///
    /// If the caller leaves meanwhile, it is recorded all the same, and nothing goes on.
    pub(super) async fn admitted(
        &self,
        snapshot: &Snapshot,
        exchange: &Exchange,
        target: &Target<'_>,
    ) -> Result<Pass, Error> {
        let Decided { pass, ruling } = self.admit(snapshot, exchange, target);
        if pass.as_ref().is_err_and(|error| Verdict::from(error).is_denial()) {
            exchange.note(exchange::Decided::Refused);
        }
        if pass.is_ok() && ruling.as_ref().is_some_and(Ruling::is_against) {
            self.shared.telemetry.metrics.refused_in_shadow();
        }
        if !self.audit().is_on() {
            return pass;
        }
        let generation = snapshot.generation;
        let what = || What { generation, ..self.what(target, exchange) };
        let Some(record) = decision(exchange, &pass, ruling.as_ref(), what) else { return pass };
        // Its own tools tell, among other things, why nothing else goes on.
        let is_own = matches!(target.thing, Thing::Own(_));
        self.recorded(record, pass.is_ok() && !is_own).await?;
        pass
    }

    /// Records that a request goes on that no rule is about, as [`Self::admitted`] does.
    pub(super) async fn proven(
        &self,
        exchange: &Exchange,
        what: impl FnOnce() -> What,
    ) -> Result<(), Error> {
        if !self.audit().is_on() {
            return Ok(());
        }
        let record = decision(exchange, &Ok(()), None, what);
        if let Some(record) = record { self.recorded(record, true).await } else { Ok(()) }
    }

    /// Hands a record over; waits for it where something goes on that must be recorded.
    async fn recorded(&self, record: Record, goes_on: bool) -> Result<(), Error> {
        let log = self.audit();
        if goes_on && log.is_required() {
            log.confirm(record).await?;
        } else {
            log.record(record);
        }
        Ok(())
    }

    /// Records how a request ended, and how large its result was.
    pub(super) fn record_end(
        &self,
        exchange: &Exchange,
        method: &str,
        params: Option<&Raw>,
        verdict: Verdict<'_>,
        bytes_out: usize,
    ) {
        if !self.audit().is_on() {
            return;
        }
        let decided = exchange.decided();
        let (word, reason) = told(verdict, decided);
        let fact = Fact::Ended {
            outcome: word,
            reason,
            took: exchange.deadline().elapsed(),
            bytes_in: params.map_or(0, Raw::size),
            bytes_out,
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
            Thing::Resource(uri, _) => Some(Subject::Uri(uri.into())),
            Thing::Own(tool) => Some(Subject::Tool(name(tool, tool))),
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
        decided: exchange::Decided,
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
            arguments: if decided == exchange::Decided::Not { arguments() } else { None },
            generation: snapshot.generation,
            trace: exchange.trace().trace_id(params).map(Into::into),
        }
    }
}

/// Puts down what was decided about a request, and by which rule; nothing if the request is wrong,
/// whoever asks.
fn decision<T>(
    exchange: &Exchange,
    decided: &Result<T, Error>,
    ruling: Option<&Ruling>,
    what: impl FnOnce() -> What,
) -> Option<Record> {
    let against = ruling.is_some_and(Ruling::is_against);
    let decision = match decided {
        Ok(_) if against => Decision::ShadowDeny,
        Ok(_) => Decision::Allow,
        Err(error) if Verdict::from(error).is_denial() => Decision::Deny,
        Err(_) => return None,
    };
    if decision != Decision::Deny {
        exchange.note(exchange::Decided::Admitted);
    }
    // What a rule allows may still be over a limit, or lack a scope: then no rule decided.
    let is_by_rule = |ruling: &&Ruling| match decision {
        Decision::Allow | Decision::ShadowDeny => true,
        Decision::Deny => against && !ruling.is_shadow(),
    };
    let rule = ruling
        .filter(is_by_rule)
        .and_then(Ruling::rule)
        .map(|rule| Rule { name: Arc::clone(rule.title()), place: rule.place().map(Arc::clone) });
    Some(record(exchange, what(), Fact::Decided { decision, rule }))
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
    let arguments = match method {
        method::TOOLS_CALL | method::PROMPTS_GET => params.member("arguments"),
        method::COMPLETE => params.member("argument"),
        _ => None,
    }?;
    // A record that waits keeps none of the room that a large message has.
    let is_part = params.size() > SMALL && arguments.size() <= SMALL;
    Some(if is_part { arguments.detached() } else { arguments })
}

/// Says how a request ended, and why, where that is not enough.
fn told(verdict: Verdict<'_>, decided: exchange::Decided) -> (Outcome, Option<Box<str>>) {
    let word = match verdict {
        Verdict::Insufficient(needed) => {
            return (Outcome::Denied, Some(format!("lacks {}", needed.join(" ")).into()));
        }
        Verdict::Limited(refusal) => return (Outcome::RateLimited, Some(refusal.limit().into())),
        Verdict::Answered(code) => return (Outcome::Answered, code.map(Into::into)),
        Verdict::Unrecorded(unrecorded) => {
            return (Outcome::Unrecorded, Some(unrecorded.to_string().into()));
        }
        Verdict::Unknown if decided == exchange::Decided::Refused => Outcome::Denied,
        Verdict::Forbidden => Outcome::Denied,
        Verdict::Unknown => Outcome::Unknown,
        Verdict::Good => Outcome::Ok,
        Verdict::ToolError => Outcome::ToolError,
        Verdict::Invalid => Outcome::Invalid,
        Verdict::TimedOut => Outcome::TimedOut,
        Verdict::Failed(kind) => Outcome::Failed(kind.as_str()),
        Verdict::Panicked => Outcome::Failed("panicked"),
        Verdict::Cancelled => Outcome::Cancelled,
    };
    (word, None)
}
