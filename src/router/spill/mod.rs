//! Large results: a caller gets the beginning, and may read the whole of it page by page.
//!
//! Texts alone are cut; images, audio and other bytes never are. What was cut is kept for who got
//! it, with bounds in number, size and time, and for nobody else.

mod cut;
mod promise;
mod store;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::catalog::ResultKind;
use crate::exchange::caller::Caller;
use crate::router::Router;
use crate::router::spill::cut::Cut;
use crate::router::spill::cut::End;
use crate::router::spill::store::Batch;
use crate::router::spill::store::Whole;
use crate::wire::Raw;
use crate::wire::freshness::Freshness;
use crate::wire::object;
use crate::wire::object::Object;

pub(super) use self::store::Spills;

/// Where a result says in `_meta` which of its texts are elsewhere.
const SPILLED: &str = "dev.conflux/spilled";
/// What a result says to programs.
const STRUCTURE: &str = "structuredContent";
/// What JSON is kept as.
const JSON: &str = "application/json";

/// What members may take that a result had not, without their values; in bytes.
const KEYS: usize = 64;

/// How the result of a request is spilled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure<'a> {
    /// How many bytes all texts of it may have together.
    pub(super) limit: usize,
    /// What it is the result of.
    pub(super) kind: ResultKind,
    pub(super) promise: Promise<'a>,
}

/// What `structuredContent` has to be like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Promise<'a> {
    /// As the definition of this tool says, which is read only if there is too much of it.
    By(&'a Raw),
    /// Nobody knows here, so it stays as it is.
    Unknown,
}

/// How the texts of a result are cut.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Each that is longer than its share, and each is kept.
    Each,
    /// Where the limit is in all of them, which are kept as one.
    Together,
}

impl Router {
    /// Frees what is kept of large results as soon as it is over, until `stop`.
    pub fn expire_spilled(
        &self,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move { shared.spills.expire(stop).await }
    }
}

impl Spills {
    /// Returns a result of which no text is too long; what was taken out is kept for the caller.
    ///
    /// A result within its measure stays as it is. So does one that would not become smaller, and
    /// one that there is no room for as a whole.
    pub(super) fn shortened(&self, caller: &Arc<Caller>, measure: Measure<'_>, result: Raw) -> Raw {
        // In JSON no text is shorter than it is.
        if result.get().len() <= measure.limit {
            return result;
        }
        let Some(large) = Large::read(&result, measure) else { return result };
        let shorter = |way| Work::default().shortened(&large, way);
        let Some((shorter, batch)) = [Way::Each, Way::Together].into_iter().find_map(shorter)
        else {
            return result;
        };
        self.keep(caller, batch);
        shorter
    }
}

/// A result in which something is too large.
struct Large<'a> {
    measure: Measure<'a>,
    object: Object<'a>,
    /// Under which key its blocks are.
    list: &'static str,
    content: Raw,
    /// The texts in it that are longer than their share.
    long: Vec<Cut>,
    /// What it says to programs, if that is too large and may be another.
    structure: Option<(Raw, &'a Raw)>,
}

impl<'a> Large<'a> {
    fn read(result: &'a Raw, measure: Measure<'a>) -> Option<Self> {
        let list = match measure.kind {
            ResultKind::Resource => "contents",
            _ => "content",
        };
        let object = result.object().ok()?;
        let content = result.member(list)?;
        let long = cut::too_long(&content, measure.limit);
        let structure = match measure.promise {
            Promise::By(tool) => result.member(STRUCTURE).map(|it| (it, tool)),
            Promise::Unknown => None,
        };
        let structure = structure.filter(|(it, _)| it.get().len() > measure.limit);
        let is_large = !long.is_empty() || structure.is_some();
        is_large.then_some(Self { measure, object, list, content, long, structure })
    }
}

/// One way in which a result is being shortened.
#[derive(Default)]
struct Work {
    batch: Batch,
    /// The texts that were taken out.
    spilled: Vec<Kept>,
}

impl Work {
    /// Returns the result with what is to be kept of it. Nothing if that is too much, or if what
    /// came was smaller.
    fn shortened(mut self, large: &Large<'_>, way: Way) -> Option<(Raw, Batch)> {
        let Large { measure, object, list, content: before, .. } = large;
        let content = match way {
            Way::Each => self.each(large)?,
            Way::Together => self.together(large)?,
        };
        let structure = match &large.structure {
            Some((structure, tool)) => self.structure(structure, tool, measure.limit)?,
            None => Structure::Same,
        };
        if self.spilled.is_empty() {
            return None;
        }
        let content = match measure.kind {
            ResultKind::Tool => linked(&content, &self.spilled),
            _ => content,
        };
        let meta = marked(object, &self.spilled);
        let structure_before = large.structure.as_ref().map_or(0, |(it, _)| it.get().len());
        let meta_before = object.get("_meta").map_or(0, str::len);
        let size_before = before.get().len() + structure_before + meta_before;
        let size = content.get().len() + structure.size(structure_before) + meta.get().len();
        if size + KEYS >= size_before {
            return None;
        }
        let mut edit = object.edit().put(list, &content).put("_meta", &meta);
        match &structure {
            Structure::Same => {}
            Structure::Shorter(structure) => edit = edit.put(STRUCTURE, structure),
            Structure::Gone => edit = edit.remove(STRUCTURE),
        }
        let hints = Freshness::default().members();
        // Nobody else may read what it links to, and nobody at all after some time.
        if hints.iter().any(|(key, _)| object.get(key).is_some()) {
            edit = hints.into_iter().fold(edit, |edit, (key, json)| edit.set(key, json));
        }
        Some((edit.apply(), self.batch))
    }

    /// Cuts the texts of the blocks that are too long.
    fn each(&mut self, large: &Large<'_>) -> Option<Raw> {
        let mut changes = Vec::new();
        for Cut { place, text, part, mime, share } in &large.long {
            let place = format!("{}/{place}", large.list);
            let kept = self.kept(text, mime, place, large.measure.limit)?;
            changes.push((part.get(), Raw::of(&kept.beginning(*share))));
        }
        Some(large.content.with_parts(changes))
    }

    /// Shows texts as they come up to the limit, and keeps all blocks as one text.
    fn together(&mut self, large: &Large<'_>) -> Option<Raw> {
        let Large { content, list, measure, .. } = large;
        let Some(End { cut, behind }) = cut::end(content, measure.limit) else {
            return Some(content.clone());
        };
        let kept = self.kept(content.get(), JSON, (*list).to_owned(), measure.limit)?;
        let end = Raw::of(&kept.end(&cut, behind.len()));
        let mut shown = content.elements()?;
        if let Some(block) = shown.get_mut(cut.place) {
            *block = block.with_parts(vec![(cut.part.get(), end)]);
        }
        let shown = shown.iter().enumerate();
        let shown = shown.filter(|(place, _)| behind.binary_search(place).is_err());
        Some(Raw::array(shown.map(|(_, block)| block)))
    }

    /// Leaves out what nobody was promised; else cuts texts in it that may be any text.
    fn structure(&mut self, structure: &Raw, tool: &Raw, limit: usize) -> Option<Structure> {
        let Some(schema) = tool.member("outputSchema") else {
            self.kept(structure.get(), JSON, STRUCTURE.to_owned(), limit)?;
            return Some(Structure::Gone);
        };
        let Ok(object) = structure.object() else { return Some(Structure::Same) };
        let mut changes = Vec::new();
        for (key, text) in object.iter() {
            let part = structure.part(text);
            let Some(text) = part.string().filter(|text| text.len() > limit) else { continue };
            if !promise::is_any_text(&schema, key) {
                continue;
            }
            let kept = self.kept(&text, "text/plain", format!("{STRUCTURE}/{key}"), limit)?;
            changes.push((part, Raw::of(&kept.beginning(limit))));
        }
        if changes.is_empty() {
            return Some(Structure::Same);
        }
        let changes = changes.iter().map(|(part, new)| (part.get(), new.clone())).collect();
        Some(Structure::Shorter(structure.with_parts(changes)))
    }

    /// Takes a text out; nothing if that is too much. What a result says twice is kept once.
    fn kept(&mut self, text: &str, mime: &str, place: String, page: usize) -> Option<Kept> {
        if let Some(kept) = self.spilled.iter().find(|kept| kept.whole.text() == text) {
            return Some(kept.clone());
        }
        let kept = Kept { whole: self.batch.add(text, mime, page)?, place };
        self.spilled.push(kept.clone());
        Some(kept)
    }
}

/// What became of structured content.
enum Structure {
    Same,
    Shorter(Raw),
    Gone,
}

impl Structure {
    /// Returns how many bytes it has, if it had so many `before`.
    fn size(&self, before: usize) -> usize {
        match self {
            Self::Same => before,
            Self::Shorter(now) => now.get().len(),
            Self::Gone => 0,
        }
    }
}

/// A text that is kept, and where it came from.
#[derive(Clone, Debug)]
struct Kept {
    whole: Arc<Whole>,
    /// Where it stood in the result, as in `content/0`.
    place: String,
}

impl Kept {
    /// What stands in the place of the text.
    fn beginning(&self, share: usize) -> String {
        let text = self.whole.text();
        let start = cut::beginning(text, share);
        let way = self.way();
        format!(
            "{start}\n\n[These are the first {} of {} bytes. All of it can be read {way}]",
            start.len(),
            text.len(),
        )
    }

    /// What stands in the place of the last text that is shown, if it is all texts that are kept.
    fn end(&self, cut: &Cut, behind: usize) -> String {
        let start = cut::beginning(&cut.text, cut.share);
        let (place, way) = (&self.place, self.way());
        format!(
            "{start}\n\n[The rest of this text is left out, and so are {behind} more texts. All of \
             `{place}` can be read as JSON {way}]"
        )
    }

    /// How it can be read.
    fn way(&self) -> String {
        let minutes = store::LIFETIME.as_secs() / 60;
        let (uri, pages) = (self.whole.uri(), self.whole.pages());
        format!(
            "for {minutes} minutes in {pages} pages: read the resource `{uri}?page=1` and so on, \
             to `{uri}?page={pages}`."
        )
    }

    fn link(&self) -> Raw {
        let Self { whole, place } = self;
        let (bytes, pages) = (whole.text().len(), whole.pages());
        Raw::of(&serde_json::json!({
            "type": "resource_link",
            "uri": whole.uri(),
            "name": format!("all of {place}"),
            "description": format!("{bytes} bytes in {pages} pages, `?page=1` to `?page={pages}`"),
            "mimeType": whole.mime(),
            "size": bytes,
        }))
    }

    fn mark(&self) -> Raw {
        let Self { whole, place } = self;
        Raw::of(&serde_json::json!({
            "of": place, "id": whole.id(), "uri": whole.uri(),
            "bytes": whole.text().len(), "pages": whole.pages(),
        }))
    }
}

/// Adds links to the blocks of a result.
fn linked(content: &Raw, spilled: &[Kept]) -> Raw {
    let blocks = content.elements().unwrap_or_default();
    let links: Vec<_> = spilled.iter().map(Kept::link).collect();
    Raw::array(blocks.iter().chain(&links))
}

/// The `_meta` of a result with what was taken out of it.
fn marked(result: &Object<'_>, spilled: &[Kept]) -> Raw {
    let marks: Vec<_> = spilled.iter().map(Kept::mark).collect();
    let marks = Raw::array(&marks);
    let before = result.get("_meta").and_then(|text| Object::parse(text).ok());
    match before {
        Some(before) => before.edit().put(SPILLED, &marks).apply(),
        None => object::build([(SPILLED, marks.get())]),
    }
}
