//! Speaks to people: arguments in; data on stdout, words on stderr, and an exit code out.
//!
//! Nothing else in Conflux writes to a terminal, and stdout carries data or the protocol only.

mod args;
mod command;
mod common;
mod context;
mod edit;
mod exit;
mod follow;
#[cfg(unix)]
mod guard;
mod instances;
mod logs;
mod output;
mod ready;
mod report;
mod request;
mod runtime;
mod session;
mod suggest;
mod table;
mod terminal;
mod unknown;
mod upstreams;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap::Parser as _;

use crate::cli::args::Arguments;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::logs::Format;
use crate::cli::report::Failure;
use crate::config::surroundings::Surroundings;
#[cfg(unix)]
use crate::upstream;

/// What is not logged unless somebody wants it, because it is told as the failure of an upstream.
const TOLD: &str = "rustls_platform_verifier=off";

/// Runs the program with the arguments it was started with.
pub fn main() -> ExitCode {
    #[cfg(unix)]
    if std::env::args_os().nth(1).is_some_and(|word| word == upstream::guard::COMMAND) {
        return guard::run();
    }
    let exit = match Arguments::try_parse() {
        Ok(arguments) => match run(&arguments) {
            Ok(()) => exit::OK,
            Err(failure) => {
                output::tell(&failure.notices);
                failure.exit
            }
        },
        Err(error) => explain(&error),
    };
    ExitCode::from(exit.code)
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { common, command } = arguments;
    let around = Surroundings::of_process();
    let filter = common.log.as_deref().or(around.log_filter());
    let default = if command.is_service() { "warn" } else { "error" };
    let colours = around.allows_colours();
    let format = logs::format(common.log_format, around.log_format())?;
    if format == Format::Json {
        output::write_json();
    }
    let log = logs::start(filter, &format!("{default},{TOLD}"), colours, format)?;
    command.run(&Context::new(around, common, Arguments::command(), log))
}

/// Says what clap has to say: help and version on stdout, mistakes on stderr.
fn explain(error: &clap::Error) -> Exit {
    // Whoever closed the stream does not want to read it.
    drop(error.print());
    if error.use_stderr() { exit::USAGE } else { exit::OK }
}
