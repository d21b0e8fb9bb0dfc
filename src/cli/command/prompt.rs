//! `conflux prompt`: a prompt with its arguments filled in, on the same path as a client gets it.

use clap::Args;

use crate::app::App;
use crate::catalog::Kind;
use crate::cli::command::call;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::report::printable;
use crate::cli::request;
use crate::cli::runtime;
use crate::cli::session;
use crate::cli::unknown;
use crate::router;
use crate::wire::Raw;
use crate::wire::method;
use crate::wire::object;

/// Get one prompt, with its arguments filled in
#[derive(Debug, Args)]
pub(in crate::cli) struct Prompt {
    /// The prompt's name, as `conflux prompts` shows it
    name: String,
    /// The arguments: a JSON object, `@FILE` for a file that holds one, or `-` for stdin
    #[arg(long, value_name = "JSON", default_value = "{}", allow_hyphen_values = true)]
    args: String,
    /// Print the result as JSON, exactly as clients get it
    #[arg(long)]
    json: bool,
}

impl Prompt {
    /// Gets the prompt and prints its messages.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let arguments = call::arguments(&self.args)?;
        let config = session::patient(context.config()?);
        runtime::wait(session::within(config, async |app| self.get(app, &arguments).await))
    }

    async fn get(&self, app: &App, arguments: &Raw) -> Result<(), Failure> {
        let name = Raw::of(self.name.as_str());
        let params = object::build([("name", name.get()), ("arguments", arguments.get())]);
        let result = match request::send(app, method::PROMPTS_GET, &params).await {
            Ok(result) => result,
            Err(router::Error::UnknownPrompt(_)) => {
                return Err(unknown::failure(app, &[Kind::Prompts], &self.name).await);
            }
            Err(error) => {
                let notice = Notice::error(format!("cannot get the prompt `{}`", self.name));
                return Err(request::failure(notice, &error));
            }
        };
        if self.json {
            return output::data(result.get());
        }
        let messages = result.member("messages").and_then(|messages| messages.elements());
        let told: Vec<_> = messages.unwrap_or_default().iter().map(told).collect();
        output::data(&told.join("\n\n"))
    }
}

/// Writes one message: who says it, and what.
fn told(message: &Raw) -> String {
    let role = message.member("role").and_then(|role| role.string()).unwrap_or_default();
    let content = message.member("content");
    let text = content.as_ref().and_then(|content| content.member("text")?.string());
    let text = text.or_else(|| content.map(|content| content.get().to_owned()));
    printable(&format!("{role}: {}", text.unwrap_or_default()))
}
