//! Where texts are cut: between characters, and between lines where there are some.

use crate::wire::Raw;

/// A text that is longer than its share.
#[derive(Debug)]
pub(super) struct Cut {
    /// Which of the blocks it is in.
    pub(super) place: usize,
    pub(super) text: String,
    /// The text as it stands in the result.
    pub(super) part: Raw,
    pub(super) mime: String,
    /// How much of it may stay, in bytes.
    pub(super) share: usize,
}

/// Returns the texts that are longer than their share; none if all of them together are within
/// the limit. Whoever needs less than a fair share leaves the rest to the others.
pub(super) fn too_long(content: &Raw, limit: usize) -> Vec<Cut> {
    let mut texts = texts(content);
    let total: usize = texts.iter().map(|cut| cut.text.len()).sum();
    if total <= limit {
        return Vec::new();
    }
    texts.sort_by_key(|cut| cut.text.len());
    let (mut room, mut left) = (limit, texts.len());
    for cut in &mut texts {
        cut.share = room / left;
        room -= cut.text.len().min(cut.share);
        left -= 1;
    }
    texts.retain(|cut| cut.text.len() > cut.share);
    texts.sort_by_key(|cut| cut.place);
    texts
}

/// Where texts end of which the first ones alone are shown.
#[derive(Debug)]
pub(super) struct End {
    /// The text in which the limit is.
    pub(super) cut: Cut,
    /// The places of the texts behind it, in order.
    pub(super) behind: Vec<usize>,
}

/// Returns where the limit is, if the texts are shown as they come; nothing if all of them are
/// within it.
pub(super) fn end(content: &Raw, limit: usize) -> Option<End> {
    let mut texts = texts(content).into_iter();
    let mut share = limit;
    let cut = texts.find_map(|text| match share.checked_sub(text.text.len()) {
        Some(left) => {
            share = left;
            None
        }
        None => Some(Cut { share, ..text }),
    })?;
    Some(End { cut, behind: texts.map(|text| text.place).collect() })
}

fn texts(content: &Raw) -> Vec<Cut> {
    let blocks = content.elements().unwrap_or_default();
    blocks.iter().enumerate().filter_map(|(place, block)| text(place, block)).collect()
}

/// The text of a block: its own, or that of the resource in it.
fn text(place: usize, block: &Raw) -> Option<Cut> {
    let holder = match block.member("type").and_then(|kind| kind.string()).as_deref() {
        Some("text") | None => block.clone(),
        Some("resource") => block.member("resource")?,
        Some(_) => return None,
    };
    let part = holder.member("text")?;
    let mime = holder.member("mimeType").and_then(|mime| mime.string());
    let mime = mime.unwrap_or_else(|| "text/plain".to_owned());
    Some(Cut { place, text: part.string()?, part, mime, share: 0 })
}

/// Returns as much of the beginning as fits, in bytes.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    let whole = text.get(..text.floor_char_boundary(most)).unwrap_or(text);
    if whole.len() == text.len() {
        return text;
    }
    // A line that fills more than half of it is cut all the same.
    match whole.rfind('\n') {
        Some(end) if end >= whole.len() / 2 => whole.get(..=end).unwrap_or(whole),
        _ => whole,
    }
}

/// Returns where the pages of a text end, none of which has more than `most` bytes; together they
/// are the text.
pub(super) fn pages(text: &str, most: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let page = beginning(rest, most);
        // No character is longer than four bytes; a page of fewer would never end.
        let length = if page.is_empty() { rest.len() } else { page.len() };
        ends.push(text.len() - rest.len() + length);
        rest = rest.get(length..).unwrap_or_default();
    }
    ends
}
