//! Arguments of a tool that a modern request over HTTP mirrors into headers: `x-mcp-header` in the
//! tool's schema (2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters").

use std::collections::HashSet;

use serde_json::Map;
use serde_json::Value;

use crate::wire::Raw;
use crate::wire::header;

/// Where a property of a schema says which header mirrors it.
pub const ANNOTATION: &str = "x-mcp-header";
/// The largest integer that every reader of JSON takes as it is, and its opposite the smallest.
const SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// One argument that is mirrored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    header: String,
    path: Vec<String>,
}

/// Why a schema's annotations cannot be followed. HTTP clients must not offer such a tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The annotation is no token that could be part of a header's name.
    #[error("`x-mcp-header` must be a header's name, and {0} is none")]
    NotAName(String),
    /// Two arguments would have one header.
    #[error("`x-mcp-header` names `{0}` twice")]
    Twice(String),
    /// Only strings, integers and booleans can be mirrored.
    #[error("`x-mcp-header` `{0}` stands at a property that is no string, integer or boolean")]
    NotPrimitive(String),
    /// Only what is found through `properties` alone can be mirrored.
    #[error("`x-mcp-header` `{0}` stands where `properties` alone do not lead")]
    OutOfReach(String),
}

/// Reads which arguments the `inputSchema` of a tool wants mirrored.
pub fn mirrors(schema: &Raw) -> Result<Vec<Mirror>, Defect> {
    // Hardly any tool has one, and lists are long.
    if !schema.get().contains(ANNOTATION) {
        return Ok(Vec::new());
    }
    let Ok(Value::Object(schema)) = schema.read::<Value>() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    object(&schema, &mut Vec::new(), &mut found)?;
    let mut seen = HashSet::new();
    for mirror in &found {
        if !seen.insert(mirror.header.to_ascii_lowercase()) {
            return Err(Defect::Twice(mirror.name().to_owned()));
        }
    }
    Ok(found)
}

impl Mirror {
    /// Returns the header's whole name.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Returns what the header must say for these arguments, not encoded; nothing if it must be
    /// left out.
    pub fn value(&self, arguments: Option<&Raw>) -> Option<String> {
        let mut at = arguments?.clone();
        for key in &self.path {
            at = at.member(key)?;
        }
        match at.get() {
            text @ ("true" | "false") => Some(text.to_owned()),
            text if text.starts_with('"') => at.string(),
            text => integer(text),
        }
    }

    /// Returns whether a header's decoded value says the same as these arguments.
    pub fn agrees(&self, value: Option<&str>, arguments: Option<&Raw>) -> bool {
        match (value, self.value(arguments)) {
            (None, None) => true,
            (Some(value), Some(expected)) => {
                value == expected || integer(value).is_some_and(|value| value == expected)
            }
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    fn name(&self) -> &str {
        self.header.strip_prefix(header::PARAM_PREFIX).unwrap_or(&self.header)
    }
}

/// Collects what the properties of an object schema want; nothing else in it may want anything.
fn object(
    schema: &Map<String, Value>,
    path: &mut Vec<String>,
    found: &mut Vec<Mirror>,
) -> Result<(), Defect> {
    for (key, value) in schema {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    path.push(name.clone());
                    self::property(property, path, found)?;
                    path.pop();
                }
            }
            (ANNOTATION, value) if path.is_empty() => {
                return Err(Defect::OutOfReach(shown(value)));
            }
            // Read before; and examples and defaults are data, whatever their keys are called.
            (ANNOTATION | "const" | "default" | "enum" | "examples", _) => {}
            (_, value) => nowhere(value)?,
        }
    }
    Ok(())
}

fn property(
    property: &Value,
    path: &mut Vec<String>,
    found: &mut Vec<Mirror>,
) -> Result<(), Defect> {
    let Value::Object(schema) = property else { return Ok(()) };
    if let Some(annotation) = schema.get(ANNOTATION) {
        let name = annotation.as_str().filter(|name| is_token(name));
        let name = name.ok_or_else(|| Defect::NotAName(shown(annotation)))?;
        let kind = schema.get("type").and_then(Value::as_str);
        if !matches!(kind, Some("string" | "integer" | "boolean")) {
            return Err(Defect::NotPrimitive(name.to_owned()));
        }
        let header = format!("{}{name}", header::PARAM_PREFIX);
        found.push(Mirror { header, path: path.clone() });
    }
    object(schema, path, found)
}

/// Fails if there is an annotation anywhere in a part of a schema that must have none.
fn nowhere(value: &Value) -> Result<(), Defect> {
    match value {
        Value::Object(members) => members.iter().try_for_each(|(key, value)| match key.as_str() {
            ANNOTATION => Err(Defect::OutOfReach(shown(value))),
            _ => nowhere(value),
        }),
        Value::Array(items) => items.iter().try_for_each(nowhere),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// Reads a safe integer however it is written, and writes it in decimal digits.
fn integer(text: &str) -> Option<String> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.to_string());
    }
    let number: f64 = text.parse().ok()?;
    let is_safe = number.fract() == 0.0 && number.abs() <= SAFE_INTEGER;
    is_safe.then(|| format!("{number:.0}"))
}

fn is_token(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
