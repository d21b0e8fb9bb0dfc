//! The key that checkpoints are signed with (Ed25519): made at first use, kept between runs.
//!
//! Both files are what other programs read, too: PEM, PKCS #8 (RFC 8410) and a public key.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use aws_lc_rs::signature;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::signature::UnparsedPublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::audit::digest::Digest;
use crate::disk::file;
use crate::disk::file::Outlives;
use crate::disk::key;
use crate::disk::key::Error;
use crate::disk::key::Format;

/// The name of the private key.
const PRIVATE: &str = "audit.key";
/// The name of the public one.
pub(super) const PUBLIC: &str = "audit.pub";
/// What stands before the 32 bytes of a private key.
const PRIVATE_HEAD: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// What stands before the 32 bytes of a public key.
const PUBLIC_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
/// What a key is called.
const NAME: &str = "Ed25519 key in PEM";

/// Returns where the private key is in the directory `state`.
pub fn path(state: &Path) -> PathBuf {
    state.join(PRIVATE)
}

/// What signs.
pub(super) struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("public", &self.public).finish_non_exhaustive()
    }
}

/// What tells whether somebody signed who has the other half of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; 32],
    id: String,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.id).finish()
    }
}

impl Signer {
    /// Reads the key in the directory `state`; the first process that looks for it makes it.
    pub(super) fn in_state(state: &Path) -> Result<Self, Error> {
        let parse = |text: &[u8]| Self::of(&parse(text, "PRIVATE KEY", &PRIVATE_HEAD)?);
        let format = Format { name: NAME, parse };
        let make = || {
            let seed = file::random::<32>()?;
            Ok(pem("PRIVATE KEY", &PRIVATE_HEAD, &seed).into_bytes())
        };
        let signer = key::kept(&path(state), &format, make)?;
        signer.public.publish(state)?;
        Ok(signer)
    }

    fn of(seed: &[u8; 32]) -> Option<Self> {
        let der = [&PRIVATE_HEAD[..], seed].concat();
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).ok()?;
        let bytes = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, public: PublicKey::of(bytes) })
    }

    /// Returns the half that everybody may know.
    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a text.
    pub(super) fn sign(&self, text: &str) -> String {
        STANDARD.encode(self.pair.sign(text.as_bytes()))
    }
}

impl PublicKey {
    const FORMAT: Format<Self> = Format { name: NAME, parse: Self::parse };

    fn of(bytes: [u8; 32]) -> Self {
        let digest = Digest::of(&bytes).to_string();
        Self { bytes, id: digest.chars().take(16).collect() }
    }

    /// Reads one from a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        key::read(path, &Self::FORMAT)
    }

    /// Reads the one beside the key in the directory `state`; nothing if there is none.
    pub fn in_state(state: &Path) -> Result<Option<Self>, Error> {
        key::find(&state.join(PUBLIC), &Self::FORMAT)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        parse(text, "PUBLIC KEY", &PUBLIC_HEAD).map(Self::of)
    }

    /// Puts it beside the other half in the directory `state`, if it is not there.
    fn publish(&self, state: &Path) -> Result<(), Error> {
        if Self::in_state(state).is_ok_and(|known| known.as_ref() == Some(self)) {
            return Ok(());
        }
        let (path, text) = (state.join(PUBLIC), pem("PUBLIC KEY", &PUBLIC_HEAD, &self.bytes));
        file::write(&path, text.as_bytes(), Outlives::Power)
            .map_err(|error| Error::Unusable { path, error })
    }

    /// Returns a short name for it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns whether this is the signature of a text.
    pub(super) fn has_signed(&self, text: &str, signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        let key = UnparsedPublicKey::new(&signature::ED25519, self.bytes);
        key.verify(text.as_bytes(), &signature).is_ok()
    }
}

fn pem(label: &str, head: &[u8], key: &[u8]) -> String {
    let body = STANDARD.encode([head, key].concat());
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// Finds the 32 bytes of a key in the text of a file.
fn parse(text: &[u8], label: &str, head: &[u8]) -> Option<[u8; 32]> {
    let text = str::from_utf8(text).ok()?;
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.split_whitespace().collect();
    let der = STANDARD.decode(body).ok()?;
    der.strip_prefix(head)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::thread;

    use super::*;

    #[test]
    fn every_process_has_one_key_and_nobody_else_reads_it() {
        let state = tempfile::TempDir::new().unwrap();
        let state = state.path().join("new");
        let all = thread::scope(|scope| {
            let all = [(); 3].map(|()| scope.spawn(|| Signer::in_state(&state).unwrap().public));
            all.map(|one| one.join().unwrap())
        });
        let kept = PublicKey::in_state(&state).unwrap().unwrap();
        assert_eq!(all, [(); 3].map(|()| kept.clone()));
        let mut names: Vec<_> =
            fs::read_dir(&state).unwrap().map(|it| it.unwrap().path()).collect();
        names.sort();
        assert_eq!(names, [state.join(PRIVATE), state.join(PUBLIC)]);
        let mode = fs::metadata(state.join(PRIVATE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_signature_is_of_one_text_and_one_key() {
        let (one, other) = (Signer::of(&[1; 32]).unwrap(), Signer::of(&[2; 32]).unwrap());
        let signature = one.sign("text");
        assert!(one.public.has_signed("text", &signature));
        assert!(!one.public.has_signed("test", &signature));
        assert!(!other.public.has_signed("text", &signature));
        assert!(!one.public.has_signed("text", "no base64"));
    }

    #[test]
    fn what_is_no_key_is_not_taken_for_one() {
        let state = tempfile::TempDir::new().unwrap();
        fs::write(state.path().join(PRIVATE), "short").unwrap();
        let error = Signer::in_state(state.path()).unwrap_err();
        assert!(error.to_string().contains("is no Ed25519 key"), "{error}");
        assert!(PublicKey::in_state(state.path()).unwrap().is_none());
    }

    #[test]
    fn the_first_test_of_rfc_8032_comes_out_right() {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let signer = Signer::of(&Digest::parse(seed).unwrap().0).unwrap();
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(Digest(signer.public.bytes).to_string(), public);
        let signature = STANDARD.decode(signer.sign("")).unwrap();
        assert_eq!(signature[..4], [0xe5, 0x56, 0x43, 0x00]);
    }
}
