//! The two streams: data goes to stdout, words for people go to stderr.

use std::io;
use std::io::Write as _;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use anyhow::Context as _;

use crate::cli::exit;
use crate::cli::logs::json as logs;
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

/// Whether what is said on stderr is said to machines.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Has everything that is said on stderr from now on be one JSON object a line, as the log is.
pub(in crate::cli) fn write_json() {
    IS_JSON.store(true, Ordering::Relaxed);
}

/// Says one line on stderr.
pub(in crate::cli) fn say(line: &str) {
    if IS_JSON.load(Ordering::Relaxed) {
        return drop(writeln!(io::stderr().lock(), "{}", logs::line("INFO", line)));
    }
    // Nobody is left to be told that stderr is closed.
    drop(writeln!(io::stderr().lock(), "{}", printable(line)));
}

/// Says everything in `notices`, with a blank line between them.
pub(in crate::cli) fn tell(notices: &[Notice]) {
    let mut stderr = io::stderr().lock();
    if IS_JSON.load(Ordering::Relaxed) {
        for notice in notices {
            drop(writeln!(stderr, "{}", logs::line(notice.level(), &notice.to_string())));
        }
        return;
    }
    for (position, notice) in notices.iter().enumerate() {
        let before = if position == 0 { "" } else { "\n" };
        drop(writeln!(stderr, "{before}{notice}"));
    }
}
