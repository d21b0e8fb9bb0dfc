//! The tools of an upstream and of a profile, as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Deserializer;
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
    /// Further tools, each made of one, by the names they have; they are offered whatever `allow`
    /// and `deny` say of the one they are made of, if their annotations are wanted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<String, Variant>,
}

impl Default for Tools {
    fn default() -> Self {
        let Selection { allow, deny, annotations } = Selection::default();
        let (r#override, variants) = (BTreeMap::new(), BTreeMap::new());
        Self { allow, deny, annotations, r#override, variants }
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
#[schemars(extend("additionalProperties" = false))]
pub struct Override {
    /// What the tool is called instead; its public name is made of this, and it cannot be called
    /// by the other one any more. Only for one tool, so not with a pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Everything else is as for a variant.
    #[serde(flatten)]
    pub changes: Changes,
}

/// A further tool that is made of one.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Variant {
    /// The tool it is made of, by the name its server gave it. What is under `override` for that
    /// one does not count here, but for `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Everything else is as in an override.
    #[serde(flatten)]
    pub changes: Changes,
}

/// What can be said of a tool, or of a variant of it.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// For one call, in the place of the upstream's `timeout.call`; from `1ms` to `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<WrittenDuration>,
    /// The title that people are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What a model is told about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Annotations that go over those that the server gave; the others stay.
    #[serde(default)]
    pub annotations: NewAnnotations,
    /// What is different for its arguments, by the names its server gave them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, Argument>,
}

/// Annotations that go over those that the server gave; the others stay. They are what is shown
/// and selected by; whether a call may be made once more is said by the server alone.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct NewAnnotations {
    /// The title that clients before 2025-06-18 show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether it changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_hint: Option<bool>,
    /// Whether it may delete or overwrite something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destructive_hint: Option<bool>,
    /// Whether a second call with the same arguments changes nothing more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent_hint: Option<bool>,
    /// Whether it deals with an open world, such as the web.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_world_hint: Option<bool>,
}

impl NewAnnotations {
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

/// What is different for one argument. The schema of the tool follows. References such as
/// `${NAME}` are filled in wherever a text stands in a value; what they give counts as secret, as
/// it does elsewhere.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Argument {
    /// What the argument is called instead; under its own name it is refused then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What a model is told about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What is sent if the caller leaves it out. It is no longer required, and the schema says so,
    /// unless the value is secret.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub default: Option<WrittenValue>,
    /// What is sent whatever the caller says. Nobody is shown it, unless `hide` is `false`: then
    /// the schema has it as `const`.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<WrittenValue>,
    /// Whether nobody is shown it, and it is refused if it comes all the same. One without a
    /// `value` must have a `default` or not be required. `true` for one with a `value`, which wins
    /// over what comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hide: Option<bool>,
}

/// Any value: text, a number, `true` or `false`, `null`, a list or a map.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Value", extend("x-kind" = "value"))]
pub struct WrittenValue(#[schemars(with = "serde_json::Value")] pub serde_json::Value);

/// Tells a value that is `null` from one that is not there.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<WrittenValue>, D::Error> {
    serde_json::Value::deserialize(value).map(|value| Some(WrittenValue(value)))
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
    /// Patterns of the names that clients give themselves (`clientInfo.name`), without regard to
    /// case, as in `cursor*`. Over stdin and stdout, at `/mcp` and at `/sse` such a client sees
    /// this profile, the first one in the file that is for it. It is the client's own word: good
    /// for what it is shown, not for what it may do.
    pub clients: Vec<String>,
    /// How much of them is listed, if it is something else than elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// Which are listed where others have to be searched, in the place of `pinned` outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Vec<String>>,
}
