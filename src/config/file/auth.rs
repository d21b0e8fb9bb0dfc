//! Who may come over HTTP, as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::config::units::WrittenDuration;

/// How long the keys of a provider are good at least while it cannot be reached.
const OUTAGE: &str = "24h";
/// How far apart clocks may be.
const LEEWAY: &str = "30s";
/// The claim that says who somebody is.
const SUBJECT: &str = "sub";

/// Who may come over HTTP. Where this section is, even if it is empty, every request needs a token:
/// one that `conflux token create` made, or one of a provider. Clients over stdin and stdout need
/// none.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// The address under which clients reach this gateway, without a path of MCP, as in
    /// `https://mcp.example.com`: what tokens of a provider must be made for. Needed with
    /// `providers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,

    /// The providers whose tokens are taken (OpenID Connect or OAuth 2), by names that the names
    /// of their users begin with, as in `corp` for `corp:alice`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<String, Provider>,

    /// Whether who connects to a socket in the file system (`http.listen: unix:…`) needs no token:
    /// they are `local:` and the number of their user, by the word of the system. Not meant for a
    /// socket that a reverse proxy connects to, whose user everybody would be.
    pub local: bool,

    /// What tokens of providers must be good for.
    pub scopes: Scopes,
}

/// A provider whose tokens are taken.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Provider {
    /// Its address, exactly as tokens name it in `iss`.
    pub issuer: String,

    /// What else tokens may be made for, besides `resource` and the addresses under it, as in
    /// `api://conflux`, for providers that cannot name addresses.
    pub audience: Vec<String>,

    /// How tokens may be signed: `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`,
    /// `ES384`, `EdDSA`.
    pub algorithms: Vec<Algorithm>,

    /// The claim that says who somebody is, and that nobody else at this provider ever has.
    pub subject: String,

    /// The groups somebody is in.
    pub groups: Groups,

    /// Where its keys are, if it has no metadata that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<String>,

    /// How long keys that were had once are good while the provider cannot be reached.
    pub outage: WrittenDuration,

    /// How far its clock and the one here may be apart.
    pub leeway: WrittenDuration,
}

impl Default for Provider {
    fn default() -> Self {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        Self {
            issuer: String::new(),
            audience: Vec::new(),
            algorithms: vec![Rs256, Rs384, Rs512, Ps256, Ps384, Ps512, Es256, Es384, EdDsa],
            subject: SUBJECT.to_owned(),
            groups: Groups::default(),
            jwks: None,
            outage: WrittenDuration(OUTAGE.to_owned()),
            leeway: WrittenDuration(LEEWAY.to_owned()),
        }
    }
}

/// How a token may be signed: with a key of which only the public half is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    #[serde(rename = "RS512")]
    Rs512,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PSS with SHA-384.
    #[serde(rename = "PS384")]
    Ps384,
    /// RSASSA-PSS with SHA-512.
    #[serde(rename = "PS512")]
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// EdDSA on Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// The groups somebody is in, by the words of the provider.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Groups {
    /// The claim that lists them, as in `groups`, or a path into one, as in `realm_access.roles`.
    /// Rules name a group with its provider, as in `corp:engineering`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,

    /// Groups here, by those of the provider, as in `platform-admins: admins`. A group that is
    /// named here counts under these names alone.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub map: BTreeMap<String, Vec<String>>,
}

/// What tokens of providers must be good for. Tokens that `conflux token create` made have bounds
/// of their own.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scopes {
    /// The scopes that every request needs.
    pub required: Vec<String>,

    /// The scopes that calls of some tools need besides, by patterns of their public names, as in
    /// `"github__create_*": [repo.write]`. Every pattern that matches counts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, Vec<String>>,

    /// The scopes that a broader one stands for, as in `repo: [repo.read, repo.write]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub implied: BTreeMap<String, Vec<String>>,
}
