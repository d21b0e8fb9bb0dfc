//! Which definitions of tools break which client, and how: each fact with its source.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::clients::Client;

/// Something in a tool's definition that a client, or the model behind it, cannot take although the
/// specification allows it, or although every other client reads past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quirk {
    /// A member besides name and schema that is `null` or of the wrong type (`"title": null`), or a
    /// schema whose `properties` is no object or whose `required` is no list of names. Clients that
    /// read the whole list by the schemas of the TypeScript SDK fail at it.
    OddMember,
    /// What JSON Schema 2020-12 has no more (a list of `items`, `exclusiveMinimum: true`), or never
    /// had (`description: null`).
    OldDraft,
    /// A `$ref` to another part of the schema, which is not followed.
    Reference,
    /// A property whose schema is `true` or `false`. The TypeScript SDK and converters to zod take
    /// objects only.
    BooleanProperty,
    /// A property of the name `constructor`, in which an older zod looks for a JavaScript class.
    ConstructorProperty,
    /// An argument whose name does not fit `^[a-zA-Z0-9_.-]{1,64}$`. Anthropic's API refuses every
    /// request with such a tool.
    ArgumentName,
    /// `anyOf`, `oneOf` or `allOf` beside the `type` of the whole input. Anthropic's and OpenAI's
    /// API refuse a request with such a tool; below a property they do not mind.
    CombinationOnTop,
    /// An array that does not say what its `items` are.
    ArrayWithoutItems,
    /// An `outputSchema` that does not begin with `type: object`.
    OutputWithoutObject,
    /// A `$ref` of an `outputSchema` that leads nowhere, at which its validator fails.
    OutputReference,
    /// An `outputSchema` that says it is of another draft than 2020-12.
    OutputDraft,
}

/// What a definition does to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Its model is not offered this tool.
    ToolLost,
    /// Its model is offered no tool of the server.
    ListLost,
    /// Its model answers nothing at all while the tool is there.
    RequestRefused,
}

/// That a client has a quirk, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Whose it is.
    pub client: Client,
    /// What it cannot take.
    pub quirk: Quirk,
    /// What happens; the worst of what was seen, if that depends on the version.
    pub effect: Effect,
    /// Where it is described, or in which version of which package it was read.
    pub source: &'static str,
}

const fn fact(client: Client, quirk: Quirk, effect: Effect, source: &'static str) -> Fact {
    Fact { client, quirk, effect, source }
}

/// Everything that is known, by client in the order of [`Client::ALL`].
const FACTS: &[Fact] = {
    use Client as C;
    use Effect as E;
    use Quirk as Q;
    &[
        fact(
            C::ClaudeDesktop,
            Q::BooleanProperty,
            E::ListLost,
            "https://github.com/anthropics/claude-code/issues/82949",
        ),
        fact(
            C::ClaudeDesktop,
            Q::ArgumentName,
            E::RequestRefused,
            "https://github.com/anthropics/claude-code/issues/24272",
        ),
        fact(
            C::ClaudeDesktop,
            Q::OldDraft,
            E::RequestRefused,
            "https://github.com/KelvinTegelaar/CIPP/issues/6133",
        ),
        fact(
            C::ClaudeDesktop,
            Q::OutputDraft,
            E::ToolLost,
            "https://github.com/DAWNCR0W/affine-mcp-server/issues/292",
        ),
        // From 2.1.330 on, one bad definition may cost the tool only.
        fact(
            C::ClaudeCode,
            Q::OddMember,
            E::ListLost,
            "npm @anthropic-ai/claude-code 2.1.330 (what is not valid is left out)",
        ),
        fact(
            C::ClaudeCode,
            Q::BooleanProperty,
            E::ListLost,
            "https://github.com/anthropics/claude-code/issues/92900",
        ),
        fact(
            C::ClaudeCode,
            Q::CombinationOnTop,
            E::ToolLost,
            "https://github.com/anthropics/claude-code/issues/95504",
        ),
        fact(
            C::ClaudeCode,
            Q::ArgumentName,
            E::RequestRefused,
            "https://github.com/anthropics/claude-code/issues/34771",
        ),
        fact(
            C::ClaudeCode,
            Q::OldDraft,
            E::RequestRefused,
            "https://github.com/anthropics/claude-code/issues/586",
        ),
        fact(
            C::ClaudeCode,
            Q::OutputWithoutObject,
            E::ListLost,
            "https://github.com/opentokenz/mcpx/issues/28",
        ),
        fact(
            C::ClaudeCode,
            Q::OutputReference,
            E::ListLost,
            "https://github.com/gemini-cli-extensions/stitch/issues/13",
        ),
        fact(
            C::Cursor,
            Q::CombinationOnTop,
            E::RequestRefused,
            "https://github.com/code-yeongyu/senpi/issues/952",
        ),
        fact(
            C::VsCode,
            Q::ArgumentName,
            E::RequestRefused,
            "https://github.com/microsoft/azure-devops-mcp/issues/321",
        ),
        fact(
            C::VsCode,
            Q::ArrayWithoutItems,
            E::RequestRefused,
            "https://github.com/microsoft/vscode/issues/246119",
        ),
        fact(
            C::Codex,
            Q::CombinationOnTop,
            E::RequestRefused,
            "https://github.com/Dicklesworthstone/flywheel_connectors/issues/49",
        ),
        fact(
            C::Gemini,
            Q::OddMember,
            E::ListLost,
            "npm @google/gemini-cli 0.61.0 (`ToolSchema` of its TypeScript SDK)",
        ),
        fact(
            C::Gemini,
            Q::BooleanProperty,
            E::ListLost,
            "npm @google/gemini-cli 0.61.0 (`AssertObjectSchema` of its TypeScript SDK)",
        ),
        fact(
            C::Gemini,
            Q::ConstructorProperty,
            E::ListLost,
            "npm @google/gemini-cli 0.61.0 (`isPlainObject` of its zod)",
        ),
        fact(
            C::Gemini,
            Q::Reference,
            E::RequestRefused,
            "https://github.com/google-gemini/gemini-cli/issues/13326",
        ),
        fact(
            C::Gemini,
            Q::OutputWithoutObject,
            E::ListLost,
            "npm @google/gemini-cli 0.61.0 (`ToolSchema` of its TypeScript SDK)",
        ),
        fact(
            C::Windsurf,
            Q::ArrayWithoutItems,
            E::RequestRefused,
            "https://github.com/DaxianLee/cocos-mcp-server/issues/14",
        ),
        fact(
            C::Windsurf,
            Q::OldDraft,
            E::ListLost,
            "https://github.com/SylphxAI/pdf-reader-mcp/issues/107",
        ),
        fact(
            C::Zed,
            Q::Reference,
            E::ToolLost,
            "https://github.com/zed-industries/zed/issues/60162",
        ),
        fact(
            C::OpenCode,
            Q::OddMember,
            E::ListLost,
            "npm opencode-linux-x64 1.18.33 (`ToolSchema` of its TypeScript SDK)",
        ),
        fact(
            C::OpenCode,
            Q::BooleanProperty,
            E::ListLost,
            "https://github.com/anomalyco/opencode/issues/49464",
        ),
        fact(
            C::OpenCode,
            Q::CombinationOnTop,
            E::RequestRefused,
            "https://github.com/redhat-et/ripwire/issues/48",
        ),
    ]
};

/// The quirks of each client, in their order.
static QUIRKS: LazyLock<BTreeMap<Client, Vec<Quirk>>> = LazyLock::new(|| {
    let mut quirks = BTreeMap::<Client, Vec<Quirk>>::new();
    for fact in FACTS {
        quirks.entry(fact.client).or_default().push(fact.quirk);
    }
    for quirks in quirks.values_mut() {
        quirks.sort_unstable();
    }
    quirks
});

impl Client {
    /// Returns what it cannot take in a definition, in the order in which a definition is fitted.
    pub fn quirks(self) -> &'static [Quirk] {
        QUIRKS.get(&self).map_or(&[], Vec::as_slice)
    }

    /// Returns what is known of this client and a quirk; nothing if it has none such.
    pub fn fact(self, quirk: Quirk) -> Option<&'static Fact> {
        FACTS.iter().find(|fact| fact.client == self && fact.quirk == quirk)
    }
}

impl Quirk {
    /// All of them, in the order in which a definition is fitted.
    pub const ALL: [Self; 11] = [
        Self::OddMember,
        Self::OldDraft,
        Self::Reference,
        Self::BooleanProperty,
        Self::ConstructorProperty,
        Self::ArgumentName,
        Self::CombinationOnTop,
        Self::ArrayWithoutItems,
        Self::OutputWithoutObject,
        Self::OutputReference,
        Self::OutputDraft,
    ];

    /// Returns the code by which people and programs know it.
    pub fn code(self) -> &'static str {
        match self {
            Self::OddMember => "odd-member",
            Self::OldDraft => "old-draft",
            Self::Reference => "reference",
            Self::BooleanProperty => "boolean-property",
            Self::ConstructorProperty => "constructor-property",
            Self::ArgumentName => "argument-name",
            Self::CombinationOnTop => "combination-on-top",
            Self::ArrayWithoutItems => "array-without-items",
            Self::OutputWithoutObject => "output-without-object",
            Self::OutputReference => "output-reference",
            Self::OutputDraft => "output-draft",
        }
    }

    /// Returns what the author of the server can do, so that nobody has to repair anything.
    pub fn advice(self) -> &'static str {
        match self {
            Self::OddMember => "leave out members that say nothing instead of writing `null`",
            Self::OldDraft => "write the schema in JSON Schema 2020-12",
            Self::Reference => "write schemas out where they are used",
            Self::BooleanProperty => "write `{}` for `true`",
            Self::ConstructorProperty => "give the property another name than `constructor`",
            Self::ArgumentName => {
                "name arguments with letters, digits, `_`, `.` and `-`, 64 at most"
            }
            Self::CombinationOnTop => {
                "say in the descriptions which arguments go together, and check it in the call"
            }
            Self::ArrayWithoutItems => "say what `items` each array has",
            Self::OutputWithoutObject => "begin `outputSchema` with `type: object`",
            Self::OutputReference => "define what `$ref` names inside the same `outputSchema`",
            Self::OutputDraft => {
                "write `outputSchema` in JSON Schema 2020-12, or without `$schema`"
            }
        }
    }
}

impl Effect {
    /// Returns what happens, as a sentence about the client.
    pub fn words(self) -> &'static str {
        match self {
            Self::ToolLost => "loses this tool",
            Self::ListLost => "loses all tools of the server",
            Self::RequestRefused => "has every request to its model refused",
        }
    }
}
