//! The hints of a tool, as its definition gives them.

use crate::config::hints::Hints;
use crate::wire::Raw;

/// Returns which hints hold for the tool with this definition.
pub(in crate::catalog) fn read(tool: &Raw) -> Hints {
    // Most tools say nothing, and lists are long.
    let says = tool.get().contains("Hint\"") || tool.get().contains("\\u");
    let annotations = if says { tool.member("annotations") } else { None };
    Hints::of(|hint| match annotations.as_ref()?.member(hint.key())?.get() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    })
}
