//! A schema as a tree: where others stand in it, and what becomes of all of them.

use crate::catalog::hygiene::Reason;
use crate::catalog::hygiene::member_of;
use crate::wire::Raw;
use crate::wire::object::Object;

/// How deep a schema may be, in levels. What people write has less than twenty.
pub(super) const DEEPEST: usize = 64;

/// The schema in other words; nothing if it stays.
pub(super) type Changed = Result<Option<Raw>, Reason>;

/// Words whose value is one schema. `items` is a list of them in older drafts.
const ONE: [&str; 12] = [
    "items",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
];
/// Words whose value is a list of schemas.
const MANY: [&str; 5] = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
/// Words whose value is an object of schemas.
const NAMED: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];

/// Returns whether the value of this word is one schema.
pub(super) fn is_one(word: &str) -> bool {
    ONE.contains(&word)
}

/// Returns whether the value of this word is a list of schemas.
pub(super) fn is_many(word: &str) -> bool {
    MANY.contains(&word)
}

/// Returns whether the value of this word is an object of schemas.
pub(super) fn is_named(word: &str) -> bool {
    NAMED.contains(&word)
}

/// Returns the members of a schema in their order; none if it is a boolean.
pub(super) fn members(schema: &Raw) -> Vec<(String, Raw)> {
    let Ok(object) = Object::parse_allowing_duplicates(schema.get()) else { return Vec::new() };
    object.iter().map(|(key, text)| (key.to_owned(), schema.part(text))).collect()
}

/// Returns whether the schema has this word.
pub(super) fn has(schema: &Raw, name: &str) -> bool {
    member_of(schema, name).is_some()
}

/// Returns the text of a word whose value is a string.
pub(super) fn string(schema: &Raw, name: &str) -> Option<String> {
    member_of(schema, name)?.string()
}

/// Returns every schema that stands directly in this one, as parts of it.
fn parts(schema: &Raw) -> Vec<Raw> {
    let mut parts = Vec::new();
    for (word, value) in members(schema) {
        let is_list = value.get().starts_with('[');
        if is_list && is_many(&word) {
            parts.extend(value.elements().unwrap_or_default());
        } else if !is_list && is_one(&word) {
            parts.push(value);
        } else if is_named(&word) {
            parts.extend(members(&value).into_iter().map(|(_, value)| value));
        }
    }
    // A property with a list of names, of `dependencies`, is none.
    parts.retain(is_schema);
    parts
}

/// Returns whether a value can be a schema.
pub(super) fn is_schema(value: &Raw) -> bool {
    value.get().starts_with('{') || is_boolean(value)
}

/// Returns whether a schema is `true` or `false`.
pub(super) fn is_boolean(schema: &Raw) -> bool {
    matches!(schema.get(), "true" | "false")
}

/// Changes what stands directly in a schema; every other byte stays.
pub(super) fn inside(schema: &Raw, change: &mut dyn FnMut(&Raw) -> Changed) -> Changed {
    let mut changes = Vec::new();
    for part in parts(schema) {
        if let Some(changed) = change(&part)? {
            changes.push((part, changed));
        }
    }
    if changes.is_empty() {
        return Ok(None);
    }
    let changes = changes.iter().map(|(part, changed)| (part.get(), changed.clone())).collect();
    Ok(Some(schema.with_parts(changes)))
}

/// Changes a schema and all in it, the inner ones first; every other byte stays.
pub(super) fn everywhere(schema: &Raw, change: &mut dyn FnMut(&Raw) -> Changed) -> Changed {
    at_depth(schema, 0, change)
}

fn at_depth(schema: &Raw, depth: usize, change: &mut dyn FnMut(&Raw) -> Changed) -> Changed {
    if depth > DEEPEST {
        return Err(Reason::TooDeep(DEEPEST));
    }
    let before = inside(schema, &mut |part| at_depth(part, depth + 1, change))?;
    let after = change(before.as_ref().unwrap_or(schema))?;
    Ok(after.or(before))
}

/// Calls `look` with a schema and all in it.
pub(super) fn each(schema: &Raw, look: &mut dyn FnMut(&Raw)) -> Result<(), Reason> {
    let looked = everywhere(schema, &mut |part| {
        look(part);
        Ok(None)
    });
    looked.map(|_| ())
}

/// Returns every `$ref` in a schema, in no particular order.
pub(super) fn references(schema: &Raw) -> Result<Vec<String>, Reason> {
    let mut found = Vec::new();
    each(schema, &mut |part| found.extend(string(part, "$ref")))?;
    Ok(found)
}

/// Returns the first word of those given that stands anywhere in a schema.
pub(super) fn first_of(
    schema: &Raw,
    words: &[&'static str],
) -> Result<Option<&'static str>, Reason> {
    let mut found = None;
    each(schema, &mut |part| {
        found = found.or_else(|| words.iter().copied().find(|name| has(part, name)));
    })?;
    Ok(found)
}

/// Returns whether a schema says that it is of a draft before 2019-09.
pub(super) fn is_old(schema: &Raw) -> bool {
    const OLD: [&str; 4] = ["draft-03", "draft-04", "draft-06", "draft-07"];
    let draft = string(schema, "$schema").unwrap_or_default();
    OLD.iter().any(|old| draft.contains(old))
}

/// Returns what a reference of the form `#/a/b` leads to.
pub(super) fn target(root: &Raw, reference: &str) -> Result<Raw, Reason> {
    let Some(fragment) = reference.strip_prefix('#') else {
        return Err(Reason::Foreign(reference.to_owned()));
    };
    let dangling = || Reason::Dangling(reference.to_owned());
    if !fragment.is_empty() && !fragment.starts_with('/') {
        return Err(Reason::Anchor(reference.to_owned()));
    }
    let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8();
    let fragment = fragment.map_err(|_| dangling())?;
    let mut place = root.clone();
    for step in fragment.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let next = match place.elements() {
            Some(elements) => step.parse().ok().and_then(|at: usize| elements.get(at).cloned()),
            None => member_of(&place, &step),
        };
        place = next.ok_or_else(dangling)?;
    }
    if is_schema(&place) { Ok(place) } else { Err(dangling()) }
}
