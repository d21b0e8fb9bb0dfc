//! Packages that are fetched by name when an upstream starts, and versions of them that are on this
//! machine already.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::command::doctor::programs;

/// How many directories of a cache are looked at.
const MOST: usize = 4096;

/// Where packages of a runner come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registry {
    /// npm's.
    Npm,
    /// Python's.
    PyPi,
}

/// A package that a command line fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fetched<'a> {
    pub(super) registry: Registry,
    /// As it is written.
    pub(super) written: &'a str,
    /// Which argument that is.
    pub(super) index: usize,
}

impl Registry {
    /// Returns what stands between the name of a package and its version.
    pub(super) fn between(self) -> &'static str {
        match self {
            Self::Npm => "@",
            Self::PyPi => "==",
        }
    }
}

/// Returns the package that a command line fetches, if it fetches one by its name.
pub(super) fn fetched<'a>(program: &str, args: &[&'a str]) -> Option<Fetched<'a>> {
    let stem = Path::new(program).file_stem()?.to_str()?;
    let (registry, named, skipped): (_, &[&str], &[&str]) = match stem {
        "npx" | "bunx" => (Registry::Npm, &["-p", "--package"], &[]),
        "pnpm" | "yarn" => (Registry::Npm, &["--package"], &["dlx"]),
        "uvx" => (Registry::PyPi, &["--from"], &[]),
        "uv" => (Registry::PyPi, &["--from"], &["tool", "run"]),
        "pipx" => (Registry::PyPi, &["--spec"], &["run"]),
        _ => return None,
    };
    let begins = skipped.iter().zip(args).all(|(expected, arg)| expected == arg);
    if !begins || args.len() < skipped.len() {
        return None;
    }
    let rest = || args.iter().copied().enumerate().skip(skipped.len());
    let option = rest().find(|(_, arg)| named.contains(arg));
    let (index, written) = match option {
        Some((index, _)) => (index + 1, *args.get(index + 1)?),
        None => rest().find(|(_, arg)| !arg.starts_with('-'))?,
    };
    // A directory or an address is no name.
    let is_name = !written.starts_with(['.', '/', '~', '$']) && !written.contains(':');
    is_name.then_some(Fetched { registry, written, index })
}

impl Fetched<'_> {
    /// Returns the name without a version.
    pub(super) fn name(&self) -> &str {
        let (scope, rest) = match self.written.strip_prefix('@') {
            Some(rest) => (1, rest),
            None => (0, self.written),
        };
        let end = rest
            .find(['@', '=', '<', '>', '~', '[', '!'])
            .map_or(self.written.len(), |at| at + scope);
        self.written.get(..end).unwrap_or(self.written)
    }

    /// Returns whether it is one version and no other.
    pub(super) fn is_pinned(&self) -> bool {
        let behind = self.written.get(self.name().len()..).unwrap_or_default();
        let behind = behind.split_once(']').map_or(behind, |(_, behind)| behind);
        let version = match self.registry {
            Registry::Npm => behind.strip_prefix('@'),
            Registry::PyPi => behind.strip_prefix("==").or(behind.strip_prefix('@')),
        };
        version.is_some_and(|version| {
            let parts: Vec<_> = version.split('.').collect();
            let is_number = |part: &&str| part.starts_with(|c: char| c.is_ascii_digit());
            let enough = if self.registry == Registry::Npm { 3 } else { 2 };
            parts.len() >= enough && parts.iter().take(enough).all(is_number)
        })
    }

    /// Returns the newest version that is on this machine already. Reads the disk.
    pub(super) fn cached(&self, home: &Path) -> Option<String> {
        match self.registry {
            Registry::Npm => npm(&home.join(".npm/_npx"), self.name()),
            Registry::PyPi => python(&home.join(".cache/uv/archive-v0"), self.name()),
        }
    }
}

fn npm(cache: &Path, name: &str) -> Option<String> {
    let version = |directory: fs::DirEntry| {
        let about = directory.path().join("node_modules").join(name).join("package.json");
        let about: Value = serde_json::from_slice(&fs::read(about).ok()?).ok()?;
        about.get("version")?.as_str().map(str::to_owned)
    };
    newest(entries(cache).filter_map(version))
}

fn python(cache: &Path, name: &str) -> Option<String> {
    let start = format!("{}-", name.to_lowercase().replace(['-', '.'], "_"));
    let inside = entries(cache).flat_map(|directory| entries(&directory.path()));
    let version = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        Some(name.strip_suffix(".dist-info")?.strip_prefix(&start)?.to_owned())
    };
    newest(inside.take(MOST).filter_map(version))
}

fn entries(directory: &Path) -> impl Iterator<Item = fs::DirEntry> + use<> {
    fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok).take(MOST)
}

fn newest(versions: impl Iterator<Item = String>) -> Option<String> {
    versions.max_by_key(|version| programs::numbers(version))
}

#[cfg(test)]
mod tests {
    use crate::cli::command::doctor::packages::fetched;

    #[test]
    fn packages_are_recognized_with_their_versions() {
        for (line, name, is_pinned) in [
            ("npx -y @scope/server", "@scope/server", false),
            ("npx -y @scope/server@1.2.3", "@scope/server", true),
            ("npx server@latest", "server", false),
            ("npx server@^1.2.3", "server", false),
            ("/usr/bin/npx --yes server@1.2 --flag", "server", false),
            ("npx -p other@1.2.3-rc.1 server", "other", true),
            ("pnpm dlx server", "server", false),
            ("uvx mcp-server-git", "mcp-server-git", false),
            ("uvx mcp-server-git@2026.1.2 --repository x", "mcp-server-git", true),
            ("uvx --from mcp[cli]==1.2 mcp", "mcp", true),
            ("uv tool run server", "server", false),
            ("pipx run --spec server==1.2.3 run", "server", true),
        ] {
            let words: Vec<_> = line.split(' ').collect();
            let found = fetched(words[0], &words[1..]).unwrap();
            assert_eq!((found.name(), found.is_pinned()), (name, is_pinned), "{line}");
        }
        for line in
            ["node server.js", "npx ./here", "npx git+https://x/y", "uv run server", "npx -y"]
        {
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!(fetched(words[0], &words[1..]), None, "{line}");
        }
    }
}
