//! Who vouches for a line, and whether that counts.

use crate::audit::digest::Digest;
use crate::audit::key::PublicKey;

/// A line that somebody else has vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) seq: u64,
    pub(super) head: Digest,
    /// Who did.
    pub(super) whose: &'static str,
}

/// Says what is wrong with a signature.
pub(super) fn unsigned(key: Option<&str>, trusted: &[PublicKey]) -> String {
    match key {
        Some(key) if !trusted.iter().any(|trusted| trusted.id() == key) => {
            let key: String = key.chars().take(16).filter(|c| !c.is_control()).collect();
            format!("it is signed with the key `{key}`, which is not one that is trusted")
        }
        _ => "the signature is wrong: the line was changed".to_owned(),
    }
}
