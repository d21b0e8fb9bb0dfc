//! Public names of tools and prompts: `{prefix}__{local name}`, or that with a hash at the end.
//!
//! A plain form can be read back: its first separator ends the prefix, and it does not end like a
//! hashed form. What cannot be written so is hashed. A name therefore depends on its own prefix and
//! local name only, never on which other upstreams there are; `docs/decisions/0002-names.md`.

use std::fmt::Write as _;

use sha2::Digest as _;
use sha2::Sha256;

/// The lowest limit on the length of names that leaves room for a hash and a character to read.
pub const SHORTEST_LIMIT: usize = HASH_LENGTH + 2;

/// Between prefix and local name.
const SEPARATOR: &str = "__";

/// The prefix of Conflux itself.
const OWN_PREFIX: &str = "conflux";

const HASH_LENGTH: usize = 6;

/// Never part of UTF-8, so what stands on both sides of it cannot be mistaken.
const BETWEEN: [u8; 1] = [0xFF];

/// Returns the public name of `local` in an upstream with this prefix.
///
/// Two names of one upstream can meet if one of them has characters that do not fit; then
/// [`told_apart`] is for the one that was altered.
pub fn public(prefix: &str, local: &str, max_length: usize) -> String {
    let plain = fitting(joined(prefix, local));
    if is_readable(prefix) && plain.len() <= max_length && !ends_in_hash(&plain) {
        return plain;
    }
    told_apart(prefix, local, max_length, "")
}

/// Returns the public name of `local` that ends in a hash.
///
/// `salt` tells apart what would meet even so; usually it is empty.
pub fn told_apart(prefix: &str, local: &str, max_length: usize, salt: &str) -> String {
    let mut name = fitting(joined(prefix, local));
    name.truncate(max_length.max(SHORTEST_LIMIT) - HASH_LENGTH - 1);
    name.push('_');
    name.push_str(&hash(prefix, local, salt));
    name
}

/// Returns whether `public` is prefix and local name and nothing else.
pub fn is_unaltered(prefix: &str, local: &str, public: &str) -> bool {
    if prefix.is_empty() {
        return local == public;
    }
    let behind = public.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(SEPARATOR));
    behind == Some(local)
}

/// Returns what all public names of an upstream with this prefix begin with.
pub fn stem(prefix: &str) -> String {
    joined(prefix, "")
}

/// Returns whether a name is in the part that belongs to Conflux itself.
pub fn is_own(public: &str) -> bool {
    prefix(public) == Some(OWN_PREFIX)
}

/// Returns the prefix a public name is read as having.
pub fn prefix(public: &str) -> Option<&str> {
    public.split_once(SEPARATOR).map(|(prefix, _)| prefix)
}

/// Whether a prefix followed by the separator can be told from the name behind it.
fn is_readable(prefix: &str) -> bool {
    prefix.chars().all(fits) && !prefix.contains(SEPARATOR) && !prefix.ends_with('_')
}

fn joined(prefix: &str, local: &str) -> String {
    if prefix.is_empty() { local.to_owned() } else { format!("{prefix}{SEPARATOR}{local}") }
}

fn fits(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == '-'
}

fn fitting(name: String) -> String {
    if name.chars().all(fits) {
        return name;
    }
    name.chars().map(|character| if fits(character) { character } else { '_' }).collect()
}

/// Returns the first six characters in a row of the digest that look like no word and no number.
fn hash(prefix: &str, local: &str, salt: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(prefix);
    digest.update(BETWEEN);
    digest.update(local);
    if !salt.is_empty() {
        digest.update(BETWEEN);
        digest.update(salt);
    }
    let mut hex = String::with_capacity(64);
    for byte in digest.finalize() {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
    }
    let starts = 0..=hex.len() - HASH_LENGTH;
    let mut windows = starts.filter_map(|start| hex.get(start..start + HASH_LENGTH));
    let hash = windows.find(|window| is_hash(window));
    hash.expect("a digest is not 64 times the same sort of character").to_owned()
}

/// Letters and digits both, so that `_facade` and `_202611` at the end of a name are no hashes.
fn is_hash(text: &str) -> bool {
    let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == HASH_LENGTH
        && text.bytes().all(is_hex)
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn ends_in_hash(name: &str) -> bool {
    name.rsplit_once('_').is_some_and(|(_, end)| is_hash(end))
}
