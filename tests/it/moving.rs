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

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
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
        let text = text.replace(program.to_str().unwrap(), "{program}");
        without_times(&text.replace(PROGRAM, "{program}"))
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

    /// Fails if a secret was shown: one that has a file, or one that only a header has now.
    fn is_silent(&self, shown: &str) {
        let files = self.files("home/.config/conflux/secrets");
        let texts = files.iter().map(|(_, text)| std::str::from_utf8(text).unwrap().trim_end());
        for secret in texts.chain(["pass1word"]) {
            assert!(!shown.contains(secret), "`{secret}` is shown:\n{shown}");
        }
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

/// Leaves out when backups were made.
fn without_times(text: &str) -> String {
    let mut parts = text.split(".20").map(str::to_owned).collect::<Vec<_>>();
    for part in parts.iter_mut().skip(1) {
        if let Some((_, rest)) = part.split_once("Z-")
            && rest.contains(".conflux-backup")
        {
            *part = format!("{{time}}-{rest}");
        } else {
            part.insert_str(0, "20");
        }
    }
    parts.join(".")
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
        place.is_silent(&format!("{dry}{shown}"));
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

#[test]
fn conflux_takes_the_place_of_what_clients_have_and_gives_it_back() {
    cases(|case| {
        let place = Place::of(case);
        place.write("project/upstreams.yaml", "upstreams: {}\n");
        place.run(&["import", "--from", &place.client]);
        let all = |place: &Place| [place.files("home"), place.files("project")].concat();
        let before = all(&place);
        let mut shown = place.run(&["install", "--client", &place.client, "--dry-run"]);
        assert_eq!(all(&place), before, "{case:?}");
        shown += &place.run(&["install", "--client", &place.client, "--yes"]);
        place.is_silent(&shown);
        let after = all(&place);
        for (name, text) in &after {
            let is_old = before.contains(&(name.clone(), text.clone()));
            if !is_old && !name.contains("conflux-backup") {
                writeln!(shown, "--- {name}\n{}", visible(&String::from_utf8_lossy(text))).unwrap();
            }
        }
        let again = place.run(&["install", "--client", &place.client, "--yes"]);
        let failed = shown.contains("exit code");
        assert!(failed || again.contains("nothing to do"), "{again}");
        assert_eq!(all(&place), after, "{case:?}");

        shown += &place.run(&["uninstall", "--client", &place.client]);
        assert_eq!(all(&place), before, "{case:?}");
        expect(case, "install", &place.scrubbed(&shown));
        if failed {
            return;
        }

        // Whoever changes the file meanwhile keeps the change.
        place.run(&["install", "--client", &place.client, "--yes"]);
        let changed = after.iter().find(|(name, text)| {
            let is_old = before.contains(&(name.clone(), text.clone()));
            !is_old && !name.contains("conflux-backup")
        });
        let name = &changed.unwrap().0;
        place.write(name, &format!("{}\n", place.read(name)));
        let mended = place.run(&["uninstall", "--client", &place.client]);
        let text = visible(&place.read(name));
        expect(case, "uninstall", &place.scrubbed(&format!("{mended}--- {name}\n{text}")));
    });
}

/// Shows what nobody sees.
fn visible(text: &str) -> String {
    let text = text.replace('\u{feff}', "<BOM>").replace('\r', "<CR>").replace('\t', "<TAB>");
    if text.ends_with('\n') { text } else { format!("{text}<no newline>\n") }
}

const CURSOR: &str = "home/.cursor/mcp.json";
const ENTRY: &str = "{\"mcpServers\": {\"time\": {\"command\": \"uvx\", \"args\": [\"t\"]}}}";
const OTHER: &str = "{\"mcpServers\": {\"time\": {\"command\": \"npx\"}}}";

#[test]
fn one_server_of_several_clients_becomes_one_upstream() {
    let place = Place::new();
    place.write(CURSOR, ENTRY);
    place.write("home/.config/Claude/claude_desktop_config.json", ENTRY);
    place.write("home/.codeium/windsurf/mcp_config.json", OTHER);
    place.write("project/more.json", ENTRY);
    place.write("home/.codex/config.toml", "a = ");
    let shown = place.run(&["import"]) + &place.run(&["import", "--file", "more.json"]);
    insta::assert_snapshot!(format!("{shown}{}", place.configuration()));
    insta::assert_snapshot!(place.run(&["install", "--client", "cursor"]));
    insta::assert_snapshot!(place.run(&["install", "--all", "--yes"]));
    place.write("home/.codex/config.toml", "a = 1\n");
    insta::assert_snapshot!(place.run(&["install", "--all", "--yes"]));
    insta::assert_snapshot!(place.run(&["uninstall", "--all"]));
    insta::assert_snapshot!(place.run(&["uninstall", "--client", "cursor"]));
}

#[test]
fn what_the_configuration_does_not_have_stays() {
    let place = Place::new();
    place.write(CURSOR, ENTRY);
    insta::assert_snapshot!(place.run(&["install", "--client", "cursor", "--yes"]));
    place.write("project/upstreams.yaml", "upstreams: {}\n");
    insta::assert_snapshot!(place.run(&["install", "--client", "cursor", "--yes"]));
    assert_eq!(place.read(CURSOR), ENTRY);
    insta::assert_snapshot!(place.run(&["install", "--client", "cursor", "--yes", "--keep"]));
    insta::assert_snapshot!(place.scrubbed(&place.read(CURSOR)));
    let project = ["install", "--client", "vscode", "--scope", "project", "--yes"];
    insta::assert_snapshot!(place.run(&project) + &place.read("project/.vscode/mcp.json"));
    insta::assert_snapshot!(place.run(&["install", "--client", "windsurf", "--scope", "project"]));
    place.run(&["uninstall", "--all"]);
    assert_eq!(place.read(CURSOR), ENTRY);
    assert!(!place.path("project/.vscode/mcp.json").exists());
}

#[test]
fn links_are_followed_and_what_is_protected_is_refused() {
    let place = Place::new();
    place.write("project/upstreams.yaml", "upstreams: { time: { command: uvx, args: [t] } }\n");
    place.write("home/dots/cursor.json", ENTRY);
    fs::create_dir(place.path("home/.cursor")).unwrap();
    std::os::unix::fs::symlink("../dots/cursor.json", place.path(CURSOR)).unwrap();
    let real = place.path("home/dots/cursor.json");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o444)).unwrap();
    insta::assert_snapshot!(place.run(&["install", "--client", "cursor", "--yes"]));
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    place.run(&["install", "--client", "cursor", "--yes"]);
    assert!(place.path(CURSOR).is_symlink());
    assert!(place.read("home/dots/cursor.json").contains("conflux"));
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(place.files("home/dots").len(), 2);
    place.run(&["uninstall", "--client", "cursor"]);
    assert_eq!(place.read("home/dots/cursor.json"), ENTRY);
    assert_eq!(place.files("home/dots").len(), 1);
}

#[test]
fn a_large_file_keeps_every_other_byte() {
    let place = Place::new();
    place.write("project/upstreams.yaml", "upstreams: { time: { command: uvx, args: [t] } }\n");
    let history =
        "{\"display\": \"do it \\u00e9 \\ud83d\\ude00\",\t\"n\": 1.50e+3}, ".repeat(50_000);
    let (front, back) = ("{\n  \"history\": [", "{}],\n  \"mcpServers\": ");
    let entry = "{\n    \"time\": {\"command\": \"uvx\", \"args\": [\"t\"]}\n  }";
    let end = ",\n  \"last\": 12345678901234567890123\n}";
    let whole = format!("{front}{history}{back}{entry}{end}");
    assert!(whole.len() > 2_000_000);
    place.write("home/.claude.json", &whole);
    place.run(&["install", "--client", "claude-code", "--yes"]);
    let text = place.read("home/.claude.json");
    assert!(text.starts_with(&format!("{front}{history}{back}")) && text.ends_with(end));
    assert!(text.contains("\"conflux\"") && !text.contains("uvx"));
    place.run(&["uninstall", "--client", "claude-code"]);
    assert_eq!(place.read("home/.claude.json"), whole);
}

#[test]
fn who_is_no_client_is_said() {
    let place = Place::new();
    for command in ["import", "install", "uninstall"] {
        insta::assert_snapshot!(place.run(&[command, "--client", "emacs"]));
    }
    insta::assert_snapshot!(place.run(&["install"]));
}

/// An entry that starts a program, perhaps with a variable.
fn entry(name: &str, program: &str, env: &str) -> String {
    format!(
        "{{\"mcpServers\": {{\"{name}\": {{\"command\": \"{program}\", \"env\": {{{env}}}}}}}}}"
    )
}

#[test]
fn no_secret_is_shown_whatever_is_beside_it() {
    let place = Place::new();
    place.write("project/upstreams.yaml", "upstreams: {}\n");
    let text = r#"{
  "mcpServers": {
    "w": {"type": "ws", "url": "ws://h", "args": ["--token", "se$cret-args"],
          "env": {"API_TOKEN": "se$cret-zzzz", "PIN_KEY": 12345678}},
    "x": {"type": "ws", "url": "ws://h", "env": {"API_TOKEN": "${SHOWN}"}}
  },
  "password": "pa$$word-1234"
}"#;
    place.write(CURSOR, text);
    let shown = place.run(&["install", "--client", "cursor", "--dry-run"]);
    for secret in ["pa$$word-1234", "se$cret-args", "se$cret-zzzz", "12345678"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains(r#"  "password": "***""#) && shown.contains("${SHOWN}"), "{shown}");
}

#[test]
fn another_account_is_not_taken_for_the_same_server() {
    let place = Place::new();
    let work = "upstreams: { work: { command: gh-mcp, env: { GITHUB_TOKEN: '${GH_WORK}' } } }\n";
    place.write("project/upstreams.yaml", work);
    let home = entry("home", "gh-mcp", "\"GITHUB_TOKEN\": \"ghp_0123456789abcdefghij\"");
    place.write(CURSOR, &home);
    let install = ["install", "--client", "cursor", "--yes"];
    insta::assert_snapshot!(place.run(&install));
    assert_eq!(place.read(CURSOR), home);
    insta::assert_snapshot!(place.run(&["import"]) + &place.read("project/upstreams.yaml"));
    assert!(place.run(&install).contains("in the place of home"));
    // By the same name it is the same.
    place.run(&["uninstall", "--all"]);
    place.write("project/upstreams.yaml", &work.replace("work:", "Home:"));
    assert!(place.run(&["import"]).contains("`Home` is there already"));
}

#[test]
fn conflux_does_not_take_itself_over() {
    let place = Place::new();
    place.write("project/upstreams.yaml", "upstreams: {}\n");
    let own = "{\"command\": \"/opt/conflux-amd64\", \"args\": [\"serve\"]}";
    place.write(CURSOR, &format!("{{\"mcpServers\": {{\"conflux\": {own}}}}}"));
    let shown = place.run(&["import"]);
    assert!(shown.contains("nothing to add"), "{shown}");
    assert_eq!(place.read("project/upstreams.yaml"), "upstreams: {}\n");
}

#[test]
fn of_an_address_nothing_but_its_password_is_moved() {
    let place = Place::new();
    place.write(
        CURSOR,
        r#"{"mcpServers": {
            "plain": {"url": "https://me:pa%2F55@h.example/${env:X}/mcp"},
            "mixed": {"url": "https://user:${env:TOKEN}@h.example/${env:X}/mcp"},
            "other": {"url": "https://h.example/${env:X}/a@b"}
        }}"#,
    );
    insta::assert_snapshot!(place.run(&["import"]) + &place.configuration());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it makes a pipe, and is no upstream")]
fn what_has_no_end_is_not_read() {
    let place = Place::new();
    assert!(Command::new("mkfifo").arg(place.path("project/pipe")).status().unwrap().success());
    let yaml = "upstreams: { time: { command: uvx, args: ['${file:pipe}'] } }\n";
    place.write("project/upstreams.yaml", yaml);
    place.write(CURSOR, ENTRY);
    let shown = place.run(&["import"]);
    assert!(shown.contains("the file `pipe` is not a file"), "{shown}");
    let shown = place.run(&["install", "--client", "cursor", "--dry-run"]);
    assert!(shown.contains("\n+++ "), "{shown}");
}

#[test]
fn what_cannot_be_undone_is_not_done() {
    let place = Place::new();
    place.write("project/upstreams.yaml", "upstreams: { time: { command: uvx, args: [t] } }\n");
    place.write(CURSOR, ENTRY);
    let install = ["install", "--client", "cursor", "--yes"];
    fs::create_dir(place.path("state")).unwrap();
    std::os::unix::fs::symlink("/proc/nowhere", place.path("state/installed")).unwrap();
    let shown = place.run(&install);
    assert!(shown.contains("exit code 1") && shown.contains("cannot write"), "{shown}");
    assert_eq!(place.read(CURSOR), ENTRY);
    assert_eq!(place.files("home/.cursor").len(), 1);
    fs::remove_file(place.path("state/installed")).unwrap();

    // A record that cannot be read is not overwritten.
    place.run(&install);
    let (record, _) = place.files("state/installed").pop().unwrap();
    place.write(&record, "{");
    let installed = place.read(CURSOR);
    let shown = place.run(&["uninstall", "--client", "cursor"]);
    insta::assert_snapshot!(shown.replace(&record, "{record}"));
    place.write(CURSOR, ENTRY);
    let shown = place.run(&install);
    assert!(shown.contains("is broken") && !installed.contains("uvx"), "{shown}");
    assert_eq!((place.read(CURSOR).as_str(), place.read(&record).as_str()), (ENTRY, "{"));
}

#[test]
fn who_has_conflux_already_when_the_disk_refuses_is_said() {
    let place = Place::new();
    place.write("project/upstreams.yaml", "upstreams: { time: { command: uvx, args: [t] } }\n");
    place.write("home/.codeium/windsurf/mcp_config.json", ENTRY);
    place.write(CURSOR, ENTRY);
    place.run(&["install", "--client", "cursor", "--yes"]);
    let (record, _) = place.files("state/installed").pop().unwrap();
    place.run(&["uninstall", "--client", "cursor"]);
    std::os::unix::fs::symlink("/proc/nowhere/record", place.path(&record)).unwrap();
    let all = ["install", "--client", "windsurf", "--client", "cursor", "--yes"];
    insta::assert_snapshot!(place.run(&all).replace(&record, "{record}"));
    assert_eq!(place.read(CURSOR), ENTRY);
    assert_eq!(place.files("home/.cursor").len(), 1);
    // What is known to be wrong is told before anything is written.
    place.run(&["uninstall", "--client", "windsurf"]);
    fs::remove_file(place.path(&record)).unwrap();
    place.write(&record, "{");
    assert!(!place.run(&all).contains("Conflux is in"));
}

#[test]
fn what_is_put_back_after_two_installs_is_named_without_conflux() {
    let place = Place::new();
    let nothing = place.run(&["uninstall", "--all"]);
    assert!(nothing.contains("Conflux was put into no client"), "{nothing}");
    let other = "other: { command: other, env: { A: '${UNSET}' } }";
    let upstreams = format!("upstreams: {{ time: {{ command: uvx, args: [t] }}, {other} }}\n");
    place.write("project/upstreams.yaml", &format!("{upstreams}profiles: {{ work: {{}} }}\n"));
    place.write(CURSOR, ENTRY);
    place.run(&["install", "--client", "cursor", "--yes"]);
    let unknown = place.run(&["--profile", "wok", "install", "--client", "cursor", "--yes"]);
    assert!(unknown.contains("there is no profile `wok`"), "{unknown}");
    assert!(unknown.contains("did you mean `work`?"), "{unknown}");
    let shown = place.run(&["--profile", "work", "install", "--client", "cursor", "--yes"]);
    assert!(shown.contains("Conflux is in"), "{shown}");
    let text = place.read(CURSOR);
    assert!(text.contains(r#""--profile""#) && text.contains(r#""work""#), "{text}");
    place.write(CURSOR, &format!("{text}\n"));
    let shown = place.run(&["uninstall", "--all"]);
    assert!(shown.contains("\n  and time put back\n"), "{shown}");
    assert!(!place.read(CURSOR).contains("conflux"));
}

#[test]
fn an_entry_that_would_be_wrong_does_not_keep_the_others_from_coming() {
    let place = Place::new();
    let gone = "{file:/nowhere/at/all}";
    place.write(
        "home/.config/opencode/opencode.json",
        &format!(
            "{{\"mcp\": {{\"a\": {{\"type\": \"local\", \"command\": [\"x\", \"{gone}\"]}},
              \"b\": {{\"type\": \"local\", \"command\": [\"y\"]}}}}}}"
        ),
    );
    insta::assert_snapshot!(place.run(&["import"]) + &place.configuration());
    // One that is alone is refused, as there is nothing else to do.
    let shown = place.run(&["import"]);
    assert!(shown.contains("exit code 3") && shown.contains("/nowhere/at/all"), "{shown}");
}
