//! Gets documents of providers: small ones, soon, from the address that was meant.

use std::time::Duration;

use reqwest::Client;
use reqwest::header;
use reqwest::redirect;
use serde::de::DeserializeOwned;
use url::Url;

use crate::config::host;

/// How long it may take until a document is there as a whole.
const LIMIT: Duration = Duration::from_secs(5);
/// The most bytes a document may have.
const LARGEST: usize = 1 << 20;

/// Why there is no document.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Error {
    /// Whoever is in between could change it.
    #[error("`{0}` is not safe: only `https:` is")]
    Unsafe(Url),
    /// It cannot be had.
    #[error("`{0}`: {1}")]
    Unreachable(Url, String),
    /// It is something else.
    #[error("`{0}` is no such document: {1}")]
    Other(Url, String),
}

/// Makes what asks. It follows nobody anywhere else.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    Client::builder().redirect(redirect::Policy::none()).timeout(LIMIT).build()
}

/// Gets a document.
pub(super) async fn document<T: DeserializeOwned>(client: &Client, url: &Url) -> Result<T, Error> {
    if !host::is_safe(url) {
        return Err(Error::Unsafe(url.clone()));
    }
    let unreachable = |error: reqwest::Error| {
        let error = error.without_url();
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        Error::Unreachable(url.clone(), format!("{error}{}", cause.unwrap_or_default()))
    };
    let request = client.get(url.clone()).header(header::ACCEPT, "application/json");
    let mut response = request.send().await.map_err(unreachable)?;
    if !response.status().is_success() {
        return Err(Error::Unreachable(url.clone(), format!("status {}", response.status())));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > LARGEST {
            return Err(Error::Other(url.clone(), format!("it has more than {LARGEST} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&bytes).map_err(|error| Error::Other(url.clone(), error.to_string()))
}
