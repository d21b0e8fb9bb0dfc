//! Tokens of providers: JWTs that one of them signed, for this gateway, at this time.

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use jsonwebtoken::Algorithm;
use jsonwebtoken::Validation;
use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;

use crate::auth::Credential;
use crate::auth::Refused;
use crate::auth::claims;
use crate::auth::claims::Reading;
use crate::auth::keys::Keys;
use crate::config;
use crate::config::auth::Algorithm as Allowed;

/// What every token must say (2026-07-28, authorization, "Token Handling"; RFC 9068, section 4).
const CLAIMS: [&str; 3] = ["exp", "iss", "aud"];

/// A provider whose tokens are taken.
#[derive(Debug)]
pub(super) struct Issuer {
    name: String,
    issuer: String,
    audience: Vec<String>,
    algorithms: Vec<Algorithm>,
    leeway: Duration,
    reading: Reading,
    keys: Keys,
}

/// What is read of a token before its signature was checked: only whom to ask.
#[derive(Deserialize)]
struct Named {
    iss: String,
}

/// Returns who a token says has issued it; nothing if it says so in no way that can be read.
pub(super) fn issuer(token: &str) -> Option<String> {
    jsonwebtoken::dangerous::insecure_decode::<Named>(token).ok().map(|read| read.claims.iss)
}

impl Issuer {
    /// Takes the tokens of a provider that is called `name` here.
    pub(super) fn new(name: &str, config: &config::auth::Provider, client: Client) -> Self {
        let reading = Reading {
            provider: name.to_owned(),
            subject: config.subject.clone(),
            groups: config.groups.clone(),
            map: config.map.clone(),
        };
        Self {
            name: name.to_owned(),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            algorithms: config.algorithms.iter().copied().map(algorithm).collect(),
            leeway: config.leeway,
            reading,
            keys: Keys::new(&config.issuer, config.jwks.clone(), config.outage, client),
        }
    }

    /// Returns whether it is the one that a token names.
    pub(super) fn is_named(&self, issuer: &str) -> bool {
        self.issuer == issuer
    }

    /// Checks a token that must be for one of `audience`, or for what the configuration says
    /// besides.
    pub(super) async fn verified(
        &self,
        token: &str,
        audience: &[String],
    ) -> Result<Credential, Refused> {
        let invalid = |reason: String| Refused::Invalid(format!("`{}`: {reason}", self.name));
        let header = jsonwebtoken::decode_header(token);
        let header = header.map_err(|error| invalid(format!("it cannot be read: {error}")))?;
        if !self.algorithms.contains(&header.alg) {
            return Err(invalid(format!(
                "it is signed with {:?}, which is not allowed",
                header.alg
            )));
        }
        let found = self.keys.find(header.kid.as_deref(), header.alg).await;
        let keys = found.map_err(|error| {
            tracing::warn!(provider = self.name, %error, "its tokens cannot be checked");
            Refused::Unavailable(error.to_string())
        })?;
        let validation = self.validation(header.alg, audience);
        let mut reason = "it is signed with a key that its provider does not have".to_owned();
        for key in keys {
            match jsonwebtoken::decode::<Value>(token, &key, &validation) {
                Ok(data) => return self.credential(&data.claims).map_err(invalid),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(invalid(reason))
    }

    fn validation(&self, algorithm: Algorithm, audience: &[String]) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&CLAIMS);
        validation.set_issuer(&[&self.issuer]);
        let audience: Vec<&String> = audience.iter().chain(&self.audience).collect();
        validation.set_audience(&audience);
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        validation
    }

    fn credential(&self, claims: &Value) -> Result<Credential, String> {
        let principal = self.reading.principal(claims)?;
        let ends = claims.get("exp").and_then(Value::as_f64).unwrap_or_default();
        let ends = Duration::try_from_secs_f64(ends).ok();
        let until = ends.and_then(|ends| SystemTime::UNIX_EPOCH.checked_add(ends + self.leeway));
        let until = until.ok_or("its `exp` is no time")?;
        let scopes: Arc<[String]> = claims::scopes(claims).into();
        Ok(Credential { principal, scopes: Some(scopes), until: Some(until), own: None })
    }
}

fn algorithm(allowed: Allowed) -> Algorithm {
    match allowed {
        Allowed::Rs256 => Algorithm::RS256,
        Allowed::Rs384 => Algorithm::RS384,
        Allowed::Rs512 => Algorithm::RS512,
        Allowed::Ps256 => Algorithm::PS256,
        Allowed::Ps384 => Algorithm::PS384,
        Allowed::Ps512 => Algorithm::PS512,
        Allowed::Es256 => Algorithm::ES256,
        Allowed::Es384 => Algorithm::ES384,
        Allowed::EdDsa => Algorithm::EdDSA,
    }
}
