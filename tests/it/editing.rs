//! Editing the configuration by command: what is written, what is said, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::cli::Place;

const FILE: &str = "\
# Ours.
upstreams:
  demo: # the first
    command: conflux
    args: [demo]

  other: { command: other } # and another

limits: { in_flight: 3 }
";

fn read(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path().join(name)).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_upstream_is_added_in_the_words_of_claude() {
    let place = Place::new(FILE);
    assert_snapshot!(place.run(&["add", "github", "--", "github-mcp-server", "stdio"]), @r"
    exit code 0
    --- stderr
    added `github` to {dir}/upstreams.yaml; `conflux check --connect` tries it; a gateway that runs takes it over by itself
    ");
    let remote =
        ["add", "--transport", "http", "docs", "https://example.com/mcp", "--header", "X-A: b:c"];
    assert!(place.run(&remote).starts_with("exit code 0\n"));
    let both =
        ["add", "-e", "A=1", "-e", "B=x=${HOME}", "--cwd", "~/x", "--disabled", "local", "npx"];
    assert!(
        place.run(&[&both[..], &["--", "-y", "a@1.2.3"]].concat()).starts_with("exit code 0\n")
    );
    assert_snapshot!(read(&place, "upstreams.yaml"), @r#"
    # Ours.
    upstreams:
      demo: # the first
        command: conflux
        args: [demo]

      other: { command: other } # and another

      github:
        command: github-mcp-server
        args: [stdio]

      docs:
        url: https://example.com/mcp
        transport: http
        headers: { X-A: b:c }

      local:
        command: npx
        args: [-y, a@1.2.3]
        env:
          A: "1"
          B: "x=${HOME}"
        cwd: "~/x"
        disabled: true

    limits: { in_flight: 3 }
    "#);
    assert!(place.run(&["check"]).contains("configuration is valid: 5 upstreams (1 disabled)"));
}

#[test]
fn what_an_upstream_needs_is_said_when_it_is_added() {
    let place = Place::new(FILE);
    let secret =
        ["add", "a", "-e", "API_TOKEN=0123456789abcdef", "--", "x", "--key=ghp_0123456789abcdef"];
    assert_snapshot!(place.run(&secret), @r"
    exit code 0
    --- stderr
    added `a` to {dir}/upstreams.yaml; `conflux check --connect` tries it; a gateway that runs takes it over by itself
    warning: `env.API_TOKEN` of `a` looks like a secret that is written out

    hint: set a variable where Conflux runs, and write `${API_TOKEN}` in its place, or keep it in a file and write `${file:PATH}`

    warning: `args[0]` of `a` looks like a secret that is written out

    hint: set a variable where Conflux runs, and write `${A_TOKEN}` in its place, or keep it in a file and write `${file:PATH}`
    ");
    let unset =
        ["add", "b", "https://example.com", "-H", "Authorization: Bearer ${NOT_SET_ANYWHERE}"];
    assert_snapshot!(place.run(&unset), @r"
    exit code 0
    --- stderr
    added `b` to {dir}/upstreams.yaml; `conflux check --connect` tries it; a gateway that runs takes it over by itself
    warning: `headers.Authorization` of `b`: `NOT_SET_ANYWHERE` is not set here

    hint: Conflux does not start without it; set it where Conflux runs
    ");
    let shown = place.run(&[
        "add",
        "c",
        "https://example.com",
        "-H",
        "Authorization: Bearer 0123456789abcdef",
    ]);
    assert!(shown.contains("write `${C_TOKEN}` in its place"), "{shown}");
}

#[test]
fn a_secret_is_warned_of_wherever_it_is_written_out() {
    let place = Place::new(FILE);
    for (args, said) in [
        (&["add", "p", "--", "prog", "--api-key", "0123456789abcdef0123"][..], "`args[1]` of `p`"),
        (&["add", "q", "https://h.example/mcp?api_key=abc"], "`url` of `q`"),
        (&["add", "r", "-e", "DB=postgres://u:pw@h/db", "--", "prog"], "`env.DB` of `r`"),
        (
            &["add", "1s", "-t", "http", "https://h/", "-H", "Authorization: Bearer 0123456789ab"],
            "write `${VALUE_1S_TOKEN}` in its place",
        ),
    ] {
        let shown = place.run(args);
        assert!(shown.contains("looks like a secret") && shown.contains(said), "{args:?}: {shown}");
    }
    let shown = place.run(&["doctor"]);
    assert_eq!(shown.matches("this looks like a secret").count(), 4, "{shown}");
    let shown = place.run(&["add", "t", "https://h.example/?api_key=${NOT_SET_ANYWHERE}"]);
    assert!(shown.contains("`url` of `t`: `NOT_SET_ANYWHERE` is not set"), "{shown}");
}

#[test]
fn what_would_be_wrong_is_not_written() {
    let place = Place::new(FILE);
    for (args, said) in [
        (&["add", "a b", "x"][..], "the key `a b` holds ` `"),
        (&["add", "a__b", "x"], "did you mean `a_b`?"),
        (&["add", "conflux", "x"], "reserved for Conflux's own tools"),
        (&["add", "demo", "x"], "there is an upstream `demo` already"),
        (&["add", "a", "-t", "http", "no-address"], "`url` is not an address"),
        (&["add", "a", "x", "-e", "A=${1}"], "is not the name of a variable"),
        (&["remove", "dmo"], "did you mean `demo`?"),
        (&["remove", "demo", "nobody"], "there is no upstream `nobody`"),
        (&["enable", "nobody"], "there are `demo`, `other`"),
        (&["disable", "nobody"], "there are `demo`, `other`"),
    ] {
        let shown = place.run(args);
        let code = if args[0] == "add" { 3 } else { 5 };
        let begins = shown.starts_with(&format!("exit code {code}\n"));
        assert!(begins && shown.contains(said), "{args:?} {shown}");
        assert_eq!(read(&place, "upstreams.yaml"), FILE, "{args:?}");
    }
    assert_snapshot!(place.run(&["add", "a b", "x"]), @r"
    exit code 3
    --- stderr
    error: nothing was written, since the configuration would be wrong

    error: upstreams.yaml:9:3: the key `a b` holds ` `

    hint: did you mean `a-b`?
    ");
    for args in [
        &["add", "a"][..],
        &["add", "a", "https://x", "y"],
        &["add", "a", "https://x", "-e", "A=1"],
        &["add", "a", "x", "-H", "A: b"],
        &["add", "a", "x", "-e", "A"],
        &["add", "a", "x", "-t", "carrier-pigeon"],
        &["remove"],
    ] {
        let shown = place.run(args);
        assert!(shown.starts_with("exit code 2\n"), "{args:?} {shown}");
    }
    assert_snapshot!(place.run(&["add", "a"]), @r"
    exit code 2
    --- stderr
    error: there is neither a program nor an address

    hint: write `conflux add a -- COMMAND …` or `conflux add a URL`
    ");
    // What is wrong already does not stand in the way of what mends it.
    let broken = Place::new("upstreams:\n  a: { comand: x }\n  b: { command: y }\n");
    assert!(broken.run(&["disable", "b"]).starts_with("exit code 0\n"));
    assert!(broken.run(&["remove", "a"]).starts_with("exit code 0\n"));
    assert!(broken.run(&["check"]).starts_with("exit code 0\n"));
    let broken = Place::new("upstreams: {");
    assert_snapshot!(broken.run(&["add", "a", "x"]), @r"
    exit code 3
    --- stderr
    error: cannot edit `{dir}/upstreams.yaml`
      caused by: it is not valid YAML or JSON: unclosed bracket '{' at line 1, column 12

    hint: `conflux check` says where; correct it first
    ");
}

#[test]
fn what_is_removed_is_gone_and_the_rest_stays() {
    let place = Place::new(FILE);
    assert_snapshot!(place.run(&["remove", "demo"]), @r"
    exit code 0
    --- stderr
    removed `demo` from {dir}/upstreams.yaml
    ");
    assert_snapshot!(read(&place, "upstreams.yaml"), @r"
    # Ours.
    upstreams:
      other: { command: other } # and another

    limits: { in_flight: 3 }
    ");
    assert!(place.run(&["remove", "other"]).starts_with("exit code 0\n"));
    assert_eq!(
        read(&place, "upstreams.yaml"),
        "# Ours.\nupstreams: {}\n\nlimits: { in_flight: 3 }\n"
    );
    // A profile that names it would name nobody.
    let profile = "profiles: { p: { upstreams: [demo] } }\n";
    let place = Place::new(&format!("{FILE}{profile}"));
    let shown = place.run(&["remove", "demo"]);
    assert!(shown.starts_with("exit code 3\n") && shown.contains("nothing was written"), "{shown}");
}

#[test]
fn upstreams_are_disabled_and_enabled() {
    let place = Place::new(FILE);
    assert_snapshot!(place.run(&["disable", "demo", "other"]), @r"
    exit code 0
    --- stderr
    disabled `demo` in {dir}/upstreams.yaml
    disabled `other` in {dir}/upstreams.yaml
    ");
    let disabled = read(&place, "upstreams.yaml");
    assert_eq!(disabled.matches("disabled: true").count(), 2, "{disabled}");
    assert!(place.run(&["check"]).contains("2 upstreams (2 disabled)"));
    assert_snapshot!(place.run(&["disable", "demo"]), @r"
    exit code 0
    --- stderr
    `demo` is disabled already in {dir}/upstreams.yaml
    ");
    assert_snapshot!(place.run(&["enable", "demo"]), @r"
    exit code 0
    --- stderr
    enabled `demo` in {dir}/upstreams.yaml
    ");
    assert_eq!(read(&place, "upstreams.yaml"), disabled.replacen("true", "false", 1));
}

#[test]
fn of_several_files_the_last_one_is_edited() {
    let place = Place::new(FILE);
    place.write("mine.yaml", "upstreams:\n  demo: { start: eager }\n");
    let files = ["--config", "upstreams.yaml", "--config", "mine.yaml"];
    let run = |args: &[&str]| place.run(&[&files[..], args].concat());
    assert_snapshot!(run(&["disable", "demo", "other"]), @r"
    exit code 0
    --- stderr
    disabled `demo` in {dir}/mine.yaml
    disabled `other` in {dir}/upstreams.yaml
    ");
    assert_snapshot!(run(&["add", "new", "--", "x"]), @r"
    exit code 0
    --- stderr
    added `new` to {dir}/mine.yaml; `conflux check --connect` tries it; a gateway that runs takes it over by itself
    ");
    assert_snapshot!(read(&place, "mine.yaml"), @r"
    upstreams:
      demo: { start: eager, disabled: true }
      new:
        command: x
    ");
    assert_snapshot!(run(&["remove", "demo"]), @r"
    exit code 0
    --- stderr
    removed `demo` from {dir}/mine.yaml
    warning: there is still a `demo` in {dir}/upstreams.yaml

    hint: run the command again to remove that, too
    ");
}

#[test]
fn what_is_enabled_is_enabled_whichever_file_had_it_left_out() {
    let place = Place::new("");
    place.write("team.yaml", "upstreams:\n  a: { command: a, disabled: true }\n");
    place.write("mine.yaml", "upstreams:\n  a: { timeout: { call: 1m } }\n");
    let layers = ["--config", "team.yaml", "--config", "mine.yaml", "enable", "a"];
    let shown = place.run(&layers);
    assert!(shown.ends_with("enabled `a` in {dir}/team.yaml\n"), "{shown}");
    assert!(!read(&place, "team.yaml").contains("disabled: true"));
    assert!(place.run(&layers).ends_with("`a` is enabled already in {dir}/team.yaml\n"));
}

#[test]
fn links_permissions_and_line_ends_stay() {
    let place = Place::new("");
    fs::create_dir(place.path().join("dots")).unwrap();
    place.write("dots/real.yaml", "upstreams:\r\n  a: { command: x }\r\n");
    let (link, real) = (place.path().join("upstreams.yaml"), place.path().join("dots/real.yaml"));
    symlink("dots/real.yaml", &link).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(place.run(&["add", "b", "z"]).starts_with("exit code 0\n"));
    assert!(link.is_symlink());
    assert_eq!(mode(&real), 0o640);
    let expected = "upstreams:\r\n  a: { command: x }\r\n  b:\r\n    command: z\r\n";
    assert_eq!(read(&place, "dots/real.yaml"), expected);
    fs::set_permissions(&real, fs::Permissions::from_mode(0o440)).unwrap();
    let shown = place.run(&["add", "c", "z"]);
    assert!(shown.starts_with("exit code 1\n") && shown.contains("read-only"), "{shown}");
    assert_eq!(read(&place, "dots/real.yaml"), expected);
    place.write("client.json", r#"{"mcpServers": {"a": {"command": "x"}}}"#);
    assert!(place.run(&["add", "b", "y", "--config", "client.json"]).starts_with("exit code 0\n"));
    let json: serde_json::Value = serde_json::from_str(&read(&place, "client.json")).unwrap();
    assert_eq!(json["mcpServers"]["b"]["command"], "y");
}

#[test]
fn a_first_configuration_is_right_and_is_not_overwritten() {
    let place = Place::new("");
    assert_snapshot!(place.run(&["init"]), @r"
    exit code 0
    --- stderr
    wrote {dir}/.config/conflux/upstreams.yaml
    wrote {dir}/.config/conflux/upstreams.schema.json
    edit it, or use `conflux add`; `conflux check --connect` tries it; a gateway that runs takes it over by itself
    ");
    let file = ".config/conflux/upstreams.yaml";
    assert!(place.run(&["check"]).contains("configuration is valid: 1 upstream in"));
    assert!(place.run(&["tools"]).contains("demo__echo"));
    assert_eq!(mode(&place.path().join(file)), 0o600);
    let schema = read(&place, ".config/conflux/upstreams.schema.json");
    assert_eq!(schema, place.data(&["schema"]));
    // What is commented out is right, too.
    let hash = |line: &str| line.replacen("# ", "", 1);
    let all: Vec<_> = read(&place, file)
        .lines()
        .map(|line| match line.trim_start() {
            it if it.starts_with("#   ") || it.ends_with(':') && it.starts_with("# ") => hash(line),
            _ => line.to_owned(),
        })
        .collect();
    place.write("all.yaml", &all.join("\n"));
    let check =
        place.program(&["check", "--config", "all.yaml"]).env("DOCS_TOKEN", "x").output().unwrap();
    assert!(
        place.shown(&check).contains("configuration is valid: 3 upstreams"),
        "{}",
        place.shown(&check)
    );
    place.write(file, "upstreams: {}\n");
    assert_snapshot!(place.run(&["init"]), @r"
    exit code 3
    --- stderr
    error: there is a `{dir}/.config/conflux/upstreams.yaml` already

    hint: `conflux add` adds to it; `--force` overwrites it, and what is in it is lost
    ");
    assert_eq!(read(&place, file), "upstreams: {}\n");
    assert!(place.run(&["init", "--force"]).starts_with("exit code 0\n"));
    assert!(
        read(&place, file).starts_with("# yaml-language-server: $schema=./upstreams.schema.json\n")
    );
    assert!(
        place.run(&["init", "--config", "here/own.yaml"]).contains("wrote {dir}/here/own.yaml")
    );
    // Without a configuration, the first upstream makes one.
    let place = Place::new("");
    assert!(place.run(&["add", "a", "x"]).starts_with("exit code 0\n"));
    assert_eq!(read(&place, file), "upstreams:\n  a:\n    command: x\n");
}

#[test]
fn every_shell_has_its_completions() {
    let place = Place::new("");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = place.data(&["completions", shell]);
        for word in ["serve", "doctor", "connect", "completions"] {
            assert!(script.contains(word), "{shell} has no {word}");
        }
    }
    place.write("conflux.bash", &place.data(&["completions", "bash"]));
    #[expect(clippy::disallowed_methods, reason = "it reads the script, and is no upstream")]
    let mut bash = std::process::Command::new("bash");
    let read = bash.args(["-n", "conflux.bash"]).current_dir(place.path()).stdin(Stdio::null());
    let read = read.output().unwrap();
    assert!(read.status.success() && read.stderr.is_empty(), "{read:?}");
    let shown = place.run(&["completions", "tcsh"]);
    assert!(
        shown.starts_with("exit code 2\n") && shown.contains("[possible values: bash"),
        "{shown}"
    );
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::new("");
    let page = place.data(&["man"]);
    assert!(page.starts_with(".ie \\n(.g"), "{page}");
    assert!(place.run(&["man", "--dir", "pages"]).starts_with("exit code 0\n"));
    let help = place.data(&["--help"]);
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands: Vec<_> =
        commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 12, "{commands:?}");
    for command in commands.iter().filter(|command| **command != "help") {
        assert!(page.contains(&format!("conflux\\-{command}(1)")), "{command}");
        let page = read(&place, &format!("pages/conflux-{command}.1"));
        assert!(page.contains(&format!(".TH conflux-{command} 1")), "{page}");
    }
    place.write("file", "");
    assert!(place.run(&["man", "--dir", "file/pages"]).starts_with("exit code 1\n"));
}
