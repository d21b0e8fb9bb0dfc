//! Speaks to people: arguments in; data on stdout, words on stderr, and an exit code out.
//!
//! Nothing else in Conflux writes to a terminal, and stdout carries data or the protocol only.

mod args;
mod call;
mod check;
mod demo;
mod diff;
mod exec;
mod exit;
#[cfg(unix)]
mod guard;
mod instances;
mod logs;
mod output;
mod patterns;
mod ready;
mod report;
mod schema;
mod serve;
mod session;
mod status;
mod suggest;
mod table;
mod tools;
mod upstreams;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use tokio::runtime;

use crate::cli::args::Arguments;
use crate::cli::args::Command;
use crate::cli::exit::Exit;
use crate::cli::report::Failure;
use crate::cli::serve::Loaded;
use crate::config;
use crate::config::surroundings::Surroundings;
use crate::config::watch::Sight;
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
    let around = Surroundings::of_process();
    let filter = arguments.common.log.as_deref().or(around.log_filter());
    // Commands that report on upstreams themselves need no log to say it again.
    let is_service = matches!(arguments.command, Command::Serve(_) | Command::Exec(_));
    let default = if is_service { format!("warn,{TOLD}") } else { format!("error,{TOLD}") };
    let log = logs::start(filter, &default)?;
    let load = |options| {
        let config = config::load::load_within(&options, &around)?;
        log.hide(&config.secrets);
        Ok::<_, Failure>(config)
    };
    let config = || load(arguments.common.options());
    let service = |overrides| {
        let mut options = arguments.common.options();
        options.overrides = overrides;
        let sight = Sight::of(&config::load::candidates(&options, &around));
        let config = load(options.clone())?;
        for warning in &config.warnings {
            let warning = warning.without_hint();
            tracing::warn!("{warning} (`conflux check` says what to do)");
        }
        Ok::<_, Failure>(Loaded { config, options, sight, around: around.clone() })
    };
    match &arguments.command {
        Command::Schema => schema::run(),
        Command::Demo => wait(demo::run()),
        Command::Serve(wanted) => {
            let loaded = service(wanted.overrides())?;
            match &wanted.listen {
                Some(_) => wait(serve::http(loaded, wanted.ready)),
                None => wait(serve::stdio(loaded, wanted.ready)),
            }
        }
        Command::Exec(wanted) => {
            let Loaded { mut config, .. } = service(wanted.overrides())?;
            if wanted.listen.is_none() {
                // No certificate is for an address that is made up for one command.
                config.http.tls = None;
            }
            wait(exec::run(config, &wanted.command))
        }
        Command::Status(wanted) => {
            let asked = instances::Asked { pid: wanted.pid, json: wanted.json };
            wait(status::run(around.runtime(), asked, around.columns()))
        }
        Command::Check(wanted) if wanted.diff => {
            let asked = instances::Asked { pid: wanted.pid, json: wanted.json };
            wait(diff::run(around.runtime(), asked))
        }
        Command::Check(wanted) if wanted.connect => wait(check::connect(config()?, wanted.json)),
        Command::Check(wanted) => check::run(&config()?, wanted.json),
        Command::Tools(wanted) => {
            let config = config()?;
            output::tell(&report::warnings(&config));
            wait(tools::run(config, wanted.json, around.columns()))
        }
        Command::Call(wanted) => {
            let arguments = call::arguments(&wanted.args)?;
            wait(call::run(config()?, &wanted.name, &arguments))
        }
    }
}

/// Runs a command to its end on the one thread there is.
fn wait(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let outcome = runtime.block_on(command);
    // A thread that still reads stdin would hold up the end until the next line comes.
    runtime.shutdown_background();
    outcome
}

/// Says what clap has to say: help and version on stdout, mistakes on stderr.
fn explain(error: &clap::Error) -> Exit {
    // Whoever closed the stream does not want to read it.
    drop(error.print());
    if error.use_stderr() { exit::USAGE } else { exit::OK }
}
