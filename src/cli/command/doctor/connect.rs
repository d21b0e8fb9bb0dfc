//! What upstreams themselves say, when the doctor is to ask them.

use crate::app::App;
use crate::catalog::Kind;
use crate::cli::command::doctor::facts::Facts;
use crate::cli::command::doctor::facts::Failed;
use crate::cli::command::doctor::facts::Known;
use crate::cli::report::Failure;
use crate::cli::session;
use crate::cli::upstreams;
use crate::config::Config;
use crate::wire::era::Era;

/// Starts every upstream, and puts what it says in the place of what was remembered.
pub(super) async fn ask(config: Config, facts: &mut Facts) -> Result<(), Failure> {
    session::within(session::patient(config), async |app| {
        let caller = session::caller(app);
        app.on_open()(&caller);
        upstreams::settled(app).await;
        (facts.known, facts.failures) = told(app);
        facts.rules = app.everything().policy_problems();
        Ok(())
    })
    .await
}

fn told(app: &App) -> (Vec<Known>, Vec<Failed>) {
    let snapshot = app.router().snapshot();
    let (mut known, mut failures) = (Vec::new(), Vec::new());
    for handle in app.upstreams() {
        let (key, status) = (handle.id().as_str().to_owned(), handle.status());
        if let Some(error) = &status.error {
            let hint = error.kind.advice().to_owned();
            failures.push(Failed { key: key.clone(), why: error.to_string(), hint });
        }
        let revision = status.agreed.map(|agreed| agreed.revision);
        let legacy = revision.filter(|revision| revision.era() == Era::Legacy);
        let tools = snapshot.catalog.entries(Kind::Tools);
        let tools = tools.filter(|entry| entry.upstream.as_str() == key);
        let tools = tools.map(|entry| entry.public.clone()).collect();
        known.push(Known { key, legacy: legacy.map(|it| it.as_str().to_owned()), tools });
    }
    (known, failures)
}
