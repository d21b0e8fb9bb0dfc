//! What clients are told about where to get tokens (RFC 9728; 2026-07-28, authorization,
//! "Authorization Server Location"); pure.

use serde_json::Value;
use serde_json::json;
use url::Url;

use crate::auth::Refused;
use crate::config;

/// What stands before the path of a resource in the address of its metadata (RFC 9728, section 3).
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// This gateway as what tokens are made for.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its address without a path, and without a slash at its end.
    base: String,
    issuers: Vec<String>,
    scopes: Vec<String>,
}

impl Resource {
    /// Returns what is to be said; nothing if no provider gives any tokens.
    pub(super) fn of(config: &config::auth::Auth) -> Option<Self> {
        let base = config.resource.as_ref().map(base)?;
        let issuers: Vec<String> = config.providers.values().map(|it| it.issuer.clone()).collect();
        let scopes = config.scopes.required().to_vec();
        (!issuers.is_empty()).then_some(Self { base, issuers, scopes })
    }

    /// Returns for what a token must be made that comes to this path: for the path itself, or for
    /// everything here.
    pub(super) fn audience(&self, path: &str) -> Vec<String> {
        vec![self.at(path), self.base.clone(), format!("{}/", self.base)]
    }

    /// Returns the metadata of the resource at a path; of everything if it is empty.
    pub fn document(&self, path: &str) -> Value {
        let mut document = json!({
            "resource": self.at(path),
            "resource_name": "Conflux",
            "authorization_servers": self.issuers,
            "bearer_methods_supported": ["header"],
        });
        if let (Some(members), false) = (document.as_object_mut(), self.scopes.is_empty()) {
            members.insert("scopes_supported".to_owned(), json!(self.scopes));
        }
        document
    }

    fn at(&self, path: &str) -> String {
        format!("{}{}", self.base, path.trim_end_matches('/'))
    }

    /// Returns the address of the metadata of the resource at a path.
    fn metadata(&self, path: &str) -> String {
        format!("{}{WELL_KNOWN}{}", self.base, path.trim_end_matches('/'))
    }
}

/// Returns the address of a resource as it is compared: the scheme and the host in small letters
/// (2026-07-28, authorization, "Canonical Server URI"), the rest as it is.
pub(super) fn canonical(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("{}://{}{path}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase())
}

/// Returns what `WWW-Authenticate` says to a request to `path` that was refused (RFC 6750,
/// section 3; RFC 9728, section 5.1); `scopes` are those that every request needs.
pub(super) fn challenge(
    resource: Option<&Resource>,
    path: &str,
    scopes: &[String],
    refused: &Refused,
) -> String {
    let mut parts = Vec::new();
    let mut say = |key: &str, value: &str| parts.push(format!("{key}=\"{}\"", quotable(value)));
    let needed = match refused {
        Refused::InsufficientScope(needed) => needed,
        _ => scopes,
    };
    let error = match refused {
        // Who presents nothing is told nothing about it (RFC 6750, section 3.1).
        Refused::Missing | Refused::Unavailable(_) => None,
        Refused::Malformed(_) => Some("invalid_request"),
        Refused::Invalid(_) => Some("invalid_token"),
        Refused::InsufficientScope(_) => Some("insufficient_scope"),
    };
    match resource {
        Some(resource) => say("resource_metadata", &resource.metadata(path)),
        None => say("realm", "conflux"),
    }
    if let Some(error) = error {
        say("error", error);
        say("error_description", &refused.to_string());
    }
    if resource.is_some() && !needed.is_empty() {
        say("scope", &needed.join(" "));
    }
    format!("Bearer {}", parts.join(", "))
}

/// Returns a text as it may stand in quotes there (RFC 6750, section 3).
fn quotable(text: &str) -> String {
    let is_plain = |c: &char| (' '..='~').contains(c) && !matches!(c, '"' | '\\');
    text.chars().map(|c| if is_plain(&c) { c } else { '\'' }).collect()
}

fn base(resource: &Url) -> String {
    resource.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn only_the_origin_may_be_written_in_two_ways() {
        for (written, read) in [
            ("HTTPS://MCP.Example.com/Mcp", "https://mcp.example.com/Mcp"),
            ("https://MCP.example.com", "https://mcp.example.com"),
            ("https://mcp.example.com:443/", "https://mcp.example.com:443/"),
            ("API://Conflux", "api://conflux"),
            ("Conflux", "Conflux"),
            ("", ""),
        ] {
            assert_eq!(canonical(written), read);
        }
    }
}
