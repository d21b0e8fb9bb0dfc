//! What a key of an upstream, a prefix and the name of a profile may look like.

use crate::config::units::Misread;

/// What stands between a prefix and a name.
pub(super) const SEPARATOR: &str = "__";

/// The shortest room for a name behind its prefix: one character, `_` and six of a hash.
pub(super) const MIN_LOCAL: usize = 8;

/// The longest key that is made up: it leaves names of usual length room behind it.
const MAX_FITTED: usize = 24;

/// The prefix of Conflux's own tools.
const RESERVED: &str = "conflux";

/// Checks a key or prefix. The rules make the first `__` of a public name the end of its prefix,
/// so that upstreams with different prefixes never meet in a name.
pub(super) fn check(text: &str, what: &str, whose: &str) -> Result<(), Misread> {
    let repaired = repaired(text);
    let hint = if repaired.is_empty() || !text.is_ascii() {
        "use letters from `a` to `z`, digits, `_` and `-`".to_owned()
    } else {
        format!("did you mean `{repaired}`?")
    };
    let wrong = |message: String| Err(Misread { message, hint });
    if text.is_empty() {
        return wrong(format!("{whose}'s {what} is empty"));
    }
    if let Some(odd) = text.chars().find(|c| !is_allowed(*c)) {
        return wrong(format!("the {what} `{text}` holds `{odd}`"));
    }
    if text.contains(SEPARATOR) {
        return wrong(format!("the {what} `{text}` holds `__`, which ends a prefix"));
    }
    if text.ends_with('_') {
        return wrong(format!("the {what} `{text}` ends in `_`"));
    }
    if text.eq_ignore_ascii_case(RESERVED) {
        let message = format!("the {what} `{text}` is reserved for Conflux's own tools");
        return Err(Misread { message, hint: "choose another name".to_owned() });
    }
    Ok(())
}

/// Returns the key that is nearest to `text`, if anything of it may stand in a key.
pub fn fitted(text: &str) -> Option<String> {
    let mut fitted = repaired(text);
    // All of it is ASCII.
    fitted.truncate(MAX_FITTED);
    let fitted = fitted.trim_end_matches(['_', '-']);
    check(fitted, "", "").ok().map(|()| fitted.to_owned())
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// Returns the nearest text that is allowed.
fn repaired(text: &str) -> String {
    let mut repaired = String::new();
    for c in text.chars().map(|c| if c == '_' || is_allowed(c) { c } else { '-' }) {
        if !(repaired.ends_with(['_', '-']) && matches!(c, '_' | '-')) {
            repaired.push(c);
        }
    }
    repaired.trim_matches(['_', '-']).to_owned()
}
