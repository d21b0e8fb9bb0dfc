//! The values that no log, error or record may show.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Shorter values are not masked: they are all over any text and protect nothing.
const MIN_LENGTH: usize = 4;

/// The same for values that are nothing but digits: ports and counts.
const MIN_DIGITS: usize = 6;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// The secrets of a configuration: values that came out of `${...}`, and those of variables that
/// are named like a secret. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(Arc<[String]>);

impl Secrets {
    /// Collects secrets, each also as it looks inside JSON, and line by line.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let forms: BTreeSet<String> = values.into_iter().flat_map(|value| forms(&value)).collect();
        Self(forms.into_iter().filter(|form| is_telling(form)).collect())
    }

    /// Replaces every occurrence of a secret in `text` by `***`.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let hits = self.hits(text);
        if hits.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut masked = String::with_capacity(text.len());
        let mut end = 0;
        for hit in hits {
            masked.push_str(text.get(end..hit.start).unwrap_or_default());
            masked.push_str(MASK);
            end = hit.end;
        }
        masked.push_str(text.get(end..).unwrap_or_default());
        Cow::Owned(masked)
    }

    /// Returns where secrets stand in `text`, in order; those that overlap are one.
    fn hits(&self, text: &str) -> Vec<Range<usize>> {
        let of = |secret| text.match_indices(secret).map(|(at, found)| at..at + found.len());
        let mut hits: Vec<_> = self.0.iter().map(String::as_str).flat_map(of).collect();
        hits.sort_by_key(|hit| (hit.start, hit.end));
        let mut joined: Vec<Range<usize>> = Vec::new();
        for hit in hits {
            match joined.last_mut() {
                Some(last) if hit.start < last.end => last.end = last.end.max(hit.end),
                _ => joined.push(hit),
            }
        }
        joined
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

/// Returns the shapes in which a value may turn up: as it is, in JSON, and each of its lines.
fn forms(value: &str) -> Vec<String> {
    let json = serde_json::Value::from(value).to_string();
    let inside = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
    let lines = value.lines().map(str::trim).filter(|_| value.contains('\n'));
    [value, inside.unwrap_or(value)].into_iter().chain(lines).map(str::to_owned).collect()
}
