//! `conflux guard`: what a running Conflux starts its upstreams under.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::exit;
use crate::cli::output;
use crate::upstream::guard;

/// Be the parent of a program that a running Conflux starts, and leave nothing of it behind.
#[derive(Debug, Parser)]
struct Arguments {
    /// The process id of that Conflux
    #[arg(long)]
    conflux: u32,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Starts the program and stays until nothing of it is left.
pub(in crate::cli) fn run() -> ExitCode {
    let wanted = Arguments::parse_from(std::env::args_os().skip(1));
    let Some((program, arguments)) = wanted.command.split_first() else {
        return ExitCode::from(exit::USAGE.code);
    };
    match guard::run(wanted.conflux, program, arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::say(&format!("it cannot be started: {error}"));
            ExitCode::from(exit::FAILURE.code)
        }
    }
}
