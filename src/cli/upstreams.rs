//! What became of the upstreams, in words.

use crate::app::App;
use crate::cli::exit;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::upstream::Handle;

/// Returns why an upstream has nothing to list, if that is so.
fn trouble(app: &App, handle: &Handle) -> Option<Notice> {
    let (id, status) = (handle.id(), handle.status());
    let is_unlisted = app.router().snapshot().unlisted.contains(id);
    if status.error.is_none() && !is_unlisted {
        return None;
    }
    let notice = if handle.config().required {
        Notice::error(format!("upstream `{id}`, which is required, is left out"))
    } else {
        Notice::warning(format!("upstream `{id}` is left out"))
    };
    Some(match &status.error {
        Some(error) => notice.because(error),
        None => notice
            .cause(format!("it is {}, but has listed nothing", status.word))
            .hint("`--log debug` shows what it was asked and what it answered"),
    })
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
