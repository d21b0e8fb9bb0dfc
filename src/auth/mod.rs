//! Who is calling: finds out on whose behalf a request comes from the token it brings.
//!
//! Two kinds of tokens are taken: those that `conflux token create` made, of which only keyed
//! hashes are kept, and those that an identity provider signed for this gateway. A token says who
//! somebody is here and goes no further: no upstream is ever sent it.

/// What a request presents.
pub mod bearer;
/// What clients are told about where to get tokens.
pub mod metadata;
/// The tokens that this gateway made, as a file.
pub mod store;
/// Tokens that this gateway made itself.
pub mod token;

mod claims;
mod discovery;
mod fetch;
mod jwks;
mod jwt;
mod keys;
mod seen;
mod watch;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future;
use indexmap::IndexMap;
use reqwest::Client;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::auth::jwt::Issuer;
use crate::auth::seen::Seen;
use crate::auth::watch::Watched;
use crate::config;
use crate::config::auth::Scopes;
use crate::exchange::principal::Grant;
use crate::exchange::principal::Principal;
use crate::telemetry::shown;

pub use self::metadata::Resource;
pub use self::store::Error as StoreError;
pub use self::store::Store;

/// Finds out who is calling.
#[derive(Debug)]
pub struct Authenticator {
    /// What asks providers; there if there are any, and it can be had.
    client: Option<Client>,
    tokens: Arc<Watched>,
    issuers: IndexMap<String, Issuer>,
    seen: Seen,
    scopes: Scopes,
    resource: Option<Resource>,
    trusts_system: bool,
}

/// On whose behalf a request comes, and for how long its token says so.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Who that is.
    pub principal: Principal,
    /// What the token is good for: everything, if it is one that was made here.
    scopes: Option<Arc<[String]>>,
    /// When it ends, if it ever does.
    until: Option<SystemTime>,
    source: Source,
}

/// Where a token comes from.
#[derive(Clone, Debug)]
enum Source {
    /// It was made here, with this id, and may be revoked.
    Own(Arc<str>),
    /// A provider gave it, and it was taken on these terms.
    Issuer(Arc<Terms>),
}

/// On which terms tokens of a provider are taken.
#[derive(Debug, PartialEq, Eq)]
struct Terms {
    /// What the provider is called here.
    name: String,
    provider: config::auth::Provider,
    /// For what they must be made.
    resource: Option<Url>,
}

/// Why it is not known who is calling, or that they may not do this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The request brings no token.
    #[error("a token is needed: send `Authorization: Bearer TOKEN`")]
    Missing,
    /// What the request brings cannot be read.
    #[error("{0}")]
    Malformed(&'static str),
    /// The token is not, or no longer, good here; the reason is for the log.
    #[error("the token is not good here, or no longer")]
    Invalid(String),
    /// Whoever signed the token cannot be asked for its keys.
    #[error("tokens of this provider cannot be checked now; try again later")]
    Unavailable(String),
    /// The token is good, but not for this.
    #[error("the token lacks the scopes that this needs: {}", .0.join(", "))]
    InsufficientScope(Vec<String>),
}

impl Refused {
    /// Returns why, for the log.
    pub fn reason(&self) -> String {
        match self {
            Self::Invalid(reason) | Self::Unavailable(reason) => format!("{self}: {reason}"),
            Self::Missing | Self::Malformed(_) | Self::InsufficientScope(_) => self.to_string(),
        }
    }
}

impl Authenticator {
    /// Makes one that takes the tokens of `store` and of the providers.
    ///
    /// # Errors
    ///
    /// If there are providers, and nothing can be asked over HTTP.
    pub fn try_new(config: &config::auth::Auth, store: Store) -> Result<Self, reqwest::Error> {
        let has_providers = !config.providers.is_empty();
        let client = has_providers.then(fetch::client).transpose()?;
        Ok(Self::of(config, client, Arc::new(Watched::new(store))))
    }

    /// Makes one where somebody has to stand at the door: if nothing can be asked over HTTP, tokens
    /// of providers are put off.
    pub fn new(config: &config::auth::Auth, store: Store) -> Self {
        Self::of(config, asking(config), Arc::new(Watched::new(store)))
    }

    /// Makes one for another configuration, which knows what this one knows: whoever listens with a
    /// token of this one hears when it is revoked, and keys outlive an outage. If nothing can be
    /// asked over HTTP, tokens of providers are put off.
    #[must_use]
    pub fn renewed(&self, config: &config::auth::Auth) -> Self {
        let client = self.client.clone().or_else(|| asking(config));
        let mut renewed = Self::of(config, client, Arc::clone(&self.tokens));
        let succeed = |(name, issuer): (String, Issuer)| match self.issuers.get(&name) {
            Some(before) => (name, issuer.succeeding(before)),
            None => (name, issuer),
        };
        renewed.issuers = renewed.issuers.into_iter().map(succeed).collect();
        renewed
    }

    fn of(config: &config::auth::Auth, client: Option<Client>, tokens: Arc<Watched>) -> Self {
        let issuer = |(name, provider): (&String, &config::auth::Provider)| {
            let (provider, resource) = (provider.clone(), config.resource.clone());
            (name.clone(), Issuer::new(Terms { name: name.clone(), provider, resource }))
        };
        Self {
            client,
            tokens,
            issuers: config.providers.iter().map(issuer).collect(),
            seen: Seen::default(),
            scopes: config.scopes.clone(),
            resource: Resource::of(config),
            trusts_system: config.local,
        }
    }

    /// Follows the tokens that were made here, as they are made and revoked, and asks providers for
    /// their keys whenever they are needed, until `stop`.
    pub async fn follow(&self, stop: CancellationToken) {
        let asking = self.client.iter().flat_map(|client| {
            let keys = self.issuers.values().map(|issuer| issuer.keep(client));
            keys.collect::<Vec<_>>()
        });
        let keys = future::join_all(asking);
        let all = future::join(self.tokens.follow(stop.clone()), keys);
        stop.run_until_cancelled(all).await;
    }

    /// Finds out on whose behalf a request to `path` comes.
    pub async fn identify(&self, token: &str, path: &str) -> Result<Credential, Refused> {
        if let Some(own) = token::Token::parse(token) {
            let credential = self.tokens.load().find(&own, SystemTime::now());
            return credential.map_err(|reason| Refused::Invalid(reason.to_owned()));
        }
        let resource = self.resource.as_ref();
        let audience = resource.map(|it| it.audience(path)).unwrap_or_default();
        if let Some(credential) = self.seen.find(token, &audience, SystemTime::now()) {
            return Ok(credential);
        }
        let named = jwt::issuer(token).ok_or_else(|| {
            Refused::Invalid("it is neither one of Conflux nor a JWT that names an issuer".into())
        })?;
        let issuer = self.issuers.values().find(|issuer| issuer.is_named(&named));
        let issuer = issuer.ok_or_else(|| {
            Refused::Invalid(format!("no provider of the configuration is `{named}`"))
        })?;
        let credential = issuer.verified(token, &audience).await?;
        self.seen.keep(token, &audience, &credential);
        Ok(credential)
    }

    /// Refuses a token that lacks a scope that every request needs.
    pub fn permit(&self, credential: &Credential) -> Result<(), Refused> {
        let Some(granted) = &credential.scopes else { return Ok(()) };
        match self.scopes.lacking(granted, None) {
            Some(needed) => Err(Refused::InsufficientScope(needed)),
            None => Ok(()),
        }
    }

    /// Returns what `WWW-Authenticate` says to a request to `path` that was refused.
    pub fn challenge(&self, path: &str, refused: &Refused) -> String {
        metadata::challenge(self.resource.as_ref(), path, self.scopes.required(), refused)
    }

    /// Returns whether users of this machine need no token where the system says who they are.
    pub fn trusts_system(&self) -> bool {
        self.trusts_system
    }

    /// Returns whether anybody can come at all: there is a provider, or a token that is good, or
    /// none is needed.
    pub fn admits_anybody(&self) -> bool {
        self.trusts_system
            || !self.issuers.is_empty()
            || self.tokens.load().has_any(SystemTime::now())
    }

    /// Returns what clients are told about where to get tokens; nothing if no provider gives any.
    pub fn resource(&self) -> Option<&Resource> {
        self.resource.as_ref()
    }

    /// Waits until a token is no longer good: it has expired or was revoked, or tokens of its
    /// provider are not taken here, or not on the terms on which this one was, which say who
    /// somebody is as well.
    pub async fn ended(&self, credential: &Credential) {
        let is_taken = match &credential.source {
            Source::Own(_) => true,
            Source::Issuer(terms) => self.issuers.values().any(|known| known.is_on(terms)),
        };
        if is_taken && self.permit(credential).is_ok() {
            self.tokens.ended(credential).await;
        }
    }
}

impl Credential {
    /// Returns what the token is good for, for one request.
    pub fn grant(&self) -> Grant {
        self.scopes.as_ref().map(|scopes| Grant::of(Arc::clone(scopes))).unwrap_or_default()
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// Makes what asks providers, if there are any; says why if it cannot be had.
fn asking(config: &config::auth::Auth) -> Option<Client> {
    let made = (!config.providers.is_empty()).then(fetch::client)?;
    let complain = |error: &reqwest::Error| {
        let cause = shown::cause(error);
        let problem = "tokens of providers are put off, because nothing can be asked over HTTPS";
        tracing::warn!(%cause, "{problem}");
    };
    made.inspect_err(complain).ok()
}

/// Returns the directory of tokens that were made here.
pub fn directory(state: &Path) -> PathBuf {
    state.join("tokens")
}
