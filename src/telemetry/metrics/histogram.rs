//! How often something was how large: counts in fixed buckets, and the sum.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::MetricEncoder;
use prometheus_client::encoding::NoLabelSet;

/// How many bounds a histogram has; beyond the last one there is one more bucket.
const BOUNDS: usize = 14;

/// What is measured, and in which steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The upper bounds, inclusive, in the unit that is counted in.
    bounds: [u64; BOUNDS],
    /// How many of those make one of what is shown.
    parts: f64,
}

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLI;

/// Durations, counted in nanoseconds and shown in seconds. The bounds that the semantic conventions
/// for MCP ask for begin at 10 ms, where most calls are over, so two of the longest gave way.
pub(super) static SECONDS: Scale = Scale {
    bounds: [
        MILLI,
        5 * MILLI,
        10 * MILLI,
        20 * MILLI,
        50 * MILLI,
        100 * MILLI,
        200 * MILLI,
        500 * MILLI,
        SECOND,
        2 * SECOND,
        5 * SECOND,
        10 * SECOND,
        30 * SECOND,
        60 * SECOND,
    ],
    parts: 1e9,
};

/// Sizes in bytes, from a short message to the largest that is usual.
pub(super) static BYTES: Scale = Scale {
    bounds: [
        64,
        256,
        1 << 10,
        1 << 12,
        1 << 14,
        1 << 16,
        1 << 17,
        1 << 18,
        1 << 19,
        1 << 20,
        1 << 21,
        1 << 22,
        1 << 23,
        1 << 24,
    ],
    parts: 1.0,
};

/// Counts in buckets; nobody who counts waits for anybody.
pub(super) struct Histogram {
    scale: &'static Scale,
    counts: [AtomicU64; BOUNDS],
    beyond: AtomicU64,
    sum: AtomicU64,
}

impl Histogram {
    /// Counts from nothing.
    pub(super) fn new(scale: &'static Scale) -> Self {
        Self {
            scale,
            counts: Default::default(),
            beyond: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts something of this size, in the unit that is counted in.
    pub(super) fn note(&self, size: u64) {
        let pairs = self.scale.bounds.iter().zip(&self.counts);
        let bucket = pairs.into_iter().find(|(bound, _)| size <= **bound).map(|(_, count)| count);
        bucket.unwrap_or(&self.beyond).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(size, Ordering::Relaxed);
    }

    /// Counts something that took so long.
    pub(super) fn took(&self, time: Duration) {
        self.note(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Returns how much was counted.
    pub(super) fn count(&self) -> u64 {
        let within = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        within.sum::<u64>() + self.beyond.load(Ordering::Relaxed)
    }

    /// Writes it down.
    pub(super) fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let bounds = self.scale.bounds.iter().map(|bound| self.shown(*bound));
        let mut buckets: Vec<_> = bounds.zip(counts).collect();
        buckets.push((f64::INFINITY, self.beyond.load(Ordering::Relaxed)));
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.shown(self.sum.load(Ordering::Relaxed));
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    #[expect(clippy::cast_precision_loss, reason = "a sum of 2^53 is far away, and shown rounded")]
    fn shown(&self, size: u64) -> f64 {
        size as f64 / self.scale.parts
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram").field("count", &self.count()).finish_non_exhaustive()
    }
}
