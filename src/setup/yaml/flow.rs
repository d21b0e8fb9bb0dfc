//! Edits of maps between braces, as in JSON.

use std::ops::Range;

use crate::setup::yaml::Error;
use crate::setup::yaml::block::STEP;
use crate::setup::yaml::layout::Kind;
use crate::setup::yaml::layout::Node;
use crate::setup::yaml::layout::Pair;
use crate::setup::yaml::meaning::Meaning;
use crate::setup::yaml::text::Change;
use crate::setup::yaml::text::Text;
use crate::setup::yaml::write;
use crate::setup::yaml::write::Style;

/// Whether the text is JSON, or looks like it: its keys are in quotes.
pub(super) fn is_json(root: &Node) -> bool {
    let is_quoted = |pair: &Pair| matches!(pair.key.kind, Kind::Scalar { is_quoted: true, .. });
    root.map().is_some_and(|(pairs, is_flow)| is_flow && pairs.iter().all(is_quoted))
}

/// Adds a pair behind the others.
pub(super) fn add(
    text: Text<'_>,
    map: &Node,
    is_json: bool,
    key: &str,
    value: &Meaning,
) -> Vec<Change> {
    let newline = text.newline();
    let pairs = map.map().map_or(&[][..], |(pairs, _)| pairs);
    let outer = text.indent(map.range.start);
    let Some(last) = pairs.last() else {
        return vec![first(text, map, is_json, key, value)];
    };
    if !text.begins_line(last.key.range.start) {
        let added = pair(key, value, is_json, None, Style { newline, step: STEP });
        return vec![Change::insert(last.end(), format!(", {added}"))];
    }
    let indent = text.indent(last.key.range.start);
    let step = indent.strip_prefix(outer).filter(|step| !step.is_empty()).unwrap_or(STEP);
    // As the last one is: on one line, or on several.
    let is_long =
        text.at(last.value.range.clone()).contains('\n') || pairs.len() == 1 && !is_filled(last);
    let lines = is_long.then_some(indent);
    let added = pair(key, value, is_json, lines, Style { newline, step });
    let comma = comma_after(text, last.end(), map.range.end);
    let behind = comma.map_or(last.end(), |comma| comma + 1);
    // A comment behind the last pair stays with it.
    let is_commented = text.ends_line(behind) && !text.behind(behind).trim().is_empty();
    let place = if is_commented { behind + text.behind(behind).len() } else { behind };
    let (before, after) = if comma.is_some() { ("", ",") } else { (",", "") };
    vec![
        Change::insert(last.end(), before),
        Change::insert(place, format!("{newline}{indent}{added}{after}")),
    ]
}

/// Takes a pair out, with its comma.
pub(super) fn remove(text: Text<'_>, map: &Node, key: &str) -> Result<Vec<Change>, Error> {
    let pairs = map.map().map_or(&[][..], |(pairs, _)| pairs);
    let missing = || Error::Missing(key.to_owned());
    let index = pairs.iter().position(|pair| pair.name() == Some(key)).ok_or_else(missing)?;
    let pair = pairs.get(index).ok_or_else(missing)?;
    let before = index.checked_sub(1).and_then(|index| pairs.get(index));
    let start = pair.key.range.start;
    let comma = comma_after(text, pair.end(), map.range.end);
    let end = comma.map_or(pair.end(), |comma| comma + 1);
    // JSON has no comma behind the last pair.
    let lonely = before.filter(|_| comma.is_none());
    let lonely = lonely.and_then(|before| comma_after(text, before.end(), start));
    if let (None, true) = (before, index + 1 == pairs.len())
        && let Some(inside) = blank_but_for(text, map, start..end)
    {
        return Ok(vec![Change::remove(inside)]);
    }
    if text.begins_line(start) && text.ends_line(end) {
        let lines = text.with_comment_above(start)..text.line_end(end);
        let comma = lonely.map(|comma| Change::remove(comma..comma + 1));
        return Ok(comma.into_iter().chain([Change::remove(lines)]).collect());
    }
    Ok(vec![Change::remove(match lonely {
        Some(comma) => comma..end,
        None => start..end + blanks(text, end),
    })])
}

/// Writes the only pair of a map.
fn first(text: Text<'_>, map: &Node, is_json: bool, key: &str, value: &Meaning) -> Change {
    let style = Style { newline: text.newline(), step: STEP };
    let indent = text.indent(map.range.start);
    if !is_json {
        let inside = map.range.start + 1..map.range.start + 1;
        return Change { range: inside, to: format!(" {} ", pair(key, value, false, None, style)) };
    }
    let deeper = format!("{indent}{STEP}");
    let added = pair(key, value, true, Some(&deeper), style);
    let newline = style.newline;
    match blank_but_for(text, map, map.range.start + 1..map.range.start + 1) {
        Some(inside) => {
            Change { range: inside, to: format!("{newline}{deeper}{added}{newline}{indent}") }
        }
        None => Change::insert(map.range.start + 1, format!("{newline}{deeper}{added}")),
    }
}

fn pair(
    key: &str,
    value: &Meaning,
    is_json: bool,
    indent: Option<&str>,
    style: Style<'_>,
) -> String {
    if is_json {
        format!("{}: {}", write::quoted(key), write::json(value, indent, style))
    } else {
        format!("{}: {}", write::word(key), write::braces(value))
    }
}

/// Whether there is something in the value of a pair.
fn is_filled(pair: &Pair) -> bool {
    pair.value.map().is_some_and(|(pairs, _)| !pairs.is_empty())
}

/// Returns what is inside of the braces, if that is nothing but blanks apart from `range`.
fn blank_but_for(text: Text<'_>, map: &Node, range: Range<usize>) -> Option<Range<usize>> {
    let inside = map.range.start + 1..map.range.end.saturating_sub(1);
    let rest = [text.at(inside.start..range.start), text.at(range.end..inside.end)];
    rest.iter().all(|part| part.trim().is_empty()).then_some(inside)
}

/// Returns how many bytes of blanks stand at a place.
fn blanks(text: Text<'_>, at: usize) -> usize {
    let rest = text.at(at..text.0.len());
    rest.len() - rest.trim_start_matches([' ', '\t']).len()
}

/// Returns where the comma is behind a pair, if there is one.
fn comma_after(text: Text<'_>, mut at: usize, until: usize) -> Option<usize> {
    loop {
        let rest = text.at(at..until);
        let skipped = rest.len() - rest.trim_start().len();
        match rest.trim_start().chars().next()? {
            ',' => return Some(at + skipped),
            '#' => at = text.line_end(at + skipped),
            _ => return None,
        }
    }
}
