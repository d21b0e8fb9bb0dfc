//! A configuration text as a tree without the lines and columns of what is in it, for which one
//! that is right has no use.
//!
//! To know where everything stands takes several times as long as to know what it is. So a text is
//! skimmed first, and read by `tree` if there is anything to say about what it holds.

use std::fmt;
use std::sync::Arc;

use serde::Deserializer;
use serde::de;
use serde::de::DeserializeSeed;
use serde::de::Error as _;

use crate::config::problem::Place;
use crate::config::problem::Source;
use crate::config::tree;
use crate::config::tree::Entry;
use crate::config::tree::Node;
use crate::config::tree::Value;

/// Reads a text as `tree::parse` does; nothing if that has something to say about it.
pub(super) fn parse(text: &str, source: &Arc<Source>) -> Option<Node> {
    let place = Place::File { source: Arc::clone(source), line: 0, column: 0 };
    let node = NodeSeed { place: &place };
    // JSON is YAML, too, which takes longer to read.
    if text.trim_start().starts_with('{') {
        let mut json = serde_json::Deserializer::from_str(text);
        let read = node.deserialize(&mut json);
        if let Ok(node) = read.and_then(|node| json.end().map(|()| node)) {
            return Some(node);
        }
    }
    let read = |yaml: serde_saphyr::Deserializer<'_, '_>| node.deserialize(yaml);
    serde_saphyr::with_deserializer_from_str_with_options(text, tree::options(), read).ok()
}

/// Makes a node of what comes, all of it at one place.
#[derive(Clone, Copy)]
struct NodeSeed<'p> {
    place: &'p Place,
}

impl NodeSeed<'_> {
    fn node(self, value: Value) -> Node {
        Node { place: self.place.clone(), value }
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for NodeSeed<'_> {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(self.node(Value::Null))
    }

    fn visit_bool<E>(self, v: bool) -> Result<Node, E> {
        Ok(self.node(Value::Bool(v)))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Node, E> {
        Ok(self.node(Value::Integer(v)))
    }

    #[expect(clippy::cast_precision_loss, reason = "no key takes a number this large")]
    fn visit_u64<E>(self, v: u64) -> Result<Node, E> {
        Ok(self.node(i64::try_from(v).map_or(Value::Float(v as f64), Value::Integer)))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Node, E> {
        Ok(self.node(Value::Float(v)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Node, E> {
        Ok(self.node(Value::Text(v.to_owned())))
    }

    fn visit_string<E>(self, v: String) -> Result<Node, E> {
        Ok(self.node(Value::Text(v)))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            list.push(item);
        }
        Ok(self.node(Value::List(list)))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let node = map.next_value_seed(self)?;
            entries.push(Entry { key, place: self.place.clone(), node });
        }
        let mut keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        keys.sort_unstable();
        if keys.array_windows().any(|[one, other]| one == other) {
            return Err(A::Error::custom("a key is written twice"));
        }
        Ok(self.node(Value::Map(entries)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::path::PathBuf;
    use std::sync::Arc;

    use crate::config::problem::Source;
    use crate::config::skim;
    use crate::config::tree;
    use crate::config::tree::Node;
    use crate::config::tree::Value;

    fn source() -> Arc<Source> {
        Arc::new(Source { shown: PathBuf::new(), absolute: PathBuf::new() })
    }

    /// What a node holds, wherever it was written.
    fn held(node: &Node) -> String {
        match &node.value {
            Value::List(items) => format!("{:?}", items.iter().map(held).collect::<Vec<_>>()),
            Value::Map(entries) => {
                let entries = entries.iter().map(|entry| (&entry.key, held(&entry.node)));
                format!("{:?}", entries.collect::<Vec<_>>())
            }
            scalar => format!("{scalar:?}"),
        }
    }

    #[track_caller]
    fn check(text: &str) -> bool {
        let mut problems = Vec::new();
        let read = tree::parse(text, &source(), &mut problems);
        let skimmed = skim::parse(text, &source());
        let is_right = problems.is_empty() && read.is_some();
        assert_eq!(skimmed.is_some(), is_right, "{problems:?} {text}");
        if let (Some(skimmed), Some(read)) = (skimmed, read) {
            assert_eq!(held(&skimmed), held(&read), "{text}");
        }
        is_right
    }

    #[test]
    fn what_is_skimmed_is_what_is_read() {
        for text in [
            "",
            "a: no\nb: [1, -2, 1.5, 0x1f, ~, 'x']\nc: {d: \"e\\u00e4\"}",
            r#"{"a": null, "b": [true, 0, -7, 1.5, "\"\\\n\u00e4\/"], "c": {}, "": {"": []}}"#,
            "{\"a\": 1, # not JSON\n b: c}",
            "{\"a\": \"one\n  two\"}",
            "base: &base {x: 1}\nother: *base",
        ] {
            assert!(check(text), "{text}");
        }
        for text in ["a: 1\na: 2", r#"{"a": 1, "a": 2}"#, "{", "a: b: c", r#"{"a": 1} x"#] {
            assert!(!check(text), "{text}");
        }
    }

    #[test]
    fn whatever_is_wrong_elsewhere_skims_as_it_reads() {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config");
        let texts = fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path());
        let texts = texts.filter(|path| path.extension().is_some_and(|end| end != "snap"));
        let right = texts.filter_map(|path| fs::read_to_string(path).ok()).filter(|it| check(it));
        assert!(right.count() > 20);
    }
}
