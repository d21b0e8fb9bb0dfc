//! What the server answers, made of text.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::json;
use crate::json::Envelope;
use crate::upstream::Eras;
use crate::upstream::Flags;

const COMPLETE: &str = r#""resultType":"complete","#;
const KEPT: &str = r#","ttlMs":0,"cacheScope":"private""#;
const INFO: &str = r#"{"name":"bench","version":"1.0.0"}"#;
const QUESTION: &str = r#"{"method":"elicitation/create","params":{"mode":"form","message":"Go on?","requestedSchema":{"type":"object","properties":{"yes":{"type":"boolean"}}}}}"#;

/// What answers depend on.
pub(super) struct Server {
    eras: Eras,
    asks: bool,
    /// The members of the list, from their `[`.
    tools: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Params<'a> {
    protocol_version: Option<String>,
    #[serde(borrow)]
    arguments: Option<Arguments<'a>>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

impl Server {
    pub(super) fn new(flags: &Flags) -> Self {
        let names = (1..=flags.tools).map(|number| match number {
            1 => "echo".to_owned(),
            _ => format!("echo_{number}"),
        });
        let tools: Vec<String> = names.map(|name| define(&name)).collect();
        Self { eras: flags.era, asks: flags.ask, tools: format!("[{}]", tools.join(",")) }
    }

    /// Adds the answer to `message`; says whether there is one.
    pub(super) fn answer(&self, message: &[u8], out: &mut Vec<u8>) -> bool {
        if !self.asks && echo(message, out).is_some() {
            return true;
        }
        let Some(envelope) = json::envelope(message) else { return false };
        let (Some(id), Some(method)) = (envelope.id, &envelope.method) else { return false };
        let is_modern = json::has(message, json::VERSION_KEY);
        if method == "tools/list" {
            self.list(id.get(), is_modern, out);
            return true;
        }
        let text = match self.result(method, &envelope, is_modern, id.get()) {
            Ok(result) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{{result}}}}}"#),
            Err(error) => error,
        };
        out.extend_from_slice(text.as_bytes());
        true
    }

    /// Adds the list, which is ready and may be long.
    fn list(&self, id: &str, is_modern: bool, out: &mut Vec<u8>) {
        let (complete, kept) = if is_modern { (COMPLETE, KEPT) } else { ("", "") };
        out.reserve(self.tools.len() + 256);
        out.extend_from_slice(json::HEAD);
        for part in [id, r#","result":{"#, complete, r#""tools":"#, &self.tools, kept, "}}"] {
            out.extend_from_slice(part.as_bytes());
        }
    }

    /// The members of a result, or a whole error.
    fn result(
        &self,
        method: &str,
        envelope: &Envelope<'_>,
        is_modern: bool,
        id: &str,
    ) -> Result<String, String> {
        let unknown = || error(id, -32601, "Method not found");
        let complete = if is_modern { COMPLETE } else { "" };
        let raw = envelope.params.map_or("{}", RawValue::get);
        let params: Params<'_> = serde_json::from_str(raw).unwrap_or_default();
        match (method, self.eras) {
            ("initialize", Eras::Modern) => Err(unsupported(id)),
            ("initialize", _) => {
                let known = params.protocol_version.filter(|asked| asked.as_str() < json::MODERN);
                let version = known.unwrap_or_else(|| json::LEGACY.to_owned());
                Ok(format!(
                    r#""protocolVersion":{},"capabilities":{{"tools":{{}}}},"serverInfo":{INFO}"#,
                    json::quote(&version)
                ))
            }
            ("server/discover", Eras::Legacy) => Err(unknown()),
            ("server/discover", _) => Ok(format!(
                r#"{COMPLETE}"supportedVersions":["{}"],"capabilities":{{"tools":{{}}}},"_meta":{{"io.modelcontextprotocol/serverInfo":{INFO}}}{KEPT}"#,
                json::MODERN
            )),
            ("ping", _) if !is_modern => Ok(String::new()),
            ("tools/call", _) if self.asks && is_modern => Ok(format!(
                r#""resultType":"input_required","inputRequests":{{"q":{QUESTION}}},"requestState":"s""#
            )),
            ("tools/call", _) => {
                let text = params.arguments.and_then(|arguments| arguments.text);
                let text = text.map_or(r#""""#, RawValue::get);
                Ok(format!(r#"{complete}"content":[{{"type":"text","text":{text}}}]"#))
            }
            _ => Err(unknown()),
        }
    }

    /// The question of a legacy call, as a request of its own.
    pub(super) fn question(&self, message: &[u8], number: u64) -> Option<String> {
        let is_call = json::has(message, b"tools/call") && !json::has(message, json::VERSION_KEY);
        let rest = QUESTION.strip_prefix('{')?;
        (self.asks && is_call).then(|| format!(r#"{{"jsonrpc":"2.0","id":"ask-{number}",{rest}"#))
    }
}

/// The whole path of a call that is written as most programs write it.
fn echo(message: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let rest = message.strip_prefix(json::HEAD)?;
    let (id, rest) = rest.split_at_checked(memchr::memchr(b',', rest)?)?;
    let rest = rest.strip_prefix(br#","method":"tools/call","#)?;
    let text = json::after(rest, br#""text":""#)?;
    let (text, behind) = text.split_at_checked(json::string_length(text)?)?;
    let before = rest.get(..rest.len() - text.len() - behind.len())?;
    let is_modern = json::has(before, json::VERSION_KEY) || json::has(behind, json::VERSION_KEY);
    out.reserve(text.len() + 128);
    out.extend_from_slice(json::HEAD);
    out.extend_from_slice(id);
    out.extend_from_slice(br#","result":{"#);
    if is_modern {
        out.extend_from_slice(COMPLETE.as_bytes());
    }
    out.extend_from_slice(br#""content":[{"type":"text","text":""#);
    out.extend_from_slice(text);
    out.extend_from_slice(br#""}]}}"#);
    Some(())
}

fn error(id: &str, code: i32, message: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#)
}

fn unsupported(id: &str) -> String {
    let data = json!({"supported": [json::MODERN], "requested": ""});
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32022,"message":"Unsupported protocol version","data":{data}}}}}"#
    )
}

/// The definition of a tool as tools are: a few hundred bytes, most of them schema.
fn define(name: &str) -> String {
    let mut properties = String::from(
        r#""text":{"type":"string","description":"What to say back, exactly as it is given here."}"#,
    );
    for (name, kind, words) in [
        ("path", "string", "The file to look at, relative to the root of the workspace."),
        ("limit", "integer", "How many lines to return at most; all of them without it."),
        ("recursive", "boolean", "Whether to go into directories, and into theirs."),
    ] {
        let written =
            write!(properties, r#","{name}":{{"type":"{kind}","description":"{words}"}}"#);
        debug_assert!(written.is_ok(), "a string takes what is written");
    }
    format!(
        r#"{{"name":"{name}","title":"Echo","description":"Returns the text that it is given, unchanged, so that what lies between can be measured.","inputSchema":{{"type":"object","properties":{{{properties}}},"required":["text"]}},"annotations":{{"readOnlyHint":true}}}}"#
    )
}
