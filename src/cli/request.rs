//! One request, on the same path as a client's; what comes before the result is said on stderr.

use std::sync::Arc;

use crate::app::App;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::report::printable;
use crate::cli::session;
use crate::exchange::Back;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::ask::Refusal;
use crate::exchange::principal::Grant;
use crate::router;
use crate::wire::Id;
use crate::wire::Raw;

/// Sends the request on its way, and says what comes back before the result.
pub(in crate::cli) async fn send(
    app: &App,
    method: &str,
    params: &Raw,
) -> Result<Raw, router::Error> {
    let caller = session::caller(app);
    let capabilities = Arc::clone(caller.capabilities());
    let wishes = Wishes { progress: true, log_level: Some(Raw::of("info")), ..Wishes::default() };
    let router = app.router();
    let trace = router.telemetry().tracer.begin(Some(params), &Id::number(1));
    let (exchange, mut back) =
        Exchange::begin(caller, capabilities, wishes, Grant::default(), trace);
    let request = router.request(method, Some(params), &exchange);
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

/// Says why a request has no result; `notice` says which one.
pub(in crate::cli) fn failure(notice: Notice, error: &router::Error) -> Failure {
    match error {
        router::Error::Upstream(error) => Failure::new(exit::UPSTREAM, notice.because(error)),
        router::Error::Answered(answer) => {
            let message = answer.member("message").and_then(|message| message.string());
            let code = answer.member("code").map(|code| code.get().to_owned()).unwrap_or_default();
            let message = message.unwrap_or_else(|| answer.get().to_owned());
            let cause = format!("the upstream answered with error {code}: {message}");
            Failure::new(exit::REFUSED, notice.cause(cause))
        }
        router::Error::InvalidParams(_) => Failure::new(exit::USAGE, notice.cause(error)),
        router::Error::Forbidden(_) => Failure::new(exit::FORBIDDEN, notice.cause(error)),
        router::Error::UnknownMethod(_)
        | router::Error::UnknownTool(_)
        | router::Error::UnknownPrompt(_)
        | router::Error::UnknownResource(_)
        | router::Error::UnknownTask
        | router::Error::InsufficientScope(_)
        | router::Error::Unrecorded(_)
        | router::Error::Limited(_)
        | router::Error::Cancelled => Failure::new(exit::FAILURE, notice.cause(error)),
    }
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
