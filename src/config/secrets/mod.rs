//! The values that no log, error or record may show.

/// What secrets look like that nobody named.
pub mod shapes;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arc_swap::ArcSwap;
use url::Url;
use url::form_urlencoded;

/// Shorter values are not masked: they are all over any text and protect nothing.
const MIN_LENGTH: usize = 4;

/// The same for values that are nothing but digits: ports and counts.
const MIN_DIGITS: usize = 6;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// How many forms of secrets are known at most; of configurations that are no longer in force the
/// oldest give way, so that one that rotates its secrets for months costs no more and more.
const CAPACITY: usize = 4096;

/// The secrets of a configuration: values that came out of `${...}`, and those of variables that
/// are named like a secret. Cloning shares what is known and what is learned later.
#[derive(Clone, Default)]
pub struct Secrets(Arc<ArcSwap<Vec<String>>>);

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        *self.0.load() == *other.0.load()
    }
}

impl Eq for Secrets {}

impl Secrets {
    /// Collects secrets, each also as it looks inside JSON and in addresses, and line by line.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let forms: BTreeSet<String> = values.into_iter().flat_map(|value| forms(&value)).collect();
        let telling: Vec<_> = forms.into_iter().filter(|form| is_telling(form)).collect();
        Self(Arc::new(ArcSwap::from_pointee(telling)))
    }

    /// Takes over those of another configuration, wherever these are shared; none is forgotten.
    /// For one task alone.
    pub fn learn(&self, others: &Self) {
        let (known, others) = (self.0.load(), others.0.load());
        let mut all = Vec::clone(&others);
        all.extend(known.iter().filter(|form| others.binary_search(form).is_err()).cloned());
        all.truncate(CAPACITY.max(others.len()));
        self.0.store(Arc::new(all));
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
        hits.extend(self.0.load().iter().filter_map(|secret| begun(secret, text)));
        replaced(text, hits)
    }

    /// Returns whether a secret stands in `text`.
    pub fn are_in(&self, text: &str) -> bool {
        self.0.load().iter().any(|secret| text.contains(secret.as_str()))
    }

    /// Returns where secrets stand in `text`.
    fn hits(&self, text: &str) -> Vec<Range<usize>> {
        let of = |secret| text.match_indices(secret).map(|(at, found)| at..at + found.len());
        self.0.load().iter().map(String::as_str).flat_map(of).collect()
    }
}

/// Returns where `text` ends in the longest part of `secret` that is not all of it.
fn begun(secret: &str, text: &str) -> Option<Range<usize>> {
    let parts = secret.char_indices().rev().map(|(end, _)| secret.get(..end).unwrap_or_default());
    let part = parts.filter(|part| !part.is_empty()).find(|part| text.ends_with(part))?;
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

/// Returns the shapes in which a value may turn up: as it is, in JSON, in an address, and each of
/// its lines.
fn forms(value: &str) -> Vec<String> {
    let json = serde_json::Value::from(value).to_string();
    let inside = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
    let lines = value.lines().map(str::trim).filter(|_| value.contains('\n'));
    let plain = [value, inside.unwrap_or(value)].into_iter().chain(lines).map(str::to_owned);
    plain.chain(in_addresses(value)).collect()
}

/// Returns what addresses make of a value: in the path, in the query, and where nothing that means
/// something there may stand.
fn in_addresses(value: &str) -> Vec<String> {
    let mut forms = vec![form_urlencoded::byte_serialize(value.as_bytes()).collect()];
    if let Ok(mut url) = Url::parse("http://host/") {
        url.set_path(&format!("/{value}"));
        url.set_query(Some(value));
        forms.extend(url.path().strip_prefix('/').map(str::to_owned));
        forms.extend(url.query().map(str::to_owned));
    }
    forms
}
