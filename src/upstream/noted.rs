//! What is noted of one request to an upstream: how long it took, how it ended, and a span, if its
//! trace is recorded.

use std::borrow::Cow;

use tokio::time::Instant;

use crate::exchange::Exchange;
use crate::telemetry::metrics;
use crate::telemetry::metrics::Method;
use crate::telemetry::metrics::Outcome;
use crate::telemetry::trace;
use crate::telemetry::trace::Child;
use crate::telemetry::trace::Value;
use crate::upstream::connection::Connection;
use crate::upstream::error::Error;
use crate::upstream::error::Executed;
use crate::upstream::error::Fault;
use crate::upstream::error::Kind;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;

/// A request while it is under way; notes how it ended, even if nobody waits for that.
pub(super) struct Noted<'a> {
    connection: &'a Connection,
    method: &'a str,
    begun: Instant,
    /// Nothing if nobody waited.
    outcome: Option<Outcome>,
    /// Hardly ever there, so in a place of its own.
    span: Option<Box<Recorded>>,
}

/// What is known of a request that is recorded.
struct Recorded {
    child: Child,
    attributes: Vec<(&'static str, Value)>,
    name: String,
}

impl<'a> Noted<'a> {
    /// Begins to note what happens to a request, on behalf of `exchange` if there is one.
    pub(super) fn begin(
        connection: &'a Connection,
        method: &'a str,
        exchange: Option<&Exchange>,
    ) -> Self {
        let child = exchange.and_then(|exchange| exchange.trace().child());
        let span = child.map(|child| {
            let name = Method::of(method).as_str().to_owned();
            Box::new(Recorded { child, attributes: Vec::new(), name })
        });
        Self { connection, method, begun: Instant::now(), outcome: None, span }
    }

    /// Takes what the request `number` is sent with, and names its span there, if it has one.
    pub(super) fn sends(&mut self, number: u64, params: Option<Raw>) -> Option<Raw> {
        let Some(span) = &mut self.span else { return params };
        let (attributes, secrets) = (&mut span.attributes, span.child.secrets());
        span.name = trace::about(attributes, self.method, params.as_ref(), true, secrets);
        span.attributes.push(("jsonrpc.request.id", number.to_string().into()));
        span.child.inject(params.as_ref())
    }

    /// Notes how it ended.
    pub(super) fn down(&mut self, outcome: Result<Raw, Fault>) -> Result<Raw, Fault> {
        let ended = match &outcome {
            Ok(result) if self.method == method::TOOLS_CALL && result.is_true("isError") => {
                Outcome::ToolError
            }
            Ok(_) => Outcome::Ok,
            Err(Fault::Answered(_)) => Outcome::Refused,
            Err(Fault::Failed(error)) if error.kind == Kind::TimedOut => Outcome::TimedOut,
            Err(Fault::Failed(_)) => Outcome::Failed,
            Err(Fault::Cancelled) => Outcome::Cancelled,
        };
        self.outcome = Some(ended);
        if let Some(span) = &mut self.span
            && let Err(fault) = &outcome
        {
            span.fails(fault);
        }
        outcome
    }
}

impl Recorded {
    #[cold]
    fn fails(&mut self, fault: &Fault) {
        match fault {
            Fault::Answered(error) => trace::answered(&mut self.attributes, error),
            Fault::Failed(Error { kind, executed, .. }) => {
                let executed = match executed {
                    Executed::No => "no",
                    Executed::Unknown => "unknown",
                };
                self.attributes.push((trace::ERROR_TYPE, kind.as_str().into()));
                self.attributes.push(("conflux.executed", executed.into()));
            }
            Fault::Cancelled => {}
        }
    }

    #[cold]
    fn end(self, connection: &Connection, outcome: Outcome, took: std::time::Duration) {
        let Self { child, mut attributes, name } = self;
        // Only legacy sessions agree on one.
        let revision = connection.revision().unwrap_or(Revision::LATEST);
        let transport = if connection.mirrors().is_some() { "tcp" } else { "pipe" };
        let upstream = connection.upstream().as_str().to_owned();
        attributes.push(("mcp.protocol.version", revision.as_str().into()));
        attributes.push(("network.transport", transport.into()));
        attributes.push((trace::UPSTREAM, Value::Text(Cow::Owned(upstream))));
        let error = trace::failed(&mut attributes, outcome);
        child.end(trace::Ended { name, took, attributes, error });
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        let outcome = self.outcome.unwrap_or(Outcome::Cancelled);
        let (method, took) = (Method::of(self.method), self.begun.elapsed());
        self.connection.gate().metrics().asked(metrics::Ended { method, outcome, took });
        if let Some(span) = self.span.take() {
            span.end(self.connection, outcome, took);
        }
    }
}
