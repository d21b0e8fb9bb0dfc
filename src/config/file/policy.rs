//! Who may do what, as it is written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::json_schema;
use serde::Deserialize;
use serde::Serialize;

use crate::config::file::Annotations;
use crate::config::file::WrittenValue;
use crate::config::hints::Wanted;

/// Who may do what. As soon as there is any rule, whatever none of them allows is refused, and
/// what one denies is refused whatever others allow. Without a rule everybody may do everything.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Whether nothing is refused, and what would have been is only said, in the log, in the
    /// records of the audit and in the metrics: to try rules out.
    pub shadow: bool,
    /// The rules; their order means nothing. In a list of several files, the last one that has
    /// `rules` counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Files with policies in Cedar, for what rules cannot say, as in `policy/*.cedar`. Paths start
    /// at the directory of this file; `*` may stand in the name of the file.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub cedar: Texts,
}

/// One rule: what is allowed or denied, and to whom. A condition that is left out holds for
/// everybody and everything; one that is written must say something. In patterns `*` stands for
/// any text, and everything else for itself.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "PolicyRule")]
pub struct Rule {
    /// What it allows; `allow: {}` is everything. A rule has either this or `deny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<What>,
    /// What it denies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<What>,
    /// What the rule is called in errors and records; without it, by its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Patterns of who calls, one of which must match: `user:ann@example.com`, `token:ci`,
    /// `process` (the client on stdin and stdout) or `anonymous`.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub principals: Texts,
    /// Groups, of one of which the caller must be a member.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub groups: Texts,
    /// Patterns of what clients call themselves, without regard to case. It is the client's own
    /// word: good against mistakes, not against an attacker.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub clients: Texts,
    /// Profiles, one of which must be in use.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub profiles: Texts,
    /// Values that arguments of the tool must have, by the names of the arguments; what lies inside
    /// one is named with dots, as in `options.force`. All that are named must match, each one of
    /// its values: patterns for texts, or numbers, or `true` or `false`. An argument that is left
    /// out matches nothing; one that cannot be compared makes a `deny` apply.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("minProperties" = 1))]
    pub arguments: BTreeMap<String, WrittenValue>,
}

/// What a rule is about. A text or a list is short for `tools`. Where `tools`, `prompts` or
/// `resources` are named, it is about these; else about all `kinds`.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-short" = "tools", "x-explicit" = true))]
pub struct What {
    /// Patterns of the public names of tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Texts>,
    /// Patterns of the public names of prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompts: Option<Texts>,
    /// Patterns of the addresses of resources, as their servers give them. Templates and skills are
    /// resources, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Texts>,
    /// The upstreams whose things these must be; `conflux` for the tools of Conflux itself.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub upstreams: Texts,
    /// The kinds of things. Without them, and if nothing else says so: tools alone if there are
    /// `annotations` or `arguments`, which only tools have, or else all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub kinds: Vec<Kind>,
    /// What the annotations of a tool must say.
    #[serde(skip_serializing_if = "are_silent")]
    #[schemars(extend("minProperties" = 1))]
    pub annotations: Annotations,
}

fn are_silent(annotations: &Annotations) -> bool {
    !Wanted::new(annotations).is_any()
}

/// A kind of things.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "PolicyKind")]
pub enum Kind {
    /// Tools.
    Tools,
    /// Prompts.
    Prompts,
    /// Resources, templates of resources, and skills.
    Resources,
}

/// Texts, at least one, which may stand without a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Texts(pub Vec<String>);

impl Texts {
    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl JsonSchema for Texts {
    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": { "type": "string" },
            "minItems": 1,
            "x-short": "items",
        })
    }
}
