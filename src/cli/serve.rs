//! `conflux serve`: one client over stdin and stdout, or many over HTTP.

use std::io;
use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Context as _;

use crate::app::App;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::session;
use crate::config::Config;
use crate::downstream;
use crate::downstream::Service;
use crate::downstream::http::Front;
use crate::downstream::pipes;
use crate::downstream::stdio;
use crate::exchange::caller::Principal;

/// What whoever ends the program is told, who may wonder why it does not end at once.
const STOPPING: &str =
    "stopping: calls under way get two seconds, and a second signal ends them at once";
/// What a person is told who started by hand what clients start.
const WAITING: &str = "waiting for a client on stdin, which is a terminal; clients start this \
                       command themselves, and `--listen` serves them over HTTP";

/// Serves one client until it leaves or a signal comes.
pub(in crate::cli) async fn stdio(config: Config) -> Result<(), Failure> {
    let interrupted = |exit| {
        // A client keeps what its servers say, and has not asked for this.
        if io::stderr().is_terminal() {
            output::say(STOPPING);
        }
        Err(Failure::silent(exit))
    };
    session::until_shutdown(config, interrupted, async |app, shutdown| {
        if io::stdin().is_terminal() {
            output::say(WAITING);
        }
        let (router, callers) = (Arc::clone(app.router()), app.callers().clone());
        let service =
            Service::try_new(router, callers, Principal::Process, limits(app), app.on_open())
                .context("cannot make keys")?;
        let input = pipes::stdin().context("cannot read stdin")?;
        let output = pipes::stdout().context("cannot write stdout")?;
        stdio::serve(service, input, output, shutdown).await.context("cannot read stdin")?;
        Ok(())
    })
    .await
}

/// Serves everybody who comes to the configured address until a signal comes.
pub(in crate::cli) async fn http(config: Config) -> Result<(), Failure> {
    let address = config.http.listen;
    let front = Front::bind(address, &config.http).await;
    let front = front.with_context(|| format!("cannot serve clients at `{address}`"))?;
    // A signal is how such a service is meant to end.
    session::until_shutdown(
        config,
        |_| {
            output::say(STOPPING);
            Ok(())
        },
        async |app, shutdown| {
            let (router, callers) = (Arc::clone(app.router()), app.callers().clone());
            let anybody = Principal::Anonymous;
            // Whatever a client can answer, some upstream is told that it may ask for it.
            app.open();
            let service = Service::try_new(router, callers, anybody, limits(app), |_| {})
                .context("cannot make keys")?;
            output::say(&format!("listening on {}", front.url()));
            front.serve(service, shutdown).await;
            Ok(())
        },
    )
    .await
}

fn limits(app: &App) -> downstream::Limits {
    let limits = &app.config().limits;
    downstream::Limits { message: limits.message, in_flight: limits.in_flight }
}
