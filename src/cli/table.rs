//! A table of text: columns as wide as what is in them, and the last one cut to fit a terminal.

use std::fmt::Write as _;

/// How wide a table is on a terminal that does not say how wide it is, in characters.
pub(in crate::cli) const WIDTH: usize = 100;
/// Between two columns.
const GAP: usize = 2;
/// The least that is left of the last column, however narrow the terminal is.
const LEAST: usize = 20;

/// Writes rows under their header, without a line end behind the last one.
///
/// With a `width`, in characters, the last column is cut to fit. Where too little would be left of
/// it, each row is written below the one before, a line for each of its cells.
pub(in crate::cli) fn render<const N: usize>(
    header: [&str; N],
    rows: &[[String; N]],
    width: Option<usize>,
) -> String {
    let header = header.map(str::to_owned);
    let mut widths = [0; N];
    for row in rows.iter().chain([&header]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let before: usize = widths.iter().take(N.saturating_sub(1)).map(|width| width + GAP).sum();
    let least = widths.last().map_or(0, |last| LEAST.min(*last));
    let is_narrow = |width: &usize| before + least > *width && !rows.is_empty();
    if let Some(width) = width.filter(is_narrow) {
        return rows.iter().map(|row| stacked(&header, row, width)).collect::<Vec<_>>().join("\n");
    }
    let last = width.map(|width| width.saturating_sub(before).max(LEAST));
    let mut out = String::new();
    for row in [&header].into_iter().chain(rows) {
        let mut line = String::new();
        for (position, (cell, width)) in row.iter().zip(widths).enumerate() {
            if position + 1 == N {
                line.push_str(&shortened(cell, last));
            } else {
                write!(line, "{cell:<width$}{:GAP$}", "")
                    .expect("writing into a string cannot fail");
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.trim_end_matches('\n').to_owned()
}

/// Writes one row as a paragraph: the first cell, which says what it is about, in full.
fn stacked(header: &[String], row: &[String], width: usize) -> String {
    let mut cells = header.iter().zip(row);
    let first = cells.next().map(|(_, cell)| cell.trim_end().to_owned()).unwrap_or_default();
    let said = cells.filter(|(_, cell)| !cell.is_empty());
    let said = said.map(|(name, cell)| {
        shortened(&format!("  {}: {cell}", name.to_lowercase()), Some(width.max(LEAST)))
    });
    [first].into_iter().chain(said).collect::<Vec<_>>().join("\n")
}

/// Cuts a text to a width, in characters, if there is one.
pub(in crate::cli) fn shortened(text: &str, width: Option<usize>) -> String {
    let text = text.replace('\t', " ");
    match width {
        Some(width) if text.chars().count() > width => {
            let kept: String = text.chars().take(width.saturating_sub(1)).collect();
            format!("{}…", kept.trim_end())
        }
        _ => text,
    }
}
