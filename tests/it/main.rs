//! One test binary.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on stops, with the place"
)]
#![expect(clippy::needless_pass_by_value, reason = "`json!` reads better without a reference")]

mod agents;
mod audit;
mod auth;
mod bridge;
mod cache;
mod canaries;
mod calls;
mod catalog;
mod cli;
mod clients;
mod config;
mod conformance;
mod conformance_through;
mod corpus;
mod doctor;
mod editing;
mod exec;
mod exposure;
mod failure;
mod faults;
mod fuzz_corpus;
mod governed;
mod help;
mod http_front;
mod http_upstream;
mod hygiene;
mod inspector;
mod isolation;
mod limits;
mod local_http;
mod log_lines;
mod logs;
mod looking;
mod matrix;
mod metrics;
mod mistakes;
mod moving;
mod oidc;
mod on_demand;
mod parity;
mod policy;
mod process_tree;
mod quotas;
mod real_catalogs;
mod real_http;
mod real_servers;
mod relay;
mod reload;
mod reload_load;
mod remembered;
mod reverse_proxy;
mod room;
mod sdk_clients;
mod secrets;
mod shaping;
mod soak;
mod spill;
mod startup;
mod status;
mod support;
mod tail;
mod tasks;
mod terminal;
mod tidy;
mod traces;
mod toy_upstream;
mod usage;
mod watching;
