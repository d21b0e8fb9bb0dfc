//! Pauses that grow, so that a server in trouble is not pressed, and differ, so that many
//! gateways do not press it at once.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_mins(1);

/// The pauses before each further attempt.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// Returns how long to wait now: between half the pause and the whole, which doubles each
    /// time.
    pub(super) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        let mut random = [0; 2];
        // Without randomness the whole pause is as good.
        if getrandom::fill(&mut random).is_err() {
            return whole;
        }
        let part = f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX);
        whole.div_f64(2.0) + whole.div_f64(2.0).mul_f64(part)
    }
}
