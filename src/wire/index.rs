//! Where the members of one object stand in its text.

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::wire::edits::Edits;
use crate::wire::member::Member;
use crate::wire::reader::Broken;
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
    /// What was changed in the object without being written out; then places are those in the text
    /// as it was. It stands here so that values without edits are as small as they can be.
    edits: Option<Box<Edits>>,
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
                self.members.push(Member::read(key, base, start..reader.position()));
            } else {
                let value = reader.value()?;
                self.members.push(Member::read(key, base, value));
            }
            Ok(())
        })
    }

    /// Returns the same members with what was changed in them without being written out.
    pub(in crate::wire) fn with_edits(&self, edits: Edits) -> Self {
        let (members, inside) = (self.members.clone(), self.inside.clone());
        Self { members, inside, edits: Some(Box::new(edits)) }
    }

    /// Returns what was changed without being written out.
    pub(in crate::wire) fn edits(&self) -> Option<&Edits> {
        self.edits.as_deref()
    }

    /// Notes a member that was copied with its key, but perhaps with another value, and what is in
    /// that. `value` is where it stands now.
    pub(in crate::wire) fn copy(
        &mut self,
        from: &Member,
        value: Range<usize>,
        inside: Option<&Arc<Self>>,
    ) {
        self.note(from.moved(value), inside);
    }

    /// Notes a member that was written, with its key right before its value, and what is in it.
    pub(in crate::wire) fn add(
        &mut self,
        key: &str,
        value: Range<usize>,
        inside: Option<&Arc<Self>>,
    ) {
        self.note(Member::written(key, value), inside);
    }

    fn note(&mut self, member: Member, inside: Option<&Arc<Self>>) {
        self.inside.extend(inside.map(|inner| (member.value.start, Arc::clone(inner))));
        self.members.push(member);
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
