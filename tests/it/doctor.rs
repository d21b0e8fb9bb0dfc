//! What `conflux doctor` finds: every code is provoked through the real program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use insta::assert_snapshot;
use serde_json::Value;

use crate::cli::Place;

const DEMO: &str = "upstreams:\n  demo: { command: conflux, args: [demo] }\n";

/// What is found, as data.
fn findings(place: &Place, more: &[&str]) -> Vec<Value> {
    let args = [&["doctor", "--json"][..], more].concat();
    let output = place.program(&args).output().unwrap();
    let shown = place.shown(&output);
    let mut document: Value = serde_json::from_slice(&output.stdout).expect(&shown);
    document["findings"].as_array_mut().unwrap().drain(..).collect()
}

/// The finding with a code, which must be there once.
#[track_caller]
fn only(place: &Place, code: &str) -> Value {
    let all = findings(place, &[]);
    let found: Vec<_> = all.iter().filter(|finding| finding["code"] == code).collect();
    assert_eq!(found.len(), 1, "{code} in {all:#?}");
    found[0].clone()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Makes a program that does nothing.
fn program(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "#!/bin/sh\n").unwrap();
    chmod(path, 0o755);
}

#[test]
fn where_all_is_well_nothing_is_found() {
    let place = Place::new(DEMO);
    assert_snapshot!(place.run(&["doctor"]), @r"
    exit code 0
    --- stdout
    nothing is wrong
    ");
    assert_snapshot!(place.run(&["doctor", "--json"]), @r#"
    exit code 0
    --- stdout
    {"findings":[]}
    "#);
    assert!(place.run(&["doctor", "--connect"]).contains("nothing is wrong"));
}

#[test]
fn everything_is_found_at_once_with_its_place() {
    let place = Place::new(
        "upstreams:
  one:
    command: no-such-program
    env: { A: '${NOT_SET}', API_TOKEN: abcdef0123456789 }
  two: { command: npx, args: [-y, '@scope/server@latest'] }
  three: { command: conflux, args: [demo] }
  four: { command: conflux, args: [demo] }
  five: { command: conflux, args: [demo], env: { B: c } }
  six: { command: x, disabled: true }
  seven: { command: conflux, args: [demo], env: { EMPTY: '${EMPTY}' } }
limits: { in_flight: 0 }
",
    );
    chmod(&place.path().join("upstreams.yaml"), 0o644);
    program(&place.path().join("bin/npx"));
    let run = |args: &[&str]| {
        let mut doctor = place.program(args);
        let conflux = Path::new(env!("CARGO_BIN_EXE_conflux")).parent().unwrap();
        let path = [conflux, &place.path().join("bin")];
        doctor.env("PATH", std::env::join_paths(path).unwrap()).env("EMPTY", "");
        place.shown(&doctor.output().unwrap())
    };
    assert_snapshot!(run(&["doctor"]), @r"
    exit code 1
    --- stdout
    CFX001 error: limits.in_flight (upstreams.yaml:11:22)
      `limits.in_flight` is 0, but must be from 1 to 65536
      hint: write `1`

    CFX003 error: upstreams.one.env.A ({dir}/upstreams.yaml:4:15)
      the variable `NOT_SET` is not set
      hint: set it where Conflux runs, or write `${NOT_SET:-default}`

    CFX004 error: upstreams.one.command ({dir}/upstreams.yaml:3:14)
      there is no program `no-such-program`
      hint: install it, or correct `command`; only what is in `PATH` is found

    CFX006 error, can be mended: {dir}/upstreams.yaml
      others can read it (mode 644), and a secret is written out in it
      hint: `chmod 600 {dir}/upstreams.yaml`, which `--fix` does

    CFX005 warning: upstreams.two.args[1] ({dir}/upstreams.yaml:5:35)
      `@scope/server@latest` is fetched in whatever version is the newest, which may do anything
      hint: write a version, as in `@scope/server@1.2.3`

    CFX007 warning: upstreams.one.env.API_TOKEN ({dir}/upstreams.yaml:4:40)
      this looks like a secret that is written out
      hint: set a variable where Conflux runs, and write `${API_TOKEN}` in its place, or keep it in a file and write `${file:PATH}`

    CFX011 warning: upstreams.four ({dir}/upstreams.yaml:7:3)
      `three` and `four` are the same server
      hint: remove one of them: every tool is there twice

    CFX011 note: upstreams.five ({dir}/upstreams.yaml:8:3)
      `three` and `five` are the same server
      hint: nothing to do if their variables or headers make two of it

    CFX011 note: upstreams.seven ({dir}/upstreams.yaml:10:3)
      `three` and `seven` are the same server
      hint: nothing to do if their variables or headers make two of it

    CFX012 note: upstreams.six ({dir}/upstreams.yaml:9:3)
      it is disabled
      hint: `conflux enable six` takes it in again

    4 errors, 3 warnings, 3 notes; `--fix` mends 1
    ");
    place.write(
        "upstreams.yaml",
        &fs::read_to_string(place.path().join("upstreams.yaml"))
            .unwrap()
            .replace("in_flight: 0", "in_flight: 1"),
    );
    let shown = run(&["doctor"]);
    assert!(
        shown.contains("CFX002 warning: upstreams.seven.env.EMPTY (upstreams.yaml:10:"),
        "{shown}"
    );
    assert!(!shown.contains("CFX001"), "{shown}");
}

#[test]
fn without_a_configuration_that_is_said() {
    let place = Place::new("");
    let found = only(&place, "CFX001");
    assert!(found["message"].as_str().unwrap().starts_with("no configuration found"), "{found}");
    let broken = Place::new("upstreams: {");
    assert_eq!(only(&broken, "CFX001")["line"], 1);
}

#[test]
fn a_program_is_found_elsewhere_and_its_path_written() {
    let place = Place::new(
        "# Mine.\nupstreams:\n  a: { command: my-own-server } # here\n  b: { command: ./gone.sh }\n",
    );
    let all = findings(&place, &[]);
    let missing: Vec<_> = all.iter().filter(|it| it["code"] == "CFX004").collect();
    assert_eq!(missing.len(), 2, "{all:#?}");
    assert_eq!(missing[0]["fixable"], false);
    program(&place.path().join(".nvm/versions/node/v9.1.0/bin/my-own-server"));
    program(&place.path().join(".nvm/versions/node/v20.1.0/bin/my-own-server"));
    let shown = place.run(&["doctor"]);
    let newest = "{dir}/.nvm/versions/node/v20.1.0/bin/my-own-server";
    let expected = format!("`my-own-server` is not in `PATH`, but it is `{newest}` and");
    assert!(shown.starts_with("exit code 1\n") && shown.contains(&expected), "{shown}");
    assert_snapshot!(place.run(&["doctor", "--fix"]), @r"
    exit code 1
    --- stdout
    CFX004 error, mended: upstreams.a.command ({dir}/upstreams.yaml:3:17)
      `my-own-server` is not in `PATH`, but it is `{dir}/.nvm/versions/node/v20.1.0/bin/my-own-server` and `{dir}/.nvm/versions/node/v9.1.0/bin/my-own-server`

    CFX004 error: upstreams.b.command ({dir}/upstreams.yaml:4:17)
      there is no program `{dir}/gone.sh`
      hint: install it, or correct `command`; only what is in `PATH` is found

    1 error; 1 mended
    ");
    let text = fs::read_to_string(place.path().join("upstreams.yaml")).unwrap();
    let path = place.path().join(".nvm/versions/node/v20.1.0/bin/my-own-server");
    assert_eq!(
        text.lines().nth(2).unwrap(),
        format!("  a: {{ command: {} }} # here", path.display())
    );
    assert_eq!(text.lines().next(), Some("# Mine."));
}

#[test]
fn a_program_is_looked_for_as_it_would_be_started() {
    let place = Place::new(
        "upstreams:
  here: { command: mine, env: { PATH: '${HOME}/own:${PATH}' } }
",
    );
    program(&place.path().join("own/mine"));
    assert_eq!(findings(&place, &[]), Vec::<Value>::new());
    fs::write(place.path().join("own/mine"), "#!/no/such/interpreter\n").unwrap();
    let found = only(&place, "CFX004");
    let message = found["message"].as_str().unwrap();
    assert!(message.ends_with("is for `/no/such/interpreter`, which is not there"), "{message}");
    fs::write(place.path().join("own/mine"), "#!/bin/sh\n").unwrap();
    chmod(&place.path().join("own/mine"), 0o644);
    let found = only(&place, "CFX004");
    assert_eq!(found["message"], "`mine` cannot be started: it may not be executed");
}

#[test]
fn of_several_files_the_one_is_mended_that_is_wrong() {
    let place = Place::new("");
    place.write("team.yaml", "upstreams:\n  here: { command: mine }\n");
    place.write("mine.yaml", "upstreams:\n  here: { timeout: { call: 1m } }\n");
    program(&place.path().join(".local/bin/mine"));
    let layers = ["--config", "team.yaml", "--config", "mine.yaml", "doctor", "--fix"];
    let shown = place.run(&layers);
    assert!(shown.ends_with("nothing is wrong; 1 mended\n"), "{shown}");
    let team = fs::read_to_string(place.path().join("team.yaml")).unwrap();
    assert!(team.contains(".local/bin/mine"), "{team}");
}

#[test]
fn packages_without_a_version_are_named_with_the_one_that_is_there() {
    let place = Place::new(
        "upstreams:\n  a: { command: npx, args: [-y, '@scope/server'] }\n  b: { command: uvx, args: [mcp-server-git] }\n  c: { command: npx, args: [-y, 'x@1.2.3'] }\n",
    );
    let npm = place.path().join(".npm/_npx/0a/node_modules/@scope/server");
    fs::create_dir_all(&npm).unwrap();
    fs::write(npm.join("package.json"), r#"{"name": "@scope/server", "version": "2.10.0"}"#)
        .unwrap();
    fs::create_dir_all(
        place.path().join(".cache/uv/archive-v0/x/mcp_server_git-2026.1.14.dist-info"),
    )
    .unwrap();
    let all = findings(&place, &[]);
    let hints: Vec<_> = all
        .iter()
        .filter(|it| it["code"] == "CFX005")
        .map(|it| it["hint"].as_str().unwrap())
        .collect();
    assert_eq!(
        hints,
        [
            "write `@scope/server@2.10.0`, which is on this machine already",
            "write `mcp-server-git==2026.1.14`, which is on this machine already",
        ]
    );
}

#[test]
fn files_with_secrets_are_closed() {
    let place = Place::new(
        "upstreams:\n  demo: { command: conflux, args: [demo], env: { A: '${file:token}', B: '${file:~/closed}' } }\n",
    );
    for (name, permissions) in [("token", 0o644), ("closed", 0o600), (".env", 0o660)] {
        place.write(name, "secret\n");
        chmod(&place.path().join(name), permissions);
    }
    let open: Vec<_> =
        findings(&place, &[]).into_iter().filter(|it| it["code"] == "CFX006").collect();
    assert_eq!(open.len(), 2, "{open:#?}");
    let shown = place.run(&["doctor", "--fix"]);
    assert!(shown.starts_with("exit code 0\n") && shown.contains("2 mended"), "{shown}");
    assert_eq!(
        (mode(&place.path().join("token")), mode(&place.path().join(".env"))),
        (0o600, 0o600)
    );
    assert!(place.run(&["doctor"]).contains("nothing is wrong"));
}

#[test]
fn keys_that_others_can_read_are_closed() {
    let place = Place::new(DEMO);
    assert!(place.run(&["token", "create", "ci"]).starts_with("exit code 0\n"));
    let state = place.path().join("state");
    let files = ["audit.key", "tasks.key", "tokens/key", "tokens/tokens.json"];
    let files = files.map(|name| state.join(name));
    for path in files.iter().take(2) {
        fs::write(path, "a key").unwrap();
        chmod(path, 0o600);
    }
    assert_eq!(findings(&place, &[]), Vec::<Value>::new());
    for (path, open) in files.iter().zip([0o644, 0o640, 0o602, 0o604]) {
        assert_eq!(mode(path), 0o600, "{}", path.display());
        chmod(path, open);
    }
    let found = findings(&place, &[]);
    assert!(found.iter().all(|it| it["code"] == "CFX020" && it["severity"] == "error"));
    assert_eq!(found.len(), files.len(), "{found:#?}");
    assert_snapshot!(place.run(&["doctor"]), @r"
    exit code 1
    --- stdout
    CFX020 error, can be mended: {dir}/state/audit.key
      others can read or change it (mode 644), and it signs the checkpoints of audit records: who has it can make records anew, and nobody could tell
      hint: `chmod 600 {dir}/state/audit.key`, which `--fix` does; if somebody may have read it, move it, `audit.pub` and the records elsewhere and start Conflux again, which makes a new one; `conflux audit verify` takes the old ones by `--directory` and `--key`

    CFX020 error, can be mended: {dir}/state/tokens/key
      others can read or change it (mode 602), and it makes the hashes of tokens: who has it can make one that passes for that of a token of this gateway
      hint: `chmod 600 {dir}/state/tokens/key`, which `--fix` does; if somebody may have read it, revoke all tokens (`conflux token revoke`), remove it, and make them anew (`conflux token create`), which makes a new key, too

    CFX020 error, can be mended: {dir}/state/tokens/tokens.json
      others can read or change it (mode 604), and it says for whom tokens were made and what they are good for, and has their hashes
      hint: `chmod 600 {dir}/state/tokens/tokens.json`, which `--fix` does

    CFX020 error, can be mended: {dir}/state/tasks.key
      others can read or change it (mode 640), and it seals the ids of tasks: who has it can make ids of tasks of others
      hint: `chmod 600 {dir}/state/tasks.key`, which `--fix` does; if somebody may have read it, remove it and start Conflux again, which makes a new one; ids that clients have lead nowhere then

    4 errors; `--fix` mends 4
    ");
    assert!(place.run(&["doctor", "--fix"]).contains("4 mended"));
    assert_eq!(files.map(|path| mode(&path)), [0o600; 4]);
    assert!(place.run(&["doctor"]).contains("nothing is wrong"));
}

#[test]
fn secrets_that_are_written_out_are_named_but_not_shown() {
    let place = Place::new(
        "upstreams:\n  a: { url: 'https://example.com/mcp', headers: { Authorization: 'Bearer abcdef0123456789' } }\n",
    );
    let found = only(&place, "CFX007");
    assert_eq!(found["key"], "upstreams.a.headers.Authorization");
    assert!(found["hint"].as_str().unwrap().contains("`${A_TOKEN}`"), "{found}");
    assert!(!place.run(&["doctor"]).contains("abcdef0123456789"));
    // The file that holds it is open to others.
    chmod(&place.path().join("upstreams.yaml"), 0o644);
    assert!(only(&place, "CFX006")["message"].as_str().unwrap().contains("written out"));
}

#[test]
fn old_revisions_are_told_once_they_are_known() {
    let place = Place::new("upstreams: { old: { command: sh, args: [serve.sh] } }");
    place.write(
        "serve.sh",
        &crate::cli::scripted(r#"{"name":"t","inputSchema":{"type":"object"}}"#),
    );
    assert_eq!(findings(&place, &[]), Vec::<Value>::new());
    let asked = findings(&place, &["--connect"]);
    assert!(
        asked[0]["code"] == "CFX008"
            && asked[0]["message"].as_str().unwrap().contains("2025-06-18"),
        "{asked:#?}"
    );
    // From now on it is remembered.
    let found = only(&place, "CFX008");
    assert!(found["message"].as_str().unwrap().contains("before 2026-07-28"), "{found}");
    assert_eq!(found["severity"], "note");
}

#[test]
fn what_cannot_be_started_is_found() {
    let place = Place::new(
        "upstreams:\n  a: { command: sh, args: [-c, 'echo out of luck >&2; exit 3'] }\n",
    );
    assert_eq!(findings(&place, &[]), Vec::<Value>::new());
    assert_snapshot!(place.run(&["doctor", "--connect"]), @r"
    exit code 1
    --- stdout
    CFX013 error: upstreams.a ({dir}/upstreams.yaml:2:3)
      it could not be used: `a` exited before it was ready: exit code 3
      hint: start its command by hand to see why; `conflux check --connect` shows more

    1 error
    ");
}

#[test]
fn a_socket_that_was_left_is_found_and_taken_away() {
    let place = Place::new(DEMO);
    let run = place.path().join("state/run");
    fs::create_dir_all(&run).unwrap();
    chmod(&run, 0o700);
    let socket = run.join("999999999.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let found = only(&place, "CFX016");
    assert_eq!(found["file"], socket.to_str().unwrap());
    assert!(place.run(&["doctor", "--fix"]).contains("1 mended"));
    assert!(!socket.exists());
}

#[test]
fn a_state_directory_that_is_none_is_found() {
    let place = Place::new(DEMO);
    place.write("state", "a file");
    let found = only(&place, "CFX017");
    assert!(found["message"].as_str().unwrap().ends_with("is no directory"), "{found}");
    assert_eq!(found["severity"], "error");
}

/// A server with many tools, one of which has a long name.
fn crowd(place: &Place, count: usize) {
    let tool = |name: String| format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#);
    let names = (1..count).map(|number| format!("t{number}")).chain(["long_".repeat(14)]);
    place.write("serve.sh", &crate::cli::scripted(&names.map(tool).collect::<Vec<_>>().join(",")));
}

#[test]
fn what_clients_cannot_take_is_found() {
    let config =
        "upstreams: { a: { command: sh, args: [serve.sh] } }\nnames: { max_length: 100 }\n";
    let place = Place::new(config);
    crowd(&place, 101);
    assert_eq!(findings(&place, &["--connect"]).len(), 1, "there is no client");
    for directory in [".cursor", ".codeium/windsurf", ".zed"] {
        fs::create_dir_all(place.path().join(directory)).unwrap();
    }
    // As it was remembered, and as it is: with that of Conflux itself.
    for more in [&[][..], &["--connect"]] {
        let all = findings(&place, more);
        let said: Vec<_> = all.iter().map(|it| it["message"].as_str().unwrap()).collect();
        let said = said.join("\n");
        for expected in [
            "Cursor warns from 80 tools on, and there are 102",
            "Windsurf uses 100 tools at most, and there are 102",
            "Cursor takes names of 53 bytes at most, and 1 are longer: `a__long_",
        ] {
            assert!(said.contains(expected), "{expected} in {said}");
        }
        let codes: Vec<_> = all.iter().map(|it| it["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["CFX009", "CFX009", "CFX010", "CFX010", "CFX008"]);
    }
    // One that fits takes them all.
    crowd(&place, 20);
    place.write("upstreams.yaml", &config.replace("100", "50"));
    assert_eq!(findings(&place, &["--connect"]).len(), 1);
}

#[test]
fn entries_of_clients_are_looked_at() {
    let place = Place::new(DEMO);
    fs::create_dir(place.path().join(".cursor")).unwrap();
    let write = |program: &str| {
        let text = format!(
            r#"{{"mcpServers": {{"mine": {{"command": "{program}", "args": ["serve"]}}, "other": {{"command": "x"}}}}}}"#
        );
        place.write(".cursor/mcp.json", &text);
    };
    write("/gone/bin/conflux");
    let shown = place.run(&["doctor"]);
    assert_snapshot!(shown, @r"
    exit code 1
    --- stdout
    CFX015 error: {dir}/.cursor/mcp.json
      Cursor is to start `/gone/bin/conflux` as `mine`, which is not there
      hint: `conflux install --client cursor` writes where it is now

    CFX014 warning: {dir}/.cursor/mcp.json
      Cursor has `other` beside Conflux, and starts it itself
      hint: `conflux import` takes it over, and `conflux install --client cursor` takes it out there

    1 error, 1 warning
    ");
    write(env!("CARGO_BIN_EXE_conflux"));
    let codes: Vec<_> = findings(&place, &[]).iter().map(|it| it["code"].clone()).collect();
    assert_eq!(codes, ["CFX014"]);
    // Who does not use Conflux is left alone.
    place.write(".cursor/mcp.json", r#"{"mcpServers": {"other": {"command": "x"}}}"#);
    assert_eq!(findings(&place, &[]), Vec::<Value>::new());
}

#[test]
fn every_code_is_explained() {
    let explained = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md");
    let explained = fs::read_to_string(explained).unwrap();
    for number in 1..=17 {
        assert!(explained.contains(&format!("## CFX{number:03}")), "CFX{number:03}");
    }
}
