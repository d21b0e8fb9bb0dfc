//! Tokens of providers: JWTs that one of them signed, for this gateway, at this time.

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use jsonwebtoken::Algorithm;
use jsonwebtoken::Header;
use jsonwebtoken::Validation;
use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;

use crate::auth::Credential;
use crate::auth::Refused;
use crate::auth::Source;
use crate::auth::Terms;
use crate::auth::claims;
use crate::auth::claims::Reading;
use crate::auth::discovery;
use crate::auth::fetch;
use crate::auth::jwks::Set;
use crate::auth::keys;
use crate::auth::keys::Keys;
use crate::auth::metadata;
use crate::config::auth::Algorithm as Allowed;
use crate::config::auth::Provider;

/// What every token must say (2026-07-28, authorization, "Token Handling"; RFC 9068, section 4).
const CLAIMS: [&str; 3] = ["exp", "iss", "aud"];
/// What an access token may say that it is (RFC 9068, section 2.1), if it says so at all: a
/// provider signs much else with the same keys (RFC 8725, section 3.11).
const KINDS: [&str; 4] = ["at+jwt", "application/at+jwt", "jwt", "application/jwt"];

/// A provider whose tokens are taken.
#[derive(Debug)]
pub(super) struct Issuer {
    terms: Arc<Terms>,
    algorithms: Vec<Algorithm>,
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
    /// Takes the tokens of a provider on these terms.
    pub(super) fn new(terms: Terms) -> Self {
        let Terms { name, provider: config, resource: _ } = &terms;
        let reading = Reading {
            provider: name.clone(),
            subject: config.subject.clone(),
            groups: config.groups.clone(),
            map: config.map.clone(),
        };
        let algorithms = config.algorithms.iter().copied().map(algorithm).collect();
        Self { algorithms, reading, keys: Keys::new(), terms: Arc::new(terms) }
    }

    /// Knows the keys that one before it knew, if that asked in the same place.
    pub(super) fn succeeding(mut self, before: &Self) -> Self {
        let (own, other) = (&self.terms.provider, &before.terms.provider);
        if (&own.issuer, &own.jwks) == (&other.issuer, &other.jwks) {
            self.keys = before.keys.clone();
        }
        self
    }

    /// Asks the provider for its keys whenever they are needed, for as long as this is polled.
    pub(super) async fn keep(&self, client: &Client) {
        self.keys.keep(|| self.ask(client)).await;
    }

    async fn ask(&self, client: &Client) -> Result<Set, keys::Error> {
        let Provider { issuer, jwks, .. } = &self.terms.provider;
        let place = match jwks {
            Some(place) => place.clone(),
            None => discovery::keys_of(client, issuer).await?,
        };
        Ok(Set::of(fetch::document(client, &place).await?))
    }

    /// Returns whether it is the one that a token names.
    pub(super) fn is_named(&self, issuer: &str) -> bool {
        self.terms.provider.issuer == issuer
    }

    /// Returns whether it takes tokens on these terms.
    pub(super) fn is_on(&self, terms: &Terms) -> bool {
        *self.terms == *terms
    }

    /// Checks a token that must be for one of `audience`, or for what the configuration says
    /// besides.
    pub(super) async fn verified(
        &self,
        token: &str,
        audience: &[String],
    ) -> Result<Credential, Refused> {
        let invalid = |reason: String| Refused::Invalid(format!("`{}`: {reason}", self.terms.name));
        let header = jsonwebtoken::decode_header(token);
        let header = header.map_err(|error| invalid(format!("it cannot be read: {error}")))?;
        self.is_understood(&header).map_err(invalid)?;
        let found =
            self.keys.find(header.kid.as_deref(), header.alg, self.terms.provider.outage).await;
        let keys = found.map_err(|error| {
            Refused::Unavailable(format!(
                "the keys of `{}` cannot be had: {error}",
                self.terms.name
            ))
        })?;
        let validation = self.validation(header.alg);
        let mut reason = "it is signed with a key that its provider does not have".to_owned();
        for key in keys {
            match jsonwebtoken::decode::<Value>(token, &key, &validation) {
                Ok(data) => return self.credential(&data.claims, audience).map_err(invalid),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(invalid(reason))
    }

    /// Refuses what is another kind of token, or is to be read in a way that is not known here.
    fn is_understood(&self, header: &Header) -> Result<(), String> {
        if !self.algorithms.contains(&header.alg) {
            return Err(format!("it is signed with {:?}, which is not allowed", header.alg));
        }
        let is_kind = |kind: &String| KINDS.iter().any(|known| kind.eq_ignore_ascii_case(known));
        if let Some(kind) = header.typ.as_ref().filter(|kind| !is_kind(kind)) {
            return Err(format!("it is a `{kind}` and no access token"));
        }
        // RFC 7515, section 4.1.11: nothing of the kind is known here.
        match &header.crit {
            Some(_) => Err("it has a header `crit`, which must be understood".to_owned()),
            None => Ok(()),
        }
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&CLAIMS);
        validation.set_issuer(&[&self.terms.provider.issuer]);
        // That is done here, because parts of an address may be written in two ways.
        validation.validate_aud = false;
        validation.leeway = self.terms.provider.leeway.as_secs();
        validation.validate_nbf = true;
        validation
    }

    fn credential(&self, claims: &Value, audience: &[String]) -> Result<Credential, String> {
        let meant = claims::audience(claims);
        let besides = &self.terms.provider.audience;
        let is_meant = |it: &&str| {
            audience.contains(&metadata::canonical(it)) || besides.iter().any(|own| own == it)
        };
        if !meant.iter().any(is_meant) {
            return Err(format!("it is made for {meant:?}, which is not here"));
        }
        let principal = self.reading.principal(claims)?;
        let ends = claims.get("exp").and_then(Value::as_f64).unwrap_or_default();
        let ends = Duration::try_from_secs_f64(ends).ok();
        let ends = ends.and_then(|ends| ends.checked_add(self.terms.provider.leeway));
        let until = ends.and_then(|ends| SystemTime::UNIX_EPOCH.checked_add(ends));
        let until = until.ok_or("its `exp` is no time")?;
        let scopes: Arc<[String]> = claims::scopes(claims).into();
        let source = Source::Issuer(Arc::clone(&self.terms));
        Ok(Credential { principal, scopes: Some(scopes), until: Some(until), source })
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

#[cfg(test)]
mod tests;
