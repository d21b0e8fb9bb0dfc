//! One layer of a configuration for figment, and the places of all layers beside it.
//!
//! figment merges the layers: maps key by key, everything else as a whole, later over earlier. It
//! knows neither lines nor the order of keys, so [`Places`] keeps both and answers by key path.

use figment::Error;
use figment::Metadata;
use figment::Profile;
use figment::Provider;
use figment::value::Dict;
use figment::value::Map;
use figment::value::Tag;
use figment::value::Value as Merged;
use indexmap::IndexMap;
use indexmap::IndexSet;

use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::problem::Segment;
use crate::config::tree::Entry;
use crate::config::tree::Node;
use crate::config::tree::Value;

/// One layer: a file, the environment or the flags.
pub(super) struct Layer<'a> {
    /// What to call it.
    pub(super) name: String,
    /// What it says; its shape is right.
    pub(super) root: &'a Node,
}

impl Provider for Layer<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(dict(self.root)))
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
    layers: Vec<Mark>,
}

struct Mark {
    key: Place,
    value: Place,
    inside: Inside,
}

/// What stands in a value.
enum Inside {
    Nothing,
    Items(Vec<Mark>),
    /// Keys in their order.
    Keys(IndexMap<String, Mark>),
}

impl Places {
    /// Notes the places of one more layer, which goes over those before it.
    pub(super) fn add(&mut self, root: Node) {
        self.layers.push(Mark::of(root.place.clone(), root));
    }

    /// Returns where the value in force at `path` was written.
    pub(super) fn value(&self, path: &KeyPath) -> Place {
        let mark = self.layers.iter().rev().find_map(|layer| layer.at(path));
        mark.map_or(Place::Nowhere, |mark| mark.value.clone())
    }

    /// Returns where the key at `path` was written first.
    pub(super) fn key(&self, path: &KeyPath) -> Place {
        let mark = self.layers.iter().find_map(|layer| layer.at(path));
        mark.map_or(Place::Nowhere, |mark| mark.key.clone())
    }

    /// Returns the keys of the map at `path` in the order in which they first appear.
    pub(super) fn order(&self, path: &KeyPath) -> Vec<String> {
        let marks = self.layers.iter().filter_map(|layer| layer.at(path));
        let keys: IndexSet<&String> = marks.flat_map(Mark::keys).collect();
        keys.into_iter().cloned().collect()
    }
}

impl Mark {
    fn of(key: Place, node: Node) -> Self {
        let inside = match node.value {
            Value::List(items) => {
                let item = |item: Node| Self::of(item.place.clone(), item);
                Inside::Items(items.into_iter().map(item).collect())
            }
            Value::Map(entries) => {
                let entry = |it: Entry| (it.key, Self::of(it.place, it.node));
                Inside::Keys(entries.into_iter().map(entry).collect())
            }
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Loose(_) => Inside::Nothing,
        };
        Self { key, value: node.place, inside }
    }

    fn at(&self, path: &KeyPath) -> Option<&Self> {
        let Some((front, last)) = path.split() else { return Some(self) };
        match (&self.at(front)?.inside, last) {
            (Inside::Keys(keys), Segment::Key(key)) => keys.get(&**key),
            (Inside::Items(items), Segment::Index(index)) => items.get(*index),
            (_, _) => None,
        }
    }

    fn keys(&self) -> impl Iterator<Item = &String> {
        let keys = match &self.inside {
            Inside::Keys(keys) => Some(keys.keys()),
            Inside::Items(_) | Inside::Nothing => None,
        };
        keys.into_iter().flatten()
    }
}
