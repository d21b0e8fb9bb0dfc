//! One JSON object as text: its members in their order, and edits that leave all else untouched.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::wire::Raw;
use crate::wire::index::Index;
use crate::wire::index::Member;
use crate::wire::quote;
use crate::wire::reader::Reader;

/// How many changes most edits make at most.
const USUAL: usize = 4;

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
        push_key(&mut out, key);
        out.push_str(json);
    }
    out.push('}');
    Raw::assembled(out)
}

/// The members of one object, borrowed from its text.
#[derive(Debug)]
pub struct Object<'a> {
    text: &'a str,
    /// Borrowed if it stays with the text.
    index: Cow<'a, Index>,
}

impl<'a> Object<'a> {
    /// Reads the members of `text`, which must be one JSON value.
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        let object = Self::parse_allowing_duplicates(text)?;
        match object.index.duplicate(text) {
            Some(key) => Err(Error::Duplicate(key.to_owned())),
            None => Ok(object),
        }
    }

    /// Reads the members of `text` without refusing a key that comes twice.
    pub fn parse_allowing_duplicates(text: &'a str) -> Result<Self, Error> {
        let index = Index::read(&mut Reader::new(text), 0, &[]).map_err(|_| Error::NotAnObject)?;
        Ok(Self { text, index: Cow::Owned(index) })
    }

    /// Takes members that are known, without duplicate keys.
    pub(in crate::wire) fn known(text: &'a str, index: &'a Index) -> Self {
        Self { text, index: Cow::Borrowed(index) }
    }

    /// Returns the text of the member `key`.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.member(key).map(|member| cut(self.text, &member.value))
    }

    /// Returns the members of the member `key`, if there is one and it is an object without
    /// duplicate keys.
    pub fn inside(&self, key: &str) -> Option<Self> {
        let place = &self.member(key)?.value;
        let text = cut(self.text, place);
        let known = match self.index {
            Cow::Borrowed(index) => index.inside(place.start),
            Cow::Owned(_) => None,
        };
        match known {
            Some(index) => Some(Self::known(text, index)),
            None => Self::parse(text).ok(),
        }
    }

    /// Returns how many members have the key `key`.
    pub fn count(&self, key: &str) -> usize {
        self.index.members().iter().filter(|member| member.has_key(self.text, key)).count()
    }

    /// Returns keys and texts in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        let text = self.text;
        let members = self.index.members().iter();
        members.map(move |member| (member.key(text), cut(text, &member.value)))
    }

    /// Starts an edit of this object.
    pub fn edit(&self) -> Edit<'a, '_> {
        Edit { object: self, changes: SmallVec::new() }
    }

    fn member(&self, key: &str) -> Option<&Member> {
        self.index.members().iter().find(|member| member.has_key(self.text, key))
    }
}

/// Changes to some members of an object; everything else keeps its bytes and its place.
#[derive(Debug)]
pub struct Edit<'a, 'o> {
    object: &'o Object<'a>,
    /// A member that is taken out has no value.
    changes: SmallVec<[(&'o str, Option<Value<'o>>); USUAL]>,
}

/// The new value of a member.
#[derive(Debug)]
struct Value<'o> {
    json: Cow<'o, str>,
    index: Option<&'o Arc<Index>>,
}

impl<'o> Edit<'_, 'o> {
    /// Replaces the value of `key`, or adds the member at the end.
    ///
    /// `json` must be one JSON value.
    #[must_use]
    pub fn set(self, key: &'o str, json: impl Into<Cow<'o, str>>) -> Self {
        self.change(key, Some(Value { json: trimmed(json.into()), index: None }))
    }

    /// Does the same with a value whose members may be known, and stay known.
    #[must_use]
    pub fn put(self, key: &'o str, value: &'o Raw) -> Self {
        let json = value.get().trim_ascii();
        // Places count from the start of the text.
        let index = value.index().filter(|_| json.len() == value.get().len());
        self.change(key, Some(Value { json: json.into(), index }))
    }

    /// Takes the member `key` out, if it is there.
    #[must_use]
    pub fn remove(self, key: &'o str) -> Self {
        self.change(key, None)
    }

    fn change(mut self, key: &'o str, value: Option<Value<'o>>) -> Self {
        self.changes.retain(|(changed, _)| *changed != key);
        self.changes.push((key, value));
        self
    }

    /// Returns the edited object.
    pub fn apply(self) -> Raw {
        let text = self.object.text;
        let mut edited = Edited::start(&self);
        let mut end = text.find('{').map_or(0, |open| open + 1);
        edited.out.push_str(cut(text, &(0..end)));
        for member in self.object.index.members() {
            let before = cut(text, &(end..member.value.start));
            end = member.value.end;
            match self.changes.iter().find(|(key, _)| member.has_key(text, key)) {
                None => edited.keep(before, member),
                Some((_, Some(value))) => edited.replace(before, member, value),
                Some((_, None)) => {}
            }
        }
        for (key, value) in &self.changes {
            if let Some(value) = value
                && self.object.member(key).is_none()
            {
                edited.add(key, value);
            }
        }
        edited.out.push_str(cut(text, &(end..text.len())));
        Raw::assembled(edited.out).with_index(edited.index.map(Arc::new))
    }
}

/// An edited object while it is written.
struct Edited<'a, 'o> {
    object: &'o Object<'a>,
    out: String,
    is_empty: bool,
    /// Where the members are now, if it was known where they were.
    index: Option<Index>,
}

impl<'a, 'o> Edited<'a, 'o> {
    fn start(edit: &Edit<'a, 'o>) -> Self {
        let values = edit.changes.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let added: usize = values.map(|(key, value)| key.len() + value.json.len() + 4).sum();
        let out = String::with_capacity(edit.object.text.len() + added);
        let is_known = matches!(edit.object.index, Cow::Borrowed(_));
        Self { object: edit.object, out, is_empty: true, index: is_known.then(Index::default) }
    }

    /// Copies a member as it is, and what stands before its value.
    fn keep(&mut self, before: &str, member: &Member) {
        let value = self.write(before, cut(self.object.text, &member.value));
        if let Some(index) = &mut self.index {
            index.copy(member, value, self.object.index.inside(member.value.start));
        }
    }

    /// Copies what stands before a member's value.
    fn replace(&mut self, before: &str, member: &Member, value: &Value<'_>) {
        let place = self.write(before, &value.json);
        if let Some(index) = &mut self.index {
            index.copy(member, place, value.index);
        }
    }

    fn add(&mut self, key: &str, value: &Value<'_>) {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        push_key(&mut self.out, key);
        let place = self.write("", &value.json);
        if let Some(index) = &mut self.index {
            index.add(key, place, value.index);
        }
    }

    /// Writes a value and what stands before it; returns where the value stands.
    fn write(&mut self, before: &str, value: &str) -> Range<usize> {
        // A member behind a removed first one leaves its comma behind.
        let before = if self.is_empty { without_comma(before) } else { before };
        self.is_empty = false;
        self.out.push_str(before);
        let start = self.out.len();
        self.out.push_str(value);
        start..self.out.len()
    }
}

/// What stands before a member, without the comma and what stands before that.
fn without_comma(before: &str) -> &str {
    before.trim_start().strip_prefix(',').unwrap_or(before)
}

fn cut<'a>(text: &'a str, range: &Range<usize>) -> &'a str {
    text.get(range.clone()).expect("ranges were taken from this very text")
}

/// A value without white space around it, so that its place is what a reader takes for it.
fn trimmed(json: Cow<'_, str>) -> Cow<'_, str> {
    match json {
        Cow::Borrowed(json) => Cow::Borrowed(json.trim_ascii()),
        Cow::Owned(json) if json.trim_ascii().len() < json.len() => {
            json.trim_ascii().to_owned().into()
        }
        owned @ Cow::Owned(_) => owned,
    }
}

/// Writes a key and its colon.
fn push_key(out: &mut String, key: &str) {
    quote::push(out, key);
    out.push(':');
}
