//! One JSON value as the text it came in.

use std::borrow::Cow;
use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::wire::edits::Edits;
use crate::wire::edits::Piece;
use crate::wire::index::Index;
use crate::wire::member::Member;
use crate::wire::object;
use crate::wire::quote;
use crate::wire::reader;
use crate::wire::reader::Reader;

/// Text that is known to be exactly one JSON value; cloning shares it.
///
/// What came in a message knows where its members stand, if it is an object; so does what was made
/// of it by edits. Elsewhere they are looked for each time, which costs a pass over the text.
#[derive(Clone)]
pub struct Raw {
    text: ByteString,
    /// Where the members stand, or what was edited in the text, if that is large.
    index: Option<Arc<Index>>,
}

impl Raw {
    /// Checks that `text` is one JSON value, and keeps it as it is.
    pub fn parse(text: impl Into<ByteString>) -> Result<Self, serde_json::Error> {
        let text = text.into();
        if !reader::is_value(&text) {
            // It refuses the same, and says why.
            serde_json::from_str::<&RawValue>(&text)?;
        }
        Ok(Self::known(text))
    }

    /// Checks that `bytes` are UTF-8 and one JSON value, and keeps them as they are.
    ///
    /// Bytes that are not UTF-8 fail as a JSON syntax error would.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, serde_json::Error> {
        Self::parse(Self::utf8(bytes)?)
    }

    /// Checks that `bytes` are UTF-8; what they say is still to be read.
    pub(in crate::wire) fn utf8(bytes: Bytes) -> Result<ByteString, serde_json::Error> {
        let problem = |_| serde::de::Error::custom("text that is not UTF-8");
        ByteString::try_from(bytes).map_err(problem)
    }

    /// Writes a value that Conflux itself originates.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        let text = serde_json::to_string(value)
            .expect("what Conflux originates has string keys and serializers that cannot fail");
        Self::known(text.into())
    }

    /// Writes a number, in as much memory as it takes.
    pub(in crate::wire) fn number(number: u64) -> Self {
        Self::known(number.to_string().into())
    }

    /// Wraps text that was put together from values already checked.
    pub(in crate::wire) fn assembled(text: String) -> Self {
        debug_assert!(serde_json::from_str::<&RawValue>(&text).is_ok(), "not JSON: {text}");
        Self::known(text.into())
    }

    /// Takes the value `part` out of `text`, in which it was found.
    pub(in crate::wire) fn found(text: &ByteString, part: &str) -> Self {
        Self::known(text.slice_ref(part))
    }

    /// Adds where the members stand in this very text.
    pub(in crate::wire) fn with_index(self, index: Option<Arc<Index>>) -> Self {
        Self { text: self.text, index }
    }

    fn known(text: ByteString) -> Self {
        Self { text, index: None }
    }

    /// Returns the same with changes to members of it, none of which is written out. Only for a
    /// value that knows its members.
    pub(in crate::wire) fn edited(
        &self,
        changes: impl Iterator<Item = (String, Option<Self>)>,
    ) -> Self {
        let index = self.index.clone().unwrap_or_default();
        let edits = index.edits().unwrap_or(&Edits::default()).and(changes);
        Self { text: self.text.clone(), index: Some(Arc::new(index.with_edits(edits))) }
    }

    /// Returns what was changed without being written out.
    pub(in crate::wire) fn edits(&self) -> Option<&Edits> {
        self.index.as_deref()?.edits()
    }

    /// Returns the pieces of the text, in order; one, unless something was changed in it.
    pub(in crate::wire) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let edits = self.edits().filter(|edits| edits.written().is_none());
        let whole = edits.is_none().then(|| Piece::of(self.text(), self.get()));
        let edited = edits.map(|edits| edits.pieces(&self.text, self.members()));
        whole.into_iter().chain(edited.into_iter().flatten())
    }

    /// Writes an array of values as they are.
    pub fn array<'a>(elements: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut out = String::from("[");
        for element in elements {
            if out.len() > 1 {
                out.push(',');
            }
            out.push_str(element.get());
        }
        out.push(']');
        Self::assembled(out)
    }

    /// Returns how long the text is, in bytes.
    pub fn size(&self) -> usize {
        self.pieces().map(|piece| piece.text.len()).sum()
    }

    /// Returns the text.
    ///
    /// One that was edited and is large is put together for this, and held twice from then on.
    pub fn get(&self) -> &str {
        self.text()
    }

    /// Returns the text, to be shared.
    pub(in crate::wire) fn text(&self) -> &ByteString {
        match self.edits() {
            Some(edits) => edits.whole(&self.text, self.members()),
            None => &self.text,
        }
    }

    /// Returns the members of the text as it was, if it is known where they stand.
    fn members(&self) -> &[Member] {
        self.index.as_deref().map_or(&[], Index::members)
    }

    /// Returns where the members stand in the text, if that is known.
    pub(in crate::wire) fn index(&self) -> Option<&Arc<Index>> {
        self.index.as_ref().filter(|index| index.edits().is_none())
    }

    /// Returns the value `text`, which must be a part of this one, without copying it.
    #[must_use]
    pub fn part(&self, text: &str) -> Self {
        if let Some(edits) = self.edits()
            && !holds(&self.text, text)
        {
            return self.edited_part(edits, text);
        }
        let part = Self::found(&self.text, text);
        let Some(index) = &self.index else { return part };
        // Both are borrowed from one buffer, so the distance is the position.
        let start = text.as_ptr().addr() - self.text.as_ptr().addr();
        part.with_index(index.inside(start).cloned())
    }

    /// Finds a part that was not there before, among what was changed and in what came of it.
    fn edited_part(&self, edits: &Edits, text: &str) -> Self {
        match edits.values().find(|value| holds(&value.text, text)) {
            Some(value) => value.part(text),
            None => Self::found(self.text(), text),
        }
    }

    /// Returns a copy that does not hold on to the frame this value came in.
    #[must_use]
    pub fn detached(&self) -> Self {
        let copy: String = self.pieces().map(|piece| piece.text).collect();
        Self::known(copy.into())
    }

    /// Returns the value with some of its parts replaced; every other byte stays.
    ///
    /// Each part must be a JSON value taken from this very text, and no two may overlap.
    #[must_use]
    pub fn with_parts(&self, mut changes: Vec<(&str, Self)>) -> Self {
        let text = self.get();
        let base = text.as_ptr().addr();
        changes.sort_by_key(|(part, _)| part.as_ptr().addr());
        let added: usize = changes.iter().map(|(_, value)| value.get().len()).sum();
        let mut out = String::with_capacity(text.len() + added);
        let mut end = 0;
        for (part, value) in changes {
            // Both are borrowed from one buffer, so the distance is the position.
            let start = part.as_ptr().addr().wrapping_sub(base);
            let between = text.get(end..start).expect("parts come from this text, one by one");
            out.push_str(between);
            out.push_str(value.get());
            end = start + part.len();
        }
        out.push_str(text.get(end..).expect("parts end where this text ends, or before"));
        Self::assembled(out)
    }

    /// Reads the value as `T`, a view that may borrow from the text.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.get())
    }

    /// Reads the members of the value, if it is an object without duplicate keys.
    pub fn object(&self) -> Result<object::Object<'_>, object::Error> {
        match &self.index {
            Some(index) => Ok(object::Object::of(self, &self.text, index)),
            None => object::Object::parse(self.get()),
        }
    }

    /// Returns the member `key` of an object, or nothing if there is none or this is no object.
    pub fn member(&self, key: &str) -> Option<Self> {
        let object = self.object().ok()?;
        object.get(key).map(|text| self.part(text))
    }

    /// Returns whether it is plain without reading the text that no member has this key.
    pub fn lacks(&self, key: &str) -> bool {
        match &self.index {
            Some(_) => self.object().is_ok_and(|object| object.get(key).is_none()),
            None => !self.get().contains(key),
        }
    }

    /// Returns whether the member `key` of an object is `true`.
    pub fn is_true(&self, key: &str) -> bool {
        let may_be = self.index.is_some() || self.get().contains(key);
        may_be && self.object().is_ok_and(|object| object.get(key) == Some("true"))
    }

    /// Returns the elements of an array, each as its own text; nothing if this is no array.
    pub fn elements(&self) -> Option<Vec<Self>> {
        let mut elements = Vec::new();
        let read = Reader::new(self.get()).array(|reader| {
            elements.push(self.part(reader.part()?));
            Ok(())
        });
        read.ok()?;
        Some(elements)
    }

    /// Returns the decoded text of a JSON string; nothing if this is none.
    pub fn string(&self) -> Option<String> {
        quote::unquoted(self.get()).map(Cow::into_owned)
    }

    /// Returns the same value on one line, as newline framing needs it.
    ///
    /// Inside strings JSON has no raw line breaks, so each one found is white space.
    #[must_use]
    pub fn on_one_line(self) -> Self {
        let breaks = |piece: Piece<'_>| memchr::memchr2(b'\n', b'\r', piece.text.as_bytes());
        if self.pieces().any(|piece| breaks(piece).is_some()) {
            return Self::known(self.get().replace(['\n', '\r'], " ").into());
        }
        self
    }
}

/// Whether `part` is borrowed from `text`.
fn holds(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes().as_ptr_range(), part.as_bytes().as_ptr_range());
    text.start <= part.start && part.end <= text.end
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Raw {}

impl Hash for Raw {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.get().hash(state);
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: &RawValue =
            serde_json::from_str(self.get()).map_err(serde::ser::Error::custom)?;
        value.serialize(serializer)
    }
}
