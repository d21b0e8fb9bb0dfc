//! What became of the upstreams, in words.

use std::io;
use std::io::IsTerminal as _;
use std::time::Duration;

use tokio::time;

use crate::app::App;
use crate::catalog::Kind;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::upstream::Handle;

/// How long a person waits without being told for whom, and until it is looked again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits until every upstream has listed or failed.
///
/// A person who has waited for a while is told for whom, and again whenever that is less.
pub(in crate::cli) async fn settled(app: &App) {
    let router = app.router();
    let settled = router.live();
    tokio::pin!(settled);
    let mut told = String::new();
    while time::timeout(PATIENCE, &mut settled).await.is_err() {
        let waiting = waiting(app);
        if io::stderr().is_terminal() && waiting != told {
            output::say(&waiting);
            told = waiting;
        }
    }
}

/// Says which upstreams have neither listed nor failed.
fn waiting(app: &App) -> String {
    let (upstreams, snapshot) = (app.upstreams(), app.router().snapshot());
    let late = upstreams.iter().filter(|handle| handle.status().error.is_none());
    let late = late.map(Handle::id).filter(|id| snapshot.unlisted.contains_key(*id));
    let late: Vec<_> = late.map(|id| format!("`{id}`")).collect();
    format!("waiting for {} of {} upstreams: {} …", late.len(), upstreams.len(), late.join(", "))
}

/// Returns why an upstream is not listed, or not all of it, if that is so.
fn trouble(app: &App, handle: &Handle) -> Option<Notice> {
    let (id, status, snapshot) = (handle.id(), handle.status(), app.router().snapshot());
    let (unread, failure) = (snapshot.unlisted.get(id), snapshot.failures.get(id));
    if status.error.is_none() && unread.is_none() && failure.is_none() {
        return None;
    }
    let is_partly_listed = unread.is_none_or(|kinds| kinds.len() < Kind::ALL.len());
    let what = if status.error.is_none() && is_partly_listed {
        "is not listed in full"
    } else {
        "is left out"
    };
    let notice = if handle.config().required {
        Notice::error(format!("upstream `{id}`, which is required, {what}"))
    } else {
        Notice::warning(format!("upstream `{id}` {what}"))
    };
    let hint = "`--log debug` shows what it was asked and what it answered";
    Some(match (&status.error, failure) {
        (Some(error), _) => notice.because(error),
        (None, Some(failure)) => notice.cause(failure).hint(hint),
        (None, None) => {
            notice.cause(format!("it is {}, but has listed nothing", status.word)).hint(hint)
        }
    })
}

/// Says what is wrong with upstreams and with what they list.
///
/// Fails if an upstream is not there that is `required`.
pub(in crate::cli) fn notices(app: &App) -> (Vec<Notice>, Result<(), Failure>) {
    let (mut notices, outcome) = failures(app);
    let snapshot = app.router().snapshot();
    notices.extend(snapshot.catalog.conflicts().iter().map(|it| Notice::warning(it.to_string())));
    notices.extend(snapshot.catalog.defects().iter().map(|it| Notice::warning(it.to_string())));
    (notices, outcome)
}

/// Says which upstreams are not listed, or not in full.
///
/// Fails if one of them is `required`.
pub(in crate::cli) fn failures(app: &App) -> (Vec<Notice>, Result<(), Failure>) {
    let mut notices = Vec::new();
    let mut outcome = Ok(());
    for handle in &app.upstreams() {
        let Some(notice) = trouble(app, handle) else { continue };
        notices.push(notice);
        if handle.config().required {
            outcome = Err(Failure::silent(exit::REQUIRED));
        }
    }
    (notices, outcome)
}
