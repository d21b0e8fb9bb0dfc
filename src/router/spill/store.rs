//! What is kept of large results, and for whom.

use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use indexmap::IndexMap;
use serde_json::json;
use tokio::time::Instant;

use crate::exchange::caller::Caller;
use crate::exchange::caller::Principal;
use crate::ids::CallerId;
use crate::router::spill::cut;
use crate::wire::Raw;

/// How long a text is kept: for as long as a model works on one thing.
pub(super) const LIFETIME: Duration = Duration::from_mins(30);
/// How many texts are kept for one caller; the oldest give way.
const MOST_OF_ONE: usize = 64;
/// How much is kept for one caller, in bytes. Of a larger text nothing is cut.
const BYTES_OF_ONE: usize = 32 << 20;
/// How many texts are kept for all callers.
const MOST: usize = 1024;
/// How much is kept for all callers, in bytes.
const BYTES: usize = 128 << 20;
/// The bytes of an id, which nobody can guess.
const ID_SIZE: usize = 16;
/// What addresses of texts begin with.
const START: &str = "conflux://results/";
/// What stands between an address and the number of a page, from one.
const PAGE: &str = "?page=";
/// Where a page says in `_meta` which it is.
const PAGE_OF: &str = "dev.conflux/page";

/// The texts that are kept, the oldest first.
#[derive(Debug, Default)]
pub(in crate::router) struct Spills {
    texts: Mutex<IndexMap<String, Text>>,
}

/// One text.
#[derive(Debug)]
struct Text {
    owner: Owner,
    /// The session it was for; nothing if its caller comes anew with every request.
    session: Option<Weak<Caller>>,
    until: Instant,
    text: Arc<str>,
    mime: String,
    /// Where its pages end.
    pages: Vec<usize>,
}

/// For whom something is kept.
type Owner = (Principal, CallerId);

fn owner(caller: &Caller) -> Owner {
    (caller.principal(), caller.memory())
}

/// Returns the id in an address.
pub(super) fn id(uri: &str) -> &str {
    uri.strip_prefix(START).unwrap_or(uri)
}

impl Text {
    fn is_gone(&self, now: Instant) -> bool {
        let is_over = self.session.as_ref().is_some_and(|session| session.strong_count() == 0);
        is_over || self.until <= now
    }

    fn page(&self, number: usize) -> Option<&str> {
        let end = *self.pages.get(number.checked_sub(1)?)?;
        let start = number.checked_sub(2).and_then(|before| self.pages.get(before)).copied();
        self.text.get(Range { start: start.unwrap_or(0), end })
    }
}

impl Spills {
    /// Keeps a text in pages of at most `page` bytes; returns its address and how many pages it
    /// has. Nothing if it is too large, or if the system has no randomness to give.
    pub(super) fn keep(
        &self,
        caller: &Arc<Caller>,
        text: &str,
        mime: &str,
        page: usize,
    ) -> Option<(String, usize)> {
        if text.len() > BYTES_OF_ONE {
            return None;
        }
        let mut id = [0; ID_SIZE];
        getrandom::fill(&mut id).ok()?;
        let id = URL_SAFE_NO_PAD.encode(id);
        let pages = cut::pages(text, page);
        let (uri, count) = (format!("{START}{id}"), pages.len());
        let owner = owner(caller);
        let now = Instant::now();
        let session = (caller.id() == caller.memory()).then(|| Arc::downgrade(caller));
        let kept = Text {
            owner,
            session,
            until: now + LIFETIME,
            text: Arc::from(text),
            mime: mime.to_owned(),
            pages,
        };
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.retain(|_, text| !text.is_gone(now));
        make_room(&mut texts, text.len(), |text| text.owner == owner, MOST_OF_ONE, BYTES_OF_ONE);
        make_room(&mut texts, text.len(), |_| true, MOST, BYTES);
        texts.insert(id, kept);
        Some((uri, count))
    }

    /// Returns a page of a text, as the result of `resources/read`; the first one, if the address
    /// names none. Nothing if there is no such page for this caller.
    pub(in crate::router) fn read(&self, caller: &Caller, uri: &str) -> Option<Raw> {
        let rest = uri.strip_prefix(START)?;
        let (id, number) = match rest.split_once(PAGE) {
            Some((id, number)) => (id, number.parse().ok()?),
            None => (rest, 1),
        };
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        texts.retain(|_, text| !text.is_gone(now));
        let kept = texts.get(id).filter(|kept| kept.owner == owner(caller))?;
        let page = kept.page(number)?;
        let pages = kept.pages.len();
        let next = (number < pages).then(|| format!("{START}{id}{PAGE}{}", number + 1));
        Some(Raw::of(&json!({
            "contents": [{ "uri": uri, "mimeType": kept.mime, "text": page }],
            "_meta": { PAGE_OF: {
                "page": number, "pages": pages, "bytes": kept.text.len(), "next": next,
            } },
        })))
    }
}

/// Lets the oldest of some texts go, until one more of `bytes` is within the bounds.
fn make_room(
    texts: &mut IndexMap<String, Text>,
    bytes: usize,
    is_counted: impl Fn(&Text) -> bool,
    most: usize,
    most_bytes: usize,
) {
    let counted = || texts.values().filter(|text| is_counted(text));
    let mut count = counted().count();
    let mut held: usize = counted().map(|text| text.text.len()).sum();
    texts.retain(|_, text| {
        let is_full = count >= most || held + bytes > most_bytes;
        if !is_full || !is_counted(text) {
            return true;
        }
        count -= 1;
        held -= text.text.len();
        false
    });
}
