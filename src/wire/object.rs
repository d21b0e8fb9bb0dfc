//! One JSON object as text: its members in their order, and edits that leave all else untouched.

use std::borrow::Cow;
use std::ops::Range;

use crate::wire::Raw;
use crate::wire::reader::Reader;

/// Why text could not be read as an object.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The value is JSON, but no object.
    #[error("not an object")]
    NotAnObject,
    /// Two members have one key; which of them counts differs from reader to reader.
    #[error("duplicate key `{0}`")]
    Duplicate(String),
}

/// Writes an object of members whose values are JSON already.
pub fn build<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> Raw {
    let mut out = String::from("{");
    for (key, json) in members {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(Raw::of(key).get());
        out.push(':');
        out.push_str(json);
    }
    out.push('}');
    Raw::assembled(out)
}

/// The members of one object, borrowed from its text.
#[derive(Debug)]
pub struct Object<'a> {
    text: &'a str,
    members: Vec<Member<'a>>,
}

#[derive(Debug)]
struct Member<'a> {
    key: Cow<'a, str>,
    value: Range<usize>,
}

impl<'a> Object<'a> {
    /// Reads the members of `text`, which must be one JSON value.
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        let object = Self::parse_allowing_duplicates(text)?;
        match object.duplicate() {
            Some(key) => Err(Error::Duplicate(key.to_owned())),
            None => Ok(object),
        }
    }

    /// Reads the members of `text` without refusing a key that comes twice.
    pub fn parse_allowing_duplicates(text: &'a str) -> Result<Self, Error> {
        let mut members = Vec::new();
        let read = Reader::new(text).object(|reader, key| {
            members.push(Member { key, value: reader.value()? });
            Ok(())
        });
        read.map_err(|_| Error::NotAnObject)?;
        Ok(Self { text, members })
    }

    /// Returns the text of the member `key`.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        let member = self.members.iter().find(|member| member.key == key)?;
        Some(cut(self.text, &member.value))
    }

    /// Returns how many members have the key `key`.
    pub fn count(&self, key: &str) -> usize {
        self.members.iter().filter(|member| member.key == key).count()
    }

    /// Returns keys and texts in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        let text = self.text;
        self.members.iter().map(move |member| (&*member.key, cut(text, &member.value)))
    }

    /// Starts an edit of this object.
    pub fn edit(&self) -> Edit<'a, '_> {
        Edit { object: self, changes: Vec::new() }
    }

    fn duplicate(&self) -> Option<&str> {
        if self.members.len() <= 16 {
            let earlier = |index: usize| self.members.iter().take(index);
            let mut keys = self.members.iter().enumerate();
            return keys
                .find(|(index, member)| earlier(*index).any(|other| other.key == member.key))
                .map(|(_, member)| &*member.key);
        }
        let mut seen = std::collections::HashSet::with_capacity(self.members.len());
        self.members.iter().map(|member| &*member.key).find(|key| !seen.insert(*key))
    }
}

/// Changes to some members of an object; everything else keeps its bytes and its place.
#[derive(Debug)]
pub struct Edit<'a, 'o> {
    object: &'o Object<'a>,
    changes: Vec<(&'o str, Option<Cow<'o, str>>)>,
}

impl<'o> Edit<'_, 'o> {
    /// Replaces the value of `key`, or adds the member at the end.
    ///
    /// `json` must be one JSON value.
    #[must_use]
    pub fn set(mut self, key: &'o str, json: impl Into<Cow<'o, str>>) -> Self {
        self.changes.retain(|(changed, _)| *changed != key);
        self.changes.push((key, Some(json.into())));
        self
    }

    /// Takes the member `key` out, if it is there.
    #[must_use]
    pub fn remove(mut self, key: &'o str) -> Self {
        self.changes.retain(|(changed, _)| *changed != key);
        self.changes.push((key, None));
        self
    }

    /// Returns the edited object.
    pub fn apply(self) -> Raw {
        let text = self.object.text;
        let added: usize = self
            .changes
            .iter()
            .filter_map(|(_, json)| json.as_ref())
            .map(|json| json.len() + 48)
            .sum();
        let mut out = String::with_capacity(text.len() + added);
        let mut written = false;
        let mut end = text.find('{').map_or(0, |open| open + 1);
        out.push_str(cut(text, &(0..end)));
        for member in &self.object.members {
            let before = cut(text, &(end..member.value.start));
            end = member.value.end;
            let change = self.changes.iter().find(|(key, _)| *key == member.key);
            let value = match change {
                None => cut(text, &member.value),
                Some((_, None)) => continue,
                Some((_, Some(json))) => json,
            };
            // A member behind a removed first one leaves its comma behind.
            let before = if written { before } else { without_comma(before) };
            out.push_str(before);
            out.push_str(value);
            written = true;
        }
        for (key, json) in &self.changes {
            let Some(json) = json else { continue };
            if self.object.count(key) > 0 {
                continue;
            }
            if written {
                out.push(',');
            }
            out.push_str(Raw::of(*key).get());
            out.push(':');
            out.push_str(json);
            written = true;
        }
        out.push_str(cut(text, &(end..text.len())));
        Raw::assembled(out)
    }
}

/// What stands before a member, without the comma and what stands before that.
fn without_comma(before: &str) -> &str {
    before.trim_start().strip_prefix(',').unwrap_or(before)
}

fn cut<'a>(text: &'a str, range: &Range<usize>) -> &'a str {
    text.get(range.clone()).expect("ranges were taken from this very text")
}
