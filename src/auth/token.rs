//! Tokens that this gateway made itself: an id by which one is found, and a secret that only its
//! holder knows.

use std::fmt;

use aws_lc_rs::constant_time;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a token begins with, by which scanners of secrets know it.
const START: &str = "cfx_";
/// The random bytes of an id.
const ID_SIZE: usize = 6;
/// The random bytes of a secret.
const SECRET_SIZE: usize = 32;
/// The bytes of the key under which hashes are made.
pub(super) const KEY_SIZE: usize = 32;

/// A token as its holder has it. Its `Debug` shows no secret.
pub struct Token {
    id: String,
    secret: String,
}

impl Token {
    /// Makes a new one; fails if the system has no randomness to give.
    pub fn try_new() -> Result<Self, getrandom::Error> {
        Ok(Self { id: random::<ID_SIZE>()?, secret: random::<SECRET_SIZE>()? })
    }

    /// Reads one; nothing if it is of another kind.
    pub fn parse(text: &str) -> Option<Self> {
        // An id has a fixed length, because what it is made of may hold what separates.
        let rest = text.strip_prefix(START)?;
        let (id, secret) = rest.split_at_checked(encoded(ID_SIZE))?;
        let secret = secret.strip_prefix('_')?;
        (secret.len() == encoded(SECRET_SIZE))
            .then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// Returns by what it is found; no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns all of it, for its holder alone.
    pub fn reveal(&self) -> String {
        format!("{START}{}_{}", self.id, self.secret)
    }

    /// Returns whether a text is this token, in a time that tells nothing.
    pub fn is(&self, text: &str) -> bool {
        let own = self.reveal();
        constant_time::verify_slices_are_equal(own.as_bytes(), text.as_bytes()).is_ok()
    }

    /// Returns its hash under a key.
    pub(super) fn hash(&self, key: &hmac::Key) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(key, self.reveal().as_bytes()))
    }

    /// Returns whether this is its hash under a key, in a time that tells nothing.
    pub(super) fn has_hash(&self, key: &hmac::Key, hash: &str) -> bool {
        let Ok(hash) = URL_SAFE_NO_PAD.decode(hash) else { return false };
        hmac::verify(key, self.reveal().as_bytes(), &hash).is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Returns the length of so many bytes as text.
const fn encoded(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

fn random<const N: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::Token;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        for _ in 0..200 {
            let token = Token::try_new().unwrap();
            let read = Token::parse(&token.reveal()).unwrap();
            assert_eq!((read.id(), read.reveal()), (token.id(), token.reveal()));
        }
        let token = Token::try_new().unwrap().reveal();
        let cut = token.get(..token.len() - 1).unwrap();
        for other in ["", "cfx_", "cfx_é_", "eyJhbGciOiJSUzI1NiJ9.e30.x", cut] {
            assert!(Token::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn only_the_token_itself_has_its_hash() {
        let (key, other) = (hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]), [2; 32]);
        let token = Token::try_new().unwrap();
        let hash = token.hash(&key);
        assert!(token.has_hash(&key, &hash));
        assert!(!token.has_hash(&hmac::Key::new(hmac::HMAC_SHA256, &other), &hash));
        assert!(!Token::try_new().unwrap().has_hash(&key, &hash));
        assert!(!token.has_hash(&key, ""));
        assert!(!format!("{token:?}").contains(&token.secret));
    }
}
