//! One layer of a configuration for figment, and the places of all layers beside it.
//!
//! figment merges the layers: maps key by key, everything else as a whole, later over earlier. It
//! knows neither lines nor the order of keys, so [`Places`] keeps both and answers by key path.

use std::collections::HashMap;

use figment::Error;
use figment::Metadata;
use figment::Profile;
use figment::Provider;
use figment::value::Dict;
use figment::value::Map;
use figment::value::Tag;
use figment::value::Value as Merged;
use indexmap::IndexSet;

use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::tree::Node;
use crate::config::tree::Value;

/// One layer: a file, the environment or the flags.
pub(super) struct Layer {
    /// What to call it.
    pub(super) name: String,
    /// What it says; its shape is right.
    pub(super) root: Node,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(dict(&self.root)))
    }
}

fn dict(node: &Node) -> Dict {
    node.entries().iter().map(|entry| (entry.key.clone(), merged(&entry.node))).collect()
}

fn merged(node: &Node) -> Merged {
    match &node.value {
        Value::Null => Merged::Empty(Tag::Default, figment::value::Empty::None),
        Value::Bool(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Text(text) | Value::Loose(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(merged).collect::<Vec<_>>().into(),
        Value::Map(_) => Merged::Dict(Tag::Default, dict(node)),
    }
}

/// Where every key and value of every layer was written.
#[derive(Default)]
pub(super) struct Places {
    layers: Vec<HashMap<KeyPath, Mark>>,
}

struct Mark {
    key: Place,
    value: Place,
    /// The keys of the map that stands there, in their order.
    keys: Vec<String>,
}

impl Places {
    /// Notes the places of one more layer, which goes over those before it.
    pub(super) fn add(&mut self, root: &Node) {
        let mut marks = HashMap::new();
        note(root, &root.place, KeyPath::default(), &mut marks);
        self.layers.push(marks);
    }

    /// Returns where the value in force at `path` was written.
    pub(super) fn value(&self, path: &KeyPath) -> Place {
        let mark = self.layers.iter().rev().find_map(|layer| layer.get(path));
        mark.map_or(Place::Nowhere, |mark| mark.value.clone())
    }

    /// Returns where the key at `path` was written first.
    pub(super) fn key(&self, path: &KeyPath) -> Place {
        let mark = self.layers.iter().find_map(|layer| layer.get(path));
        mark.map_or(Place::Nowhere, |mark| mark.key.clone())
    }

    /// Returns the keys of the map at `path` in the order in which they first appear.
    pub(super) fn order(&self, path: &KeyPath) -> Vec<String> {
        let marks = self.layers.iter().filter_map(|layer| layer.get(path));
        let keys: IndexSet<&String> = marks.flat_map(|mark| &mark.keys).collect();
        keys.into_iter().cloned().collect()
    }
}

fn note(node: &Node, key: &Place, path: KeyPath, marks: &mut HashMap<KeyPath, Mark>) {
    if let Value::List(items) = &node.value {
        for (index, item) in items.iter().enumerate() {
            note(item, &item.place, path.index(index), marks);
        }
    }
    for entry in node.entries() {
        note(&entry.node, &entry.place, path.key(&entry.key), marks);
    }
    let keys = node.entries().iter().map(|entry| entry.key.clone()).collect();
    marks.insert(path, Mark { key: key.clone(), value: node.place.clone(), keys });
}
