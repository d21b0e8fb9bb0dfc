//! What happened, as numbers: one table, for whoever scrapes it.
//!
//! Where requests pass, there are atomics alone, and handles that were looked up before. Labels
//! are words of closed sets and keys of the configuration; what clients make up is never one.

mod histogram;
mod process;
mod table;
mod text;
mod tools;
mod upstream;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use prometheus_client::metrics::MetricType;

use crate::ids::UpstreamId;
use crate::telemetry::metrics::tools::Tools;

pub use self::text::Format;
#[cfg(test)]
pub(in crate::telemetry) use self::tools::NAMES;
pub use self::upstream::Ended;
pub use self::upstream::Upstream;
pub use self::words::Method;
pub use self::words::Outcome;
pub use self::words::Refusal;
pub use self::words::Reload;
pub use self::words::Spans;

/// Of how many upstreams numbers are kept while some of them are gone: whoever scrapes should see
/// the last of them.
const UPSTREAMS: usize = 256;

/// The table of all numbers; cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Table>);

struct Table {
    begun: SystemTime,
    upstreams: Mutex<BTreeMap<UpstreamId, Arc<Upstream>>>,
    /// For what belongs to none of them.
    nobody: Arc<Upstream>,
    in_flight: AtomicI64,
    refusals: [AtomicU64; Refusal::ALL.len()],
    shadow_refusals: AtomicU64,
    spans: [AtomicU64; Spans::ALL.len()],
    reloads: [AtomicU64; Reload::ALL.len()],
    tools: Tools,
    tells_tools: AtomicBool,
    numbers: Mutex<Vec<Number>>,
    looks: Mutex<Vec<Look>>,
}

/// How something is at the moment, or how often it was, as a number that is kept elsewhere.
struct Number {
    kind: MetricType,
    name: &'static str,
    help: &'static str,
    read: Box<dyn Fn() -> Option<u64> + Send + Sync>,
}

/// Finds out how all upstreams are.
type Look = Box<dyn Fn() -> Vec<Reading> + Send + Sync>;

/// How one upstream is at the moment.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Its key.
    pub upstream: UpstreamId,
    /// The word for its state.
    pub state: &'static str,
    /// How many requests it has to do with.
    pub in_flight: usize,
    /// How many wait for their turn.
    pub waiting: usize,
    /// How many tools of it are offered.
    pub tools: usize,
}

/// A request under way, until this is dropped.
#[derive(Debug)]
pub struct UnderWay<'a>(&'a AtomicI64);

impl Metrics {
    /// Returns where the numbers of `upstream` are. Another one under the same key goes on with
    /// those of the one before it.
    pub fn upstream(&self, upstream: &UpstreamId) -> Arc<Upstream> {
        let mut upstreams = lock(&self.0.upstreams);
        if upstreams.len() >= UPSTREAMS {
            upstreams.retain(|_, known| Arc::strong_count(known) > 1);
        }
        let new = || Arc::new(Upstream::new(upstream.as_str()));
        Arc::clone(upstreams.entry(upstream.clone()).or_insert_with(new))
    }

    /// Returns where the numbers are of what belongs to no upstream.
    pub fn nobody(&self) -> &Arc<Upstream> {
        &self.0.nobody
    }

    /// Counts a request as under way.
    #[must_use]
    pub fn begin(&self) -> UnderWay<'_> {
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.0.in_flight)
    }

    /// Notes that something was turned away.
    pub fn refused(&self, why: Refusal) {
        count(&self.0.refusals, why as usize, 1);
    }

    /// Notes that something went on that a policy in shadow would have turned away.
    pub fn refused_in_shadow(&self) {
        self.0.shadow_refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes what became of spans.
    pub fn spans(&self, fate: Spans, number: u64) {
        count(&self.0.spans, fate as usize, number);
    }

    /// Notes what became of a reload.
    pub fn reloaded(&self, fate: Reload) {
        count(&self.0.reloads, fate as usize, 1);
    }

    /// Has calls counted by the names of tools from now on.
    pub fn tell_tools(&self) {
        self.0.tells_tools.store(true, Ordering::Relaxed);
    }

    /// Returns whether calls are counted by the names of tools.
    pub fn tells_tools(&self) -> bool {
        self.0.tells_tools.load(Ordering::Relaxed)
    }

    /// Counts a call of a tool that there is, by its public name.
    pub fn called(&self, tool: &str, outcome: Outcome) {
        self.0.tools.note(tool, outcome);
    }

    /// Shows what `read` finds whenever somebody scrapes, under a name of the conventions of
    /// Prometheus; nothing when it finds nothing. It must neither wait nor hold what it reads. The
    /// last word for a name counts.
    pub fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> Option<u64> + Send + Sync + 'static,
    ) {
        self.number(Number { kind: MetricType::Gauge, name, help, read: Box::new(read) });
    }

    /// Does the same for a number that only grows; `_total` is added to its name.
    pub fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> Option<u64> + Send + Sync + 'static,
    ) {
        self.number(Number { kind: MetricType::Counter, name, help, read: Box::new(read) });
    }

    fn number(&self, number: Number) {
        let mut numbers = lock(&self.0.numbers);
        numbers.retain(|known| known.name != number.name);
        numbers.push(number);
    }

    /// Shows what `look` finds out about upstreams whenever somebody scrapes.
    pub fn look(&self, look: impl Fn() -> Vec<Reading> + Send + Sync + 'static) {
        lock(&self.0.looks).push(Box::new(look));
    }

    /// Writes everything down.
    pub fn text(&self, format: Format) -> String {
        text::write(self, format)
    }
}

impl Default for Table {
    fn default() -> Self {
        Self {
            begun: SystemTime::now(),
            upstreams: Mutex::default(),
            nobody: Arc::new(Upstream::new("")),
            in_flight: AtomicI64::new(0),
            refusals: Default::default(),
            shadow_refusals: AtomicU64::default(),
            spans: Default::default(),
            reloads: Default::default(),
            tools: Tools::default(),
            tells_tools: AtomicBool::new(false),
            numbers: Mutex::default(),
            looks: Mutex::default(),
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn count(counts: &[AtomicU64], index: usize, number: u64) {
    if let Some(count) = counts.get(index) {
        count.fetch_add(number, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
