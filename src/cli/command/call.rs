//! `conflux call`: one call, on the same path as a client's.

use std::fs;
use std::io;
use std::sync::Arc;

use clap::Args;

use crate::app::App;
use crate::catalog::Kind;
use crate::cli::command;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::report::printable;
use crate::cli::session;
use crate::cli::suggest;
use crate::cli::upstreams;
use crate::config::Config;
use crate::exchange::Back;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::ask::Refusal;
use crate::router;
use crate::wire::Raw;
use crate::wire::method;
use crate::wire::object;

/// Call one tool.
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
        command::wait(run(context.config()?, &self.name, &arguments))
    }
}

/// Reads the arguments of a call; their bytes stay as they are.
fn arguments(written: &str) -> Result<Raw, Failure> {
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
        let result = match called(app, name, arguments).await {
            Ok(result) => result,
            Err(error) => return Err(failure(app, name, error).await),
        };
        output::data(result.get())?;
        if is_own(name) {
            output::tell(&[idle()]);
        }
        let is_error = result.member("isError").is_some_and(|flag| flag.get() == "true");
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

/// Sends the call on its way, and says what comes back before the result.
async fn called(app: &App, name: &str, arguments: &Raw) -> Result<Raw, router::Error> {
    let caller = session::caller(app);
    let capabilities = Arc::clone(caller.capabilities());
    let wishes = Wishes { progress: true, log_level: Some(Raw::of("info")), ..Wishes::default() };
    let (exchange, mut back) = Exchange::new(caller, capabilities, wishes);
    let params = object::build([("name", Raw::of(name).get()), ("arguments", arguments.get())]);
    let request = app.router().request(method::TOOLS_CALL, Some(&params), &exchange);
    tokio::pin!(request);
    let outcome = loop {
        tokio::select! {
            biased;
            Some(news) = back.recv() => show(app, news),
            outcome = &mut request => break outcome,
        }
    };
    while let Some(news) = back.try_recv() {
        show(app, news);
    }
    outcome
}

/// Says on stderr what comes back before the result.
fn show(app: &App, news: Back) {
    let line = match news {
        Back::Progress(params) => progress(&params),
        Back::Log(params) => log(&params),
        Back::Other(method, _) => format!("notification: {method}"),
        // The caller declared nothing that could be asked; this is the last resort.
        Back::Ask(ask) => return ask.answer(Err(Refusal::Nobody)),
    };
    output::say(&app.config().secrets.mask(&printable(&line)));
}

fn progress(params: &Raw) -> String {
    let json = |key| params.member(key).map(|value| value.get().to_owned());
    let done = json("progress").unwrap_or_default();
    let of = json("total").map(|total| format!(" of {total}")).unwrap_or_default();
    let message = params.member("message").and_then(|message| message.string());
    let message = message.map(|message| format!(": {message}")).unwrap_or_default();
    format!("progress: {done}{of}{message}")
}

fn log(params: &Raw) -> String {
    let text = |key| params.member(key).and_then(|value| value.string());
    let level = text("level").unwrap_or_else(|| "info".to_owned());
    let data = text("data").or_else(|| params.member("data").map(|data| data.get().to_owned()));
    format!("log: {level}: {}", data.unwrap_or_default())
}

async fn failure(app: &App, name: &str, error: router::Error) -> Failure {
    let notice = Notice::error(format!("cannot call `{name}`"));
    match &error {
        router::Error::UnknownTool(_) | router::Error::UnknownMethod(_) => unknown(app, name).await,
        router::Error::Upstream(error) => Failure::new(exit::UPSTREAM, notice.because(error)),
        router::Error::Answered(answer) => {
            let message = answer.member("message").and_then(|message| message.string());
            let code = answer.member("code").map(|code| code.get().to_owned()).unwrap_or_default();
            let message = message.unwrap_or_else(|| answer.get().to_owned());
            let cause = format!("the upstream answered with error {code}: {message}");
            Failure::new(exit::REFUSED, notice.cause(cause))
        }
        router::Error::InvalidParams(_) => Failure::new(exit::USAGE, notice.cause(error)),
        router::Error::UnknownPrompt(_)
        | router::Error::UnknownResource(_)
        | router::Error::UnknownTask
        | router::Error::Cancelled => Failure::new(exit::FAILURE, notice.cause(error)),
    }
}

/// Nobody has a tool of this name; finds out which names there are.
async fn unknown(app: &App, name: &str) -> Failure {
    if nearest(app, name).is_empty() {
        // It may be like a name of an upstream that nobody has needed yet.
        upstreams::settled(app).await;
    }
    let nearest = nearest(app, name);
    let names: Vec<_> = nearest.iter().map(|name| format!("`{name}`")).collect();
    let hint = match names.as_slice() {
        [] => "`conflux tools` shows the tools there are".to_owned(),
        names => format!("did you mean {}?", names.join(" or ")),
    };
    Failure::new(exit::UNKNOWN, Notice::error(format!("there is no tool `{name}`")).hint(hint))
}

fn nearest(app: &App, name: &str) -> Vec<String> {
    let snapshot = app.router().snapshot();
    let offered = snapshot.catalog.entries(Kind::Tools).map(|entry| suggest::Candidate {
        public: entry.public.clone(),
        local: entry.local.clone(),
    });
    let own = router::definitions().into_iter().filter_map(|tool| {
        let name = tool.member("name")?.string()?;
        Some(suggest::Candidate { public: name.clone(), local: name })
    });
    suggest::nearest(name, offered.chain(own).collect())
}
