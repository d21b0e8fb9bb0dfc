//! What is counted for one upstream, or for none: held by whoever counts, so that nothing is looked
//! up on the way.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::telemetry::metrics::histogram::BYTES;
use crate::telemetry::metrics::histogram::Histogram;
use crate::telemetry::metrics::histogram::SECONDS;
use crate::telemetry::metrics::words::Method;
use crate::telemetry::metrics::words::Outcome;

/// The numbers of one upstream.
#[derive(Debug)]
pub struct Upstream {
    /// Its key; empty for what belongs to none.
    pub(super) id: String,
    /// Requests of callers.
    pub(super) asked: Operations,
    /// Requests to the upstream.
    pub(super) sent: Operations,
    /// How large the parameters of callers were.
    pub(super) request_size: Histogram,
    /// How large the results for callers were.
    pub(super) response_size: Histogram,
    /// How often it was started, the first time included.
    pub(super) starts: AtomicU64,
    /// How often it could not be started, or ended by itself.
    pub(super) failures: AtomicU64,
    /// How many requests were made once more.
    pub(super) retries: AtomicU64,
    /// For how many requests it was not asked, because their result was kept.
    pub(super) spared: AtomicU64,
}

/// Requests by method; what was never asked for takes no room.
#[derive(Debug)]
pub(super) struct Operations([OnceLock<Box<Operation>>; Method::COUNT]);

/// Requests with one method.
#[derive(Debug)]
pub(super) struct Operation {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// How long they took.
    pub(super) duration: Histogram,
}

/// A request that ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// What it asked for.
    pub method: Method,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

impl Upstream {
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            asked: Operations::default(),
            sent: Operations::default(),
            request_size: Histogram::new(&BYTES),
            response_size: Histogram::new(&BYTES),
            starts: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            spared: AtomicU64::new(0),
        }
    }

    /// Returns the key of the upstream; empty for what belongs to none.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Notes that a request of a caller has ended, and how many bytes came and left.
    pub fn answered(&self, ended: Ended, bytes_in: usize, bytes_out: usize) {
        self.asked.note(ended);
        self.request_size.note(bytes_in as u64);
        if ended.outcome == Outcome::Ok || ended.outcome == Outcome::ToolError {
            self.response_size.note(bytes_out as u64);
        }
    }

    /// Notes that a request to the upstream has ended, those of Conflux itself among them.
    pub fn asked(&self, ended: Ended) {
        self.sent.note(ended);
    }

    /// Notes that a request is made once more.
    pub fn repeats(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that it need not be asked, because the result was kept.
    pub fn spares(&self) {
        self.spared.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that it is started.
    pub fn starts(&self) {
        self.starts.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that it could not be started, or ended by itself.
    pub fn fails(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

impl Default for Operations {
    fn default() -> Self {
        Self([const { OnceLock::new() }; Method::COUNT])
    }
}

impl Operations {
    fn note(&self, ended: Ended) {
        let Some(place) = self.0.get(ended.method.index()) else { return };
        let operation = place.get_or_init(Box::default);
        if let Some(count) = operation.outcomes.get(ended.outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        operation.duration.took(ended.took);
    }

    /// Returns what was ever asked for.
    pub(super) fn known(&self) -> impl Iterator<Item = (Method, &Operation)> {
        let all = Method::all().zip(&self.0);
        all.filter_map(|(method, place)| Some((method, &**place.get()?)))
    }
}

impl Default for Operation {
    fn default() -> Self {
        Self { outcomes: Default::default(), duration: Histogram::new(&SECONDS) }
    }
}

impl Operation {
    /// Returns how often each outcome there was came about.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        let counts = self.outcomes.iter().map(|count| count.load(Ordering::Relaxed));
        Outcome::ALL.iter().copied().zip(counts).filter(|(_, count)| *count > 0)
    }
}
