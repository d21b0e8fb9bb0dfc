//! The commands, a file each: what is typed, and what comes of it.

mod add;
mod audit;
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
mod policy;
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
mod token;
mod tokens;
mod uninstall;

use clap::Subcommand;

use crate::catalog::Kind;
use crate::cli::context::Context;
use crate::cli::report::Failure;
use crate::cli::runtime;

/// What to do. A command says of itself what it does; a sentence here, which would stand in the
/// place of all that, is only for arguments that several have in common, and for those without any.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    Serve(serve::Serve),
    Exec(exec::Exec),
    Status(status::Status),
    Logs(logs::Logs),
    Tail(tail::Tail),
    Audit(audit::Audit),
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
    Policy(policy::Policy),
    Tokens(tokens::Tokens),
    Token(token::Token),
    Lint(lint::Lint),
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
    ///
    /// Of several files, the one is edited that says whether the upstream is left out, else the
    /// last one that has it.
    Enable(switch::Switch),
    /// Leave upstreams out without removing them
    ///
    /// Of several files, the one is edited that says whether the upstream is left out, else the
    /// last one that has it.
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
            Self::Audit(wanted) => wanted.run(context),
            Self::Check(wanted) => wanted.run(context),
            Self::Doctor(wanted) => wanted.run(context),
            Self::Tools(wanted) => wanted.run(context, Kind::Tools),
            Self::Resources(wanted) => wanted.run(context, Kind::Resources),
            Self::Prompts(wanted) => wanted.run(context, Kind::Prompts),
            Self::Show(wanted) => wanted.run(context),
            Self::Profile(wanted) => wanted.run(context),
            Self::Policy(wanted) => wanted.run(context),
            Self::Tokens(wanted) => wanted.run(context),
            Self::Token(wanted) => wanted.run(context),
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
            Self::Completions(wanted) => wanted.run(context),
            Self::Man(wanted) => wanted.run(context),
            Self::Demo => runtime::wait(demo::run()),
        }
    }
}
