//! Ids of tasks that lead back to the upstream whose task it is.
//!
//! An id that a caller is given holds everything that is needed to find the task again, sealed
//! under a key, so nothing has to be remembered and nobody can make one up. The same task has the
//! same id every time it is mentioned.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::KeyInit as _;
use chacha20poly1305::Nonce;
use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::aead::Payload;
use sha2::Digest as _;
use sha2::Sha256;

use crate::exchange::caller::Caller;
use crate::exchange::task::Dialect;
use crate::ids::UpstreamId;

/// The longest id of an upstream's own that is taken, in bytes; a header has to carry ours.
pub const LOCAL_LIMIT: usize = 1024;

/// The bytes of a key.
pub const KEY_SIZE: usize = 32;
/// The bytes of a nonce.
const NONCE_SIZE: usize = 12;

/// Makes and reads the ids under which callers know tasks.
pub struct Ids {
    cipher: ChaCha20Poly1305,
    /// What nonces are derived with.
    nonces: [u8; KEY_SIZE],
}

impl Ids {
    /// Makes and reads ids under `key`.
    pub fn new(key: &[u8; KEY_SIZE]) -> Self {
        let derived = |purpose: &[u8]| -> [u8; KEY_SIZE] {
            Sha256::new().chain_update(key).chain_update(purpose).finalize().into()
        };
        let cipher = ChaCha20Poly1305::new(&derived(b"conflux task id").into());
        Self { cipher, nonces: derived(b"conflux task nonce") }
    }

    /// Returns the id under which `caller` knows the task `local` of `upstream`.
    pub fn close(
        &self,
        caller: &Caller,
        dialect: Dialect,
        upstream: &UpstreamId,
        local: &str,
    ) -> String {
        let plain = [upstream.as_str().as_bytes(), &[0], local.as_bytes()].concat();
        let aad = binding(caller, dialect);
        // Derived from all that is sealed, so it is the same only where everything is.
        let nonce = Sha256::new()
            .chain_update(self.nonces)
            .chain_update(u64::try_from(aad.len()).unwrap_or(u64::MAX).to_be_bytes())
            .chain_update(&aad)
            .chain_update(&plain)
            .finalize();
        let nonce: [u8; NONCE_SIZE] =
            std::array::from_fn(|index| nonce.get(index).copied().unwrap_or(0));
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), Payload { msg: &plain, aad: &aad });
        let sealed = sealed.expect("what is sealed is far below the limit of the cipher");
        URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat())
    }

    /// Returns whose task an id names, and the upstream's own id of it.
    ///
    /// Nothing if it was not made here, for this caller and this kind of tasks.
    pub fn open(
        &self,
        caller: &Caller,
        dialect: Dialect,
        public: &str,
    ) -> Option<(UpstreamId, String)> {
        let bytes = URL_SAFE_NO_PAD.decode(public).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_SIZE>()?;
        let aad = binding(caller, dialect);
        let payload = Payload { msg: sealed, aad: &aad };
        let plain = self.cipher.decrypt(&Nonce::from(*nonce), payload).ok()?;
        let plain = String::from_utf8(plain).ok()?;
        let (upstream, local) = plain.split_once('\0')?;
        Some((UpstreamId::new(upstream), local.to_owned()))
    }
}

impl Default for Ids {
    /// Ids that nobody knows any more after the end of the process.
    fn default() -> Self {
        let mut key = [0; KEY_SIZE];
        getrandom::fill(&mut key).expect("without randomness no map of the standard library works");
        Self::new(&key)
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ids").finish_non_exhaustive()
    }
}

/// What an id is bound to besides what it says.
fn binding(caller: &Caller, dialect: Dialect) -> Vec<u8> {
    let kind: &[u8] = match dialect {
        Dialect::None => b"none\0",
        Dialect::Core => b"core\0",
        Dialect::Extension => b"extension\0",
    };
    [kind, &owner(caller)].concat()
}

/// Who alone may use the ids given to this caller.
///
/// Not the caller's number: a client that comes back is another caller with the same tasks; but
/// not if its principal has other rights by now.
fn owner(caller: &Caller) -> [u8; 32] {
    caller.principal().digest()
}
