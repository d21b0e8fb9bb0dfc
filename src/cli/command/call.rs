//! `conflux call`: one call, on the same path as a client's.

use std::fs;
use std::io;

use clap::Args;

use crate::app::App;
use crate::catalog::Kind;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::request;
use crate::cli::runtime;
use crate::cli::session;
use crate::cli::unknown;
use crate::config::Config;
use crate::router;
use crate::wire::Raw;
use crate::wire::method;
use crate::wire::object;

/// Call one tool
#[derive(Debug, Args)]
pub(in crate::cli) struct Call {
    /// The tool's name, as `conflux tools` shows it
    name: String,
    /// The arguments: a JSON object, `@FILE` for a file that holds one, or `-` for stdin
    #[arg(long, value_name = "JSON", default_value = "{}", allow_hyphen_values = true)]
    args: String,
}

impl Call {
    /// Calls the tool and prints its result.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let arguments = arguments(&self.args)?;
        runtime::wait(run(context.config()?, &self.name, &arguments))
    }
}

/// Reads arguments as they are written on a command line; their bytes stay as they are.
pub(super) fn arguments(written: &str) -> Result<Raw, Failure> {
    let (text, origin) = match written.strip_prefix('@') {
        _ if written == "-" => (io::read_to_string(io::stdin().lock()), "stdin".to_owned()),
        Some(path) => (fs::read_to_string(path), format!("`{path}`")),
        None => (Ok(written.to_owned()), "`--args`".to_owned()),
    };
    let usage = |notice: Notice| Failure::new(exit::USAGE, notice);
    let text = text.map_err(|error| {
        usage(Notice::error(format!("cannot read the arguments from {origin}")).cause(error))
    })?;
    let hint = "write a JSON object in single quotes: --args '{\"key\": \"value\"}'; \
                or put it into a file and write --args @FILE";
    let raw = Raw::parse(text.trim().to_owned()).map_err(|error| {
        let notice = Notice::error(format!("the arguments in {origin} are not JSON"));
        usage(notice.cause(error).hint(hint))
    })?;
    match raw.object() {
        Ok(_) => Ok(raw.on_one_line()),
        Err(error) => {
            let notice = Notice::error(format!("the arguments in {origin} cannot be used"));
            Err(usage(notice.cause(error).hint(hint)))
        }
    }
}

async fn run(config: Config, name: &str, arguments: &Raw) -> Result<(), Failure> {
    session::within(session::patient(config), async |app| {
        let params = object::build([("name", Raw::of(name).get()), ("arguments", arguments.get())]);
        let result = match request::send(app, method::TOOLS_CALL, &params).await {
            Ok(result) => result,
            Err(error) => return Err(failure(app, name, error).await),
        };
        output::data(result.get())?;
        if is_own(name) {
            output::tell(&[idle()]);
        }
        let is_error = result.is_true("isError");
        if is_error { Err(Failure::silent(exit::TOOL_ERROR)) } else { Ok(()) }
    })
    .await
}

/// Whether a tool is one of Conflux itself.
fn is_own(name: &str) -> bool {
    let names = router::definitions();
    names.iter().filter_map(|tool| tool.member("name")?.string()).any(|own| own == name)
}

/// Says why the status of a gateway that is there for one call alone tells so little.
fn idle() -> Notice {
    Notice::warning("no upstream is started for this call, so none is seen to work or to fail")
        .hint("`conflux check --connect --json` starts every upstream and says how that went")
}

async fn failure(app: &App, name: &str, error: router::Error) -> Failure {
    match &error {
        router::Error::UnknownTool(_) | router::Error::UnknownMethod(_) => {
            unknown::failure(app, &[Kind::Tools], name).await
        }
        error => request::failure(Notice::error(format!("cannot call `{name}`")), error),
    }
}
