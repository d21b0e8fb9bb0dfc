//! About how many tokens a text costs a model.
//!
//! Every model counts in its own way, and some do not say how, so this is an estimate: a token for
//! every four bytes of JSON. Beside OpenAI's `o200k_base` that is 2 to 16 percent too many for the
//! definitions of real servers (`docs/tokens.md`), never too few.

/// How many bytes of JSON make a token.
const BYTES: usize = 4;

/// Estimates how many tokens `text` costs.
pub fn estimate(text: &str) -> usize {
    text.len().div_ceil(BYTES)
}
