//! `conflux policy`: what the rules come to, before anybody is refused anything.

mod ask;
mod cases;
mod explain;
mod test;

use clap::Args;
use clap::Subcommand;

use crate::app::App;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::runtime;
use crate::cli::session;
use crate::cli::upstreams;
use crate::config::Config;
use crate::policy::schema;

/// Tell what the policy permits, and why
///
/// What upstreams have is taken from earlier runs; none is started, unless `--connect` says so.
#[derive(Debug, Args)]
pub(in crate::cli) struct Policy {
    #[command(subcommand)]
    action: Action,
}

/// What to tell.
#[derive(Debug, Subcommand)]
enum Action {
    Test(test::Test),
    Explain(explain::Explain),
    /// Print the Cedar schema that policies are checked against, made of what upstreams have
    Schema {
        /// Start every upstream and see what it has now
        #[arg(long)]
        connect: bool,
    },
}

impl Policy {
    /// Tells it.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let config = context.config()?;
        match &self.action {
            Action::Test(wanted) => wanted.run(context, config),
            Action::Explain(wanted) => wanted.run(context, config),
            Action::Schema { connect } => {
                looking(config, *connect, async |app| output::data(written(app)?.trim_end()))
            }
        }
    }
}

fn written(app: &App) -> Result<String, Failure> {
    let vocabulary = app.everything().vocabulary(app.config());
    Ok(schema::written(&vocabulary).map_err(anyhow::Error::new)?)
}

/// Does something with what upstreams have: in earlier runs, or now.
fn looking(
    config: Config,
    connects: bool,
    work: impl AsyncFnOnce(&App) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if !connects {
        return runtime::wait(session::remembering(config, work));
    }
    runtime::wait(session::within(session::patient(config), async |app| {
        let caller = session::caller(app);
        app.on_open()(&caller);
        upstreams::settled(app).await;
        work(app).await
    }))
}

/// Says that there is nothing to tell.
fn nothing() -> Failure {
    let notice = Notice::error("there is no policy, so everybody may do everything");
    Failure::new(exit::CONFIG, notice.hint("write rules under `policy` in the configuration"))
}
