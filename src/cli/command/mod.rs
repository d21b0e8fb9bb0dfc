//! The commands, a file each: what is typed, and what comes of it.

mod call;
mod check;
mod clients;
mod demo;
mod exec;
mod import;
mod install;
mod schema;
mod serve;
mod status;
mod tools;
mod uninstall;

use anyhow::Context as _;
use clap::Subcommand;
use tokio::runtime;

use crate::cli::context::Context;
use crate::cli::report::Failure;

/// What to do.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Serve one client over stdin and stdout, or many over HTTP
    Serve(serve::Serve),
    /// Run a command with a gateway of its own
    Exec(exec::Exec),
    /// Tell how running gateways are
    Status(status::Status),
    /// Validate the configuration
    Check(check::Check),
    /// List the tools of all upstreams
    Tools(tools::Tools),
    /// Call one tool
    Call(call::Call),
    /// Take over the MCP servers that clients have
    Import(import::Import),
    /// Put Conflux into clients, in the place of their MCP servers
    Install(install::Install),
    /// Take Conflux out of clients, and put their MCP servers back
    Uninstall(uninstall::Uninstall),
    /// Print the JSON Schema of the configuration file
    Schema,
    /// Be a small MCP server over stdin and stdout, to try Conflux with
    #[command(hide = true)]
    Demo,
}

impl Command {
    /// Returns whether it stays until it is told to go; the others report on upstreams themselves,
    /// and need no log to say it again.
    pub(in crate::cli) fn is_service(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Exec(_))
    }

    /// Does what it says.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        match self {
            Self::Serve(wanted) => wanted.run(context),
            Self::Exec(wanted) => wanted.run(context),
            Self::Status(wanted) => wanted.run(context),
            Self::Check(wanted) => wanted.run(context),
            Self::Tools(wanted) => wanted.run(context),
            Self::Call(wanted) => wanted.run(context),
            Self::Import(wanted) => wanted.run(context),
            Self::Install(wanted) => wanted.run(context),
            Self::Uninstall(wanted) => wanted.run(context),
            Self::Schema => schema::run(),
            Self::Demo => wait(demo::run()),
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
