//! Programs on the disk: where they should be, and where else they may be.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::upstream::executable;

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
    let all = all.map(|directory| directory.join(program));
    all.filter(|path| executable::find(path, None, None).is_ok()).collect()
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
