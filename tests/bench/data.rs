//! What the benches work on: calls and catalogs as real programs send them.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use conflux::catalog;
use conflux::catalog::Catalog;
use conflux::catalog::Listing;
use conflux::catalog::Rules;
use conflux::catalog::Source;
use conflux::ids::UpstreamId;
use conflux::wire::Raw;

/// How long messages are, roughly, in bytes.
pub(crate) const LENGTHS: [usize; 3] = [100, 4 * 1024, 1024 * 1024];
/// How many tools there are.
pub(crate) const TOOLS: [usize; 3] = [10, 1_000, 10_000];
/// How many upstreams list them.
pub(crate) const UPSTREAMS: usize = 20;
/// What a modern request says of itself.
pub(crate) const MODERN: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{}}},"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"}}"#;

/// A `tools/call` with a text of so many bytes, as a legacy client writes it.
pub(crate) fn call(length: usize) -> Bytes {
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":1042,"method":"tools/call","params":{{"name":"files__write_text_file","arguments":{{"path":"src/main.rs","text":"{}"}},"_meta":{{"progressToken":1042}}}}}}"#,
        text(length)
    ))
}

/// The answer to one.
pub(crate) fn answer(length: usize) -> Bytes {
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":77,"result":{{"content":[{{"type":"text","text":"{}"}}],"isError":false}}}}"#,
        text(length)
    ))
}

/// Text as it stands in JSON: words, and now and then what must be escaped.
fn text(length: usize) -> String {
    let piece = r#"let words = \"some that a tool would say\"; // and more of them\n"#;
    piece.repeat(length.div_ceil(piece.len()))
}

/// What so many tools are called by clients, in the order in which upstreams list them.
pub(crate) fn names(tools: usize) -> Vec<String> {
    (0..tools).map(|number| format!("server{}__{}", number % UPSTREAMS, name(number))).collect()
}

/// So many tools, listed by all upstreams in turns.
pub(crate) fn sources(tools: usize) -> Vec<Source> {
    let source = |upstream: usize| {
        let tools = (upstream..tools).step_by(UPSTREAMS).map(define).collect();
        let name = format!("server{upstream}");
        Source {
            upstream: UpstreamId::new(&name),
            prefix: name,
            over_http: false,
            listing: Arc::new(Listing { tools, ..Listing::default() }),
        }
    };
    (0..UPSTREAMS).map(source).collect()
}

pub(crate) fn merge(sources: &[Source]) -> Catalog {
    let rules = Rules { max_length: 60, ..Rules::default() };
    catalog::merge(sources, &rules)
}

fn name(number: usize) -> String {
    let verbs = ["read", "write", "search", "list", "create", "update", "delete", "move"];
    let things = ["text_file", "pull_request", "issue", "calendar_event", "database_row"];
    let pick = |words: &[&'static str], at: usize| words.iter().cycle().nth(at).copied();
    let verb = pick(&verbs, number % verbs.len()).unwrap_or_default();
    let thing = pick(&things, number % things.len()).unwrap_or_default();
    format!("{verb}_{thing}_{number}")
}

/// A definition as tools have it: under a kilobyte, most of which is schema.
fn define(number: usize) -> Raw {
    let mut properties = String::new();
    for (name, kind, words) in [
        ("path", "string", "The file to look at, relative to the root of the workspace."),
        ("query", "string", "Words to look for; \\\"quoted\\\" ones must stand together."),
        ("limit", "integer", "How many results to return at most; all of them without it."),
        ("recursive", "boolean", "Whether to go into directories, and into theirs."),
    ] {
        let comma = if properties.is_empty() { "" } else { "," };
        write!(properties, r#"{comma}"{name}":{{"type":"{kind}","description":"{words}"}}"#)
            .unwrap();
    }
    let name = name(number);
    Raw::parse(format!(
        r#"{{"name":"{name}","title":"Do something","description":"Does what its name says, and returns what came of it as text, with the place of each result in front of it.","inputSchema":{{"type":"object","properties":{{{properties}}},"required":["path"],"additionalProperties":false}},"annotations":{{"readOnlyHint":true,"openWorldHint":false}}}}"#
    ))
    .unwrap()
}
