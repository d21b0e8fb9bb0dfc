//! The pages of one list, put together; a list without end is none.

use crate::wire::Raw;
use crate::wire::object;

/// The most pages one list may have; more is taken for a cursor that leads nowhere.
const PAGES: usize = 1000;
/// The most items one list may have.
const ITEMS: usize = 100_000;
/// The most bytes that items and cursors of one list may have together.
const BYTES: usize = 64 * 1024 * 1024;

/// What a list has given so far.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    key: &'a str,
    items: Vec<Raw>,
    cursors: Vec<Raw>,
    bytes: usize,
}

/// Why an answer is no page of a list.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("has no array `{0}`")]
    NoArray(String),
    #[error("has more than {ITEMS} items")]
    TooManyItems,
    #[error("has more than {PAGES} pages")]
    TooManyPages,
    #[error("has more than {} MiB", BYTES / 1024 / 1024)]
    TooLarge,
    #[error("gives the same cursor again")]
    SameCursor,
}

impl<'a> Pages<'a> {
    /// Starts a list whose pages have their items under `key`.
    pub(super) fn new(key: &'a str) -> Self {
        Self { key, items: Vec::new(), cursors: Vec::new(), bytes: 0 }
    }

    /// Takes the next page; returns the parameters that ask for the one behind it, if there is
    /// one.
    pub(super) fn take(&mut self, result: &Raw) -> Result<Option<Raw>, Problem> {
        let page = result.member(self.key).and_then(|page| page.elements());
        let page = page.ok_or_else(|| Problem::NoArray(self.key.to_owned()))?;
        let next = result.member("nextCursor").filter(|cursor| cursor.get() != "null");
        if self.items.len() + page.len() > ITEMS {
            return Err(Problem::TooManyItems);
        }
        self.bytes += page.iter().chain(&next).map(|raw| raw.get().len()).sum::<usize>();
        if self.bytes > BYTES {
            return Err(Problem::TooLarge);
        }
        self.items.extend(page.iter().map(Raw::detached));
        let Some(next) = next else { return Ok(None) };
        if self.cursors.contains(&next) {
            return Err(Problem::SameCursor);
        }
        if self.cursors.len() + 1 >= PAGES {
            return Err(Problem::TooManyPages);
        }
        let params = object::build([("cursor", next.get())]);
        self.cursors.push(next.detached());
        Ok(Some(params))
    }

    /// Returns the items of all pages.
    pub(super) fn into_items(self) -> Vec<Raw> {
        self.items
    }
}
