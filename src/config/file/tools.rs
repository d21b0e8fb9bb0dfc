//! The tools of an upstream and of a profile, as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::config::file::Exposure;
use crate::config::hints::Hint;
use crate::config::units::WrittenDuration;

/// Which tools are offered: those that match `allow`, do not match `deny` and have the
/// `annotations`. Patterns are about the upstream's own names; case matters; `*`, `?`, `[a-z]`
/// and `{a,b}` have their usual meaning.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tools {
    /// Patterns of the tools to offer.
    pub allow: Vec<String>,
    /// Patterns of the tools to hide, even if `allow` matches.
    pub deny: Vec<String>,
    /// What the annotations of a tool must say for it to be offered.
    pub annotations: Annotations,
    /// What is different for some tools, by their names or by patterns of them, as in
    /// `"export_*": { timeout: 10m }`. A name goes before patterns, the first pattern before later
    /// ones.
    #[serde(rename = "override", skip_serializing_if = "BTreeMap::is_empty")]
    pub r#override: BTreeMap<String, Override>,
}

impl Default for Tools {
    fn default() -> Self {
        let Selection { allow, deny, annotations } = Selection::default();
        Self { allow, deny, annotations, r#override: BTreeMap::new() }
    }
}

/// What the annotations of a tool must say for it to be offered, as in `{ readOnlyHint: true }`.
/// Where a tool says nothing, what the specification has count does: `readOnlyHint` and
/// `idempotentHint` are `false`, `destructiveHint` and `openWorldHint` are `true`; and a tool that
/// only reads is never destructive. A server may say of its tools what it likes: it is believed.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Annotations {
    /// Whether it must change nothing, or must be able to change something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_hint: Option<bool>,
    /// Whether it must be able to delete or overwrite something, or must not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destructive_hint: Option<bool>,
    /// Whether a second call with the same arguments must change nothing more, or must do so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent_hint: Option<bool>,
    /// Whether it must deal with an open world, such as the web, or must not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_world_hint: Option<bool>,
}

impl Annotations {
    /// Returns what is said of one hint.
    pub fn hint(&self, hint: Hint) -> Option<bool> {
        match hint {
            Hint::ReadOnly => self.read_only_hint,
            Hint::Destructive => self.destructive_hint,
            Hint::Idempotent => self.idempotent_hint,
            Hint::OpenWorld => self.open_world_hint,
        }
    }
}

/// What is different for some tools.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Override {
    /// For one call, in the place of the upstream's `timeout.call`; from `1ms` to `24h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<WrittenDuration>,
}

/// Which tools are part of something: those that match `allow`, do not match `deny` and have the
/// `annotations`. Patterns are about public names here, as in `*__get_*`; otherwise all is as it is
/// for an upstream.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// Patterns of the tools that are part of it.
    pub allow: Vec<String>,
    /// Patterns of the tools that are not, even if `allow` matches.
    pub deny: Vec<String>,
    /// What the annotations of a tool must say for it to be part of it.
    pub annotations: Annotations,
}

impl Default for Selection {
    fn default() -> Self {
        Self { allow: vec!["*".to_owned()], deny: Vec::new(), annotations: Annotations::default() }
    }
}

/// A part of what there is: some of the upstreams, some of their tools.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// The keys of the upstreams that are part of it; all of them if this is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstreams: Option<Vec<String>>,
    /// Which of their tools are part of it.
    pub tools: Selection,
    /// How much of them is listed, if it is something else than elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// Which are listed where others have to be searched, in the place of `pinned` outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Vec<String>>,
}
