//! What callers may use up, as it is written.

use std::borrow::Cow;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::json_schema;
use serde::Deserialize;
use serde::Serialize;

use crate::config::pace::WrittenBytes;
use crate::config::pace::WrittenCalls;
use crate::config::pace::WrittenRate;

/// A limit on calls of tools, on prompts, reads and completions. A request has to be within every
/// limit whose conditions it meets; one that is refused uses up nothing of any. Patterns match
/// whole names; `*`, `?`, `[a-z]` and `{a,b}` have their usual meaning.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// What callers are told the limit is called that they have reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is counted for itself: one of these words, or several in a list, as in `[principal,
    /// tool]`, which counts each tool that each principal calls.
    pub per: Per,
    /// The tools it is about, by their public names. With it, or with `tool` in `per`, it is about
    /// calls of tools alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub tools: Vec<String>,
    /// The upstreams it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub upstreams: Vec<String>,
    /// The principals it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub principals: Vec<String>,
    /// The groups it is about: a principal of one of them. With `group` in `per`, the others of
    /// its groups do not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub groups: Vec<String>,
    /// The clients it is about, by what they call themselves; case does not matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub clients: Vec<String>,
    /// How often, as in `60/min`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<WrittenRate>,
    /// How many at once after a pause, if there is a `rate`; by default the number in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: Option<u64>,
    /// How many may be under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    pub concurrency: Option<usize>,
    /// How many in a minute, an hour or a day of the clock, in UTC, as in `1000/day`. What is left
    /// over is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<WrittenCalls>,
    /// How many bytes of arguments and results in a minute, an hour or a day of the clock, as in
    /// `100MiB/day`. A request begins while something is left; what it takes beyond is taken from
    /// the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<WrittenBytes>,
}

/// What is counted for itself; a text is as good as a list of one.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Per(pub Vec<Dimension>);

/// What requests differ in, as far as they are counted for themselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// Who calls.
    Principal,
    /// Each group of who calls; who is in none is not limited.
    Group,
    /// What the client calls itself, which it can change.
    Client,
    /// Whose tool, prompt or resource it is.
    Upstream,
    /// Which tool.
    Tool,
    /// Nothing: everything together.
    All,
}

impl JsonSchema for Per {
    fn schema_name() -> Cow<'static, str> {
        "Per".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Dimension>();
        json_schema!({
            "type": "array",
            "items": one,
            "x-short": "items",
        })
    }
}
