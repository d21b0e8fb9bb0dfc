//! A set of keys as a provider publishes it (RFC 7517, section 5), and which of them fits a token;
//! pure.

use jsonwebtoken::Algorithm;
use jsonwebtoken::AlgorithmFamily;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::jwk::KeyOperations;
use jsonwebtoken::jwk::PublicKeyUse;
use serde::Deserialize;
use serde_json::Value;

/// How many keys are taken of one provider.
const MOST: usize = 256;

/// A set of keys as it is written.
#[derive(Deserialize)]
pub(super) struct Written {
    /// One that cannot be understood costs none of the others.
    keys: Vec<Value>,
}

/// The keys that tokens may be signed with.
#[derive(Debug, Default)]
pub(super) struct Set {
    keys: Vec<Key>,
    written: Vec<Value>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    family: AlgorithmFamily,
    key: DecodingKey,
}

impl Set {
    /// Takes what can be used of a set as it is written.
    pub(super) fn of(written: Written) -> Self {
        let written: Vec<Value> = written.keys.into_iter().take(MOST).collect();
        Self { keys: written.iter().filter_map(Key::read).collect(), written }
    }

    /// Returns whether it says the same as another one.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.written == other.written
    }

    /// Returns the keys with which a token can have been signed that names this one, or none.
    pub(super) fn fitting(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let fits = |key: &&Key| {
            let is_named = id.is_none() || key.id.as_deref() == id;
            let is_for = key.algorithm.is_none_or(|only| only == algorithm);
            is_named && is_for && algorithm.family() == key.family
        };
        self.keys.iter().filter(fits).map(|key| key.key.clone()).collect()
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

impl Key {
    /// Reads one; nothing if it is not for signatures, or of a kind that is not known.
    fn read(written: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(written).ok()?;
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let common = jwk.common;
        let is_other = common.public_key_use.is_some_and(|it| it != PublicKeyUse::Signature);
        let checks = |all: Vec<KeyOperations>| all.contains(&KeyOperations::Verify);
        if is_other || !common.key_operations.is_none_or(checks) {
            return None;
        }
        let algorithm = match common.key_algorithm {
            Some(named) => Some(named.to_string().parse().ok()?),
            None => None,
        };
        let family = key.family();
        // What is secret has no place in a public document.
        (family != AlgorithmFamily::Hmac).then_some(Self {
            id: common.key_id,
            algorithm,
            family,
            key,
        })
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::Algorithm;
    use serde_json::Value;
    use serde_json::json;

    use super::Set;

    fn set(keys: &Value) -> Set {
        Set::of(serde_json::from_value(json!({ "keys": keys })).unwrap())
    }

    fn ed(more: &Value) -> Value {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let mut key = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
        for (name, value) in more.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    #[test]
    fn a_key_is_for_what_it_says() {
        let signs = [
            json!({}),
            json!({ "use": "sig" }),
            json!({ "key_ops": ["verify"] }),
            json!({ "alg": "EdDSA", "x5t": "x", "unheard": [1] }),
        ];
        for more in signs {
            assert_eq!(set(&json!([ed(&more)])).len(), 1, "{more}");
        }
        let does_not = [
            json!({ "use": "enc" }),
            json!({ "key_ops": ["encrypt"] }),
            json!({ "alg": "RSA-OAEP" }),
            json!({ "kty": "unheard-of" }),
            json!({ "crv": "X25519" }),
            json!({ "kty": "oct", "k": "c2VjcmV0" }),
        ];
        for more in does_not {
            assert_eq!(set(&json!([ed(&more)])).len(), 0, "{more}");
        }
    }

    #[test]
    fn one_that_cannot_be_read_costs_none_of_the_others() {
        assert_eq!(set(&json!([7, {}, ed(&json!({})), null])).len(), 1);
    }

    #[test]
    fn a_key_fits_its_name_and_its_kind() {
        let set = set(&json!([ed(&json!({ "kid": "a" })), ed(&json!({}))]));
        let fitting = |id, algorithm| set.fitting(id, algorithm).len();
        assert_eq!(fitting(Some("a"), Algorithm::EdDSA), 1);
        assert_eq!(fitting(None, Algorithm::EdDSA), 2);
        assert_eq!(fitting(Some("b"), Algorithm::EdDSA), 0);
        assert_eq!(fitting(Some("a"), Algorithm::RS256), 0);
        assert_eq!(fitting(Some("a"), Algorithm::HS256), 0);
    }
}
