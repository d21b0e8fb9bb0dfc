//! Values that fit a JSON Schema, for arguments and for what a person would type.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// Returns arguments for `tool`. One that is called `schema` shows how the first of all the tools
/// was described when it arrived here.
pub(crate) fn arguments(tool: &Value, tools: &[Value]) -> Value {
    let schema = tool.get("inputSchema").unwrap_or(&Value::Null);
    let mut arguments = object(schema);
    if let Some(shown) = arguments.get_mut("schema") {
        *shown =
            tools.first().and_then(|tool| tool.get("inputSchema")).cloned().unwrap_or_default();
    }
    arguments
}

/// Returns an object with a value for each property, its default where it has one.
pub(crate) fn object(schema: &Value) -> Value {
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.into_iter().flatten();
    Value::Object(properties.map(|(name, schema)| (name.clone(), value(schema))).collect())
}

fn value(schema: &Value) -> Value {
    if let Some(default) = schema.get("default") {
        return default.clone();
    }
    if let Some(choice) = schema.pointer("/enum/0").or_else(|| schema.pointer("/oneOf/0/const")) {
        return choice.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("number" | "integer") => json!(2),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => Value::Object(Map::new()),
        Some("null") => Value::Null,
        _ => json!("text"),
    }
}
