//! The terminal that stdout may be: its size, and the few words it understands.

use std::io;

/// Ends whatever was begun.
const PLAIN: &str = "\u{1b}[0m";

/// Returns how many columns and rows the terminal has, if stdout is one and says so.
#[cfg(unix)]
pub(in crate::cli) fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    let size = (usize::from(size.ws_col), usize::from(size.ws_row));
    (size.0 > 0 && size.1 > 0).then_some(size)
}

#[cfg(not(unix))]
pub(in crate::cli) fn size() -> Option<(usize, usize)> {
    None
}

/// Returns what draws these lines from the top of the screen on, over what is there; with
/// `is_first` nothing of that is left above, and below the last line nothing ever is.
pub(in crate::cli) fn screen(lines: &[String], is_first: bool) -> String {
    let cleared = if is_first { "\u{1b}[2J" } else { "" };
    let lines: Vec<_> = lines.iter().map(|line| format!("{line}\u{1b}[K\n")).collect();
    format!("{cleared}\u{1b}[H{}\u{1b}[J", lines.concat())
}

/// How a part of a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Style {
    /// Less important than the rest.
    Dim,
    /// More important.
    Bold,
    /// Something that went wrong.
    Red,
}

/// Returns `text` as it looks on a terminal that has colours, or as it is.
pub(in crate::cli) fn styled(text: &str, style: Style, colours: bool) -> String {
    if !colours || text.is_empty() {
        return text.to_owned();
    }
    let code = match style {
        Style::Dim => 2,
        Style::Bold => 1,
        Style::Red => 31,
    };
    format!("\u{1b}[{code}m{text}{PLAIN}")
}
