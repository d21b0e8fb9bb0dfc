//! Replaces addresses in what an upstream sends, and touches nothing else.
//!
//! Only places that the specification defines count: structured content, text and unknown kinds of
//! content may hold addresses too, but nobody can know.

use std::cell::RefCell;

use serde_json::value::RawValue;

use crate::wire::Raw;
use crate::wire::object::Object;

/// How deep results of tools lie in results of tools before nobody looks any more.
const DEEPEST: usize = 8;

/// What an upstream sends, as far as it can hold addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultKind {
    /// The result of a tool call, or of the task it became.
    Tool,
    /// The result of `prompts/get`.
    Prompt,
    /// The result of `resources/read`.
    Resource,
    /// The parameters of `sampling/createMessage`.
    SamplingParams,
    /// The result of `skills/get`.
    Skill,
    /// The result of `resources/directory/read`.
    Directory,
}

type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

struct Changes<'a, 'l> {
    alias: Lookup<'l>,
    found: Vec<(&'a str, Raw)>,
}

/// Replaces the addresses in a result for which `alias` knows another.
pub(in crate::catalog) fn result(raw: &Raw, kind: ResultKind, alias: Lookup<'_>) -> Raw {
    let mut changes = Changes { alias, found: Vec::new() };
    let text = raw.get();
    match kind {
        ResultKind::Tool => {
            changes.in_contents(text, DEEPEST);
            changes.in_meta(text);
        }
        ResultKind::Prompt | ResultKind::SamplingParams => {
            for message in members(text, "messages").into_iter().flat_map(elements) {
                changes.in_contents(message, DEEPEST);
            }
        }
        ResultKind::Skill => {
            for skill in members(text, "skill") {
                changes.in_skill(skill);
            }
        }
        ResultKind::Directory => {
            for part in members(text, "resources").into_iter().flat_map(elements) {
                changes.in_member(part, "uri");
            }
        }
        ResultKind::Resource => {
            for part in members(text, "contents").into_iter().flat_map(elements) {
                changes.in_member(part, "uri");
            }
        }
    }
    changes.apply(raw)
}

/// Replaces the addresses in the definition of a tool for which `alias` knows another.
pub(in crate::catalog) fn definition(raw: &Raw, alias: Lookup<'_>) -> Raw {
    let mut changes = Changes { alias, found: Vec::new() };
    changes.in_meta(raw.get());
    changes.apply(raw)
}

/// Replaces the addresses in a skill for which `alias` knows another.
pub(in crate::catalog) fn skill(raw: &Raw, alias: Lookup<'_>) -> Raw {
    let mut changes = Changes { alias, found: Vec::new() };
    changes.in_skill(raw.get());
    changes.apply(raw)
}

/// Returns the addresses of all files of a skill, its main file first.
pub(in crate::catalog) fn files(skill: &Raw) -> Vec<String> {
    let seen = RefCell::new(Vec::new());
    self::skill(skill, &|uri| {
        let mut seen = seen.borrow_mut();
        if !seen.iter().any(|known| known == uri) {
            seen.push(uri.to_owned());
        }
        None
    });
    seen.into_inner()
}

/// Returns the addresses of user interfaces that the definition of a tool mentions.
pub(in crate::catalog) fn mentions(tool: &Object<'_>) -> Vec<String> {
    let Some(meta) = tool.get("_meta") else { return Vec::new() };
    interfaces(meta).into_iter().filter_map(string).collect()
}

impl Changes<'_, '_> {
    fn apply(self, raw: &Raw) -> Raw {
        if self.found.is_empty() { raw.clone() } else { raw.with_parts(self.found) }
    }
}

impl<'a> Changes<'a, '_> {
    /// Looks at `content`, which is a block or a list of blocks.
    fn in_contents(&mut self, holder: &'a str, depth: usize) {
        for content in members(holder, "content") {
            if content.starts_with('[') {
                for block in elements(content) {
                    self.in_block(block, depth);
                }
            } else {
                self.in_block(content, depth);
            }
        }
    }

    fn in_block(&mut self, block: &'a str, depth: usize) {
        let kind = members(block, "type").into_iter().find_map(string);
        match kind.as_deref() {
            Some("resource_link") => self.in_member(block, "uri"),
            Some("resource") => {
                for resource in members(block, "resource") {
                    self.in_member(resource, "uri");
                }
            }
            Some("tool_result") if depth > 0 => self.in_contents(block, depth - 1),
            _ => {}
        }
    }

    fn in_skill(&mut self, skill: &'a str) {
        self.in_member(skill, "uri");
        // Of a skill that changes all the time, there is a word instead of a list.
        for file in members(skill, "resources").into_iter().flat_map(elements) {
            self.in_member(file, "uri");
        }
    }

    fn in_meta(&mut self, holder: &'a str) {
        for meta in members(holder, "_meta") {
            for text in interfaces(meta) {
                self.in_string(text);
            }
        }
    }

    fn in_member(&mut self, holder: &'a str, key: &str) {
        for text in members(holder, key) {
            self.in_string(text);
        }
    }

    fn in_string(&mut self, text: &'a str) {
        if let Some(alias) = string(text).and_then(|uri| (self.alias)(&uri)) {
            self.found.push((text, Raw::of(alias.as_str())));
        }
    }
}

/// The texts in a `_meta` that are addresses of user interfaces, in both ways to write them.
fn interfaces(meta: &str) -> Vec<&str> {
    let mut texts = members(meta, "ui/resourceUri");
    for ui in members(meta, "ui") {
        texts.extend(members(ui, "resourceUri"));
    }
    texts
}

/// The texts of all members `key` of an object; usually there is one.
fn members<'a>(holder: &'a str, key: &str) -> Vec<&'a str> {
    let Ok(object) = Object::parse_allowing_duplicates(holder) else { return Vec::new() };
    object.iter().filter(|(name, _)| *name == key).map(|(_, text)| text).collect()
}

fn elements(array: &str) -> Vec<&str> {
    let values: Vec<&RawValue> = serde_json::from_str(array).unwrap_or_default();
    values.into_iter().map(RawValue::get).collect()
}

fn string(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}
