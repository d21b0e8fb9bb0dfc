//! One member of an object: where its key and its value stand in the text, and what is around them.

use std::borrow::Cow;
use std::ops::Range;

use crate::wire::quote;
use crate::wire::reader::Key;

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

impl Member {
    /// A member that was read; places count from `base` from now on.
    pub(in crate::wire) fn read(key: Key<'_>, base: usize, value: Range<usize>) -> Self {
        let moved = |place: Range<usize>| place.start - base..place.end - base;
        let key = match key.name {
            Cow::Borrowed(_) => Name::Plain(moved(key.place)),
            Cow::Owned(name) => Name::Decoded(name.into()),
        };
        Self { key, value: moved(value) }
    }

    /// A member that was written, with its key right before its value.
    pub(in crate::wire) fn written(key: &str, value: Range<usize>) -> Self {
        Self { key: Name::Decoded(key.into()), value }
    }

    /// The same member once it was copied with its key, but perhaps with another value; `value` is
    /// where that stands now.
    pub(in crate::wire) fn moved(&self, value: Range<usize>) -> Self {
        let key = match &self.key {
            Name::Decoded(name) => Name::Decoded(name.clone()),
            Name::Plain(place) => {
                let start = value.start - (self.value.start - place.start);
                Name::Plain(start..start + place.len())
            }
        };
        Self { key, value }
    }

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

/// What stands before a member, without the comma and what stands before that.
pub(in crate::wire) fn without_comma(before: &str) -> &str {
    before.trim_start().strip_prefix(',').unwrap_or(before)
}

/// Returns a key and its colon.
pub(in crate::wire) fn written_key(key: &str) -> String {
    let mut out = String::new();
    push_key(&mut out, key);
    out
}

/// Writes a key and its colon.
pub(in crate::wire) fn push_key(out: &mut String, key: &str) {
    quote::push(out, key);
    out.push(':');
}
