//! What is said when something that is required is not ready: words for people, JSON for scripts.

use crate::app::App;
use crate::cli::exit;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::router::readiness;
use crate::router::readiness::Cause;
use crate::router::readiness::Unready;

/// Ends the command because of `unready`, whose JSON is written by `write`.
pub(in crate::cli) fn failure(unready: &[Unready], write: impl FnOnce(&str)) -> Failure {
    write(&readiness::report(unready).to_string());
    let notices = unready.iter().map(|one| {
        let id = &one.upstream;
        let notice = Notice::error(format!("upstream `{id}`, which is required, is not ready"));
        match &one.cause {
            Cause::Failed(error) => notice.because(error),
            Cause::Unlisted(failure) => notice.cause(failure),
            Cause::Waiting => notice.cause(format!("it is {}, but has not listed all", one.state)),
        }
    });
    Failure { exit: exit::REQUIRED, notices: notices.collect() }
}

/// Says that nothing was waited for, if that is so.
pub(in crate::cli) fn doubts(app: &App) -> Vec<Notice> {
    if app.upstreams().iter().any(|handle| handle.config().required) {
        return Vec::new();
    }
    let notice = Notice::warning("no upstream is required, so `--ready` waited for none");
    vec![notice.hint("write `required: true` into the entry of those that must be there")]
}
