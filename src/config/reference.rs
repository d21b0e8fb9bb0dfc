//! The reference of the configuration: the hand-written part in `reference.md`, and tables of all
//! keys made from the schema.

use std::fmt;
use std::fmt::Write as _;

use serde_json::Value;

use crate::config::environment;
use crate::config::file;
use crate::config::shape;
use crate::config::short;

const INTRODUCTION: &str = include_str!("reference.md");

/// The tables: the keys that lead to a map, and the definition of that map in the schema.
const TABLES: &[(&str, &str)] = &[
    ("upstreams.<key>", "/$defs/Upstream"),
    ("upstreams.<key>.timeout", "/$defs/Timeout"),
    ("upstreams.<key>.concurrency", "/$defs/Concurrency"),
    ("upstreams.<key>.results", "/$defs/Results"),
    ("upstreams.<key>.cache", "/$defs/Cache"),
    ("upstreams.<key>.tools", "/$defs/Tools"),
    ("upstreams.<key>.tools.annotations", "/$defs/Annotations"),
    ("upstreams.<key>.tools.override.<tool>", "/$defs/Override"),
    ("upstreams.<key>.tools.override.<tool>.annotations", "/$defs/NewAnnotations"),
    ("upstreams.<key>.tools.override.<tool>.arguments.<argument>", "/$defs/Argument"),
    ("upstreams.<key>.tools.variants.<name>", "/$defs/Variant"),
    ("upstreams.<key>.tls", "/$defs/Trust"),
    ("mcpServers.<key>", "/$defs/McpServer"),
    ("names", "/$defs/Names"),
    ("limits", "/$defs/Limits"),
    ("limits.quotas[]", "/$defs/Quota"),
    ("policy", "/$defs/Policy"),
    ("policy.rules[]", "/$defs/PolicyRule"),
    ("policy.rules[].allow, policy.rules[].deny", "/$defs/What"),
    ("http", "/$defs/Http"),
    ("http.tls", "/$defs/Tls"),
    ("http.limits", "/$defs/HttpLimits"),
    ("audit", "/$defs/Audit"),
    ("audit.checkpoint", "/$defs/Checkpoint"),
    ("admin", "/$defs/Admin"),
    ("telemetry.otlp", "/$defs/Otlp"),
    ("profiles.<name>", "/$defs/Profile"),
    ("profiles.<name>.tools", "/$defs/Selection"),
];

/// Renders the reference as Markdown.
pub(super) fn render() -> String {
    let schema = file::schema();
    let mut out = introduction();
    tables(&mut out, &schema).expect("a string can always be written to");
    out
}

fn introduction() -> String {
    let [unix, windows, proxies] = environment::GIVEN.map(quoted);
    let text = INTRODUCTION.replace("{unix}", &unix).replace("{windows}", &windows);
    text.replace("{proxies}", &proxies)
}

fn tables(out: &mut String, schema: &Value) -> fmt::Result {
    table(out, schema, shape::properties(schema))?;
    for (keys, pointer) in TABLES {
        let Some(definition) = schema.pointer(pointer) else { continue };
        writeln!(out, "\n### `{keys}`\n\n{}\n", text(definition, "description"))?;
        let shared = schema.pointer("/$defs/Upstream/properties");
        // What client files have in common with ours is in our table already.
        let is_own = |key: &String| {
            *keys != "mcpServers.<key>" || shared.is_none_or(|shared| shared.get(key).is_none())
        };
        table(out, schema, shape::properties(definition).filter(|(key, _)| is_own(key)))?;
    }
    writeln!(out, "\n### Durations, sizes and rates\n")?;
    for kind in ["Duration", "Size", "Rate", "CallBudget", "ByteBudget"] {
        let definition = schema.pointer(&format!("/$defs/{kind}")).unwrap_or(&Value::Null);
        let name = measured(text(definition, "x-kind"));
        writeln!(out, "- {name}: {}", text(definition, "description"))?;
    }
    Ok(())
}

fn table<'a>(
    out: &mut String,
    root: &Value,
    properties: impl Iterator<Item = (&'a String, &'a Value)>,
) -> fmt::Result {
    writeln!(out, "| key | type | default | meaning |\n|---|---|---|---|")?;
    for (key, property) in properties {
        let kind = kind(root, property);
        let meaning = meaning(root, property).replace('|', "\\|");
        writeln!(out, "| `{key}` | {kind} | {} | {meaning} |", default(property))?;
    }
    Ok(())
}

fn kind(root: &Value, property: &Value) -> String {
    let schema = shape::resolve(root, property);
    let choices = shape::choices(schema);
    if !choices.is_empty() {
        return quoted(&choices);
    }
    let bound = |key| schema.get(key).and_then(Value::as_i64);
    match (text(schema, "x-kind"), text(schema, "type"), bound("minimum"), bound("maximum")) {
        ("value", ..) => "any value".to_owned(),
        ("duration" | "size" | "rate" | "calls" | "bytes", ..) => {
            measured(text(schema, "x-kind")).to_owned()
        }
        ("keep", ..) => "number of days, or size".to_owned(),
        _ if short::of(schema).is_some() => short(root, schema),
        (_, "boolean", ..) => quoted(&["true", "false"]),
        (_, "integer" | "number", Some(least), Some(most)) => {
            format!("number from {least} to {most}")
        }
        (_, "integer", ..) => "number".to_owned(),
        (_, "array", ..) => list(root, schema),
        (_, "object", ..) if schema.get("properties").is_some() => "map".to_owned(),
        (_, "object", ..) => map(root, schema),
        _ => "text".to_owned(),
    }
}

/// What something that is measured is called.
fn measured(kind: &str) -> &str {
    match kind {
        "calls" => "budget of calls",
        "bytes" => "budget of bytes",
        kind => kind,
    }
}

fn list(root: &Value, schema: &Value) -> String {
    let items = schema.get("items").map(|items| shape::resolve(root, items));
    match items {
        Some(items) if !shape::choices(items).is_empty() => {
            format!("list of {}", kind(root, items))
        }
        Some(items) => format!("list of {}s", kind(root, items)),
        None => "list of texts".to_owned(),
    }
}

/// Names both ways to write what may be written in short.
fn short(root: &Value, schema: &Value) -> String {
    let short = short::of(schema).map(|short| shape::resolve(root, short));
    let short = short.unwrap_or(&Value::Null);
    let is_choice = !shape::choices(short).is_empty();
    match (text(schema, "type"), is_choice) {
        ("array", true) => format!("{}, or a list of them", kind(root, short)),
        ("array", false) => format!("{0} or list of {0}s", kind(root, short)),
        (_, true) => "word or map".to_owned(),
        (_, false) => format!("{}, or map", kind(root, short)),
    }
}

fn map(root: &Value, schema: &Value) -> String {
    let inner = schema.get("additionalProperties").map(|inner| kind(root, inner));
    format!("map of {}s by name", inner.unwrap_or("value".to_owned()))
}

fn default(property: &Value) -> String {
    match property.get("default") {
        // What is in a map has a table of its own.
        None => String::new(),
        Some(Value::Object(map)) if !map.is_empty() => String::new(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(other) => format!("`{other}`"),
    }
}

/// Returns what a key is for, and what each word it can be stands for.
fn meaning(root: &Value, property: &Value) -> String {
    let schema = shape::resolve(root, property);
    let one = schema.get("items").map_or(schema, |one| shape::resolve(root, one));
    let choices = one.get("oneOf").and_then(Value::as_array);
    let explained =
        |choice| format!("`{}`: {}", text(choice, "const"), text(choice, "description"));
    let choices = choices.into_iter().flatten().map(explained);
    let sentences = [text(property, "description").to_owned()].into_iter().chain(choices);
    sentences.collect::<Vec<_>>().join(" ")
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
