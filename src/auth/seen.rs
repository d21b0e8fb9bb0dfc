//! Tokens of providers that were found good a moment ago: to check a signature costs more than
//! anything else a request needs.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;

use indexmap::IndexMap;
use sha2::Digest as _;
use sha2::Sha256;

use crate::auth::Credential;

/// How many are remembered; the oldest give way.
const CAPACITY: usize = 4096;
/// How long one is believed without another look, in which the keys of its provider may change.
const BELIEVED: Duration = Duration::from_mins(1);

/// Tokens that were found good, by their digests: the tokens themselves are kept nowhere.
#[derive(Debug, Default)]
pub(super) struct Seen {
    good: Mutex<IndexMap<[u8; 32], Good>>,
}

#[derive(Debug)]
struct Good {
    credential: Credential,
    until: SystemTime,
}

impl Seen {
    /// Returns what a token says that was found good for this audience a moment ago.
    pub(super) fn find(
        &self,
        token: &str,
        audience: &[String],
        now: SystemTime,
    ) -> Option<Credential> {
        let good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        let found = good.get(&digest(token, audience))?;
        let is_good = now < found.until && !found.credential.is_over(now);
        is_good.then(|| found.credential.clone())
    }

    /// Remembers that a token was found good for this audience just now.
    pub(super) fn keep(&self, token: &str, audience: &[String], credential: &Credential) {
        let good = Good { credential: credential.clone(), until: SystemTime::now() + BELIEVED };
        let mut all = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        let key = digest(token, audience);
        all.shift_remove(&key);
        all.insert(key, good);
        let surplus = all.len().saturating_sub(CAPACITY);
        all.drain(..surplus);
    }
}

fn digest(token: &str, audience: &[String]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(token);
    for part in audience {
        hash.update([0]);
        hash.update(part);
    }
    hash.finalize().into()
}
