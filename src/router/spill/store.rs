//! What is kept of large results, and for whom.

use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use indexmap::IndexMap;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::exchange::caller::Caller;
use crate::exchange::caller::Memory;
use crate::router::spill::cut;
use crate::wire::Raw;

/// How long a text is kept: for as long as a model works on one thing.
pub(super) const LIFETIME: Duration = Duration::from_mins(30);
/// How often it is looked what is over; whatever is, nobody gets from then on.
const LOOKED: Duration = Duration::from_mins(1);
/// How many texts are kept for one caller; the oldest give way. No result may have more.
pub(super) const MOST_OF_ONE: usize = 64;
/// How much is kept for one caller, in bytes. No result may have more.
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
    /// Told when there is something that will be over one day.
    kept: Notify,
}

/// A text as a whole, in pages, under an address that nobody can guess.
#[derive(Debug)]
pub(super) struct Whole {
    id: String,
    text: String,
    mime: String,
    /// Where its pages end.
    ends: Vec<usize>,
}

/// The texts of one result. They are kept at once: none of them makes another one give way.
#[derive(Debug, Default)]
pub(super) struct Batch {
    texts: Vec<Arc<Whole>>,
    bytes: usize,
}

/// One text that is kept.
#[derive(Debug)]
struct Text {
    owner: Memory,
    /// The session it was for; nothing if its caller comes anew with every request.
    session: Option<Weak<Caller>>,
    until: Instant,
    whole: Arc<Whole>,
}

impl Whole {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn uri(&self) -> String {
        format!("{START}{}", self.id)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn mime(&self) -> &str {
        &self.mime
    }

    /// Returns how many pages it has.
    pub(super) fn pages(&self) -> usize {
        self.ends.len()
    }

    fn page(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number.checked_sub(1)?)?;
        let start = number.checked_sub(2).and_then(|before| self.ends.get(before)).copied();
        self.text.get(Range { start: start.unwrap_or(0), end })
    }
}

impl Batch {
    /// Adds a text, in pages of at most `page` bytes. Nothing if all of them together would be too
    /// much for one result, or if the system has no randomness to give.
    pub(super) fn add(&mut self, text: &str, mime: &str, page: usize) -> Option<Arc<Whole>> {
        let bytes = self.bytes + text.len();
        if self.texts.len() == MOST_OF_ONE || bytes > BYTES_OF_ONE {
            return None;
        }
        let mut id = [0; ID_SIZE];
        getrandom::fill(&mut id).ok()?;
        let whole = Arc::new(Whole {
            id: URL_SAFE_NO_PAD.encode(id),
            text: text.to_owned(),
            mime: mime.to_owned(),
            ends: cut::pages(text, page),
        });
        self.bytes = bytes;
        self.texts.push(Arc::clone(&whole));
        Some(whole)
    }
}

impl Text {
    fn is_gone(&self, now: Instant) -> bool {
        let is_over = self.session.as_ref().is_some_and(|session| session.strong_count() == 0);
        is_over || self.until <= now
    }
}

impl Spills {
    /// Keeps the texts of a result for the caller who gets it.
    pub(super) fn keep(&self, caller: &Arc<Caller>, batch: Batch) {
        let owner = caller.memory();
        let until = Instant::now() + LIFETIME;
        let session = (!caller.is_passing()).then(|| Arc::downgrade(caller));
        let mut texts = self.lasting();
        // Those of whom nothing is known look like one caller. They have the bounds of all alone,
        // so that none of them makes less room for the others than anybody else does.
        if session.is_some() || caller.principal().is_known() {
            let is_own = |text: &Text| text.owner == owner;
            make_room(&mut texts, &batch, is_own, MOST_OF_ONE, BYTES_OF_ONE);
        }
        make_room(&mut texts, &batch, |_| true, MOST, BYTES);
        texts.extend(batch.texts.into_iter().map(|whole| {
            (
                whole.id.clone(),
                Text { owner: owner.clone(), session: session.clone(), until, whole },
            )
        }));
        drop(texts);
        self.kept.notify_one();
    }

    /// Returns a page of a text, as the result of `resources/read`; the first one, if the address
    /// names none. Nothing if there is no such page for this caller.
    pub(in crate::router) fn read(&self, caller: &Caller, uri: &str) -> Option<Raw> {
        let rest = uri.strip_prefix(START)?;
        let (id, number) = match rest.split_once(PAGE) {
            Some((id, number)) => (id, number.parse().ok()?),
            None => (rest, 1),
        };
        let texts = self.lasting();
        let kept = texts.get(id).filter(|kept| kept.owner == caller.memory())?;
        let whole = Arc::clone(&kept.whole);
        drop(texts);
        let page = whole.page(number)?;
        let pages = whole.pages();
        let next = (number < pages).then(|| format!("{START}{id}{PAGE}{}", number + 1));
        Some(Raw::of(&json!({
            "contents": [{ "uri": uri, "mimeType": whole.mime, "text": page }],
            "_meta": { PAGE_OF: {
                "page": number, "pages": pages, "bytes": whole.text.len(), "next": next,
            } },
        })))
    }

    /// Frees what is over, be it its time or its session, until `stop`: perhaps nobody ever comes
    /// again who would have it freed on the way.
    pub(super) async fn expire(&self, stop: CancellationToken) {
        let looking = async {
            loop {
                if self.lasting().is_empty() {
                    self.kept.notified().await;
                }
                time::sleep(LOOKED).await;
            }
        };
        let _: Option<()> = stop.run_until_cancelled(looking).await;
    }

    /// Returns what is not over; what is, is gone.
    fn lasting(&self) -> MutexGuard<'_, IndexMap<String, Text>> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        texts.retain(|_, text| !text.is_gone(now));
        texts
    }
}

/// Lets the oldest of some texts go, until those of a result are within the bounds, too.
fn make_room(
    texts: &mut IndexMap<String, Text>,
    batch: &Batch,
    is_counted: impl Fn(&Text) -> bool,
    most: usize,
    most_bytes: usize,
) {
    let counted = || texts.values().filter(|text| is_counted(text));
    let mut count = counted().count() + batch.texts.len();
    let mut bytes = counted().map(|text| text.whole.text.len()).sum::<usize>() + batch.bytes;
    texts.retain(|_, text| {
        let is_full = count > most || bytes > most_bytes;
        if !is_full || !is_counted(text) {
            return true;
        }
        count -= 1;
        bytes -= text.whole.text.len();
        false
    });
}
