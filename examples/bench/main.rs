//! What Conflux adds to a call, measured beside the floor and beside others in one run.
//!
//! `cargo run --release --example bench -- run --quick` tries everything; `--help` says more. One
//! binary is the load, the server behind, and both floors, none of them made with an SDK.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

mod adapter;
mod client;
mod governed;
mod grid;
mod instructions;
mod json;
mod lines;
mod load;
mod process;
mod relay;
mod report;
mod run;
mod scenario;
mod splice;
mod stage;
mod subject;
mod upstream;

use clap::Parser as _;

/// Measures Conflux, and is what it is measured with.
#[derive(clap::Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Measure everything.
    Run(run::Flags),
    /// Measure what each part of governing adds to a call.
    Governed(governed::Flags),
    /// Count the instructions that a call costs Conflux.
    Instructions(instructions::Flags),
    /// Name everything that can be measured.
    List,
    /// Be a minimal MCP server.
    Upstream(upstream::Flags),
    /// Be the first floor: bytes only.
    Splice(splice::Flags),
    /// Be the second floor: envelope parsed, id and name swapped.
    Relay(relay::Flags),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(flags) => run::run(flags),
        Command::Governed(flags) => governed::run(&flags),
        Command::Instructions(flags) => instructions::run(&flags),
        Command::List => {
            run::list();
            Ok(())
        }
        Command::Upstream(flags) => upstream::serve(&flags),
        Command::Splice(flags) => splice::run(&flags),
        Command::Relay(flags) => relay::run(&flags),
    }
}
