//! Which span something belongs to, as it is said to others (W3C Trace Context, "traceparent").

use std::fmt;

/// The longest `tracestate` that is passed on, in bytes (section 3.3.1.5).
const STATE_LIMIT: usize = 512;

/// A span, as it is said to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace; never 0.
    pub trace: u128,
    /// The span in it; never 0.
    pub span: u64,
    /// Whether the trace is recorded.
    pub is_sampled: bool,
}

impl Context {
    /// Reads it; nothing if it is none that can be trusted to mean what it seems to.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let version = hex(parts.next()?, 2)?;
        let (trace, span) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?);
        let flags = hex(parts.next()?, 2)?;
        // Versions to come may say more behind that.
        let is_known = version != 0xff && (version > 0 || parts.next().is_none());
        let span = u64::try_from(span).ok()?;
        let is_valid = is_known && trace != 0 && span != 0;
        is_valid.then_some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, is_sampled } = self;
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(*is_sampled))
    }
}

/// Returns whether what somebody says besides (`tracestate`) can be passed on as it is.
pub(super) fn is_state(text: &str) -> bool {
    text.len() <= STATE_LIMIT && text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
}

/// Reads so many hexadecimal digits, in lower case.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (text.len() == digits && is_hex).then(|| u128::from_str_radix(text, 16).ok())?
}
