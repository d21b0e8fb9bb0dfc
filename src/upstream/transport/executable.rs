//! Whether a program can be started at all, as the system would see it.

use std::fs;
use std::io;
use std::io::BufRead as _;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;

use indexmap::IndexMap;

use crate::config;

/// How long the first line of a script may be, as Linux reads it.
const FIRST_LINE: u64 = 256;
/// Where programs are looked for if no `PATH` says so.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Finds the program of a command that is started with the environment `base`.
///
/// Fails as starting it would: with "not found", or with "permission denied".
pub fn find_command(
    command: &config::Command,
    base: &IndexMap<String, String>,
) -> io::Result<PathBuf> {
    let path = command.env.get("PATH").or_else(|| base.get("PATH"));
    find(&program(command)?, path.map(String::as_str), command.cwd.as_deref())
}

/// The command `conflux` means the program that is running, so that both are of one version.
pub(super) fn program(command: &config::Command) -> io::Result<PathBuf> {
    if command.program == "conflux" {
        return std::env::current_exe();
    }
    Ok(PathBuf::from(&command.program))
}

/// Finds a program in the directories of `path`, or where it says itself, seen from `directory`.
///
/// Fails as starting it would: with "not found", or with "permission denied".
pub fn find(program: &Path, path: Option<&str>, directory: Option<&Path>) -> io::Result<PathBuf> {
    if let Some(directory) = directory {
        fs::metadata(directory)?;
    }
    let seen = |place: &Path| directory.map_or(place.to_owned(), |start| start.join(place));
    if program.components().count() > 1 {
        return check(seen(program));
    }
    let mut unusable = None;
    for place in std::env::split_paths(path.unwrap_or(USUAL_PATH)) {
        match check(seen(&place).join(program)) {
            Ok(found) => return Ok(found),
            // It is there, which says more than that it is not elsewhere.
            Err(error) if is_telling(&error) => unusable = unusable.or(Some(error)),
            Err(_) => {}
        }
    }
    Err(unusable.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

fn is_telling(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied || error.get_ref().is_some()
}

fn check(program: PathBuf) -> io::Result<PathBuf> {
    let about = fs::metadata(&program)?;
    if !about.is_file() || !may_be_executed(&about) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    if let Some(interpreter) = interpreter(&program) {
        let missing = |error: io::Error| {
            let why = format!("`{}` is for `{}`", program.display(), interpreter.display());
            io::Error::new(error.kind(), format!("{why}, which is not there"))
        };
        fs::metadata(&interpreter).map_err(missing)?;
    }
    Ok(program)
}

/// What the first line of a script names; nothing if it is none, or may not be read.
fn interpreter(program: &Path) -> Option<PathBuf> {
    let mut line = Vec::new();
    let file = fs::File::open(program).ok()?;
    io::BufReader::new(file.take(FIRST_LINE)).read_until(b'\n', &mut line).ok()?;
    let named = str::from_utf8(line.strip_prefix(b"#!")?).ok()?;
    named.split_whitespace().next().map(PathBuf::from)
}

#[cfg(unix)]
fn may_be_executed(about: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    about.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn may_be_executed(_: &fs::Metadata) -> bool {
    true
}
