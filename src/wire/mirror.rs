//! Arguments of a tool that a modern request over HTTP mirrors into headers: `x-mcp-header` in the
//! tool's schema (2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters").

use std::collections::HashSet;

use serde_json::Map;
use serde_json::Value;

use crate::wire::Raw;
use crate::wire::header;

/// Where a property of a schema says which header mirrors it.
pub const ANNOTATION: &str = "x-mcp-header";
/// Keywords whose members are schemas under names of their own.
const SCHEMAS_BY_NAME: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];
/// Keywords that hold data, whatever its keys are called.
const DATA: [&str; 5] = ["const", "default", "dependentRequired", "enum", "examples"];
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
    /// What the schema wants mirrored cannot be told.
    #[error("`x-mcp-header` stands in a schema that cannot be read: {0}")]
    Unreadable(String),
}

/// Reads which arguments the `inputSchema` of a tool wants mirrored.
pub fn mirrors(schema: &Raw) -> Result<Vec<Mirror>, Defect> {
    // Hardly any tool has one, and lists are long.
    let is_plain = schema.get().contains(ANNOTATION);
    if !is_plain && !schema.get().contains("\\u") {
        return Ok(Vec::new());
    }
    let schema = match schema.read::<Value>() {
        Ok(Value::Object(schema)) => schema,
        // Too deep, for example, or with a number that is too large.
        Err(error) if is_plain => return Err(Defect::Unreadable(error.to_string())),
        Ok(_) | Err(_) => return Ok(Vec::new()),
    };
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
    ///
    /// An integer outside the safe range keeps its digits.
    pub fn value(&self, arguments: Option<&Raw>) -> Option<String> {
        said(&self.find(arguments)?)
    }

    /// Returns whether a header's decoded value says the same as these arguments; numbers are
    /// compared as numbers.
    pub fn agrees(&self, value: Option<&str>, arguments: Option<&Raw>) -> bool {
        let found = self.find(arguments);
        match (value, found.as_ref().and_then(said)) {
            (None, None) => true,
            (Some(value), Some(expected)) => {
                let is_string = found.is_some_and(|found| found.get().starts_with('"'));
                value == expected || !is_string && integer(value) == Some(expected)
            }
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    fn find(&self, arguments: Option<&Raw>) -> Option<Raw> {
        let arguments = arguments?.clone();
        self.path.iter().try_fold(arguments, |value, key| value.member(key))
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
            // Read before.
            (ANNOTATION, _) if !path.is_empty() => {}
            (key, value) => keyword(key, value)?,
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
        Value::Object(members) => members.iter().try_for_each(|(key, value)| keyword(key, value)),
        Value::Array(items) => items.iter().try_for_each(nowhere),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn keyword(key: &str, value: &Value) -> Result<(), Defect> {
    match value {
        value if key == ANNOTATION => Err(Defect::OutOfReach(shown(value))),
        _ if DATA.contains(&key) => Ok(()),
        Value::Object(schemas) if SCHEMAS_BY_NAME.contains(&key) => {
            schemas.values().try_for_each(nowhere)
        }
        value => nowhere(value),
    }
}

/// What a header says for a value; nothing if it is one that none can say.
fn said(value: &Raw) -> Option<String> {
    match value.get() {
        text @ ("true" | "false") => Some(text.to_owned()),
        text if text.starts_with('"') => value.string(),
        text => integer(text),
    }
}

/// Reads an integer however it is written, and writes it in decimal digits.
fn integer(text: &str) -> Option<String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let digits = digits.trim_start_matches('0');
        return Some(if digits.is_empty() { "0".to_owned() } else { format!("{sign}{digits}") });
    }
    // With a fraction or an exponent it counts as what every reader takes it for, where that is
    // one and the same.
    let number: f64 = text.parse().ok()?;
    let is_safe = number.fract() == 0.0 && number.abs() <= SAFE_INTEGER;
    // Adding zero takes the sign of a negative one.
    is_safe.then(|| format!("{:.0}", number + 0.0))
}

fn is_token(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
