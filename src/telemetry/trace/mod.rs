//! What happened to single requests, as spans: one for what a client asked, one for each request
//! to an upstream on behalf of that, under the trace that the client began.
//!
//! Whether a trace is recorded is decided once, by whoever began it; what is not recorded costs an
//! id. A span is put together when it has ended, and handed to the exporter without waiting.

mod context;
mod export;
mod ids;
mod otlp;
mod span;
mod words;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::secrets::Secrets;
use crate::config::telemetry::Otlp;
use crate::config::telemetry::Sample;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Spans;
use crate::telemetry::trace::export::Exporter;
use crate::wire::Id as RequestId;
use crate::wire::Raw;
use crate::wire::meta;

pub use self::context::Context;
pub use self::ids::Id;
pub use self::span::Kind;
pub use self::span::Span;
pub use self::span::Value;
pub use self::words::ERROR_TYPE;
pub use self::words::UPSTREAM;
pub use self::words::about;
pub use self::words::answered;
pub use self::words::failed;

/// How many spans may wait for the exporter; a busy gateway makes so many in a second, and a
/// collector that is away must not fill the memory.
const QUEUE: usize = 2048;
/// How much of the id of a client's request is told, in characters.
const REQUEST_ID: usize = 64;
/// How long the last spans may take to be exported.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Where traces begin; cloning shares it. Off unless it was started.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    queue: mpsc::Sender<Span>,
    sample: Sample,
    secrets: Secrets,
    metrics: Metrics,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What everything has in common that is noted of one request; cheap to clone.
#[derive(Clone, Debug)]
pub struct Trace {
    id: Id,
    /// The trace that it is part of, in the way traces are told apart; nothing if nobody looked.
    trace: Option<u128>,
    /// Nothing if it is not recorded.
    root: Option<Arc<Root>>,
}

/// The span of a request of a client.
#[derive(Debug)]
struct Root {
    tracer: Arc<Shared>,
    context: Context,
    parent: Option<u64>,
    state: Option<String>,
    request: String,
    begun: SystemTime,
}

/// The span of a request to an upstream, while that is under way.
#[derive(Debug)]
pub struct Child {
    root: Arc<Root>,
    context: Context,
    begun: SystemTime,
}

/// What is known of a span when it has ended.
#[derive(Debug)]
pub struct Ended {
    /// What it is called.
    pub name: String,
    /// How long it took.
    pub took: Duration,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

impl Tracer {
    /// Starts to export to the collector that `settings` name; without one, it is off.
    pub fn start(settings: Option<&Otlp>, secrets: &Secrets, metrics: &Metrics) -> Self {
        let Some(settings) = settings else { return Self::default() };
        let (sender, queue) = mpsc::channel(QUEUE);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let exporter = Exporter::new(settings.clone(), secrets.clone(), metrics.clone());
        tasks.spawn(exporter.run(queue, stop.clone()));
        let waiting = sender.downgrade();
        let help = "Spans that wait to be exported";
        metrics.gauge("conflux_span_queue_length", help, move || {
            let queue = waiting.upgrade()?;
            Some((queue.max_capacity() - queue.capacity()) as u64)
        });
        let metrics = metrics.clone();
        let (sample, secrets) = (settings.sample, secrets.clone());
        let shared = Shared { queue: sender, sample, secrets, metrics, tasks, stop };
        Self(Some(Arc::new(shared)))
    }

    /// Returns whether anything is traced.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins to note what happens to a request, in the trace that its parameters name in `_meta`
    /// (SEP-414), or else in a new one.
    pub fn begin(&self, params: Option<&Raw>, request: &RequestId) -> Trace {
        match &self.0 {
            Some(shared) => Shared::begin(shared, params, request),
            None => Trace::default(),
        }
    }

    /// Exports what there is, within a limit; nothing is exported after that.
    pub async fn flush(&self) {
        let Some(shared) = &self.0 else { return };
        shared.tasks.close();
        shared.stop.cancel();
        if time::timeout(FLUSH_LIMIT, shared.tasks.wait()).await.is_err() {
            tracing::warn!("the last spans could not be exported in time");
        }
    }
}

impl Shared {
    #[cold]
    fn begin(self: &Arc<Self>, params: Option<&Raw>, request: &RequestId) -> Trace {
        let parent = params.and_then(named);
        let (id, trace) = (Id::new(), parent.map_or_else(ids::trace, |parent| parent.trace));
        let is_sampled = match parent {
            Some(parent) => parent.is_sampled,
            None => self.sample.takes(trace),
        };
        if !is_sampled {
            return Trace { id, trace: Some(trace), root: None };
        }
        let state = params.filter(|_| parent.is_some()).and_then(state);
        let root = Root {
            tracer: Arc::clone(self),
            context: Context { trace, span: id.number(), is_sampled },
            parent: parent.map(|parent| parent.span),
            state,
            request: self.secrets.mask(&request.to_string()).chars().take(REQUEST_ID).collect(),
            begun: SystemTime::now(),
        };
        Trace { id, trace: Some(trace), root: Some(Arc::new(root)) }
    }

    fn export(&self, span: Span) {
        match self.queue.try_send(span) {
            Ok(()) => {}
            // Who is away, or slow, must not hold up anybody.
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                self.metrics.spans(Spans::Dropped, 1);
            }
        }
    }
}

/// Returns the span that parameters name in `_meta` as the one that they are sent for (SEP-414).
fn named(params: &Raw) -> Option<Context> {
    Context::parse(&params.member("_meta")?.member(meta::TRACEPARENT)?.string()?)
}

/// Returns what they say besides, if it can be passed on.
fn state(params: &Raw) -> Option<String> {
    let state = params.member("_meta")?.member(meta::TRACESTATE)?.string()?;
    context::is_state(&state).then_some(state)
}

impl Default for Trace {
    /// Makes one of which nothing is recorded.
    fn default() -> Self {
        Self { id: Id::new(), trace: None, root: None }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl Trace {
    /// Returns what stands in everything that is noted.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Returns the id of the trace that it is part of, as others write it: the one under which it
    /// is exported, or else the one that its parameters name.
    pub fn trace_id(&self, params: Option<&Raw>) -> Option<String> {
        let trace = self.trace.or_else(|| Some(named(params?)?.trace))?;
        Some(format!("{trace:032x}"))
    }

    /// Returns the id of the client's request if spans are recorded, with what must not be said
    /// in them: only then it is asked for.
    pub fn recorded(&self) -> Option<(&str, &Secrets)> {
        self.root.as_ref().map(|root| (root.request.as_str(), &root.tracer.secrets))
    }

    /// Begins the span of a request to an upstream, if spans are recorded.
    pub fn child(&self) -> Option<Child> {
        let root = Arc::clone(self.root.as_ref()?);
        let context = Context { span: ids::span(), ..root.context };
        Some(Child { root, context, begun: SystemTime::now() })
    }

    /// Ends the span of the client's request, if spans are recorded.
    pub fn end(&self, ended: Ended) {
        let Some(root) = &self.root else { return };
        root.tracer.export(Span {
            context: root.context,
            parent: root.parent,
            state: root.state.clone(),
            kind: Kind::Server,
            name: ended.name,
            begun: root.begun,
            took: ended.took,
            attributes: ended.attributes,
            error: ended.error,
        });
    }
}

impl Child {
    /// Returns what must not be said in it.
    pub fn secrets(&self) -> &Secrets {
        &self.root.tracer.secrets
    }

    /// Names the span in the parameters of its request, in the place of whatever was named there.
    pub fn inject(&self, params: Option<&Raw>) -> Option<Raw> {
        let context = format!("\"{}\"", self.context);
        meta::edit(params, &[(meta::TRACEPARENT, &context)], &[])
    }

    /// Ends it.
    pub fn end(self, ended: Ended) {
        let Self { root, context, begun } = self;
        root.tracer.export(Span {
            context,
            parent: Some(root.context.span),
            state: root.state.clone(),
            kind: Kind::Client,
            name: ended.name,
            begun,
            took: ended.took,
            attributes: ended.attributes,
            error: ended.error,
        });
    }
}
