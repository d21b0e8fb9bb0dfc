//! The values that no log, error or record may show.

mod forms;
/// What secrets look like that nobody named.
pub mod shapes;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use arc_swap::ArcSwap;

use crate::config::secrets::forms::forms;

/// Shorter values are not masked: they are all over any text and protect nothing.
const MIN_LENGTH: usize = 4;

/// The same for values that are nothing but digits: ports and counts.
const MIN_DIGITS: usize = 6;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// How many forms of secrets are known at most; of configurations that are no longer in force the
/// oldest give way, so that one that rotates its secrets for months costs no more and more.
const CAPACITY: usize = 16_384;

/// The secrets of a configuration: values that came out of `${...}`, and those of variables that
/// are named like a secret. Cloning shares what is known and what is learned later.
#[derive(Clone, Default)]
pub struct Secrets(Arc<ArcSwap<Known>>);

/// All forms of all secrets.
struct Known {
    forms: Vec<String>,
    /// Finds all of them in one pass.
    finder: AhoCorasick,
}

impl Known {
    fn new(forms: Vec<String>) -> Self {
        let finder = AhoCorasick::new(&forms).expect("a configuration has far less than 2 GiB");
        Self { forms, finder }
    }

    /// Returns where secrets stand in `text`.
    fn places(&self, text: &str) -> impl Iterator<Item = Range<usize>> {
        self.finder.find_overlapping_iter(text).map(|hit| hit.range())
    }
}

impl Default for Known {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// What is left of secrets of which a line ended in the beginning.
#[derive(Default)]
pub struct Broken(Vec<String>);

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        self.0.load().forms == other.0.load().forms
    }
}

impl Eq for Secrets {}

impl Secrets {
    /// Collects secrets, each also as it looks inside JSON, in addresses and in Base64, and line by
    /// line.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let forms: BTreeSet<String> = values.into_iter().flat_map(|value| forms(&value)).collect();
        let telling: Vec<_> = forms.into_iter().filter(|form| is_telling(form)).collect();
        Self(Arc::new(ArcSwap::from_pointee(Known::new(telling))))
    }

    /// Takes over those of another configuration, wherever these are shared; none is forgotten.
    /// For one task alone.
    pub fn learn(&self, others: &Self) {
        let (known, others) = (self.0.load(), others.0.load());
        let mut all = others.forms.clone();
        let is_new = |form: &&String| others.forms.binary_search(form).is_err();
        all.extend(known.forms.iter().filter(is_new).cloned());
        all.truncate(CAPACITY.max(others.forms.len()));
        self.0.store(Arc::new(Known::new(all)));
    }

    /// Replaces every occurrence of a secret in `text` by `***`.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        replaced(text, self.hits(text))
    }

    /// Does so, and the same with what looks like a secret that nobody named.
    pub fn mask_all(&self, text: &str) -> String {
        let mut hits = self.hits(text);
        hits.extend(shapes::find(text, "").into_iter().map(|hit| hit.at));
        replaced(text, hits).into_owned()
    }

    /// Does the same for the beginning of a longer text, whose end may be a part of a secret.
    pub fn mask_beginning<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut hits = self.hits(text);
        hits.extend(self.0.load().forms.iter().filter_map(|secret| begun(secret, text)));
        replaced(text, hits)
    }

    /// Does so with one line after the other, of which a secret may stand in several: each ends
    /// where `broken` says how the next one would go on.
    pub fn mask_line<'a>(&self, line: &'a str, broken: &mut Broken) -> Cow<'a, str> {
        let said = line.trim();
        if said.is_empty() {
            return Cow::Borrowed(line);
        }
        let start = line.len() - line.trim_start().len();
        let mut hits = self.hits(line);
        for rest in std::mem::take(&mut broken.0) {
            let rest = rest.as_str();
            let length = if said.starts_with(rest) { rest.len() } else { said.len() };
            if said.starts_with(rest) || rest.starts_with(said) {
                hits.extend((length >= MIN_LENGTH).then_some(start..start + length));
            }
            let further = rest.strip_prefix(said).filter(|further| !further.is_empty());
            broken.0.extend(further.map(str::to_owned));
        }
        for secret in &self.0.load().forms {
            let Some(begun) = begun(secret, said) else { continue };
            broken.0.extend(secret.get(begun.len()..).map(str::to_owned));
            let is_telling = begun.len() >= MIN_LENGTH;
            hits.extend(is_telling.then_some(start + begun.start..start + begun.end));
        }
        replaced(line, hits)
    }

    /// Returns whether a secret stands in `text`.
    pub fn are_in(&self, text: &str) -> bool {
        self.0.load().finder.is_match(text)
    }

    /// Returns where secrets stand in `text`.
    fn hits(&self, text: &str) -> Vec<Range<usize>> {
        let secrets = self.0.load();
        let mut hits: Vec<_> = secrets.places(text).collect();
        // Programs wrap what is long, and people put it together again.
        if let Some(Joined { text, from }) = Joined::of(text) {
            let origin = |at: Range<usize>| Some(*from.get(at.start)?..from.get(at.end - 1)? + 1);
            hits.extend(secrets.places(&text).filter_map(origin));
        }
        hits
    }
}

/// A text as one line.
struct Joined {
    text: String,
    /// Where each of its bytes stood.
    from: Vec<usize>,
}

impl Joined {
    /// Takes out the ends of lines, also those that are escaped, and what is blank beside them;
    /// nothing if there is one line alone.
    fn of(text: &str) -> Option<Self> {
        let ends = |text: &str| ["\n", "\r", "\\n", "\\r"].iter().any(|end| text.starts_with(end));
        if !text.trim_ascii_end().contains('\n') && !text.contains("\\n") {
            return None;
        }
        let mut joined = Self { text: String::with_capacity(text.len()), from: Vec::new() };
        let mut after_end = false;
        let mut characters = text.char_indices();
        while let Some((at, c)) = characters.next() {
            if ends(text.get(at..).unwrap_or_default()) {
                if c == '\\' {
                    characters.next();
                }
                let kept = joined.text.trim_end_matches([' ', '\t']).len();
                joined.text.truncate(kept);
                joined.from.truncate(kept);
                after_end = true;
            } else if !(after_end && matches!(c, ' ' | '\t')) {
                joined.text.push(c);
                joined.from.extend(at..at + c.len_utf8());
                after_end = false;
            }
        }
        Some(joined)
    }
}

/// Returns where `text` ends in the longest part of `secret` that is not all of it.
fn begun(secret: &str, text: &str) -> Option<Range<usize>> {
    let last = text.chars().next_back()?;
    let ends = secret.char_indices().rev().skip(1).filter(|(_, c)| *c == last);
    let parts = ends.filter_map(|(at, c)| secret.get(..at + c.len_utf8()));
    let part = { parts }.find(|part| text.ends_with(part))?;
    Some(text.len() - part.len()..text.len())
}

/// Replaces each hit by `***`; those that overlap are one.
fn replaced(text: &str, mut hits: Vec<Range<usize>>) -> Cow<'_, str> {
    if hits.is_empty() {
        return Cow::Borrowed(text);
    }
    hits.sort_by_key(|hit| (hit.start, hit.end));
    let mut masked = String::with_capacity(text.len());
    let mut end = 0;
    for hit in hits {
        if hit.start >= end {
            masked.push_str(text.get(end..hit.start).unwrap_or_default());
            masked.push_str(MASK);
        }
        end = end.max(hit.end);
    }
    masked.push_str(text.get(end..).unwrap_or_default());
    Cow::Owned(masked)
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broken").finish_non_exhaustive()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// Whether masking a value hides more than it garbles.
fn is_telling(form: &str) -> bool {
    let is_number = form.bytes().all(|byte| byte.is_ascii_digit());
    let least = if is_number { MIN_DIGITS } else { MIN_LENGTH };
    form.len() >= least && !matches!(form, "true" | "false" | "null")
}
