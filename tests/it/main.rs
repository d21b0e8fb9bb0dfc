//! One test binary.
#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test that cannot go on stops, with the place"
)]

mod catalog;
mod tidy;
