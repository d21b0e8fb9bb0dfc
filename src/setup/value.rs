//! What a file of a client says, whatever it is written in: maps keep their order.

use jsonc_parser::ast;
use jsonc_parser::errors::ParseError;
use toml_edit::Item;
use toml_edit::TableLike;

use crate::clients::places::Format;

/// How deep values may lie in each other: far deeper than any client's file.
const MAX_DEPTH: usize = 64;

/// A value of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number, as it is written.
    Number(String),
    /// A text.
    Text(String),
    /// Several values.
    List(Vec<Value>),
    /// Values by their keys, in the order of the file; of two with one key the last counts.
    Map(Vec<(String, Value)>),
}

/// Why a file cannot be understood, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Broken {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl Broken {
    /// Makes one of the place of a byte in a text.
    pub(super) fn at(text: &str, byte: usize, message: impl Into<String>) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line, column, message: message.into() }
    }

    fn json(error: &ParseError) -> Self {
        let message = error.kind().to_string();
        Self { line: error.line_display(), column: error.column_display(), message }
    }
}

impl Value {
    /// Reads a text, in which a byte order mark may come first. Nothing but white space is an
    /// empty map: so begin files that a program made and never filled.
    ///
    /// # Errors
    ///
    /// The text is not of this format.
    pub fn parse(text: &str, format: Format) -> Result<Self, Broken> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match format {
            Format::Json => Ok(parse_json(text)?.map_or(Self::Map(Vec::new()), |it| of_json(&it))),
            Format::Toml => Ok(of_table(parse_toml(text)?.as_table())),
        }
    }

    /// Returns the value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Returns the value that keys lead to.
    pub fn at(&self, keys: &[String]) -> Option<&Self> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// Returns the text, if it is one.
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Returns a text, number or truth as a text.
    pub fn plain(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text.clone()),
            Self::Bool(truth) => Some(truth.to_string()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Returns the values of a list; none if this is no list.
    pub fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// Returns the entries of a map; none if this is no map.
    pub fn entries(&self) -> &[(String, Self)] {
        if let Self::Map(entries) = self { entries } else { &[] }
    }
}

/// Reads JSON as clients do that allow comments; nothing if there is nothing.
pub(super) fn parse_json(text: &str) -> Result<Option<ast::Value<'_>>, Broken> {
    let options = jsonc_parser::ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
    };
    let parsed =
        jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &options);
    let value = parsed.map_err(|error| Broken::json(&error))?.value;
    match value.as_ref().map(depth) {
        Some(deep) if deep > MAX_DEPTH => Err(Broken::at(text, 0, "values lie too deep")),
        _ => Ok(value),
    }
}

/// Reads TOML.
pub(super) fn parse_toml(text: &str) -> Result<toml_edit::DocumentMut, Broken> {
    text.parse::<toml_edit::DocumentMut>().map_err(|error| {
        let byte = error.span().map_or(0, |span| span.start);
        Broken::at(text, byte, error.message().trim().replace('\n', "; "))
    })
}

fn depth(value: &ast::Value<'_>) -> usize {
    let deepest = match value {
        ast::Value::Object(object) => object.properties.iter().map(|it| depth(&it.value)).max(),
        ast::Value::Array(array) => array.elements.iter().map(depth).max(),
        _ => return 0,
    };
    1 + deepest.unwrap_or_default()
}

fn of_json(value: &ast::Value<'_>) -> Value {
    match value {
        ast::Value::StringLit(text) => Value::Text(text.value.clone().into_owned()),
        ast::Value::NumberLit(number) => Value::Number(number.value.to_owned()),
        ast::Value::BooleanLit(truth) => Value::Bool(truth.value),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(array) => Value::List(array.elements.iter().map(of_json).collect()),
        ast::Value::Object(object) => {
            let entry = |property: &ast::ObjectProp<'_>| {
                (property.name.as_str().to_owned(), of_json(&property.value))
            };
            Value::Map(object.properties.iter().map(entry).collect())
        }
    }
}

fn of_table(table: &dyn TableLike) -> Value {
    Value::Map(table.iter().map(|(key, item)| (key.to_owned(), of_item(item))).collect())
}

fn of_item(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => of_toml(value),
        Item::Table(table) => of_table(table),
        Item::ArrayOfTables(tables) => Value::List(tables.iter().map(|it| of_table(it)).collect()),
    }
}

fn of_toml(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::Text(text.value().clone()),
        toml_edit::Value::Integer(number) => Value::Number(number.value().to_string()),
        toml_edit::Value::Float(number) => Value::Number(number.value().to_string()),
        toml_edit::Value::Boolean(truth) => Value::Bool(*truth.value()),
        toml_edit::Value::Datetime(time) => Value::Text(time.value().to_string()),
        toml_edit::Value::Array(items) => Value::List(items.iter().map(of_toml).collect()),
        toml_edit::Value::InlineTable(table) => of_table(table),
    }
}

impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(truth) => Self::Bool(*truth),
            serde_json::Value::Number(number) => Self::Number(number.to_string()),
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            serde_json::Value::Object(map) => {
                Self::Map(map.iter().map(|(key, value)| (key.clone(), value.into())).collect())
            }
        }
    }
}
