//! The commands, a file each: what is typed, and what comes of it.

mod add;
mod call;
mod check;
mod clients;
mod completions;
mod demo;
mod doctor;
mod exec;
mod import;
mod init;
mod install;
mod lint;
mod lists;
mod logs;
mod man;
mod profile;
mod prompt;
mod read;
mod remove;
mod schema;
mod serve;
mod show;
mod status;
mod switch;
mod tail;
mod tokens;
mod uninstall;

use anyhow::Context as _;
use clap::Subcommand;
use tokio::runtime;

use crate::catalog::Kind;
use crate::cli::context::Context;
use crate::cli::report::Failure;

/// What to do. A sentence here stands in the place of all that the command says of itself.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Serve one client over stdin and stdout, or many over HTTP
    Serve(serve::Serve),
    /// Run a command with a gateway of its own
    Exec(exec::Exec),
    /// Tell how running gateways are
    Status(status::Status),
    /// Show what upstreams of running gateways wrote to stderr, and what became of them
    Logs(logs::Logs),
    /// Show the calls of running gateways as they end
    Tail(tail::Tail),
    /// Validate the configuration
    Check(check::Check),
    Doctor(doctor::Doctor),
    /// List the tools of all upstreams
    Tools(lists::Lists),
    /// List the resources of all upstreams, and the templates of their addresses
    Resources(lists::Lists),
    /// List the prompts of all upstreams
    Prompts(lists::Lists),
    Show(show::Show),
    Profile(profile::Profile),
    Tokens(tokens::Tokens),
    /// Tell which tool breaks which client
    Lint(lint::Lint),
    /// Call one tool
    Call(call::Call),
    Read(read::Read),
    Prompt(prompt::Prompt),
    Import(import::Import),
    Install(install::Install),
    Uninstall(uninstall::Uninstall),
    Init(init::Init),
    Add(add::Add),
    Remove(remove::Remove),
    /// Take upstreams in again that were left out
    Enable(switch::Switch),
    /// Leave upstreams out without removing them
    Disable(switch::Switch),
    /// Print the JSON Schema of the configuration file
    Schema,
    Completions(completions::Completions),
    Man(man::Manual),
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
            Self::Logs(wanted) => wanted.run(context),
            Self::Tail(wanted) => wanted.run(context),
            Self::Check(wanted) => wanted.run(context),
            Self::Doctor(wanted) => wanted.run(context),
            Self::Tools(wanted) => wanted.run(context, Kind::Tools),
            Self::Resources(wanted) => wanted.run(context, Kind::Resources),
            Self::Prompts(wanted) => wanted.run(context, Kind::Prompts),
            Self::Show(wanted) => wanted.run(context),
            Self::Profile(wanted) => wanted.run(context),
            Self::Tokens(wanted) => wanted.run(context),
            Self::Lint(wanted) => wanted.run(context),
            Self::Call(wanted) => wanted.run(context),
            Self::Read(wanted) => wanted.run(context),
            Self::Prompt(wanted) => wanted.run(context),
            Self::Import(wanted) => wanted.run(context),
            Self::Install(wanted) => wanted.run(context),
            Self::Uninstall(wanted) => wanted.run(context),
            Self::Init(wanted) => wanted.run(context),
            Self::Add(wanted) => wanted.run(context),
            Self::Remove(wanted) => wanted.run(context),
            Self::Enable(wanted) => wanted.run(context, false),
            Self::Disable(wanted) => wanted.run(context, true),
            Self::Schema => schema::run(),
            Self::Completions(wanted) => wanted.run(),
            Self::Man(wanted) => wanted.run(),
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
