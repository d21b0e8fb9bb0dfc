//! One test binary.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that cannot go on stops, with the place"
)]
#![expect(clippy::needless_pass_by_value, reason = "`json!` reads better without a reference")]

mod real_servers;
mod sdk_clients;
mod support;
mod tidy;
mod toy_upstream;
