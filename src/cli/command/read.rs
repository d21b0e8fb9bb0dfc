//! `conflux read`: a resource, on the same path as a client reads it.

use std::io;
use std::io::IsTerminal as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

use crate::app::App;
use crate::catalog::Kind;
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

/// Read one resource
///
/// Texts are printed as they are, one after the other; what is no text goes into a file or a pipe
/// only.
#[derive(Debug, Args)]
pub(in crate::cli) struct Read {
    /// The address, as `conflux resources` shows it, or one that fits a template
    uri: String,
    /// Print the result as JSON, exactly as clients get it
    #[arg(long)]
    json: bool,
}

impl Read {
    /// Reads the resource and prints it.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let config = session::patient(context.config()?);
        runtime::wait(session::within(config, async |app| self.read(app).await))
    }

    async fn read(&self, app: &App) -> Result<(), Failure> {
        let params = object::build([("uri", Raw::of(self.uri.as_str()).get())]);
        let result = match request::send(app, method::RESOURCES_READ, &params).await {
            Ok(result) => result,
            Err(router::Error::UnknownResource(_)) => {
                let kinds = [Kind::Resources, Kind::Templates];
                return Err(unknown::failure(app, &kinds, &self.uri).await);
            }
            Err(error) => {
                let notice = Notice::error(format!("cannot read `{}`", self.uri));
                return Err(request::failure(notice, &error));
            }
        };
        if self.json {
            return output::data(result.get());
        }
        let parts = result.member("contents").and_then(|parts| parts.elements());
        parts.unwrap_or_default().iter().try_for_each(print)
    }
}

/// Prints one part of a resource.
fn print(part: &Raw) -> Result<(), Failure> {
    let text = |key| part.member(key).and_then(|value| value.string());
    let is_shown = io::stdout().is_terminal();
    if let Some(text) = text("text") {
        let text = text.strip_suffix('\n').unwrap_or(&text);
        return output::data(&if is_shown { printable(text) } else { text.to_owned() });
    }
    let Some(blob) = text("blob") else { return output::data(part.get()) };
    let Ok(bytes) = STANDARD.decode(blob) else { return output::data(part.get()) };
    if is_shown {
        let kind = text("mimeType").unwrap_or_else(|| "no text".to_owned());
        let notice = Notice::warning(format!("{} bytes ({kind}) are not shown", bytes.len()));
        output::tell(&[notice.hint("write them into a file: `conflux read URI > FILE`")]);
        return Ok(());
    }
    output::bytes(&bytes)
}
