//! Where else than among its properties a schema is about an argument.
//!
//! When in doubt it is: a change that is not made is told, one that is made wrongly is not.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;
use serde_json::Map;
use serde_json::Value;

/// Keywords that are about all properties together, or about names of any.
const COUNTING: [&str; 4] =
    ["maxProperties", "minProperties", "patternProperties", "propertyNames"];
/// Keywords with further schemas for the very same object.
const COMBINING: [&str; 8] =
    ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$recursiveRef"];
/// Keywords with schemas that count if a property is there.
const DEPENDENT: [&str; 2] = ["dependentSchemas", "dependencies"];
/// In a further schema, these are about properties that it does not name.
const OPEN: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];

/// Returns the keyword that is, or may be, about the argument in a way that cannot be followed.
pub(super) fn keyword(schema: &Map<String, Value>, argument: &str) -> Option<String> {
    let counting = COUNTING.into_iter().find(|keyword| match schema.get(*keyword) {
        Some(Value::Object(patterns)) => !patterns.is_empty(),
        found => found.is_some(),
    });
    if counting.is_some() {
        return counting.map(str::to_owned);
    }
    let data = ["const", "enum"].into_iter().find(|keyword| schema.contains_key(*keyword));
    if data.is_some() {
        return data.map(str::to_owned);
    }
    let reference =
        ["$ref", "$dynamicRef"].into_iter().find(|keyword| schema.contains_key(*keyword));
    if reference.is_some() || refer(schema, argument) {
        return Some(reference.unwrap_or("$ref").to_owned());
    }
    let mut search = Search { schema, argument, seen: HashSet::new() };
    let combining = COMBINING
        .into_iter()
        .find(|keyword| schema.get(*keyword).is_some_and(|value| search.is_about(value)));
    let dependent = || {
        DEPENDENT.into_iter().find(|keyword| {
            let by_name = schema.get(*keyword).and_then(Value::as_object);
            let mut schemas = by_name.into_iter().flat_map(Map::values);
            schemas.any(|value| !value.is_array() && search.is_about(value))
        })
    };
    combining.or_else(dependent).map(str::to_owned)
}

/// Whether any reference in a schema leads to the property itself, or to the whole schema.
fn refer(members: &Map<String, Value>, argument: &str) -> bool {
    members.iter().any(|(key, value)| match value {
        Value::String(target) if is_reference(key) => leads_to(target, argument),
        value => refers(value, argument),
    })
}

fn refers(value: &Value, argument: &str) -> bool {
    match value {
        Value::Object(members) => refer(members, argument),
        Value::Array(items) => items.iter().any(|item| refers(item, argument)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_reference(key: &str) -> bool {
    matches!(key, "$ref" | "$dynamicRef" | "$recursiveRef")
}

fn leads_to(target: &str, argument: &str) -> bool {
    let Some((_, fragment)) = target.split_once('#') else { return false };
    let Some(rest) = fragment.strip_prefix("/properties") else { return fragment.is_empty() };
    let name = rest.strip_prefix('/').and_then(|rest| rest.split('/').next());
    name.is_none_or(|name| unescaped(name) == argument)
}

/// Reads one step of a pointer in an address (RFC 6901).
fn unescaped(step: &str) -> String {
    let step = percent_decode_str(step).decode_utf8_lossy();
    step.replace("~1", "/").replace("~0", "~")
}

/// A search through further schemas for the same object.
struct Search<'s> {
    schema: &'s Map<String, Value>,
    argument: &'s str,
    /// References that were followed.
    seen: HashSet<String>,
}

impl Search<'_> {
    fn is_about(&mut self, value: &Value) -> bool {
        match value {
            Value::Object(members) => members.iter().any(|(key, value)| {
                let is_named = key == self.argument;
                let is_open = OPEN.contains(&key.as_str()) || COUNTING.contains(&key.as_str());
                is_named || is_open || self.is_referred(key, value) || self.is_about(value)
            }),
            Value::Array(items) => items.iter().any(|item| self.is_about(item)),
            Value::String(text) => text == self.argument,
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// Whether what a reference leads to is about the argument; what cannot be found may be.
    fn is_referred(&mut self, key: &str, value: &Value) -> bool {
        if !is_reference(key) {
            return false;
        }
        let Some(target) = value.as_str() else { return true };
        if !self.seen.insert(target.to_owned()) {
            return false;
        }
        let Some(path) = target.strip_prefix("#/") else { return true };
        let root = self.schema;
        let mut steps = path.split('/').map(unescaped);
        let first = steps.next().and_then(|step| root.get(&step));
        let found = steps.try_fold(first, |found, step| {
            let found = match found? {
                Value::Object(members) => members.get(&step),
                Value::Array(items) => items.get(step.parse::<usize>().ok()?),
                _ => None,
            };
            Some(found)
        });
        match found.flatten() {
            Some(found) => self.is_about(found),
            None => true,
        }
    }
}
