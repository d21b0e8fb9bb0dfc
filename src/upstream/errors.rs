//! Makes the errors of one upstream, and says of it what people should read.

use crate::config::secrets::Broken;
use crate::config::secrets::Secrets;
use crate::ids::UpstreamId;
use crate::telemetry::Pages;
use crate::telemetry::Source;
use crate::upstream::error::Error;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::shown::Shown;

/// Makes the errors of one upstream; cloning shares what it knows.
#[derive(Clone, Debug)]
pub(super) struct Errors {
    upstream: UpstreamId,
    secrets: Secrets,
    /// Where people can read what is said of it.
    pages: Option<Pages>,
}

impl Errors {
    /// Makes the errors of `upstream`, in which `secrets` are masked.
    pub(super) fn new(upstream: UpstreamId, secrets: Secrets) -> Self {
        Self { upstream, secrets, pages: None }
    }

    /// Has what is said of it written to `pages`, too.
    #[must_use]
    pub(super) fn on(self, pages: Pages) -> Self {
        Self { pages: Some(pages), ..self }
    }

    /// Says something about the upstream to whoever reads what happens.
    pub(super) fn say(&self, text: &str) {
        self.tell(Source::Conflux, &self.shown(text));
    }

    /// Tells whoever reads what happens.
    pub(super) fn tell(&self, source: Source, text: &Shown) {
        if let Some(pages) = &self.pages {
            pages.add(source, text);
        }
    }

    /// Returns whose errors they are.
    pub(super) fn upstream(&self) -> &UpstreamId {
        &self.upstream
    }

    /// Makes an error about which nothing more is known.
    pub(super) fn error(&self, kind: Kind, detail: &str, executed: Executed) -> Error {
        Error {
            upstream: self.upstream.clone(),
            kind,
            detail: self.shown(detail),
            executed,
            stderr: Vec::new(),
            retry_after: None,
        }
    }

    /// Returns `text` as it may be shown.
    pub(super) fn shown(&self, text: &str) -> Shown {
        Shown::new(text, &self.secrets)
    }

    /// Returns one line of several as it may be shown, or the beginning of one that `is_cut`.
    pub(super) fn shown_line(&self, line: &str, is_cut: bool, broken: &mut Broken) -> Shown {
        let line = self.secrets.mask_line(line, broken);
        if is_cut { self.shown_beginning(&line) } else { self.shown(&line) }
    }

    /// Returns the beginning of a longer text as it may be shown; it may end in a part of a secret.
    pub(super) fn shown_beginning(&self, text: &str) -> Shown {
        Shown::beginning(text, &self.secrets)
    }
}
