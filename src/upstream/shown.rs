//! What may be shown of an upstream's trouble: the one place where its errors get their words.
//!
//! Much of these words is what a server said, and servers say back what they were given. So a text
//! can only become a [`Shown`] here, where secrets are masked first and the length is bounded
//! after: a secret across the cut would show its beginning otherwise.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::Serialize;

use crate::config::secrets::Broken;
use crate::config::secrets::Secrets;
use crate::ids::UpstreamId;
use crate::telemetry::Pages;
use crate::telemetry::Source;
use crate::upstream::Error;
use crate::upstream::connection::Connection;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;

/// How much of one text is shown, in characters.
const LENGTH: usize = 1024;

/// A text that anybody may read: no secret is in it, no control character, and it has an end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Shown(Cow<'static, str>);

impl Deref for Shown {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// What is written in the program itself is no secret.
impl From<&'static str> for Shown {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

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
        visible(text, |text| self.secrets.mask(text).into_owned())
    }

    /// Returns one line of several as it may be shown, or the beginning of one that `is_cut`.
    pub(super) fn shown_line(&self, line: &str, is_cut: bool, broken: &mut Broken) -> Shown {
        let line = self.secrets.mask_line(line, broken);
        if is_cut { self.shown_beginning(&line) } else { self.shown(&line) }
    }

    /// Returns the beginning of a longer text as it may be shown; it may end in a part of a secret.
    pub(super) fn shown_beginning(&self, text: &str) -> Shown {
        visible(text, |text| self.secrets.mask_beginning(text).into_owned())
    }
}

impl Connection {
    /// Makes an error of its upstream.
    pub(super) fn error(&self, kind: Kind, detail: &str, executed: Executed) -> Error {
        self.errors().error(kind, detail, executed)
    }
}

fn visible(text: &str, mask: impl Fn(&str) -> String) -> Shown {
    let masked = mask(text.trim_end());
    let flat: String = masked
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control())
        .collect();
    // What stood between the parts of a secret is gone now.
    let mut text = mask(&flat);
    if let Some((end, _)) = text.char_indices().nth(LENGTH) {
        text.truncate(end);
    }
    Shown(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::Errors;
    use super::LENGTH;
    use crate::config::secrets::Secrets;
    use crate::ids::UpstreamId;
    use crate::upstream::error::Executed;
    use crate::upstream::error::Kind;

    const SECRET: &str = "abcdef123456";

    fn errors() -> Errors {
        Errors::new(UpstreamId::new("toy"), Secrets::new([SECRET.to_owned()]))
    }

    #[test]
    fn an_error_shows_no_secret_wherever_its_text_is_cut() {
        for before in (LENGTH - 2 * SECRET.len())..=LENGTH {
            let text = "x".repeat(before) + SECRET;
            let error = errors().error(Kind::BadAnswer, &text, Executed::No);
            assert!(!error.to_string().contains("abc"), "{before}: {error}");
            assert!(error.detail.chars().count() <= LENGTH, "{before}");
        }
    }

    #[test]
    fn the_beginning_of_a_text_shows_no_beginning_of_a_secret() {
        for end in 1..=SECRET.len() {
            let text = format!("a key: {}", SECRET.get(..end).unwrap());
            assert_eq!(&*errors().shown_beginning(&text), "a key: ***");
        }
        assert_eq!(&*errors().shown("a key: abc"), "a key: abc");
    }

    #[test]
    fn what_moves_the_cursor_is_left_out_and_hides_no_secret() {
        let shown = errors().shown("\u{1b}one\r\ntwo\tabc\u{8}def123456 ");
        assert_eq!(&*shown, "one  two ***");
    }
}
