//! Compares one layer with the JSON Schema: unknown keys, wrong types, missing units, numbers out
//! of range.
//!
//! What is wrong is reported and taken out, so that what remains always fits the types in `file`
//! and the checks after this one can go on.

use serde_json::Map;
use serde_json::Value as Schema;

use crate::config::dialect;
use crate::config::pace;
use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::problem::Problem;
use crate::config::short;
use crate::config::suggest;
use crate::config::tree;
use crate::config::tree::Entry;
use crate::config::tree::Node;
use crate::config::tree::Value;
use crate::config::units;
use crate::config::units::Misread;

/// The kind of what may be anything.
const ANY: &str = "value";
/// The keyword of maps of which an empty one has to be written: nothing is not the same.
const EXPLICIT: &str = "x-explicit";

/// The checker and what it found.
pub(super) struct Checker<'a> {
    /// The schema of a whole file.
    pub(super) schema: &'a Schema,
    /// Everything found wrong so far.
    pub(super) problems: &'a mut Vec<Problem>,
    /// Keys whose absence is explained by a problem already: they, or something that was meant
    /// to be them, were taken out.
    pub(super) excused: &'a mut Vec<KeyPath>,
}

impl<'a> Checker<'a> {
    /// Checks a layer and returns what of it is right.
    pub(super) fn check(&mut self, root: Node) -> Node {
        let place = root.place.clone();
        let checked = self.node(root, self.schema, &KeyPath::default());
        checked.unwrap_or(Node::empty_map(place))
    }

    fn node(&mut self, node: Node, said: &'a Schema, path: &KeyPath) -> Option<Node> {
        let schema = resolve(self.schema, said);
        let is_any = schema.get("x-kind").is_some_and(|kind| kind == ANY);
        let kind = schema.get("type").and_then(Schema::as_str);
        let kind = kind.unwrap_or(if is_any { ANY } else { "string" });
        let node = self.tighten(node, kind);
        if let Some(one) = short::one(schema, &node.value) {
            let place = node.place.clone();
            let one = self.node(node, one, path)?;
            return Some(Node { place, value: Value::List(vec![one]) });
        }
        let node = short::written_out(node, schema, |short| resolve(self.schema, short));
        let Node { place, value } = node;
        let checked = match (kind, value) {
            (_, value) if is_silent(&value, [said, schema]) => Err(silent(&value, schema, path)),
            ("object", Value::Map(entries)) => Ok(Value::Map(self.map(entries, schema, path))),
            ("object", Value::Null) => Ok(Value::Map(Vec::new())),
            ("array", Value::List(items)) => Ok(Value::List(self.list(items, schema, path))),
            ("array", Value::Null) => Ok(Value::List(Vec::new())),
            ("boolean", value @ Value::Bool(_)) | (ANY, value) => Ok(value),
            ("integer", Value::Integer(number)) => in_range(number, schema, path),
            ("number", value @ (Value::Integer(_) | Value::Float(_))) => {
                in_part(value, schema, path)
            }
            ("string", Value::Text(text)) => well_formed(text, schema, path),
            (_, value) => Err(wrong_type(&value, kind, schema, path)),
        };
        match checked {
            Ok(value) => Some(Node { place, value }),
            Err(Misread { message, hint }) => {
                self.complain(&place, path, message, hint);
                None
            }
        }
    }

    /// Gives the text of a variable or flag the type that its key asks for.
    fn tighten(&mut self, node: Node, kind: &str) -> Node {
        let Value::Loose(text) = node.value else { return node };
        let place = node.place;
        let parsed = match kind {
            "string" => None,
            _ => tree::parse_loose(&text, &place, self.problems),
        };
        parsed.unwrap_or(Node { place, value: Value::Text(text) })
    }

    fn map(&mut self, entries: Vec<Entry>, schema: &'a Schema, path: &KeyPath) -> Vec<Entry> {
        let mut right = Vec::new();
        for entry in entries {
            let path = path.key(&entry.key);
            let property = schema.get("properties").and_then(|all| all.get(&entry.key));
            let other = schema.get("additionalProperties").filter(|other| other.is_object());
            let Some(schema) = property.or(other) else {
                self.unknown_key(&entry, schema, &path);
                continue;
            };
            if let Some(node) = self.node(entry.node, schema, &path) {
                right.push(Entry { node, ..entry });
            }
        }
        right
    }

    fn list(&mut self, items: Vec<Node>, schema: &'a Schema, path: &KeyPath) -> Vec<Node> {
        let Some(schema) = schema.get("items") else { return items };
        let items = items.into_iter().enumerate();
        items.filter_map(|(index, item)| self.node(item, schema, &path.index(index))).collect()
    }

    fn unknown_key(&mut self, entry: &Entry, schema: &'a Schema, path: &KeyPath) {
        let known: Vec<&str> = properties(schema).map(|(key, _)| key.as_str()).collect();
        let parent = path.parent().filter(|parent| !parent.is_empty());
        let message = match &parent {
            Some(parent) => format!("unknown key `{}` in `{parent}`", entry.key),
            None => format!("unknown key `{}`", entry.key),
        };
        let meant = suggest::key(&entry.key, &known);
        let hint = match (meant, suggest::foreign(&entry.key)) {
            (Some(key), _) => format!("did you mean `{key}`?"),
            (None, Some(advice)) => advice.to_owned(),
            (None, None) => format!("known keys are {}", listed(&known)),
        };
        if let Some(key) = meant {
            let meant = path.parent().unwrap_or_default().key(key);
            self.excused.push(dialect::canonical(&meant));
        }
        self.complain(&entry.place, path, message, hint);
    }

    fn complain(&mut self, place: &Place, path: &KeyPath, message: String, hint: String) {
        self.excused.push(dialect::canonical(path));
        self.problems.push(Problem::at(place, path, message).hint(hint));
    }
}

/// Follows a reference to a definition in `root`.
pub(super) fn resolve<'a>(root: &'a Schema, schema: &'a Schema) -> &'a Schema {
    let reference = schema.get("$ref").and_then(Schema::as_str);
    let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// Returns the keys that a map of this schema may have.
pub(super) fn properties(schema: &Schema) -> impl Iterator<Item = (&String, &Schema)> {
    schema.get("properties").and_then(Schema::as_object).into_iter().flat_map(Map::iter)
}

/// Returns the words that a text of this schema may be, if it is a choice.
pub(super) fn choices(schema: &Schema) -> Vec<&str> {
    let plain = schema.get("enum").and_then(Schema::as_array).into_iter().flatten();
    let described = schema.get("oneOf").and_then(Schema::as_array).into_iter().flatten();
    let described = described.filter_map(|choice| choice.get("const"));
    let single = schema.get("const").into_iter();
    plain.chain(described).chain(single).filter_map(Schema::as_str).collect()
}

/// Returns whether nothing is written where something must be, by one of these schemas: a condition
/// that somebody emptied must not become one that everything meets.
fn is_silent(value: &Value, schemas: [&Schema; 2]) -> bool {
    let says = |keyword| schemas.iter().any(|schema| schema.get(keyword).is_some());
    match value {
        Value::Null => says("minItems") || says("minProperties") || says(EXPLICIT),
        Value::List(items) => items.is_empty() && says("minItems"),
        Value::Map(entries) => entries.is_empty() && says("minProperties"),
        _ => false,
    }
}

fn silent(value: &Value, schema: &Schema, path: &KeyPath) -> Misread {
    let hint = match value {
        Value::Null if schema.get(EXPLICIT).is_some() => {
            "write what it is about, or `{}` for everything"
        }
        _ => "name what it is about; if that is all there is, remove the key",
    };
    Misread { message: format!("`{path}` says nothing"), hint: hint.to_owned() }
}

fn in_range(number: i64, schema: &Schema, path: &KeyPath) -> Result<Value, Misread> {
    let bound = |key| schema.get(key).and_then(Schema::as_i64);
    let (least, most) = (bound("minimum").unwrap_or(i64::MIN), bound("maximum"));
    let most = most.unwrap_or(i64::MAX);
    if (least..=most).contains(&number) {
        return Ok(Value::Integer(number));
    }
    let message = format!("`{path}` is {number}, but must be from {least} to {most}");
    Err(Misread { message, hint: format!("write `{}`", number.clamp(least, most)) })
}

/// Checks a number that may have a fraction.
fn in_part(value: Value, schema: &Schema, path: &KeyPath) -> Result<Value, Misread> {
    let bound = |key| schema.get(key).and_then(Schema::as_f64).unwrap_or_default();
    let (least, most, shown) = (bound("minimum"), bound("maximum"), number(&value));
    if shown.parse().is_ok_and(|number: f64| (least..=most).contains(&number)) {
        return Ok(value);
    }
    let message = format!("`{path}` is {shown}, but must be from {least} to {most}");
    Err(Misread { message, hint: format!("write a number such as `{most}`") })
}

fn well_formed(text: String, schema: &Schema, path: &KeyPath) -> Result<Value, Misread> {
    let choices = choices(schema);
    if !choices.is_empty() && !choices.contains(&text.as_str()) {
        let message = format!("`{path}` cannot be `{text}`");
        let nearest = suggest::nearest(&text, choices.iter().copied());
        let hint = match (unprovable(&text, path), nearest) {
            (Some(why), _) => why.to_owned(),
            (None, Some(choice)) => format!("did you mean `{choice}`?"),
            (None, None) => format!("write {}", either(&choices)),
        };
        return Err(Misread { message, hint });
    }
    measured(&text, schema).map_err(|misread| about(path, misread))?;
    Ok(Value::Text(text))
}

/// Why no token of a provider may be signed in a way that there is, but that proves nothing here:
/// what comes next to it is not what was meant.
fn unprovable(text: &str, path: &KeyPath) -> Option<&'static str> {
    if path.parent()?.last() != Some("algorithms") {
        return None;
    }
    match text.to_ascii_uppercase().as_str() {
        "HS256" | "HS384" | "HS512" => Some(
            "whoever can check such a token has the secret to make one, so none of a provider is \
             taken; list what it signs with instead, such as `RS256` or `ES256`",
        ),
        "NONE" => Some(
            "a token that nobody signed proves nothing, so none is taken; list what the provider \
             signs with instead, such as `RS256` or `ES256`",
        ),
        _ => None,
    }
}

/// Checks the unit of a duration or size, and the time of a rate or budget.
fn measured(text: &str, schema: &Schema) -> Result<(), Misread> {
    match schema.get("x-kind").and_then(Schema::as_str) {
        Some("duration") => units::duration(text).map(drop),
        Some("size") => units::size(text).map(drop),
        Some("keep") => units::keep(text).map(drop),
        Some("rate") => pace::rate(text).map(drop),
        Some("calls") => pace::calls(text).map(drop),
        Some("bytes") => pace::bytes(text).map(drop),
        _ => Ok(()),
    }
}

fn about(path: &KeyPath, Misread { message, hint }: Misread) -> Misread {
    Misread { message: format!("`{path}`: {message}"), hint }
}

fn wrong_type(value: &Value, kind: &str, schema: &Schema, path: &KeyPath) -> Misread {
    if let (Value::Integer(_) | Value::Float(_), true) = (value, schema.get("x-kind").is_some())
        && let Err(misread) = measured(&number(value), schema)
    {
        return about(path, misread);
    }
    if kind == "object" && path.last() == Some("timeout") {
        return bare_timeout(value, path);
    }
    let (mut expected, found) = (expected(kind), found(value));
    let mut hint = how_to_write(value, kind);
    if short::of(schema).is_some() {
        let is_word = short::of(schema).is_some_and(|short| short.get("type").is_none());
        expected = if is_word { "a word or a map" } else { "text, a list or a map" };
        if let Value::Bool(flag) = value {
            hint = format!("write `{path}: {}`", if *flag { "on" } else { "off" });
        }
    }
    let subject = if path.is_empty() { "a configuration".to_owned() } else { format!("`{path}`") };
    let message = format!("{subject} must be {expected}, not {found}");
    Misread { message, hint }
}

/// One number for all timeouts, as some clients have it: in seconds for some, in milliseconds for
/// others.
fn bare_timeout(value: &Value, path: &KeyPath) -> Misread {
    let message = format!("`{path}` needs a unit and says what is waited for");
    let call = match value {
        Value::Integer(number) if *number >= 1000 => format!("{number}ms"),
        Value::Integer(number) => format!("{number}s"),
        Value::Text(text) if units::duration(text).is_ok() => text.clone(),
        _ => "60s".to_owned(),
    };
    Misread { message, hint: format!("write `timeout: {{ call: {call} }}`") }
}

fn expected(kind: &str) -> &'static str {
    match kind {
        "object" => "a map",
        "array" => "a list",
        "boolean" => "`true` or `false`",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "text",
    }
}

/// Names what was found without repeating it: it may be a secret.
fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "`true` or `false`",
        Value::Integer(_) => "a number",
        Value::Float(_) => "a number with a fraction",
        Value::Text(_) | Value::Loose(_) => "text",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
    }
}

fn how_to_write(value: &Value, kind: &str) -> String {
    let hint = match (kind, value) {
        ("object", Value::List(_)) => "write `name: { ... }` for each instead of `- ...`",
        ("object", _) => "write `key: value` lines below it",
        ("array", _) => "write `[...]`, or `- ...` lines below it",
        ("boolean", Value::Text(text)) => match text.to_lowercase().as_str() {
            "yes" | "y" | "on" | "true" => "write `true`",
            "no" | "n" | "off" | "false" => "write `false`",
            _ => "write `true` or `false`",
        },
        ("boolean", _) => "write `true` or `false`",
        ("integer", Value::Text(text)) if text.parse::<i64>().is_ok() => {
            "write the digits without quotes"
        }
        ("integer", _) => "write digits",
        (_, Value::Null) => "write the value, `\"\"` for an empty text, or remove the key",
        (_, Value::Bool(_) | Value::Integer(_) | Value::Float(_)) => "put it in quotes",
        (_, _) => "write a single text",
    };
    hint.to_owned()
}

fn number(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        _ => String::new(),
    }
}

fn listed(words: &[&str]) -> String {
    let quoted: Vec<_> = words
        .iter()
        .filter(|word| !word.starts_with('$'))
        .map(|word| format!("`{word}`"))
        .collect();
    quoted.join(", ")
}

fn either(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(" or ")
}
