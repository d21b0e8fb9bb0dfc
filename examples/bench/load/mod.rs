//! Load: requests prepared as bytes, so many under way, every answer checked.
//!
//! One thread that waits in `poll`: no hand-over between threads is part of what is measured, and
//! it always reads when there is something to read, so that nobody waits for it to make room.

pub(crate) mod answer;
pub(crate) mod http;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod stdio;

use std::time::Duration;

use tokio::time::Instant;

/// How long the load waits for any answer at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much load there is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent {
    /// As much as has its turn in this time.
    Time(Duration),
    /// So many calls.
    Calls(usize),
}

impl From<Duration> for Extent {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

/// What came of one round: the latencies, and how long all of it took.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// In nanoseconds, sorted.
    pub(crate) latencies: Vec<u64>,
    pub(crate) elapsed: Duration,
}

impl Sample {
    /// Returns the latency that so much of all is under, in microseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "an index of a list of at most millions"
        )]
        let at = ((self.latencies.len() as f64 - 1.0) * share).round().max(0.0) as usize;
        self.latencies.get(at).map_or(f64::NAN, |nanos| micros(*nanos))
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of at most millions")]
    pub(crate) fn count(&self) -> f64 {
        self.latencies.len() as f64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.count() / self.elapsed.as_secs_f64()
    }
}

#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53 nanoseconds")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

/// What is under way, and what is done.
pub(crate) struct Flight {
    started: Vec<Option<Instant>>,
    first: u64,
    begin: Instant,
    /// When the last call began or was answered.
    moved: Instant,
    extent: Extent,
    latencies: Vec<u64>,
}

impl Flight {
    /// Begins a round with the id `first`.
    pub(crate) fn new(first: u64, extent: Extent) -> Self {
        let begin = Instant::now();
        let (started, latencies) = (Vec::with_capacity(1 << 16), Vec::with_capacity(1 << 16));
        Self { started, first, begin, moved: begin, extent, latencies }
    }

    /// Returns the id of the next call, unless there were enough.
    pub(crate) fn start(&mut self, now: Instant) -> Option<u64> {
        let is_over = match self.extent {
            Extent::Time(time) => now >= self.begin + time,
            Extent::Calls(count) => self.started.len() >= count,
        };
        if is_over {
            return None;
        }
        self.moved = now;
        self.started.push(Some(now));
        Some(self.next_id() - 1)
    }

    /// The id that the next call would have.
    pub(crate) fn next_id(&self) -> u64 {
        self.first + self.started.len() as u64
    }

    /// Notes that the answer for `id` came.
    pub(crate) fn finish(&mut self, id: u64, now: Instant) -> anyhow::Result<()> {
        let index = id.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let started = index.and_then(|index| self.started.get_mut(index)).and_then(Option::take);
        let Some(started) = started else {
            anyhow::bail!("an answer for {id}, which nobody waits for");
        };
        self.moved = now;
        let taken = now.duration_since(started).as_nanos();
        self.latencies.push(u64::try_from(taken).unwrap_or(u64::MAX));
        Ok(())
    }

    /// How long the next answer may still take, however much else comes meanwhile.
    pub(crate) fn patience(&self) -> anyhow::Result<Duration> {
        let left = PATIENCE.saturating_sub(self.moved.elapsed());
        anyhow::ensure!(!left.is_zero(), "no answer within {PATIENCE:?}");
        Ok(left)
    }

    pub(crate) fn under_way(&self) -> usize {
        self.started.len() - self.latencies.len()
    }

    pub(crate) fn done(mut self) -> Sample {
        self.latencies.sort_unstable();
        Sample { latencies: self.latencies, elapsed: self.begin.elapsed() }
    }
}
