//! Edits of maps whose pairs stand on lines of their own.

use crate::setup::yaml::Error;
use crate::setup::yaml::layout::Node;
use crate::setup::yaml::layout::Pair;
use crate::setup::yaml::meaning::Meaning;
use crate::setup::yaml::text::Change;
use crate::setup::yaml::text::Text;
use crate::setup::yaml::write;
use crate::setup::yaml::write::Style;

/// How far the lines of a map stand behind its key where nothing else says so.
pub(super) const STEP: &str = "  ";

/// A pair to add, and what is said about it above.
#[derive(Clone, Copy, Debug)]
pub(super) struct New<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a Meaning,
    pub(super) comment: Option<&'a str>,
}

impl New<'_> {
    /// Writes it as lines that begin with `indent`.
    pub(super) fn lines(self, indent: &str, style: Style<'_>) -> String {
        let Style { newline, step } = style;
        let comments = self.comment.into_iter().flat_map(str::lines);
        let comments = comments.map(|line| format!("{indent}# {line}{newline}"));
        let pairs = match self.value {
            Meaning::Map(pairs) if !pairs.is_empty() => pairs.as_slice(),
            other => {
                let line =
                    format!("{indent}{}: {}{newline}", write::word(self.key), write::braces(other));
                return comments.chain([line]).collect();
            }
        };
        let head = format!("{indent}{}:{newline}", write::word(self.key));
        let body = write::lines(pairs, &format!("{indent}{step}"), style);
        comments.chain([head, body]).collect()
    }
}

/// Adds a pair behind the others of a map that has some.
pub(super) fn add(
    text: Text<'_>,
    around: &Pair,
    pairs: &[Pair],
    new: New<'_>,
) -> Result<Vec<Change>, Error> {
    let (Some(first), Some(last)) = (pairs.first(), pairs.last()) else {
        return Err(Error::Odd(new.key.to_owned()));
    };
    let indent = indent(text, first)?;
    let beyond = indent.strip_prefix(text.before(around.key.range.start));
    let step = pairs.iter().find_map(|pair| inner_step(text, indent, pair));
    let step = step.or(beyond).filter(|step| !step.is_empty()).unwrap_or(STEP);
    let style = Style { newline: text.newline(), step };
    let end = text.block_end(last.end(), indent.len());
    let follows_gap =
        text.at(text.line_end(last.end())..end).lines().any(|it| it.trim().is_empty());
    let gap = if are_apart(text, pairs) || follows_gap { style.newline } else { "" };
    let lines = new.lines(indent, style);
    Ok(vec![Change::insert(end, format!("{}{gap}{lines}", started(text, end)))])
}

/// Adds a pair below a new key behind the others.
pub(super) fn add_below(
    text: Text<'_>,
    pairs: &[Pair],
    key: &str,
    new: New<'_>,
) -> Result<Vec<Change>, Error> {
    let (Some(first), Some(last)) = (pairs.first(), pairs.last()) else {
        return Err(Error::Odd(key.to_owned()));
    };
    let indent = indent(text, first)?;
    let step = pairs.iter().find_map(|pair| inner_step(text, indent, pair));
    let style = Style { newline: text.newline(), step: step.unwrap_or(STEP) };
    let end = text.block_end(last.end(), indent.len());
    let Style { newline, step } = style;
    let lines = new.lines(&format!("{indent}{step}"), style);
    let head = format!("{}{indent}{}:{newline}", started(text, end), write::word(key));
    Ok(vec![Change::insert(end, head + &lines)])
}

/// Writes the first pair of a map below its key, behind which nothing stands, or nothing of worth.
pub(super) fn begin(text: Text<'_>, pair: &Pair, new: New<'_>) -> Result<Vec<Change>, Error> {
    let outer = indent(text, pair)?;
    let style = Style { newline: text.newline(), step: STEP };
    let value = pair.value.range.clone();
    let head = text.at(0..value.start).trim_end_matches([' ', '\t']).len();
    let end = text.block_end(pair.end(), outer.len() + 1);
    let lines = new.lines(&format!("{outer}{STEP}"), style);
    let added = Change::insert(end, format!("{}{lines}", started(text, end)));
    let removed = (!value.is_empty()).then(|| Change::remove(head..value.end));
    Ok(removed.into_iter().chain([added]).collect())
}

/// Takes the pair with this key out, with the comment right above it and those within it.
pub(super) fn remove(
    text: Text<'_>,
    around: &Pair,
    pairs: &[Pair],
    key: &str,
) -> Result<Vec<Change>, Error> {
    let found = pairs.iter().position(|pair| pair.name() == Some(key));
    let Some((index, pair)) = found.and_then(|index| Some((index, pairs.get(index)?))) else {
        return Err(Error::Missing(key.to_owned()));
    };
    let depth = indent(text, pair)?.len();
    let mut start = text.with_comment_above(pair.key.range.start);
    let mut end = text.block_end(pair.end(), depth + 1);
    let above = text.line_start(start.saturating_sub(1));
    let is_blank_above = above < start && text.is_blank_line(above);
    if is_blank_above && (end >= text.0.len() || text.is_blank_line(end)) {
        start = above;
    } else if index == 0 && pairs.len() > 1 && !is_blank_above && text.is_blank_line(end) {
        end = text.line_end(end);
    }
    let removed = Change::remove(start..end);
    if pairs.len() > 1 {
        return Ok(vec![removed]);
    }
    // Without its last pair, it is still a map.
    let head = text.behind(around.key.range.end);
    let head = head.split(" #").next().unwrap_or_default().trim_end();
    let at = around.key.range.end + head.len();
    Ok(vec![Change::insert(at, " {}"), removed])
}

/// Adds a pair before the others of a map, where it is seen next to what it is about.
pub(super) fn lead(text: Text<'_>, map: &Node, new: New<'_>) -> Result<Vec<Change>, Error> {
    let first = map.map().and_then(|(pairs, _)| pairs.first());
    let first = first.ok_or_else(|| Error::Odd(new.key.to_owned()))?;
    let style = Style { newline: text.newline(), step: STEP };
    let lines = new.lines(indent(text, first)?, style);
    Ok(vec![Change::insert(text.line_start(first.key.range.start), lines)])
}

/// Returns what a line has to begin with so that it is not part of the one before it.
pub(super) fn started(text: Text<'_>, at: usize) -> &'static str {
    let before = text.at(0..at).trim_start_matches('\u{feff}');
    if before.is_empty() || before.ends_with('\n') { "" } else { text.newline() }
}

/// Returns what stands before a pair that begins a line.
fn indent<'t>(text: Text<'t>, pair: &Pair) -> Result<&'t str, Error> {
    let before = text.before(pair.key.range.start);
    if text.begins_line(pair.key.range.start) {
        Ok(before)
    } else {
        Err(Error::Odd(pair.name().unwrap_or_default().to_owned()))
    }
}

fn inner_step<'t>(text: Text<'t>, indent: &str, pair: &Pair) -> Option<&'t str> {
    let (inner, is_flow) = pair.value.map()?;
    let first =
        inner.first().filter(|first| !is_flow && text.begins_line(first.key.range.start))?;
    text.before(first.key.range.start).strip_prefix(indent)
}

/// Whether the last two pairs have an empty line between them.
fn are_apart(text: Text<'_>, pairs: &[Pair]) -> bool {
    let [.., one, two] = pairs else { return false };
    let start = text.with_comment_above(two.key.range.start);
    let mut at = text.line_end(one.end());
    while at < start {
        if text.is_blank_line(at) {
            return true;
        }
        at = text.line_end(at);
    }
    false
}
