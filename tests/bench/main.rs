//! What the parts of a call cost, each for itself: time, and how often and how much is allocated.
//!
//! `cargo bench` measures, `cargo test` runs each bench once. Times say something on a quiet
//! machine only; `examples/bench` measures the whole program.
#![expect(
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a bench that cannot go on stops, with the place"
)]

mod audit;
mod catalog;
mod data;
mod events;
mod frames;
mod fronts;
mod headers;
mod identity;
mod limits;
mod telemetry;
mod policy;

use divan::AllocProfiler;

/// Counts what each bench allocates.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}
