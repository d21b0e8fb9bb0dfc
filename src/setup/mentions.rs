//! What a written value refers to (`${…}`), and whether it looks like a secret that is written out.

use crate::config;
use crate::config::interpolate::Piece;
use crate::config::interpolate::is_name;
use crate::config::interpolate::pieces;

/// The shortest value that may be a secret, in characters.
const SHORTEST: usize = 8;
/// How tokens begin that are issued with a mark of their own, so that they are found.
const MARKS: &[&str] = &[
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "npm_",
    "pypi-",
    "hf_",
    "dop_v1_",
    "shpat_",
    "secret_",
    "ntn_",
    "lin_api_",
    "figd_",
    "tvly-",
];
/// How many characters a marked token has beyond its mark, at least.
const BEYOND_MARK: usize = 12;

/// Returns the variables that a value refers to without saying what counts if they are not set.
pub fn variables(value: &str) -> Vec<&str> {
    let needed = |inside: &str| !inside.contains(":-") && !inside.starts_with("file:");
    let inside = references(value).into_iter().filter(|inside| needed(inside));
    inside.map(|it| it.strip_prefix("env:").unwrap_or(it)).filter(|it| is_name(it)).collect()
}

/// Returns the files that a value refers to, as they are written.
pub fn files(value: &str) -> Vec<&str> {
    references(value).into_iter().filter_map(|inside| inside.strip_prefix("file:")).collect()
}

fn references(value: &str) -> Vec<&str> {
    let inside = |piece| match piece {
        Piece::Reference(inside) => Some(inside),
        Piece::Text(_) | Piece::Unclosed => None,
    };
    pieces(value).into_iter().filter_map(inside).collect()
}

/// Returns whether a value is probably a secret that is written out: it refers to nothing, and is
/// named like one or looks like a token. A value of an argument has no name.
pub fn is_literal_secret(name: Option<&str>, value: &str) -> bool {
    if !references(value).is_empty() {
        return false;
    }
    if is_token(value) {
        return true;
    }
    let (named, value) = match (name, value.split_once('=')) {
        (Some(name), _) => (config::names_secret(name), value),
        // `--token=…`, and the like.
        (None, Some((option, value))) if option.starts_with('-') => {
            (config::names_secret(option), value)
        }
        (None, _) => (false, value),
    };
    // A token has no spaces in it, but the word that says what it is.
    let bare = value.split_once(' ').map_or(value, |(_, token)| token.trim());
    let is_a_place = bare.starts_with(['/', '.', '~']) || bare.contains("://");
    let is_a_word = bare.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '_');
    named && bare.len() >= SHORTEST && !is_a_place && !is_a_word && !bare.contains(' ')
}

fn is_token(value: &str) -> bool {
    let words = value.split([' ', '=']);
    let begins = |word: &str| {
        let rest = MARKS.iter().find_map(|mark| word.strip_prefix(mark));
        let harmless = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        rest.is_some_and(|rest| rest.len() >= BEYOND_MARK && rest.chars().all(harmless))
    };
    words.into_iter().any(begins)
}

#[cfg(test)]
mod tests {
    use crate::setup::mentions::files;
    use crate::setup::mentions::is_literal_secret;
    use crate::setup::mentions::variables;

    #[test]
    fn references_are_found() {
        let value = "${A} $${B} ${env:C} ${D:-x} ${file:~/t} ${E";
        assert_eq!(variables(value), ["A", "C"]);
        assert_eq!(files(value), ["~/t"]);
    }

    #[test]
    fn what_looks_like_a_secret_is_one() {
        for (name, value) in [
            (Some("GITHUB_TOKEN"), "0123456789abcdef"),
            (Some("Authorization"), "Bearer 0123456789abcdef"),
            (Some("X"), "ghp_0123456789abcdef"),
            (None, "--token=0123456789abcdef"),
            (None, "sk-ant-0123456789abcdef"),
        ] {
            assert!(is_literal_secret(name, value), "{name:?} {value}");
        }
        for (name, value) in [
            (Some("GITHUB_TOKEN"), "${GITHUB_TOKEN}"),
            (Some("Authorization"), "Bearer ${TOKEN}"),
            (Some("TOKEN_FILE"), "/run/secrets/token"),
            (Some("KEYBOARD"), "us"),
            (Some("AUTH_MODE"), "interactive"),
            (Some("HOST"), "0123456789abcdef"),
            (None, "@modelcontextprotocol/server-github"),
            (None, "sk-learn"),
        ] {
            assert!(!is_literal_secret(name, value), "{name:?} {value}");
        }
    }
}
