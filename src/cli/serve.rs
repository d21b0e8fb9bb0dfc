//! `conflux serve`: one client over stdin and stdout.

use std::sync::Arc;

use anyhow::Context as _;

use crate::cli::report::Failure;
use crate::cli::session;
use crate::config::Config;
use crate::downstream;
use crate::downstream::pipes;
use crate::downstream::stdio;

/// Serves until the client leaves or a signal comes.
pub(in crate::cli) async fn run(config: Config) -> Result<(), Failure> {
    session::until_shutdown(config, async |app, shutdown| {
        let limits = downstream::Limits {
            message: app.config().limits.message,
            in_flight: app.config().limits.in_flight,
        };
        let (router, callers) = (Arc::clone(app.router()), app.callers().clone());
        let service = downstream::Service::try_new(router, callers, limits, app.on_open())
            .context("cannot make keys")?;
        let input = pipes::stdin().context("cannot read stdin")?;
        let output = pipes::stdout().context("cannot write stdout")?;
        stdio::serve(service, input, output, shutdown).await.context("cannot read stdin")?;
        Ok(())
    })
    .await
}
