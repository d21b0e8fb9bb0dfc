//! Programs on the disk: where they should be, and where else they may be.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Directories below the home directory where installers put programs, and that a `PATH` of a
/// desktop often lacks.
const AT_HOME: &[&str] = &[
    ".cargo/bin",
    ".local/bin",
    "bin",
    ".volta/bin",
    ".asdf/shims",
    ".local/share/mise/shims",
    ".bun/bin",
    ".deno/bin",
    "go/bin",
    ".pyenv/shims",
    ".nix-profile/bin",
    ".npm-global/bin",
];
/// The same for the whole machine.
const ELSEWHERE: &[&str] = &[
    "/opt/homebrew/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/snap/bin",
    "/run/current-system/sw/bin",
];
/// Where version managers keep a directory for each version, and what leads on from there.
const VERSIONS: &[(&str, &str)] = &[
    (".nvm/versions/node", "bin"),
    (".local/share/fnm/node-versions", "installation/bin"),
    (".fnm/node-versions", "installation/bin"),
];
/// How many versions are looked at.
const MOST_VERSIONS: usize = 64;

/// Returns whether a program can be started: an absolute path, or a name in one of the directories
/// of `path`.
pub(super) fn is_there(program: &str, path: &str) -> bool {
    if program.contains('/') {
        return is_executable(Path::new(program));
    }
    std::env::split_paths(path).any(|directory| is_executable(&directory.join(program)))
}

/// Returns where a program is that `PATH` does not lead to, in the order of preference.
pub(super) fn elsewhere(program: &str, home: Option<&Path>) -> Vec<PathBuf> {
    if program.contains('/') {
        return Vec::new();
    }
    let at_home = home.into_iter().flat_map(|home| {
        let fixed = AT_HOME.iter().map(|directory| home.join(directory));
        let versions =
            VERSIONS.iter().flat_map(|(directory, rest)| newest(&home.join(directory), rest));
        fixed.chain(versions)
    });
    let all = at_home.chain(ELSEWHERE.iter().map(PathBuf::from));
    all.map(|directory| directory.join(program)).filter(|path| is_executable(path)).collect()
}

/// Returns the directories of all versions, the newest first.
fn newest(directory: &Path, rest: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let entries = entries.take(MOST_VERSIONS).filter_map(Result::ok);
    let mut all: Vec<_> = entries.map(|entry| entry.path()).collect();
    all.sort_by_key(|path| std::cmp::Reverse(numbers(&path.to_string_lossy())));
    all.into_iter().map(|path| path.join(rest)).collect()
}

/// Returns the numbers in a text, by which versions are compared.
pub(super) fn numbers(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| about.is_file() && may_be_executed(&about))
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
