//! Where the members of one object stand in its text.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::wire::edits::Edits;
use crate::wire::reader::Broken;
use crate::wire::reader::Key;
use crate::wire::reader::Reader;

/// How many members an index may have that stays with its text; a text with more is read again
/// where it is needed, so that what is held is bounded by the number of messages.
const MOST_KEPT: usize = 32;
/// How many members most objects have at most.
const USUAL: usize = 4;
/// Up to how many keys each is compared with each.
const FEW: usize = 16;

/// The members of one object. Places count from the start of the object's text.
#[derive(Clone, Debug, Default)]
pub(in crate::wire) struct Index {
    members: SmallVec<[Member; USUAL]>,
    /// Of members that were looked into: where their value starts, and what is in it.
    inside: SmallVec<[(usize, Arc<Index>); 2]>,
    /// If this is an edited object that was not written out, all there is to know of it. It stands
    /// here so that values without edits are as small as they can be.
    edits: Option<Box<Edits>>,
}

/// One member.
#[derive(Clone, Debug)]
pub(in crate::wire) struct Member {
    key: Name,
    /// Where its value stands.
    pub(in crate::wire) value: Range<usize>,
}

#[derive(Clone, Debug)]
enum Name {
    /// It stands in the text as it is.
    Plain(Range<usize>),
    /// It has escapes there; this is what it says.
    Decoded(Box<str>),
}

impl Index {
    /// Reads the object at hand, and those of its members that `inside` names, if they are objects.
    ///
    /// Places count from `base`. A key that occurs twice is noted twice.
    pub(in crate::wire) fn read(
        reader: &mut Reader<'_>,
        base: usize,
        inside: &[&str],
    ) -> Result<Self, Broken> {
        let mut index = Self::default();
        index.fill(reader, base, inside)?;
        Ok(index)
    }

    /// Reads the object at hand, to stay with its text. Fails if a key occurs twice in it, or in
    /// what was looked into; nothing if it has more members than are kept.
    pub(in crate::wire) fn certain(
        reader: &mut Reader<'_>,
        inside: &[&str],
    ) -> Result<Option<Arc<Self>>, Broken> {
        let (index, text) = Self::here(reader, inside)?;
        let is_certain =
            index.duplicate(text).is_none() && index.inside.iter().all(|it| is_certain(it, text));
        if is_certain { Ok(index.kept()) } else { Err(Broken) }
    }

    /// Does the same without what is in doubt.
    pub(in crate::wire) fn as_far_as_certain(
        reader: &mut Reader<'_>,
        inside: &[&str],
    ) -> Result<Option<Arc<Self>>, Broken> {
        let (mut index, text) = Self::here(reader, inside)?;
        index.inside.retain(|it| is_certain(it, text));
        Ok(if index.duplicate(text).is_none() { index.kept() } else { None })
    }

    /// Reads the object at hand; returns its text, too.
    fn here<'a>(reader: &mut Reader<'a>, inside: &[&str]) -> Result<(Self, &'a str), Broken> {
        let start = reader.position();
        let index = Self::read(reader, start, inside)?;
        Ok((index, reader.since(start)?))
    }

    /// Adds the members of the object at hand.
    fn fill(
        &mut self,
        reader: &mut Reader<'_>,
        base: usize,
        inside: &[&str],
    ) -> Result<(), Broken> {
        reader.object(|reader, key| {
            let start = reader.position();
            if inside.contains(&&*key.name) && reader.is_at_object() {
                let mut inner = Self::default();
                inner.fill(reader, start, &[])?;
                self.inside.push((start - base, Arc::new(inner)));
                self.push(key, base, start..reader.position());
            } else {
                let value = reader.value()?;
                self.push(key, base, value);
            }
            Ok(())
        })
    }

    /// The index of an edited object.
    pub(in crate::wire) fn edited(edits: Edits) -> Self {
        Self { edits: Some(Box::new(edits)), ..Self::default() }
    }

    /// Returns what was edited without being written out; then there is nothing else in it.
    pub(in crate::wire) fn edits(&self) -> Option<&Edits> {
        self.edits.as_deref()
    }

    fn push(&mut self, key: Key<'_>, base: usize, value: Range<usize>) {
        let moved = |place: Range<usize>| place.start - base..place.end - base;
        let key = match key.name {
            Cow::Borrowed(_) => Name::Plain(moved(key.place)),
            Cow::Owned(name) => Name::Decoded(name.into()),
        };
        self.members.push(Member { key, value: moved(value) });
    }

    /// Notes a member that was copied with its key, but perhaps with another value, and what is in
    /// that. `value` is where it stands now.
    pub(in crate::wire) fn copy(
        &mut self,
        from: &Member,
        value: Range<usize>,
        inside: Option<&Arc<Self>>,
    ) {
        let key = match &from.key {
            Name::Decoded(name) => Name::Decoded(name.clone()),
            Name::Plain(place) => {
                let start = value.start - (from.value.start - place.start);
                Name::Plain(start..start + place.len())
            }
        };
        self.note(key, value, inside);
    }

    /// Notes a member that was written, with its key right before its value, and what is in it.
    pub(in crate::wire) fn add(
        &mut self,
        key: &str,
        value: Range<usize>,
        inside: Option<&Arc<Self>>,
    ) {
        self.note(Name::Decoded(key.into()), value, inside);
    }

    fn note(&mut self, key: Name, value: Range<usize>, inside: Option<&Arc<Self>>) {
        self.inside.extend(inside.map(|inner| (value.start, Arc::clone(inner))));
        self.members.push(Member { key, value });
    }

    /// Returns what is in the member whose value starts at `start`, if it was looked into.
    pub(in crate::wire) fn inside(&self, start: usize) -> Option<&Arc<Self>> {
        self.inside.iter().find(|(other, _)| *other == start).map(|(_, inner)| inner)
    }

    /// Returns the members in their order.
    pub(in crate::wire) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Returns the first key of `text` that was there before.
    pub(in crate::wire) fn duplicate<'t>(&'t self, text: &'t str) -> Option<&'t str> {
        let mut keys = self.members.iter().map(|member| member.key(text));
        if self.members.len() <= FEW {
            let earlier = |index: usize| self.members.iter().take(index);
            return keys
                .enumerate()
                .find(|(index, key)| earlier(*index).any(|other| other.has_key(text, key)))
                .map(|(_, key)| key);
        }
        let mut seen = std::collections::HashSet::with_capacity(self.members.len());
        keys.find(|key| !seen.insert(*key))
    }

    /// Shares what is not so much that it should not stay with the text.
    fn kept(mut self) -> Option<Arc<Self>> {
        self.inside.retain(|(_, inner)| inner.members.len() <= MOST_KEPT);
        (self.members.len() <= MOST_KEPT).then(|| Arc::new(self))
    }
}

/// Returns whether no key occurs twice in a member that was looked into.
fn is_certain((start, inner): &(usize, Arc<Index>), text: &str) -> bool {
    inner.duplicate(text.get(*start..).unwrap_or_default()).is_none()
}

impl Member {
    /// Returns the key, given the text of the object.
    pub(in crate::wire) fn key<'t>(&'t self, text: &'t str) -> &'t str {
        match &self.key {
            Name::Plain(place) => {
                text.get(place.clone()).expect("places were taken from this very text")
            }
            Name::Decoded(name) => name,
        }
    }

    /// Returns whether the key is this one.
    pub(in crate::wire) fn has_key(&self, text: &str, key: &str) -> bool {
        match &self.key {
            Name::Plain(place) => text.as_bytes().get(place.clone()) == Some(key.as_bytes()),
            Name::Decoded(name) => **name == *key,
        }
    }
}
