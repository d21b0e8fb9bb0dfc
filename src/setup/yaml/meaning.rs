//! What a text means, whatever it looks like: to see that an edit did what was wanted and no more.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::de;

use crate::setup::yaml::Error;

/// What YAML and JSON can say, with keys in their order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Meaning>),
    Map(Vec<(String, Meaning)>),
}

impl Meaning {
    /// Returns what a text means.
    pub(super) fn of(text: &str) -> Result<Self, Error> {
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| Error::Syntax(error.without_snippet().to_string()))
    }

    /// Returns the pairs, if it is a map; an empty one if there is nothing.
    pub(super) fn pairs(&mut self) -> Option<&mut Vec<(String, Self)>> {
        if matches!(self, Self::Null) {
            *self = Self::Map(Vec::new());
        }
        match self {
            Self::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// Returns the value of a key, if it is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Returns the value of a key to change it, if it is a map that has it.
    pub(super) fn at(&mut self, key: &str) -> Option<&mut Self> {
        match self {
            Self::Map(pairs) => pairs.iter_mut().find(|(name, _)| name == key).map(|(_, it)| it),
            _ => None,
        }
    }

    /// Returns the value of a key, which becomes an empty map if there is none; nothing if this is
    /// no map, or the value is not.
    pub(super) fn map_at(&mut self, key: &str) -> Option<&mut Self> {
        self.pairs()?;
        if self.get(key).is_none() {
            self.set(key, Self::Null);
        }
        let value = self.at(key)?;
        value.pairs()?;
        Some(value)
    }

    /// Sets the value of a key, which is added behind the others if it is not there.
    pub(super) fn set(&mut self, key: &str, value: Self) {
        let Some(pairs) = self.pairs() else { return };
        match pairs.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => pairs.push((key.to_owned(), value)),
        }
    }

    /// Whether both say the same; nothing is the same as an empty map, and the order of keys
    /// counts only where `ordered` says so, for the two outer levels.
    pub(super) fn is_same(&self, other: &Self, ordered: usize) -> bool {
        match (self, other) {
            (Self::Null, Self::Map(pairs)) | (Self::Map(pairs), Self::Null) => pairs.is_empty(),
            (Self::Map(one), Self::Map(two)) => {
                let next = ordered.saturating_sub(1);
                one.len() == two.len()
                    && one.iter().zip(two).all(|((a, value), (b, _))| {
                        (ordered == 0 || a == b)
                            && other.get(a).is_some_and(|other| value.is_same(other, next))
                    })
            }
            (one, two) => one == two,
        }
    }
}

impl<'de> Deserialize<'de> for Meaning {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MeaningVisitor)
    }
}

struct MeaningVisitor;

impl<'de> de::Visitor<'de> for MeaningVisitor {
    type Value = Meaning;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Meaning, E> {
        Ok(Meaning::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Meaning, E> {
        Ok(Meaning::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Meaning, E> {
        Ok(Meaning::Integer(v))
    }

    #[expect(clippy::cast_precision_loss, reason = "no key takes a number this large")]
    fn visit_u64<E>(self, v: u64) -> Result<Meaning, E> {
        Ok(i64::try_from(v).map_or(Meaning::Float(v as f64), Meaning::Integer))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Meaning, E> {
        Ok(Meaning::Float(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Meaning, E> {
        Ok(Meaning::Text(v.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Meaning, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(Meaning::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Meaning, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Meaning::Map(pairs))
    }
}
