//! Moving in and out: what `import`, `install` and `uninstall` make of files of clients.
//!
//! Each directory in `tests/data/clients` is a client, each one in it a case: a home directory, a
//! project, or both. What comes of them is beside them, in `*.snap`.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_conflux");

/// A home directory and a project in it, which are a copy of a case.
struct Place {
    directory: TempDir,
    client: String,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        for name in ["home/.config", "project"] {
            fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        Self { directory, client: String::new() }
    }

    fn of(case: &Path) -> Self {
        let mut place = Self::new();
        let client = case.parent().unwrap().file_name().unwrap();
        client.to_str().unwrap().clone_into(&mut place.client);
        for name in ["home", "project"] {
            copy(&case.join(name), &place.path(name));
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    #[expect(clippy::disallowed_methods, reason = "the program under test is no upstream")]
    fn program(&self, args: &[&str]) -> Command {
        let mut program = Command::new(PROGRAM);
        program.current_dir(self.path("project")).args(args).env_clear();
        program.env("PATH", "/usr/bin:/bin").env("HOME", self.path("home"));
        program.env("XDG_CONFIG_HOME", self.path("home/.config"));
        program.env("CONFLUX_STATE", self.path("state")).stdin(Stdio::null());
        program
    }

    /// Runs the program and returns how it ended and what it printed.
    fn run(&self, args: &[&str]) -> String {
        let output = self.program(args).output().unwrap();
        let mut shown = format!("$ conflux {}\n", args.join(" "));
        if !output.status.success() {
            writeln!(shown, "exit code {}", output.status.code().unwrap()).unwrap();
        }
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let text = std::str::from_utf8(bytes).unwrap();
            if !text.is_empty() {
                writeln!(shown, "--- {name}\n{}", text.trim_end()).unwrap();
            }
        }
        self.scrubbed(&shown)
    }

    /// Leaves out what differs from run to run.
    fn scrubbed(&self, text: &str) -> String {
        let real = self.directory.path().canonicalize().unwrap();
        let text = text.replace(real.to_str().unwrap(), "{dir}");
        let text = text.replace(self.directory.path().to_str().unwrap(), "{dir}");
        let program = Path::new(PROGRAM).canonicalize().unwrap();
        text.replace(program.to_str().unwrap(), "{program}").replace(PROGRAM, "{program}")
    }

    /// Returns all files below a directory, by their names in it.
    fn files(&self, below: &str) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        walk(&self.path(below), &mut |path| {
            let name = path.strip_prefix(self.directory.path()).unwrap();
            files.push((name.to_str().unwrap().to_owned(), fs::read(path).unwrap()));
        });
        files.sort();
        files
    }

    /// Returns what the configuration and its secrets are.
    fn configuration(&self) -> String {
        let mut shown = String::new();
        for (name, text) in self.files("home/.config/conflux") {
            let mode = fs::metadata(self.path(&name)).unwrap().permissions().mode() & 0o777;
            let text = String::from_utf8(text).unwrap();
            writeln!(shown, "--- {name} ({mode:o})\n{}", text.trim_end()).unwrap();
        }
        self.scrubbed(&shown)
    }
}

fn copy(from: &Path, to: &Path) {
    walk(from, &mut |path| {
        let new = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(new.parent().unwrap()).unwrap();
        fs::copy(path, new).unwrap();
    });
}

fn walk(directory: &Path, each: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, each) } else { each(&path) }
    }
}

/// Calls `check` with every case there is.
fn cases(check: impl Fn(&Path)) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clients");
    let mut all = Vec::new();
    for client in fs::read_dir(root).unwrap() {
        for case in fs::read_dir(client.unwrap().path()).unwrap() {
            all.push(case.unwrap().path());
        }
    }
    all.sort();
    assert!(all.len() > 10, "{all:?}");
    for case in all {
        check(&case);
    }
}

fn expect(case: &Path, what: &str, shown: &str) {
    insta::with_settings!({
        snapshot_path => case, prepend_module_to_snapshot => false, omit_expression => true,
    }, {
        insta::assert_snapshot!(what, shown);
    });
}

#[test]
fn what_clients_have_becomes_upstreams() {
    cases(|case| {
        let place = Place::of(case);
        let before = (place.files("home"), place.files("project"));
        let dry = place.run(&["import", "--from", &place.client, "--dry-run"]);
        assert_eq!((place.files("home"), place.files("project")), before, "{case:?}");
        let shown = place.run(&["import", "--from", &place.client]);
        expect(case, "import", &format!("{shown}{}", place.configuration()));
        expect(case, "import-dry-run", &dry);
        let failed = shown.contains("exit code");

        // A second time there is nothing left to do, wherever the secrets are.
        let after = place.files("home");
        for more in [&[][..], &["--secrets", "env"]] {
            let again = place.run(&[&["import", "--from", &place.client], more].concat());
            assert!(failed || again.contains("nothing to add"), "{again}");
            assert_eq!(place.files("home"), after, "{again}");
        }
    });
}
