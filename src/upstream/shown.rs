//! What may be shown of an upstream's trouble: the one place where its errors get their words.
//!
//! Much of these words is what a server said, and servers say back what they were given. So a text
//! can only become a [`Shown`] here, where secrets are masked first and the length is bounded
//! after: a secret across the cut would show its beginning otherwise.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::Serialize;

use crate::config::secrets::Secrets;

/// How much of one text is shown, in characters.
const LENGTH: usize = 1024;

/// A text that anybody may read: no secret is in it, no control character, and it has an end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Shown(Cow<'static, str>);

impl Shown {
    /// Makes a text that can be shown of `text`, in which `secrets` are masked.
    pub(super) fn new(text: &str, secrets: &Secrets) -> Self {
        Self(Cow::Owned(visible(text, |text| secrets.mask(text).into_owned())))
    }

    /// Does the same with the beginning of a longer text, which may end in a part of a secret.
    pub(super) fn beginning(text: &str, secrets: &Secrets) -> Self {
        Self(Cow::Owned(visible(text, |text| secrets.mask_beginning(text).into_owned())))
    }
}

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

fn visible(text: &str, mask: impl Fn(&str) -> String) -> String {
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
    text
}

#[cfg(test)]
mod tests {
    use super::LENGTH;
    use super::Shown;
    use crate::config::secrets::Secrets;

    const SECRET: &str = "abcdef123456";

    fn secrets() -> Secrets {
        Secrets::new([SECRET.to_owned()])
    }

    #[test]
    fn no_secret_is_shown_wherever_a_text_is_cut() {
        for before in (LENGTH - 2 * SECRET.len())..=LENGTH {
            let text = "x".repeat(before) + SECRET;
            let shown = Shown::new(&text, &secrets());
            assert!(!shown.contains("abc"), "{before}: {shown}");
            assert!(shown.chars().count() <= LENGTH, "{before}");
        }
    }

    #[test]
    fn the_beginning_of_a_text_shows_no_beginning_of_a_secret() {
        for end in 1..=SECRET.len() {
            let text = format!("a key: {}", SECRET.get(..end).unwrap());
            assert_eq!(&*Shown::beginning(&text, &secrets()), "a key: ***");
        }
        assert_eq!(&*Shown::new("a key: abc", &secrets()), "a key: abc");
    }

    #[test]
    fn what_moves_the_cursor_is_left_out_and_hides_no_secret() {
        let shown = Shown::new("\u{1b}one\r\ntwo\tabc\u{8}def123456 ", &secrets());
        assert_eq!(&*shown, "one  two ***");
    }
}
