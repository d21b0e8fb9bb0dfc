//! The keys with which a provider signs: had when they are needed, kept, and had again before they
//! are old, by one request at a time.
//!
//! While the provider cannot be reached, those that were had last stay good for a while.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::Algorithm;
use jsonwebtoken::AlgorithmFamily;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::jwk::PublicKeyUse;
use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::auth::discovery;
use crate::auth::fetch;

/// How old keys may be before it is asked whether there are others.
const FRESH: Duration = Duration::from_mins(10);
/// How long nobody asks again after somebody has: a token that names a key that there is not costs
/// the provider nothing.
const PAUSE: Duration = Duration::from_secs(10);
/// How many keys are taken of one provider.
const MOST: usize = 256;

/// Why there is no key.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Error {
    /// It is not known where they are.
    #[error(transparent)]
    Discovery(#[from] discovery::Error),
    /// They cannot be had.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// They were asked for a moment ago, in vain.
    #[error("its keys could not be had a moment ago")]
    Pausing,
}

/// The keys of one provider.
#[derive(Debug)]
pub(super) struct Keys {
    issuer: String,
    /// Where they are, if the configuration says so.
    place: Option<Url>,
    /// How long they are good while the provider cannot be reached.
    outage: Duration,
    client: Client,
    had: ArcSwapOption<Set>,
    /// When somebody last asked for them; held while somebody asks.
    asked: Mutex<Option<Instant>>,
}

/// The keys as they were had.
#[derive(Debug)]
struct Set {
    keys: Vec<Key>,
    when: Instant,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    family: AlgorithmFamily,
    key: DecodingKey,
}

impl Keys {
    /// Knows none yet.
    pub(super) fn new(issuer: &str, place: Option<Url>, outage: Duration, client: Client) -> Self {
        let (had, asked) = (ArcSwapOption::empty(), Mutex::default());
        Self { issuer: issuer.to_owned(), place, outage, client, had, asked }
    }

    /// Returns the keys with which a token can have been signed that names this one, or none.
    ///
    /// # Errors
    ///
    /// If none are known, and the provider cannot be asked.
    pub(super) async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<DecodingKey>, Error> {
        let had = self.had.load_full().filter(|set| set.when.elapsed() < self.outage.max(FRESH));
        let fits = |set: &Set| set.fitting(id, algorithm);
        let known = had.as_deref().map(fits).filter(|keys| !keys.is_empty());
        let is_fresh = had.as_ref().is_some_and(|set| set.when.elapsed() < FRESH);
        match known {
            Some(known) if is_fresh => Ok(known),
            Some(known) => {
                // Nobody waits for others where there are some.
                if let Ok(asked) = self.asked.try_lock() {
                    match self.ask(asked).await {
                        Ok(set) => return Ok(set.fitting(id, algorithm)),
                        Err(Error::Pausing) => {}
                        Err(error) => {
                            let issuer = &self.issuer;
                            tracing::warn!(issuer, %error, "its keys of before are used");
                        }
                    }
                }
                Ok(known)
            }
            None => match self.ask(self.asked.lock().await).await {
                Ok(set) => Ok(set.fitting(id, algorithm)),
                // There are keys, and this token names none of them.
                Err(Error::Pausing) if had.is_some() => Ok(Vec::new()),
                Err(error) => Err(error),
            },
        }
    }

    /// Asks the provider, unless somebody has just done so.
    async fn ask(
        &self,
        mut asked: tokio::sync::MutexGuard<'_, Option<Instant>>,
    ) -> Result<Arc<Set>, Error> {
        if asked.is_some_and(|asked| asked.elapsed() < PAUSE) {
            // Whoever asked may have been waited for.
            let had = self.had.load_full().filter(|set| set.when.elapsed() < PAUSE);
            return had.ok_or(Error::Pausing);
        }
        *asked = Some(Instant::now());
        let place = match &self.place {
            Some(place) => place.clone(),
            None => discovery::keys_of(&self.client, &self.issuer).await?,
        };
        let written: Written = fetch::document(&self.client, &place).await?;
        let keys = written.keys.into_iter().take(MOST).filter_map(Key::read).collect();
        let set = Arc::new(Set { keys, when: Instant::now() });
        tracing::debug!(issuer = self.issuer, keys = set.keys.len(), "its keys are known");
        self.had.store(Some(Arc::clone(&set)));
        Ok(set)
    }
}

impl Set {
    fn fitting(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let fits = |key: &&Key| {
            let is_named = id.is_none() || key.id.as_deref() == id;
            let is_for = key.algorithm.is_none_or(|only| only == algorithm);
            is_named && is_for && algorithm.family() == key.family
        };
        self.keys.iter().filter(fits).map(|key| key.key.clone()).collect()
    }
}

/// A set of keys as a provider writes it (RFC 7517, section 5).
#[derive(Deserialize)]
struct Written {
    /// One that cannot be understood costs none of the others.
    keys: Vec<Value>,
}

impl Key {
    /// Reads one; nothing if it is not for signatures, or of a kind that is not known.
    fn read(written: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(written).ok()?;
        let is_other = jwk.common.public_key_use.as_ref();
        if is_other.is_some_and(|it| *it != PublicKeyUse::Signature) {
            return None;
        }
        let algorithm = match &jwk.common.key_algorithm {
            Some(named) => Some(named.to_string().parse().ok()?),
            None => None,
        };
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let family = key.family();
        // What is secret has no place in a public document.
        (family != AlgorithmFamily::Hmac).then_some(Self {
            id: jwk.common.key_id,
            algorithm,
            family,
            key,
        })
    }
}
