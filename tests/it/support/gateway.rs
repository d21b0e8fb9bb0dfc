//! Conflux in front of upstreams, as a program that any client of the tests can start.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::support::programs::Program;

/// How long a first list waits for upstreams that are still starting: every list of a test is
/// whole, however busy the machine is.
const START: &str = "60s";

/// Returns `conflux serve` with these upstreams, in this order; its files live in `home`.
pub(crate) fn conflux(home: &Path, upstreams: &[(&str, Program)]) -> Program {
    let mut config = format!("limits: {{ start_budget: {START} }}\nupstreams:\n");
    for (key, program) in upstreams {
        writeln!(config, "  {key}: {}", program.entry()).unwrap();
    }
    let file = home.join("upstreams.yaml");
    fs::write(&file, config).unwrap();
    Program::new(env!("CARGO_BIN_EXE_conflux"))
        .args(&["serve", "--config"])
        .arg(file)
        .env("CONFLUX_STATE", home.join("state"))
}
