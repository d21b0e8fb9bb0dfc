//! Ids that nobody else makes: of traces, of spans, and of requests, traced or not.
//!
//! They tell things apart and are no secrets, so a generator that is quick does; it begins where
//! the system's random numbers say.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// What stands in everything that is noted about one request, and in nothing about another one: 16
/// digits, which are those of its span if it is traced. Nobody else chooses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(u64);

impl Id {
    /// Makes one for a request.
    pub(super) fn new() -> Self {
        Self(span())
    }

    /// Returns the number it is.
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Returns the id of a new trace.
pub(super) fn trace() -> u128 {
    u128::from(random()) << 64 | u128::from(random())
}

/// Returns the id of a new span.
pub(super) fn span() -> u64 {
    random()
}

/// Returns a number that was not returned before and is not 0 (the generator splitmix64).
fn random() -> u64 {
    /// By how much the state grows: odd, so that every state comes once.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    static STATE: LazyLock<AtomicU64> = LazyLock::new(|| {
        let mut seed = [0; 8];
        // Without randomness the process is told apart by its number, as well as that goes.
        let is_random = getrandom::fill(&mut seed).is_ok();
        let seed = u64::from_ne_bytes(seed);
        AtomicU64::new(if is_random { seed } else { u64::from(std::process::id()) << 32 })
    });
    let mut number = STATE.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    match number ^ (number >> 31) {
        0 => STEP,
        number => number,
    }
}
