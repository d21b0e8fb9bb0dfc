//! What all upstreams tell a model about themselves, in one bounded text.

use crate::ids::UpstreamId;

/// How much of one upstream's text is kept, in bytes.
const ONE_LIMIT: usize = 4 * 1024;
/// How long the whole text may become, in bytes.
const LIMIT: usize = 32 * 1024;

/// Puts the texts together, each under the name of its upstream; nothing if nobody has one.
///
/// Texts speak of tools by the names their upstream gave, so the prefix is said first.
pub(super) fn merge<'a>(
    texts: impl Iterator<Item = (&'a str, &'a UpstreamId, Option<&'a str>)>,
) -> Option<String> {
    let mut whole = String::new();
    for (prefix, upstream, text) in texts {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { continue };
        let names = match prefix {
            "" => String::new(),
            prefix => format!(" (its tools and prompts begin with `{prefix}__`)"),
        };
        let part = format!("# {upstream}{names}\n\n{}\n", bounded(text.trim(), ONE_LIMIT));
        if whole.len() + part.len() + 1 > LIMIT {
            whole.push_str("\n(The instructions of further servers are left out.)\n");
            break;
        }
        if !whole.is_empty() {
            whole.push('\n');
        }
        whole.push_str(&part);
    }
    (!whole.is_empty()).then_some(whole)
}

fn bounded(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit);
    format!("{} …", text.get(..end).unwrap_or_default())
}
