//! The two streams: data goes to stdout, words for people go to stderr.

use std::io;
use std::io::Write as _;

use anyhow::Context as _;

use crate::cli::exit;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::report::printable;

/// Writes data and the end of its last line to stdout.
///
/// A reader that has seen enough, such as `head`, ends the command quietly.
pub(in crate::cli) fn data(text: &str) -> Result<(), Failure> {
    bytes(format!("{text}\n").as_bytes())
}

/// Writes to stdout what is no line of data: bytes, or what redraws a screen.
pub(in crate::cli) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::silent(exit::OK)),
        other => Ok(other.context("cannot write to stdout")?),
    }
}

/// Says one line on stderr.
pub(in crate::cli) fn say(line: &str) {
    // Nobody is left to be told that stderr is closed.
    drop(writeln!(io::stderr().lock(), "{}", printable(line)));
}

/// Says everything in `notices`, with a blank line between them.
pub(in crate::cli) fn tell(notices: &[Notice]) {
    let mut stderr = io::stderr().lock();
    for (position, notice) in notices.iter().enumerate() {
        let before = if position == 0 { "" } else { "\n" };
        drop(writeln!(stderr, "{before}{notice}"));
    }
}
