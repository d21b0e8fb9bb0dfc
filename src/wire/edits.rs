//! Changes to members of a large object that were not written out: its text is shared, not copied.

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use bytestring::ByteString;

use crate::wire::Raw;
use crate::wire::member;
use crate::wire::member::Member;

/// How much of an object an edit must keep to be worth this, in bytes.
pub(in crate::wire) const WORTH: usize = 64 * 1024;

/// What was changed in an object, and what it is then, once somebody wanted that in one piece.
///
/// Whoever asks has the text as it was, and its members.
#[derive(Clone, Debug, Default)]
pub(in crate::wire) struct Edits {
    changes: Vec<Change>,
    whole: OnceLock<ByteString>,
}

/// A change to one member.
#[derive(Clone, Debug)]
struct Change {
    key: String,
    /// The key and its colon, for a member that is new.
    written: String,
    /// Nothing if it was taken out.
    value: Option<Raw>,
}

/// What a member is after an edit.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) enum Now<'a> {
    /// What it was.
    Same,
    /// Taken out.
    Gone,
    /// This.
    New(&'a Raw),
}

/// A piece of a text.
#[derive(Clone, Copy)]
pub(in crate::wire) struct Piece<'a> {
    /// What it says.
    pub(in crate::wire) text: &'a str,
    /// What it can be shared from.
    owner: Option<&'a ByteString>,
}

impl<'a> Piece<'a> {
    /// A piece of `owner`.
    pub(in crate::wire) fn of(owner: &'a ByteString, text: &'a str) -> Self {
        Self { text, owner: Some(owner) }
    }

    /// Returns its bytes, shared where that can be.
    pub(in crate::wire) fn bytes(self) -> Bytes {
        match self.owner {
            Some(owner) => owner.slice_ref(self.text).into_bytes(),
            None => Bytes::copy_from_slice(self.text.as_bytes()),
        }
    }
}

impl fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl Edits {
    /// Adds changes; the last one of a member counts.
    pub(in crate::wire) fn and(
        &self,
        changes: impl Iterator<Item = (String, Option<Raw>)>,
    ) -> Self {
        let mut all = self.changes.clone();
        for (key, value) in changes {
            match all.iter_mut().find(|change| change.key == key) {
                Some(change) => change.value = value,
                None => all.push(Change { written: member::written_key(&key), key, value }),
            }
        }
        Self { changes: all, whole: OnceLock::new() }
    }

    /// Returns what the member `key` is now.
    pub(in crate::wire) fn find(&self, key: &str) -> Now<'_> {
        match self.changes.iter().find(|change| change.key == key) {
            None => Now::Same,
            Some(Change { value: None, .. }) => Now::Gone,
            Some(Change { value: Some(value), .. }) => Now::New(value),
        }
    }

    /// Returns the members that were added, in their order.
    pub(in crate::wire) fn added<'a, 'm>(
        &'a self,
        text: &'m str,
        members: &'m [Member],
    ) -> impl Iterator<Item = (&'a str, &'a Raw)> {
        self.new_ones(text, members).map(|(change, value)| (change.key.as_str(), value))
    }

    /// Returns the edited text in one piece, which is kept from then on.
    pub(in crate::wire) fn whole(&self, text: &ByteString, members: &[Member]) -> &ByteString {
        self.whole.get_or_init(|| {
            let pieces = self.pieces(text, members);
            let mut out = String::with_capacity(pieces.iter().map(|piece| piece.text.len()).sum());
            out.extend(pieces.iter().map(|piece| piece.text));
            out.into()
        })
    }

    /// Returns all values that are not part of the text it is an edit of.
    pub(in crate::wire) fn values(&self) -> impl Iterator<Item = &Raw> {
        self.changes.iter().filter_map(|change| change.value.as_ref())
    }

    /// Returns the edited text if somebody wanted it in one piece.
    pub(in crate::wire) fn written(&self) -> Option<&ByteString> {
        self.whole.get()
    }

    /// Returns the pieces of the edited `text`, in order.
    pub(in crate::wire) fn pieces<'a>(
        &'a self,
        text: &'a ByteString,
        members: &[Member],
    ) -> Vec<Piece<'a>> {
        let mut out = Pieces { text, out: Vec::new(), run: 0..0 };
        let mut end = text.find('{').map_or(0, |open| open + 1);
        out.keep(0..end);
        let mut is_empty = true;
        for member in members {
            let start = end;
            end = member.value.end;
            let value = match self.change(text, member) {
                None => None,
                Some(change) => match &change.value {
                    Some(value) => Some(value),
                    None => continue,
                },
            };
            // A member behind a removed first one leaves its comma behind.
            let before = text.get(start..member.value.start).unwrap_or_default();
            let comma =
                if is_empty { before.len() - member::without_comma(before).len() } else { 0 };
            is_empty = false;
            match value {
                None => out.keep(start + comma..member.value.end),
                Some(value) => {
                    out.keep(start + comma..member.value.start);
                    out.put(value);
                }
            }
        }
        for (change, value) in self.new_ones(text, members) {
            if !is_empty {
                out.say(",");
            }
            is_empty = false;
            out.say(&change.written);
            out.put(value);
        }
        out.keep(end..text.len());
        out.end();
        out.out
    }

    fn change(&self, text: &str, member: &Member) -> Option<&Change> {
        self.changes.iter().find(|change| member.has_key(text, &change.key))
    }

    fn new_ones<'a, 'm>(
        &'a self,
        text: &'m str,
        members: &'m [Member],
    ) -> impl Iterator<Item = (&'a Change, &'a Raw)> {
        self.changes.iter().filter_map(move |change| {
            let is_new = !members.iter().any(|member| member.has_key(text, &change.key));
            Some((change, change.value.as_ref().filter(|_| is_new)?))
        })
    }
}

/// Pieces while they are gathered; those that follow each other in the text are one.
struct Pieces<'a> {
    text: &'a ByteString,
    out: Vec<Piece<'a>>,
    run: std::ops::Range<usize>,
}

impl<'a> Pieces<'a> {
    fn keep(&mut self, range: std::ops::Range<usize>) {
        if range.start != self.run.end {
            self.end();
            self.run.start = range.start;
        }
        self.run.end = range.end;
    }

    fn end(&mut self) {
        let run = self.text.get(self.run.clone()).unwrap_or_default();
        if !run.is_empty() {
            self.out.push(Piece::of(self.text, run));
        }
        self.run.start = self.run.end;
    }

    fn say(&mut self, text: &'a str) {
        self.end();
        self.out.push(Piece { text, owner: None });
    }

    fn put(&mut self, value: &'a Raw) {
        self.end();
        self.out.extend(value.pieces());
    }
}
