//! Seals what a client carries for Conflux: it can neither read it nor change it.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::Key;
use chacha20poly1305::KeyInit as _;
use chacha20poly1305::Nonce;
use chacha20poly1305::aead::Aead as _;

/// The bytes of a nonce: four zeros and a number.
const NONCE_SIZE: usize = 12;

/// An authenticated cipher under a key that lives as long as the process.
pub(super) struct Seal {
    cipher: ChaCha20Poly1305,
    /// The number of the next nonce. A count never repeats, and the key is never used again.
    next: AtomicU64,
}

impl Seal {
    /// Makes a seal under a new random key; fails if the system has no randomness to give.
    pub(super) fn try_new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let cipher = ChaCha20Poly1305::new(&Key::from(key));
        Ok(Self { cipher, next: AtomicU64::new(0) })
    }

    /// Returns `plain` sealed, as text that is safe in JSON and in URLs.
    pub(super) fn close(&self, plain: &[u8]) -> String {
        let mut nonce = [0; NONCE_SIZE];
        let number = self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (place, byte) in nonce.iter_mut().skip(NONCE_SIZE - number.len()).zip(number) {
            *place = byte;
        }
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), plain);
        let sealed = sealed.expect("what is sealed is far below the limit of the cipher");
        URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat())
    }

    /// Returns what was sealed; nothing unless it was sealed here and nobody altered it.
    pub(super) fn open(&self, text: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_SIZE>()?;
        self.cipher.decrypt(&Nonce::from(*nonce), sealed).ok()
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}
