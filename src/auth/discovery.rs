//! Where the keys of a provider are: its metadata says so (OpenID Connect Discovery 1.0, section 4;
//! RFC 8414, section 3).

use reqwest::Client;
use serde::Deserialize;
use url::Url;

use crate::auth::fetch;

/// What is read of the metadata of a provider.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: Option<String>,
}

/// Why it is not known where the keys are.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Error {
    /// No metadata can be had.
    #[error("it has no metadata that can be had: {0}")]
    Unreachable(fetch::Error),
    /// The metadata is that of somebody else (RFC 8414, section 3.3).
    #[error("the metadata at `{0}` is that of `{1}`")]
    OtherIssuer(Url, String),
    /// They do not say.
    #[error("the metadata at `{0}` has no `jwks_uri` that is an address")]
    NoKeys(Url),
}

/// Finds out where the keys of a provider are.
pub(super) async fn keys_of(client: &Client, issuer: &str) -> Result<Url, Error> {
    let mut first = None;
    for url in places(issuer) {
        let metadata: Metadata = match fetch::document(client, &url).await {
            Ok(metadata) => metadata,
            Err(error) => {
                first.get_or_insert(error);
                continue;
            }
        };
        if metadata.issuer != issuer {
            return Err(Error::OtherIssuer(url, metadata.issuer));
        }
        let keys = metadata.jwks_uri.and_then(|keys| Url::parse(&keys).ok());
        return keys.ok_or(Error::NoKeys(url));
    }
    let nowhere = || {
        let url = Url::parse("https://invalid").expect("it is one");
        fetch::Error::Other(url, format!("`{issuer}` is no address"))
    };
    Err(Error::Unreachable(first.unwrap_or_else(nowhere)))
}

/// Returns where metadata can be, in the order in which it is looked for.
fn places(issuer: &str) -> Vec<Url> {
    let Ok(base) = Url::parse(issuer) else { return Vec::new() };
    let path = base.path().trim_end_matches('/').to_owned();
    let paths = [
        format!("{path}/.well-known/openid-configuration"),
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    let mut places: Vec<Url> = Vec::new();
    for path in paths {
        let mut url = base.clone();
        url.set_path(&path);
        if !places.contains(&url) {
            places.push(url);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::places;

    #[test]
    fn metadata_can_be_in_three_places() {
        let of = |issuer| places(issuer).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            of("https://login.example.com/realms/main"),
            [
                "https://login.example.com/realms/main/.well-known/openid-configuration",
                "https://login.example.com/.well-known/oauth-authorization-server/realms/main",
                "https://login.example.com/.well-known/openid-configuration/realms/main",
            ]
        );
        assert_eq!(
            of("https://login.example.com/"),
            [
                "https://login.example.com/.well-known/openid-configuration",
                "https://login.example.com/.well-known/oauth-authorization-server",
            ]
        );
        assert!(of("login").is_empty());
    }
}
