//! What the definition of a tool says about how it is called, read once for all calls.

use std::sync::atomic::AtomicU32;

use crate::wire::Raw;
use crate::wire::mirror;
use crate::wire::mirror::Mirror;

/// How a tool is called. What is no tool has none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// Whether it cannot be called without a task (2025-11-25, "Tool-Level Negotiation").
    pub needs_task: bool,
    /// Whether a second call does nothing that the first did not: its upstream says that it changes
    /// nothing, or nothing more.
    pub may_repeat: bool,
    /// Whether its upstream says that it changes nothing.
    pub reads_only: bool,
    /// Which arguments are mirrored into headers over HTTP; none if what it says about that is
    /// wrong.
    pub mirrors: Vec<Mirror>,
    /// On which day it is noted that it is called.
    pub noted: Mark,
}

/// A number that whoever uses an entry keeps with it; no part of what the entry says.
#[derive(Debug, Default)]
pub struct Mark(AtomicU32);

impl Mark {
    /// Returns the number; none was kept while it is 0.
    pub fn number(&self) -> &AtomicU32 {
        &self.0
    }
}

impl Clone for Mark {
    /// Another entry has another one.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Mark {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Mark {}

impl Traits {
    /// Reads the definition of a tool, as it is listed and as its upstream gave it.
    pub(in crate::catalog) fn read(tool: &Raw, original: &Raw) -> Self {
        Self {
            needs_task: needs_task(tool),
            // What an operator says about it is for who chooses among tools; whether two calls do
            // what one does is known to the server alone.
            may_repeat: says(original, "readOnlyHint") || says(original, "idempotentHint"),
            reads_only: says(original, "readOnlyHint"),
            mirrors: mirrors(tool),
            noted: Mark::default(),
        }
    }
}

fn needs_task(tool: &Raw) -> bool {
    // Here and below: most tools say nothing of it, and lists are long.
    if !tool.get().contains("\"taskSupport\"") {
        return false;
    }
    let support = tool.member("execution").and_then(|execution| execution.member("taskSupport"));
    support.is_some_and(|support| support.get() == "\"required\"")
}

/// Whether the annotations of a tool say so.
fn says(tool: &Raw, hint: &str) -> bool {
    if !tool.get().contains(hint) {
        return false;
    }
    let said = tool.member("annotations").and_then(|annotations| annotations.member(hint));
    said.is_some_and(|said| said.get() == "true")
}

fn mirrors(tool: &Raw) -> Vec<Mirror> {
    if !tool.get().contains(mirror::ANNOTATION) {
        return Vec::new();
    }
    let schema = tool.member("inputSchema");
    schema.and_then(|schema| mirror::mirrors(&schema).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Traits;
    use crate::wire::Raw;

    #[test]
    fn only_the_server_itself_says_what_may_be_repeated() {
        let (plain, reading) = (r#"{"name":"a"}"#, r#"{"annotations":{"readOnlyHint":true}}"#);
        for (listed, original, expected) in
            [(reading, plain, false), (plain, reading, true), (plain, plain, false)]
        {
            let traits = Traits::read(&Raw::parse(listed).unwrap(), &Raw::parse(original).unwrap());
            assert_eq!(traits.may_repeat, expected, "{listed} {original}");
            assert_eq!(traits.reads_only, expected, "{listed} {original}");
        }
    }
}
