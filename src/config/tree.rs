//! One YAML or JSON text as a tree in which every key and value keeps its place and order.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::Deserializer;
use serde::de;
use serde_saphyr::DuplicateKeyPolicy;
use serde_saphyr::Location;
use serde_saphyr::Spanned;

use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::problem::Problem;
use crate::config::problem::Source;

/// A value with the place where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What YAML and JSON can say.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// The text of a variable or flag: what it means depends on the key it is for.
    Loose(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Node {
    /// Makes an empty map.
    pub(super) fn empty_map(place: Place) -> Self {
        Self { place, value: Value::Map(Vec::new()) }
    }

    /// Returns the entries, if this is a map.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the entries to change them, if this is a map.
    pub(super) fn entries_mut(&mut self) -> Option<&mut Vec<Entry>> {
        match &mut self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }
}

/// Parses a text, unless it is neither YAML nor JSON. Keys that occur twice are reported and the
/// first of them is kept.
pub(super) fn parse(text: &str, source: &Arc<Source>, problems: &mut Vec<Problem>) -> Option<Node> {
    let place = |location: Option<Location>| match location {
        Some(location) => place_at(source, location),
        None => Place::File { source: Arc::clone(source), line: 0, column: 0 },
    };
    match read(text) {
        Ok(raw) => Some(Node::build(raw, &place, &KeyPath::default(), problems)),
        Err(error) => {
            let (place, message) = (place(error.location()), syntax_message(&error));
            let hint = syntax_hint(&message);
            problems.push(Problem::at(&place, &KeyPath::default(), message).hint(hint));
            None
        }
    }
}

/// Parses the text of one variable or flag, which is all at one place.
pub(super) fn parse_loose(text: &str, place: &Place, problems: &mut Vec<Problem>) -> Option<Node> {
    let raw = read(text).ok()?;
    Some(Node::build(raw, &|_| place.clone(), &KeyPath::default(), problems))
}

fn read(text: &str) -> Result<Spanned<Raw>, serde_saphyr::Error> {
    serde_saphyr::from_str_with_options(text, options())
}

/// How YAML is read.
pub(super) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        // Repeated keys are all reported by `Node::build`; the parser would stop at the first.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        // `no`, `on` and `y` are words, as in YAML 1.2 and JSON.
        strict_booleans: true,
        with_snippet: false,
    }
}

fn syntax_message(error: &serde_saphyr::Error) -> String {
    if let serde_saphyr::Error::MultipleDocuments { .. } = error {
        return "more than one document in this file (`---`)".to_owned();
    }
    // Values may be null here; only keys are read as text.
    if let serde_saphyr::Error::NullIntoString { .. } = error {
        return "a key is empty".to_owned();
    }
    let text = error.without_snippet().to_string();
    let sentence = text.lines().next().unwrap_or_default();
    format!("not valid YAML or JSON: {}", without_location(sentence))
}

/// What is most often the reason for a message.
fn syntax_hint(message: &str) -> &'static str {
    let hints = [
        ("tab", "indent with spaces; YAML takes no tabs there"),
        ("flow", "close each `{` and `[`, and put a comma between what is inside"),
        ("bracket", "close each `{` with `}` and each `[` with `]`"),
        ("more than one document", "keep one; `--config` may be repeated for several files"),
        ("quoted", "close the quotes; inside of double ones, write `\\\\` for `\\`"),
        ("anchor", "write `&name` before what `*name` stands for, or write it out"),
        ("non-finite", "write a number"),
        ("key is empty", "write a name before the colon, or remove the line"),
        ("string scalar", "a key is a text; quote it if it has brackets or braces"),
    ];
    let found = hints.iter().find(|(word, _)| message.contains(word));
    found.map_or("look at indentation and quotes there and in the line above", |(_, hint)| hint)
}

/// Cuts the parser's own mention of line and column, which the problem's place already says.
fn without_location(sentence: &str) -> &str {
    let tail = sentence.find(" at line ").or_else(|| sentence.find(" (line "));
    tail.and_then(|index| sentence.get(..index)).unwrap_or(sentence)
}

fn place_at(source: &Arc<Source>, location: Location) -> Place {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Place::File {
        source: Arc::clone(source),
        line: number(location.line()),
        column: number(location.column()),
    }
}

impl Node {
    fn build(
        raw: Spanned<Raw>,
        place: &dyn Fn(Option<Location>) -> Place,
        path: &KeyPath,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let value = match raw.value {
            Raw::Null => Value::Null,
            Raw::Bool(value) => Value::Bool(value),
            Raw::Integer(value) => Value::Integer(value),
            Raw::Float(value) => Value::Float(value),
            Raw::Text(value) => Value::Text(value),
            Raw::List(items) => {
                let items = items.into_iter().enumerate();
                let node = |(index, item)| Self::build(item, place, &path.index(index), problems);
                Value::List(items.map(node).collect())
            }
            Raw::Map(pairs) => Value::Map(entries(pairs, place, path, problems)),
        };
        Self { place: place(Some(raw.defined)), value }
    }
}

fn entries(
    pairs: Vec<(Spanned<String>, Spanned<Raw>)>,
    place: &dyn Fn(Option<Location>) -> Place,
    path: &KeyPath,
    problems: &mut Vec<Problem>,
) -> Vec<Entry> {
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    for (key, value) in pairs {
        let path = path.key(&key.value);
        let key_place = place(Some(key.defined));
        if !seen.insert(key.value.clone()) {
            let message = format!("`{path}` is written twice");
            problems.push(Problem::at(&key_place, &path, message).hint("keep one of them"));
            continue;
        }
        let node = Node::build(value, place, &path, problems);
        entries.push(Entry { key: key.value, place: key_place, node });
    }
    entries
}

/// What the parser hands over: like [`Value`], with the parser's own locations.
enum Raw {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> de::Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(v))
    }

    #[expect(clippy::cast_precision_loss, reason = "no key takes a number this large")]
    fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
        Ok(i64::try_from(v).map_or(Raw::Float(v as f64), Raw::Integer))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
        Ok(Raw::Float(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
        Ok(Raw::Text(v.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Raw::Map(pairs))
    }
}
