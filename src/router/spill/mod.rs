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

use crate::catalog::ResultKind;
use crate::exchange::caller::Caller;
use crate::router::spill::cut::Cut;
use crate::wire::Raw;
use crate::wire::object;
use crate::wire::object::Object;

pub(super) use self::store::Spills;

/// Where a result says in `_meta` which of its texts are elsewhere.
const SPILLED: &str = "dev.conflux/spilled";
/// What a result says to programs.
const STRUCTURE: &str = "structuredContent";

/// How the result of a request is spilled.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    /// How many bytes all texts of it may have together.
    pub(super) limit: usize,
    /// What it is the result of.
    pub(super) kind: ResultKind,
    /// The schema that its `structuredContent` has to fit, if it has to be there.
    pub(super) promised: Option<Raw>,
}

impl Spills {
    /// Returns a result of which no text is too long; what was taken out is kept for the caller.
    ///
    /// A result within its measure stays as it is, and so does one that there is no room for.
    pub(super) fn shortened(&self, caller: &Arc<Caller>, measure: Measure, result: Raw) -> Raw {
        // In JSON no text is shorter than it is.
        if result.get().len() <= measure.limit {
            return result;
        }
        let work = Work { spills: self, caller, measure, spilled: Vec::new() };
        work.shortened(&result).unwrap_or(result)
    }
}

/// One result that is being shortened.
struct Work<'a> {
    spills: &'a Spills,
    caller: &'a Arc<Caller>,
    measure: Measure,
    /// The texts that were taken out.
    spilled: Vec<(String, Kept)>,
}

impl Work<'_> {
    fn shortened(mut self, result: &Raw) -> Option<Raw> {
        let list = match self.measure.kind {
            ResultKind::Resource => "contents",
            _ => "content",
        };
        let whole = result.object().ok()?;
        let before = result.member(list)?;
        let content = self.content(&before, list);
        let structure = result.member("structuredContent");
        let is_large = |structure: &Raw| structure.get().len() > self.measure.limit;
        let structure = structure.filter(is_large).and_then(|it| self.structure(&it));
        if self.spilled.is_empty() {
            return None;
        }
        let content = match self.measure.kind {
            ResultKind::Tool => linked(&content, &self.spilled),
            _ => content,
        };
        let meta = marked(&whole, &self.spilled);
        let edit = whole.edit().put(list, &content).put("_meta", &meta);
        let edit = match &structure {
            None => edit,
            Some(Structure::Shorter(structure)) => edit.put(STRUCTURE, structure),
            Some(Structure::Gone) => edit.remove(STRUCTURE),
        };
        Some(edit.apply())
    }

    /// Cuts the texts of the blocks that are too long.
    fn content(&mut self, content: &Raw, list: &str) -> Raw {
        let mut changes = Vec::new();
        for Cut { place, text, part, mime, share } in cut::too_long(content, self.measure.limit) {
            let place = format!("{list}/{place}");
            let Some(beginning) = self.taken(&text, &mime, place, share) else { continue };
            changes.push((part, Raw::of(&beginning)));
        }
        content.with_parts(changes.iter().map(|(part, new)| (part.get(), new.clone())).collect())
    }

    /// Leaves out what nobody was promised; else cuts texts in it that may be any text.
    fn structure(&mut self, structure: &Raw) -> Option<Structure> {
        let limit = self.measure.limit;
        let Some(schema) = self.measure.promised.clone() else {
            let place = STRUCTURE.to_owned();
            self.taken(structure.get(), "application/json", place, limit)?;
            return Some(Structure::Gone);
        };
        let object = structure.object().ok()?;
        let mut changes = Vec::new();
        for (key, text) in object.iter() {
            let part = structure.part(text);
            let Some(text) = part.string().filter(|text| text.len() > limit) else { continue };
            if !promise::is_any_text(&schema, key) {
                continue;
            }
            let place = format!("{STRUCTURE}/{key}");
            let Some(beginning) = self.taken(&text, "text/plain", place, limit) else { continue };
            changes.push((part, Raw::of(&beginning)));
        }
        let changes: Vec<_> = changes.iter().map(|(part, new)| (part.get(), new.clone())).collect();
        (!changes.is_empty()).then(|| Structure::Shorter(structure.with_parts(changes)))
    }

    /// Takes a text out, and returns what stands in its place; nothing if it cannot be kept. What
    /// a result says twice is kept once.
    fn taken(&mut self, text: &str, mime: &str, place: String, share: usize) -> Option<String> {
        if let Some((_, kept)) = self.spilled.iter().find(|(known, _)| known == text) {
            return Some(kept.beginning(text, share));
        }
        let (uri, pages) = self.spills.keep(self.caller, text, mime, self.measure.limit)?;
        let kept = Kept { uri, pages, bytes: text.len(), mime: mime.to_owned(), place };
        let beginning = kept.beginning(text, share);
        self.spilled.push((text.to_owned(), kept));
        Some(beginning)
    }
}

/// What became of structured content.
enum Structure {
    Shorter(Raw),
    Gone,
}

/// A text that is kept, and where it came from.
#[derive(Clone, Debug)]
struct Kept {
    uri: String,
    pages: usize,
    /// Its length.
    bytes: usize,
    mime: String,
    /// Where it stood in the result, as in `content/0`.
    place: String,
}

impl Kept {
    /// What stands in the place of the text.
    fn beginning(&self, text: &str, share: usize) -> String {
        let start = cut::beginning(text, share);
        let Self { uri, pages, bytes, .. } = self;
        let minutes = store::LIFETIME.as_secs() / 60;
        format!(
            "{start}\n\n[These are the first {} of {bytes} bytes. All of it can be read for \
             {minutes} minutes in {pages} pages: read the resource `{uri}?page=1` and so on, to \
             `{uri}?page={pages}`.]",
            start.len()
        )
    }

    fn link(&self) -> Raw {
        let Self { uri, pages, bytes, mime, place } = self;
        Raw::of(&serde_json::json!({
            "type": "resource_link",
            "uri": uri,
            "name": format!("all of {place}"),
            "description": format!("{bytes} bytes in {pages} pages, `?page=1` to `?page={pages}`"),
            "mimeType": mime,
            "size": bytes,
        }))
    }

    fn mark(&self) -> Raw {
        let Self { uri, pages, bytes, place, .. } = self;
        let id = store::id(uri);
        Raw::of(&serde_json::json!({
            "of": place, "id": id, "uri": uri, "bytes": bytes, "pages": pages,
        }))
    }
}

/// Adds links to the blocks of a result.
fn linked(content: &Raw, spilled: &[(String, Kept)]) -> Raw {
    let blocks = content.elements().unwrap_or_default();
    let links: Vec<_> = spilled.iter().map(|(_, kept)| kept.link()).collect();
    Raw::array(blocks.iter().chain(&links))
}

/// The `_meta` of a result with what was taken out of it.
fn marked(result: &Object<'_>, spilled: &[(String, Kept)]) -> Raw {
    let marks: Vec<_> = spilled.iter().map(|(_, kept)| kept.mark()).collect();
    let marks = Raw::array(&marks);
    let before = result.get("_meta").and_then(|text| Object::parse(text).ok());
    match before {
        Some(before) => before.edit().put(SPILLED, &marks).apply(),
        None => object::build([(SPILLED, marks.get())]),
    }
}
