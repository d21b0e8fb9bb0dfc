//! The types of a tool's arguments, as far as Cedar can have them.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::wire::Raw;

/// How deep types are read; what lies deeper has none.
pub(super) const DEPTH: usize = 16;
/// How many types one tool may have: schemas can refer to themselves.
const MOST: usize = 1024;

/// The arguments that a tool takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    pub(super) fields: Vec<Field>,
}

/// One argument, or what lies inside of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) is_required: bool,
    /// Whether it may be `null`, which is as good as left out.
    pub(super) is_nullable: bool,
}

/// What an argument can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Flag,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    List(Box<Self>),
    Record(Vec<Field>),
    /// Anything: what it is, is seen when it comes.
    Any,
}

impl Parameters {
    /// Reads the `inputSchema` of a tool.
    pub fn read(schema: Option<&Raw>) -> Self {
        let schema: Value = schema.and_then(|schema| schema.read().ok()).unwrap_or_default();
        let mut reader = Reader { root: &schema, left: MOST };
        match reader.kind(&schema, DEPTH).0 {
            Type::Record(fields) => Self { fields },
            _ => Self { fields: Vec::new() },
        }
    }

    /// Returns the names of all arguments that are declared.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// Returns the type that lies at the end of a way; [`Type::Any`] if that leads into what has
    /// none.
    pub(super) fn at(&self, way: &[String]) -> Option<&Type> {
        let (first, rest) = way.split_first()?;
        let field = self.fields.iter().find(|field| field.name == *first)?;
        at(&field.kind, rest)
    }

    /// Returns the type as Cedar's schema has it.
    pub(super) fn document(&self) -> Value {
        record(&self.fields)
    }
}

fn at<'t>(kind: &'t Type, way: &[String]) -> Option<&'t Type> {
    let Some((first, rest)) = way.split_first() else { return Some(kind) };
    match kind {
        Type::Record(fields) if !fields.is_empty() => {
            at(&fields.iter().find(|field| field.name == *first)?.kind, rest)
        }
        Type::Record(_) | Type::Any => Some(&Type::Any),
        Type::Text | Type::Flag | Type::Integer | Type::Number | Type::List(_) => None,
    }
}

fn record(fields: &[Field]) -> Value {
    let typed = fields.iter().filter_map(|field| {
        let mut document = document(&field.kind)?;
        let is_there = field.is_required && !field.is_nullable;
        document.as_object_mut()?.insert("required".to_owned(), is_there.into());
        Some((field.name.clone(), document))
    });
    json!({ "type": "Record", "attributes": typed.collect::<Map<_, _>>() })
}

/// Cedar has no type for what may be anything.
fn document(kind: &Type) -> Option<Value> {
    Some(match kind {
        Type::Text => json!({ "type": "String" }),
        Type::Flag => json!({ "type": "Boolean" }),
        Type::Integer => json!({ "type": "Long" }),
        Type::Number => json!({ "type": "Extension", "name": "decimal" }),
        Type::List(item) => json!({ "type": "Set", "element": document(item)? }),
        Type::Record(fields) => record(fields),
        Type::Any => return None,
    })
}

impl Type {
    /// Returns what people call it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Flag => "`true` or `false`",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::List(_) => "a list",
            Self::Record(_) => "an object",
            Self::Any => "anything",
        }
    }
}

struct Reader<'a> {
    root: &'a Value,
    left: usize,
}

impl<'a> Reader<'a> {
    /// Returns the type that a schema says, and whether `null` is one of its values.
    fn kind(&mut self, schema: &'a Value, depth: usize) -> (Type, bool) {
        let Some(left) = self.left.checked_sub(1).filter(|_| depth > 0) else {
            return (Type::Any, false);
        };
        self.left = left;
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|it| self.root.pointer(it));
            return target.map_or((Type::Any, false), |target| self.kind(target, depth - 1));
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(choices) = schema.get(key).and_then(Value::as_array) {
                return self.choice(choices, depth - 1);
            }
        }
        match schema.get("type") {
            Some(Value::String(word)) => (self.typed(word, schema, depth), word == "null"),
            Some(Value::Array(words)) => {
                let words = || words.iter().filter_map(Value::as_str);
                let mut others = words().filter(|word| *word != "null");
                let kind = match (others.next(), others.next()) {
                    (Some(word), None) => self.typed(word, schema, depth),
                    _ => Type::Any,
                };
                (kind, words().any(|word| word == "null"))
            }
            _ if schema.get("properties").is_some() => (self.typed("object", schema, depth), false),
            _ => (of_values(schema), false),
        }
    }

    /// One type, if all choices but `null` are of it.
    fn choice(&mut self, choices: &'a [Value], depth: usize) -> (Type, bool) {
        let all: Vec<_> = choices.iter().map(|choice| (choice, self.kind(choice, depth))).collect();
        let is_null = |choice: &Value| choice.get("type").is_some_and(|kind| kind == "null");
        let is_nullable = all.iter().any(|(_, (_, is_nullable))| *is_nullable);
        let mut others = all.into_iter().filter(|(choice, _)| !is_null(choice));
        let first = others.next().map_or(Type::Any, |(_, (kind, _))| kind);
        let is_one = others.all(|(_, (kind, _))| kind == first);
        (if is_one { first } else { Type::Any }, is_nullable)
    }

    fn typed(&mut self, word: &str, schema: &'a Value, depth: usize) -> Type {
        match word {
            "string" => Type::Text,
            "boolean" => Type::Flag,
            "integer" => Type::Integer,
            "number" => Type::Number,
            "array" => match schema.get("items") {
                Some(items) => Type::List(Box::new(self.kind(items, depth - 1).0)),
                None => Type::List(Box::new(Type::Any)),
            },
            "object" => Type::Record(self.fields(schema, depth - 1)),
            _ => Type::Any,
        }
    }

    fn fields(&mut self, schema: &'a Value, depth: usize) -> Vec<Field> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|all| all.iter().any(|it| it.as_str() == Some(name)));
        let properties = properties.into_iter().flatten();
        properties
            .map(|(name, schema)| {
                let (kind, is_nullable) = self.kind(schema, depth);
                Field { name: name.clone(), kind, is_required: is_required(name), is_nullable }
            })
            .collect()
    }
}

/// The type that all values of an `enum` have.
fn of_values(schema: &Value) -> Type {
    let listed = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice);
    let constant = schema.get("const").map(std::slice::from_ref);
    let all = listed.or(constant).unwrap_or_default();
    if all.is_empty() {
        Type::Any
    } else if all.iter().all(Value::is_string) {
        Type::Text
    } else if all.iter().all(Value::is_boolean) {
        Type::Flag
    } else {
        Type::Any
    }
}
