//! Lines with a signature: their last member, over all that stands before it.

use crate::audit::key::PublicKey;
use crate::audit::key::Signer;
use crate::audit::line::Line;

/// What stands before a signature.
const BEFORE: &str = ",\"signature\":\"";
/// What stands behind it.
const BEHIND: &str = "\"}";

/// What a signature is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seal {
    /// It is of a key that is trusted.
    Good,
    /// It is of some other key, or the text was changed.
    Bad,
}

/// Ends a line with the name of the key and a signature.
pub(super) fn sealed(mut line: Line, signer: &Signer) -> String {
    line.text("key", signer.public().id());
    let body = line.end();
    let signature = signer.sign(&body);
    let open = body.strip_suffix('}').expect("an object ends in a brace");
    format!("{open}{BEFORE}{signature}{BEHIND}")
}

/// Checks the signature of a line.
pub(super) fn check(text: &str, keys: &[PublicKey]) -> Seal {
    let parts = || {
        let (open, signature) = text.strip_suffix(BEHIND)?.rsplit_once(BEFORE)?;
        Some((format!("{open}}}"), signature))
    };
    let Some((body, signature)) = parts() else { return Seal::Bad };
    let is_good = keys.iter().any(|key| key.has_signed(&body, signature));
    if is_good { Seal::Good } else { Seal::Bad }
}
