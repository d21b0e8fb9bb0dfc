//! The command line as it is typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::Parser;
use clap::Subcommand;

use crate::cli::exit;
use crate::config;

/// One MCP server in front of many.
#[derive(Debug, Parser)]
#[command(name = "conflux", version, after_help = exit::help(), arg_required_else_help = true)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pub(in crate::cli) common: Common,
    #[command(subcommand)]
    pub(in crate::cli) command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
pub(in crate::cli) struct Common {
    /// Configuration file; repeat it to layer several, later ones over earlier ones
    ///
    /// Without it: the files in `CONFLUX_CONFIG`, else `./upstreams.yaml`, else
    /// `conflux/upstreams.yaml` in the user's configuration directory.
    #[arg(long, global = true, value_name = "FILE")]
    pub(in crate::cli) config: Vec<PathBuf>,
    /// What is logged to stderr, such as `debug` or `conflux::upstream=trace`
    ///
    /// Without it: what `CONFLUX_LOG` says.
    #[arg(long, global = true, value_name = "FILTER")]
    pub(in crate::cli) log: Option<String>,
}

impl Common {
    /// Returns what the command line says about the configuration.
    pub(in crate::cli) fn options(&self) -> config::load::Options {
        config::load::Options { files: self.config.clone(), overrides: Vec::new() }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Serve one client over stdin and stdout, or many over HTTP
    Serve(Serve),
    /// Run a command with a gateway of its own
    Exec(Exec),
    /// Tell how running gateways are
    Status(Status),
    /// Validate the configuration
    Check(Check),
    /// List the tools of all upstreams
    Tools(Tools),
    /// Call one tool
    Call(Call),
    /// Print the JSON Schema of the configuration file
    Schema,
    /// Be a small MCP server over stdin and stdout, to try Conflux with
    #[command(hide = true)]
    Demo,
}

/// Serve one client over stdin and stdout, or many over HTTP.
#[derive(Debug, Args)]
pub(in crate::cli) struct Serve {
    /// Serve clients over HTTP at this address, such as `127.0.0.1:7420`
    ///
    /// Without an address: what `http.listen` in the configuration says.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "")]
    pub(in crate::cli) listen: Option<String>,
    /// Wait until every upstream that is `required` is ready, or fail and say why as JSON
    ///
    /// Over HTTP, `listening on` is said when all is ready; over stdin and stdout, the first answer
    /// waits for it.
    #[arg(long)]
    pub(in crate::cli) ready: bool,
}

impl Serve {
    /// Returns what this command says about the configuration.
    pub(in crate::cli) fn overrides(&self) -> Vec<config::load::Override> {
        let listen = self.listen.iter().filter(|address| !address.is_empty());
        listen.map(|address| listening(address)).collect()
    }
}

/// Run a command with a gateway of its own.
///
/// The command starts when every upstream that is `required` is ready. It finds the gateway in its
/// environment: `CONFLUX_URL` is the address, `CONFLUX_MCP_CONFIG` the same as `mcpServers` of
/// clients, `CONFLUX_PID` the process. When it ends, the gateway ends, and with its exit code.
#[derive(Debug, Args)]
pub(in crate::cli) struct Exec {
    /// Serve the command at this address
    ///
    /// Without it: at any free port of `127.0.0.1`, without TLS.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) listen: Option<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(in crate::cli) command: Vec<OsString>,
}

impl Exec {
    /// Returns what this command says about the configuration.
    pub(in crate::cli) fn overrides(&self) -> Vec<config::load::Override> {
        vec![listening(self.listen.as_deref().unwrap_or("127.0.0.1:0"))]
    }
}

fn listening(address: &str) -> config::load::Override {
    config::load::Override {
        flag: "--listen".to_owned(),
        key: "http.listen".to_owned(),
        value: address.to_owned(),
    }
}

/// Tell how running gateways are.
#[derive(Debug, Args)]
pub(in crate::cli) struct Status {
    /// Ask the gateway with this process id alone
    #[arg(long)]
    pub(in crate::cli) pid: Option<u32>,
    /// Print what each gateway says, a JSON object a line
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Validate the configuration.
#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// Also start every upstream and list what it has
    #[arg(long)]
    pub(in crate::cli) connect: bool,
    /// Ask running gateways instead what a reload would do: each loads its own files
    #[arg(long, conflicts_with = "connect")]
    pub(in crate::cli) diff: bool,
    /// With `--diff`: ask the gateway with this process id alone
    #[arg(long, requires = "diff")]
    pub(in crate::cli) pid: Option<u32>,
    /// Print what was found as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// List the tools of all upstreams.
#[derive(Debug, Args)]
pub(in crate::cli) struct Tools {
    /// Print the definitions as a JSON array, exactly as clients get them
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Call one tool.
#[derive(Debug, Args)]
pub(in crate::cli) struct Call {
    /// The tool's name, as `conflux tools` shows it
    pub(in crate::cli) name: String,
    /// The arguments: a JSON object, `@FILE` for a file that holds one, or `-` for stdin
    #[arg(long, value_name = "JSON", default_value = "{}", allow_hyphen_values = true)]
    pub(in crate::cli) args: String,
}
