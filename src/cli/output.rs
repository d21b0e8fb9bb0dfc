//! The two streams: data goes to stdout, words for people go to stderr.

use std::io;
use std::io::Write as _;

use anyhow::Context as _;

use crate::cli::exit;
use crate::cli::report::Failure;
use crate::cli::report::Notice;

/// Writes data and the end of its last line to stdout.
///
/// A reader that has seen enough, such as `head`, ends the command quietly.
pub(in crate::cli) fn data(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::silent(exit::OK)),
        other => Ok(other.context("cannot write to stdout")?),
    }
}

/// Writes to stdout what is no line of data, such as what redraws a screen.
pub(in crate::cli) fn draw(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = write!(stdout, "{text}").and_then(|()| stdout.flush());
    Ok(written.context("cannot write to stdout")?)
}

/// Says one line on stderr.
pub(in crate::cli) fn say(line: &str) {
    // Nobody is left to be told that stderr is closed.
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// Says everything in `notices`, with a blank line between them.
pub(in crate::cli) fn tell(notices: &[Notice]) {
    let mut stderr = io::stderr().lock();
    for (position, notice) in notices.iter().enumerate() {
        let before = if position == 0 { "" } else { "\n" };
        drop(writeln!(stderr, "{before}{notice}"));
    }
}
