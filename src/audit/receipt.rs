//! Checkpoints as a line of text, to be kept where nobody who can write to the records can.

use crate::audit::digest::Digest;
use crate::audit::key::PublicKey;
use crate::audit::key::Signer;
use crate::audit::ledger::Head;
use crate::audit::stream::Position;

/// What every one begins with; the number is that of the format.
const BEGINNING: &str = "conflux-audit:1";

/// What a checkpoint says that was kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub(super) stream: String,
    pub(super) seq: u64,
    pub(super) head: Digest,
    pub(super) entries: u64,
    pub(super) ledger: Digest,
}

/// Why a text is no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is something else.
    #[error("the text is no checkpoint of Conflux")]
    NoReceipt,
    /// It is not signed with a key that is trusted.
    #[error("the checkpoint is not signed with a key that is trusted")]
    Unsigned,
}

/// Writes down where a stream and the ledger are, signed.
pub(super) fn write(stream: &str, at: Position, head: &Head, signer: &Signer) -> String {
    let Position { segment: _, seq, head: line } = at;
    let Head { entries, ledger, .. } = head;
    let body = format!("{BEGINNING}:{stream}:{seq}:{line}:{entries}:{ledger}");
    let signature = signer.sign(&body);
    format!("{body}:{signature}")
}

impl Receipt {
    /// Reads one that was signed with one of these keys.
    pub fn parse(text: &str, keys: &[PublicKey]) -> Result<Self, Error> {
        let (body, signature) = text.trim().rsplit_once(':').ok_or(Error::NoReceipt)?;
        let parts = || {
            let mut parts = body.strip_prefix(BEGINNING)?.strip_prefix(':')?.split(':');
            let receipt = Self {
                stream: parts.next()?.to_owned(),
                seq: parts.next()?.parse().ok()?,
                head: Digest::parse(parts.next()?)?,
                entries: parts.next()?.parse().ok()?,
                ledger: Digest::parse(parts.next()?)?,
            };
            parts.next().is_none().then_some(receipt)
        };
        let receipt = parts().ok_or(Error::NoReceipt)?;
        let is_signed = keys.iter().any(|key| key.has_signed(body, signature));
        is_signed.then_some(receipt).ok_or(Error::Unsigned)
    }
}
