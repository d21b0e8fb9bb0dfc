//! JSON as it was written: order of members, numbers and escapes stay what they are.

use std::fmt;

use serde::Deserialize;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde_json::value::RawValue;

/// A JSON value; every atom is the text it was written with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Raw {
    Object(Vec<(String, Raw)>),
    Array(Vec<Raw>),
    Atom(String),
}

/// The members of an object in their order, doubles included.
struct Members(Vec<(String, Box<RawValue>)>);

impl Raw {
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(text).unwrap();
                let parse = |(key, value): (String, Box<RawValue>)| (key, Self::parse(value.get()));
                Self::Object(members.into_iter().map(parse).collect())
            }
            Some(b'[') => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap();
                Self::Array(items.iter().map(|item| Self::parse(item.get())).collect())
            }
            _ => {
                let atom: Box<RawValue> = serde_json::from_str(text).unwrap();
                Self::Atom(atom.get().to_owned())
            }
        }
    }

    /// Returns a member of an object.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.members().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Returns a member's text when it is a string.
    pub(crate) fn string(&self, key: &str) -> Option<String> {
        match self.get(key)? {
            Self::Atom(text) => serde_json::from_str(text).ok(),
            Self::Object(_) | Self::Array(_) => None,
        }
    }

    pub(crate) fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Object(members) => members,
            Self::Array(_) | Self::Atom(_) => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            Self::Object(_) | Self::Atom(_) => &[],
        }
    }

    /// Removes the members whose key `matches`, at this level only.
    pub(crate) fn without(mut self, matches: impl Fn(&str) -> bool) -> Self {
        if let Self::Object(members) = &mut self {
            members.retain(|(key, _)| !matches(key));
        }
        self
    }

    /// Changes the value of a member, if it is there.
    pub(crate) fn with(mut self, key: &str, change: impl FnOnce(Self) -> Option<Self>) -> Self {
        if let Self::Object(members) = &mut self
            && let Some(at) = members.iter().position(|(name, _)| name == key)
        {
            let (name, value) = members.remove(at);
            if let Some(value) = change(value) {
                members.insert(at, (name, value));
            }
        }
        self
    }

    /// Changes every string, keys not included.
    pub(crate) fn map_strings(self, change: &impl Fn(&str) -> String) -> Self {
        match self {
            Self::Object(members) => {
                let map = |(key, value): (String, Self)| (key, value.map_strings(change));
                Self::Object(members.into_iter().map(map).collect())
            }
            Self::Array(items) => {
                Self::Array(items.into_iter().map(|item| item.map_strings(change)).collect())
            }
            Self::Atom(text) if text.starts_with('"') => Self::Atom(change(&text)),
            Self::Atom(text) => Self::Atom(text),
        }
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(members) => {
                f.write_str("{")?;
                for (index, (key, value)) in members.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{}:{value}", serde_json::Value::from(key.as_str()))?;
                }
                f.write_str("}")
            }
            Self::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Self::Atom(text) => f.write_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
