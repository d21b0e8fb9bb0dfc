//! One test binary.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on stops, with the place"
)]

mod catalog;
mod cli;
mod config;
mod tidy;
