//! What became of the upstreams, in words.

use crate::app::App;
use crate::cli::exit;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::upstream::Handle;

/// Returns why an upstream has nothing to list, if that is so.
pub(in crate::cli) fn trouble(app: &App, handle: &Handle) -> Option<Notice> {
    let id = handle.id();
    let status = handle.status();
    if let Some(error) = &status.error {
        let message = format!("nothing of upstream `{id}` is there");
        return Some(Notice::warning(message).because(error));
    }
    if !app.router().snapshot().unlisted.contains(id) {
        return None;
    }
    let message = format!("upstream `{id}` is {}, but has listed nothing", status.word);
    Some(Notice::warning(message).hint("`--log debug` shows what it is asked and what it answers"))
}

/// Says what is wrong with upstreams and with what they list.
///
/// Fails if an upstream is not there that is `required`.
pub(in crate::cli) fn notices(app: &App) -> (Vec<Notice>, Result<(), Failure>) {
    let mut notices = Vec::new();
    let mut outcome = Ok(());
    for handle in app.upstreams() {
        let Some(notice) = trouble(app, handle) else { continue };
        notices.push(notice);
        if handle.config().required {
            outcome = Err(Failure::silent(exit::REQUIRED));
        }
    }
    let snapshot = app.router().snapshot();
    notices.extend(snapshot.catalog.conflicts().iter().map(|it| Notice::warning(it.to_string())));
    notices.extend(snapshot.catalog.defects().iter().map(|it| Notice::warning(it.to_string())));
    (notices, outcome)
}
