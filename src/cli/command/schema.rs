//! `conflux schema`: the JSON Schema of the configuration file.

use crate::cli::output;
use crate::cli::report::Failure;
use crate::config;

/// Prints the schema.
pub(in crate::cli) fn run() -> Result<(), Failure> {
    output::data(&format!("{:#}", config::schema()))
}
