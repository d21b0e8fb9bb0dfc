//! One JSON object as text: its members in their order, and edits that leave all else untouched.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::wire::Raw;
use crate::wire::edits::Now;
use crate::wire::edits::WORTH;
use crate::wire::index::Index;
use crate::wire::member;
use crate::wire::member::Member;
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
        member::push_key(&mut out, key);
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
    /// What the members were taken from, if they stay with it; perhaps with changes that the text
    /// does not have.
    source: Option<&'a Raw>,
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
        Ok(Self { text, index: Cow::Owned(index), source: None })
    }

    /// Takes members that are known, without duplicate keys.
    pub(in crate::wire) fn known(text: &'a str, index: &'a Index) -> Self {
        Self { text, index: Cow::Borrowed(index), source: None }
    }

    /// Does the same with members of `source`, of which edits need not copy the text.
    pub(in crate::wire) fn of(source: &'a Raw, text: &'a str, index: &'a Index) -> Self {
        Self { source: Some(source), ..Self::known(text, index) }
    }

    /// Returns the text of the member `key`.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        match self.now(key) {
            Now::New(value) => Some(value.get()),
            Now::Gone => None,
            Now::Same => self.member(key).map(|member| cut(self.text, &member.value)),
        }
    }

    /// Returns the members of the member `key`, if there is one and it is an object without
    /// duplicate keys.
    pub fn inside(&self, key: &str) -> Option<Self> {
        match self.now(key) {
            Now::New(value) => return value.object().ok(),
            Now::Gone => return None,
            Now::Same => {}
        }
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
        match self.now(key) {
            Now::New(_) => 1,
            Now::Gone => 0,
            Now::Same => {
                self.index.members().iter().filter(|it| it.has_key(self.text, key)).count()
            }
        }
    }

    /// Returns keys and texts in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        let (text, edits) = (self.text, self.source.and_then(Raw::edits));
        let were = self.index.members();
        let members = were.iter().filter_map(move |member| {
            let key = member.key(text);
            match edits.map_or(Now::Same, |edits| edits.find(key)) {
                Now::New(value) => Some((key, value.get())),
                Now::Gone => None,
                Now::Same => Some((key, cut(text, &member.value))),
            }
        });
        let added = edits.into_iter().flat_map(move |edits| edits.added(text, were));
        members.chain(added.map(|(key, value)| (key, value.get())))
    }

    /// Starts an edit of this object.
    pub fn edit(&self) -> Edit<'a, '_> {
        Edit { object: self, changes: SmallVec::new() }
    }

    /// What a member is that may have been edited since the text was written.
    fn now(&self, key: &str) -> Now<'a> {
        self.source.and_then(Raw::edits).map_or(Now::Same, |edits| edits.find(key))
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
enum Value<'o> {
    Text(Cow<'o, str>),
    Raw(&'o Raw),
}

impl<'o> Value<'o> {
    fn json(&self) -> &str {
        match self {
            Self::Text(json) => json,
            Self::Raw(raw) => raw.get().trim_ascii(),
        }
    }

    fn index(&self) -> Option<&'o Arc<Index>> {
        match self {
            Self::Text(_) => None,
            // Places count from the start of the text.
            Self::Raw(raw) => raw.index().filter(|_| self.json().len() == raw.get().len()),
        }
    }

    fn into_raw(self) -> Raw {
        match self {
            Self::Text(json) => Raw::assembled(json.into_owned()),
            Self::Raw(raw) => raw.clone(),
        }
    }
}

impl<'o> Edit<'_, 'o> {
    /// Replaces the value of `key`, or adds the member at the end.
    ///
    /// `json` must be one JSON value.
    #[must_use]
    pub fn set(self, key: &'o str, json: impl Into<Cow<'o, str>>) -> Self {
        self.change(key, Some(Value::Text(trimmed(json.into()))))
    }

    /// Does the same with a value whose members may be known, and stay known.
    #[must_use]
    pub fn put(self, key: &'o str, value: &'o Raw) -> Self {
        self.change(key, Some(Value::Raw(value)))
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
    ///
    /// The text of a large one is not copied before somebody wants it in one piece.
    pub fn apply(self) -> Raw {
        if let Some(source) = self.object.source
            && (source.edits().is_some() || self.keeps_much())
        {
            let changes = self.changes.into_iter();
            let changes = changes.map(|(key, value)| (key.to_owned(), value.map(Value::into_raw)));
            return source.edited(changes);
        }
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

impl Edit<'_, '_> {
    /// Whether most of a large text stays.
    fn keeps_much(&self) -> bool {
        let all = self.object.text.len();
        if all < WORTH {
            return false;
        }
        let members = self.changes.iter().filter_map(|(key, _)| self.object.member(key));
        let lost: usize = members.map(|member| member.value.len()).sum();
        all - lost >= WORTH.max(all / 2)
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
        let added: usize = values.map(|(key, value)| key.len() + value.json().len() + 4).sum();
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
        let place = self.write(before, value.json());
        if let Some(index) = &mut self.index {
            index.copy(member, place, value.index());
        }
    }

    fn add(&mut self, key: &str, value: &Value<'_>) {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        member::push_key(&mut self.out, key);
        let place = self.write("", value.json());
        if let Some(index) = &mut self.index {
            index.add(key, place, value.index());
        }
    }

    /// Writes a value and what stands before it; returns where the value stands.
    fn write(&mut self, before: &str, value: &str) -> Range<usize> {
        // A member behind a removed first one leaves its comma behind.
        let before = if self.is_empty { member::without_comma(before) } else { before };
        self.is_empty = false;
        self.out.push_str(before);
        let start = self.out.len();
        self.out.push_str(value);
        start..self.out.len()
    }
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
