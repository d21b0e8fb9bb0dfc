//! A text with its lines, and changes to it that keep every other byte.

use std::ops::Range;

/// Something else in the place of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) range: Range<usize>,
    pub(super) to: String,
}

impl Change {
    /// Adds something at a place.
    pub(super) fn insert(at: usize, what: impl Into<String>) -> Self {
        Self { range: at..at, to: what.into() }
    }

    /// Takes something out.
    pub(super) fn remove(range: Range<usize>) -> Self {
        Self { range, to: String::new() }
    }
}

/// A text and where its lines begin and end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t>(pub(super) &'t str);

impl<'t> Text<'t> {
    /// Returns what stands in a range; nothing if it is none of this text.
    pub(super) fn at(self, range: Range<usize>) -> &'t str {
        self.0.get(range).unwrap_or_default()
    }

    /// Returns what ends its lines.
    pub(super) fn newline(self) -> &'static str {
        let first = self.0.find('\n').unwrap_or_default();
        if self.at(0..first).ends_with('\r') { "\r\n" } else { "\n" }
    }

    /// Returns where the line begins that a place is in.
    pub(super) fn line_start(self, at: usize) -> usize {
        let start = self.at(0..at).rfind('\n').map_or(0, |newline| newline + 1);
        // A byte order mark is before everything.
        if start == 0 && self.0.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { start }
    }

    /// Returns where the next line begins behind a place.
    pub(super) fn line_end(self, at: usize) -> usize {
        self.at(at..self.0.len()).find('\n').map_or(self.0.len(), |newline| at + newline + 1)
    }

    /// Returns what stands before a place on its line.
    pub(super) fn before(self, at: usize) -> &'t str {
        self.at(self.line_start(at)..at)
    }

    /// Returns what stands behind a place on its line, without the end of the line.
    pub(super) fn behind(self, at: usize) -> &'t str {
        self.at(at..self.line_end(at)).trim_end_matches(['\r', '\n'])
    }

    /// Returns what the line that a place is in begins with: spaces and tabs.
    pub(super) fn indent(self, at: usize) -> &'t str {
        let start = self.line_start(at);
        let line = self.at(start..self.0.len());
        let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
        self.at(start..start + blank)
    }

    /// Whether nothing but blanks stands before a place on its line.
    pub(super) fn begins_line(self, at: usize) -> bool {
        self.before(at).trim_matches([' ', '\t']).is_empty()
    }

    /// Whether nothing but a comment stands behind a place on its line.
    pub(super) fn ends_line(self, at: usize) -> bool {
        let behind = self.behind(at);
        let rest = behind.trim_start_matches([' ', '\t']);
        rest.is_empty() || rest.starts_with('#') && rest.len() < behind.len()
    }

    /// Returns where the lines end that belong to something that ends at `end`: its own line, and
    /// comments below it that are at least `depth` blanks away from the left.
    pub(super) fn block_end(self, end: usize, depth: usize) -> usize {
        // What ends with a line does not reach into the next one.
        let is_at_start = end > 0 && self.at(0..end).ends_with('\n');
        let mut block = if is_at_start { end } else { self.line_end(end) };
        let mut next = block;
        while next < self.0.len() {
            let line = self.at(next..self.line_end(next));
            let (rest, indent) = (line.trim(), self.indent(next).len());
            if rest.starts_with('#') && indent >= depth {
                block = self.line_end(next);
            } else if !rest.is_empty() {
                break;
            }
            next = self.line_end(next);
        }
        block
    }

    /// Returns where the comment begins that stands right above the line of `at`, as far away from
    /// the left as that line; that line itself if there is none.
    pub(super) fn with_comment_above(self, at: usize) -> usize {
        let indent = self.indent(at);
        let mut start = self.line_start(at);
        while start > 0 {
            let above = self.line_start(start - 1);
            let line = self.at(above..start);
            if above == start || !line.trim_start().starts_with('#') || self.indent(above) != indent
            {
                break;
            }
            start = above;
        }
        start
    }

    /// Whether the line that a place is in has nothing in it; there is none behind the last one.
    pub(super) fn is_blank_line(self, at: usize) -> bool {
        at < self.0.len() && self.at(at..self.line_end(at)).trim().is_empty()
    }

    /// Makes changes that do not overlap.
    pub(super) fn with(self, mut changes: Vec<Change>) -> String {
        changes.sort_by_key(|change| (change.range.start, change.range.end));
        let mut out = String::with_capacity(self.0.len());
        let mut done = 0;
        for Change { range, to } in changes {
            out.push_str(self.at(done..range.start));
            out.push_str(&to);
            done = range.end.max(done);
        }
        out.push_str(self.at(done..self.0.len()));
        out
    }
}
