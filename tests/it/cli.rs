//! The program as people and scripts run it: what it prints where, and how it ends.

use std::fmt::Write as _;
use std::fs;
use std::fs::File;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use insta::assert_snapshot;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_conflux");
const DEMO: &str = "upstreams: { demo: { command: conflux, args: [demo] } }";
const BROKEN: &str = "
upstreams:
  demo: { command: conflux, args: [demo] }
  gone: { command: no-such-program }
  boom: { command: sh, args: [-c, 'echo out of luck >&2; exit 3'] }
";

/// A program under way; it is killed if the test fails before it has ended.
struct Running(Child);

impl Running {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
    }

    fn ended(mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong.
        drop(self.0.kill());
    }
}

/// An empty directory to run the program in, with nothing of the user's around it.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new(config: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        if !config.is_empty() {
            place.write("upstreams.yaml", config);
        }
        place
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    #[expect(clippy::disallowed_methods, reason = "the program under test is no upstream")]
    pub(crate) fn program(&self, args: &[&str]) -> Command {
        let mut program = Command::new(PROGRAM);
        program.current_dir(self.path()).args(args).env_clear();
        program.env("PATH", std::env::var_os("PATH").unwrap());
        program.env("HOME", self.path()).env("CONFLUX_STATE", self.path().join("state"));
        program.stdin(Stdio::null());
        program
    }

    /// Runs the program and returns how it ended and what it printed, with what differs from run
    /// to run left out.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        self.shown(&self.program(args).output().unwrap())
    }

    pub(crate) fn shown(&self, output: &Output) -> String {
        let mut shown = format!("exit code {}\n", output.status.code().unwrap());
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let text = std::str::from_utf8(bytes).unwrap();
            if !text.is_empty() {
                write!(shown, "--- {name}\n{text}").unwrap();
            }
        }
        let real = self.path().canonicalize().unwrap();
        let shown = shown.replace(real.to_str().unwrap(), "{dir}");
        shown.replace(self.path().to_str().unwrap(), "{dir}")
    }

    /// Runs the program, which must succeed without a word, and returns its data.
    #[track_caller]
    pub(crate) fn data(&self, args: &[&str]) -> String {
        let output = self.program(args).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", self.shown(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Replaces what ends a line like a time by a word.
fn without_times(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((before, last)) if last.ends_with('s') && last.contains('.') => {
            format!("{before} {{time}}")
        }
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn without_a_configuration_it_says_how_to_begin() {
    let place = Place::new("");
    for command in ["check", "tools", "serve"] {
        let shown = place.run(&[command]);
        assert!(shown.starts_with("exit code 3\n--- stderr\nerror: no configuration"), "{shown}");
    }
    assert_snapshot!(place.run(&["check"]), @r#"
    exit code 3
    --- stderr
    error: no configuration found: there is no `upstreams.yaml` and no `{dir}/.config/conflux/upstreams.yaml`

    hint: name one with `--config FILE` or `CONFLUX_CONFIG`, or begin with an `upstreams.yaml` like this:

        upstreams:
          files:
            command: npx
            args: [-y, "@modelcontextprotocol/server-filesystem", "${HOME}/Documents"]
    "#);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let place = Place::new(
        "upstreams:\n  demo: { command: conflux, args: [demo], env: { X: '${BLANK}' } }\n",
    );
    let run = |args: &[&str]| place.shown(&place.program(args).env("BLANK", "").output().unwrap());
    assert_snapshot!(run(&["check"]), @r"
    exit code 0
    --- stderr
    configuration is valid: 1 upstream in {dir}/upstreams.yaml
    warning: upstreams.yaml:2:53: `upstreams.demo.env.X`: the variable `BLANK` is set, but empty

    hint: give it a value, or write `${BLANK:-}` if it may hold nothing
    ");
    for args in [&["tools"][..], &["serve"], &["check", "--connect"]] {
        let shown = run(args);
        assert!(shown.contains("the variable `BLANK` is set, but empty"), "{shown}");
        assert!(shown.starts_with("exit code 0\n"), "{shown}");
    }
    let nothing = Place::new("upstreams: {}");
    assert_snapshot!(nothing.run(&["tools"]), @r#"
    exit code 0
    --- stdout
    NAME             UPSTREAM  DESCRIPTION
    conflux__status  conflux   Tells which MCP servers stand behind this gateway, whether each of them is ready, why not if it failed, and what is wrong with what they list.
    --- stderr
    warning: upstreams.yaml:1:1: there is no upstream, so clients find nothing but `conflux__status`

    hint: add one, as in:

        upstreams:
          files:
            command: npx
            args: [-y, "@modelcontextprotocol/server-filesystem", "${HOME}/Documents"]
    "#);
}

#[test]
fn every_problem_of_a_configuration_is_said_at_once() {
    let place = Place::new(
        "upstreams:\n  a: { comand: npx }\n  b: { command: npx, timeout: { call: 60 } }\n",
    );
    assert_snapshot!(place.run(&["check"]), @r"
    exit code 3
    --- stderr
    error: upstreams.yaml:2:8: unknown key `comand` in `upstreams.a`

    hint: did you mean `command`?

    error: upstreams.yaml:3:39: `upstreams.b.timeout.call`: `60` needs a unit

    hint: did you mean `60s`?
    ");
}

#[test]
fn a_right_configuration_is_summed_up() {
    let place = Place::new(
        "upstreams:\n  a: { command: x, required: true }\n  b: { command: y, disabled: true }\n",
    );
    assert_snapshot!(place.run(&["check"]), @r"
    exit code 0
    --- stderr
    configuration is valid: 2 upstreams (1 disabled) in {dir}/upstreams.yaml
    ");
    assert_snapshot!(place.run(&["check", "--json"]), @r#"
    exit code 0
    --- stdout
    {"files":["{dir}/upstreams.yaml"],"upstreams":[{"name":"a","required":true,"disabled":false},{"name":"b","required":false,"disabled":true}],"warnings":[]}
    --- stderr
    configuration is valid: 2 upstreams (1 disabled) in {dir}/upstreams.yaml
    "#);
    place.write("more.yaml", "upstreams: { c: { command: z } }");
    assert_snapshot!(place.run(&["check", "--config", "upstreams.yaml", "--config", "more.yaml"]), @r"
    exit code 0
    --- stderr
    configuration is valid: 3 upstreams (1 disabled) in {dir}/upstreams.yaml, {dir}/more.yaml
    ");
}

#[test]
fn check_can_try_every_upstream() {
    let place = Place::new(DEMO);
    assert_snapshot!(without_times(&place.run(&["check", "--connect"])), @r"
    exit code 0
    --- stdout
    UPSTREAM  STATE  REVISION    TOOLS  PROMPTS  RESOURCES  TEMPLATES  TIME
    demo      ready  2026-07-28  4      1        1          0          {time}
    --- stderr
    configuration is valid: 1 upstream in {dir}/upstreams.yaml
    ");
    let place = Place::new(BROKEN);
    assert_snapshot!(without_times(&place.run(&["check", "--connect"])), @r"
    exit code 7
    --- stdout
    UPSTREAM  STATE   REVISION    TOOLS  PROMPTS  RESOURCES  TEMPLATES  TIME
    demo      ready   2026-07-28  4      1        1          0          {time}
    gone      failed  -           0      0        0          0          {time}
    boom      failed  -           0      0        0          0          {time}
    --- stderr
    configuration is valid: 3 upstreams in {dir}/upstreams.yaml
    warning: upstream `gone` is left out
      caused by: `gone` cannot be started: `no-such-program`: no such program

    hint: install the program or correct `command`

    warning: upstream `boom` is left out
      caused by: `boom` exited before it was ready: exit code 3
      stderr: out of luck

    hint: start its command by hand to see why
    ");
    let required = BROKEN.replace("no-such-program", "no-such-program, required: true");
    let shown = Place::new(&required).run(&["check", "--connect"]);
    assert!(shown.starts_with("exit code 4\n"), "{shown}");
    let text = place.run(&["check", "--connect", "--json"]);
    let json = text.lines().find(|line| line.starts_with('{')).unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    let demo = &json["upstreams"][0];
    assert_eq!((&demo["name"], &demo["state"]), (&"demo".into(), &"ready".into()));
    assert_eq!((&demo["tools"], &demo["revision"]), (&4.into(), &"2026-07-28".into()));
    assert!(demo["milliseconds"].is_u64() && demo["listed"] == true, "{demo}");
    let gone = &json["upstreams"][1];
    assert_eq!((&gone["state"], &gone["listed"]), (&"failed".into(), &false.into()));
}

#[test]
fn a_list_that_cannot_be_had_is_said() {
    let place = Place::new("upstreams: { a: { command: sh, args: [serve.sh] } }");
    let tool = r#"{"name":"t","inputSchema":{"type":"object"}}"#;
    let script = scripted(tool).replace(r#""tools":{}}"#, r#""tools":{},"prompts":{}}"#);
    let refusal =
        r#"*'"prompts/list"'*) body='"error":{"code":-32603,"message":"out of luck"}' ;;"#;
    place.write(
        "serve.sh",
        &script.replace("    *) continue", &format!("    {refusal}\n    *) continue")),
    );
    assert_snapshot!(without_times(&place.run(&["check", "--connect"])), @r#"
    exit code 7
    --- stdout
    UPSTREAM  STATE  REVISION    TOOLS  PROMPTS  RESOURCES  TEMPLATES  TIME
    a         ready  2025-06-18  1      0        0          0          {time}
    --- stderr
    configuration is valid: 1 upstream in {dir}/upstreams.yaml
    warning: upstream `a` is not listed in full
      caused by: prompts: it answered with an error: {"code":-32603,"message":"out of luck"}

    hint: `--log debug` shows what it was asked and what it answered
    "#);
    let shown = place.run(&["tools"]);
    assert!(shown.starts_with("exit code 0\n") && shown.contains("a__t"), "{shown}");
    assert!(shown.contains("warning: upstream `a` is not listed in full"), "{shown}");
}

#[test]
fn patterns_that_match_nothing_are_said() {
    let place = Place::new(
        "upstreams:
  demo: { command: conflux, args: [demo], tools: { allow: [echo, 'a*', demo__ask], deny: [add] } }
profiles:
  some: { tools: { allow: [echo, demo__echo, nothing] } }
  narrow: { tools: { allow: [demo__echo], deny: ['demo__as*'] } }
profile: narrow
",
    );
    let shown = place.run(&["check", "--connect"]);
    let (_, said) = shown.split_once("--- stderr\n").unwrap();
    assert_snapshot!(said, @r"
    configuration is valid: 1 upstream in {dir}/upstreams.yaml
    warning: `demo__ask` in `upstreams.demo.tools` matches no tool there is

    hint: patterns of an upstream are about its own names, which have no prefix

    warning: `echo` in `profiles.some.tools` matches no tool there is

    hint: patterns of profiles and limits are about public names, as `conflux tools` shows them

    warning: `nothing` in `profiles.some.tools` matches no tool there is

    hint: correct it, or remove it; `conflux tools` shows the names there are
    ");
    assert!(shown.starts_with("exit code 0\n"), "{shown}");
}

#[test]
fn patterns_of_limits_and_caches_that_match_nothing_are_said() {
    let place = Place::new(
        "upstreams:
  demo: { command: conflux, args: [demo], cache: { tools: [echo, 'demo__a*', gone] } }
  hidden: { command: conflux, args: [demo], tools: { deny: [add] } }
limits:
  quotas:
    - { per: all, tools: ['demo__*', echo, nothing], rate: 60/min }
    - { per: all, tools: ['*__add', hidden__add], upstreams: ['hid*'], rate: 60/min }
",
    );
    let shown = place.run(&["check", "--connect"]);
    let (_, said) = shown.split_once("--- stderr\n").unwrap();
    assert_snapshot!(said, @r"
    configuration is valid: 2 upstreams in {dir}/upstreams.yaml
    warning: resource `demo://welcome` of upstream `hidden` is also one of upstream `demo`: the former is known as `conflux+hidden:demo://welcome`; put `hidden` before `demo` in the file if it is to keep the address

    warning: `demo__a*` in `upstreams.demo.cache.tools` matches no tool there is

    hint: patterns of an upstream are about its own names, which have no prefix

    warning: `gone` in `upstreams.demo.cache.tools` matches no tool there is

    hint: correct it, or remove it; `conflux tools` shows the names there are

    warning: `echo` in `limits.quotas[0].tools` matches no tool there is

    hint: patterns of profiles and limits are about public names, as `conflux tools` shows them

    warning: `nothing` in `limits.quotas[0].tools` matches no tool there is

    hint: correct it, or remove it; `conflux tools` shows the names there are

    warning: `hidden__add` in `limits.quotas[1].tools` matches no tool there is

    hint: correct it, or remove it; `conflux tools` shows the names there are
    ");
    assert!(shown.starts_with("exit code 0\n"), "{shown}");
}

#[test]
fn tools_are_shown_as_a_table_or_exactly_as_listed() {
    let place = Place::new(DEMO);
    assert_snapshot!(place.run(&["tools"]), @r"
    exit code 0
    --- stdout
    NAME             UPSTREAM  DESCRIPTION
    demo__echo       demo      Returns its arguments exactly as they came
    demo__add        demo      Adds two numbers
    demo__countdown  demo      Counts down to zero and tells how far it is
    demo__ask        demo      Asks the person in front of the client and returns the answer
    conflux__status  conflux   Tells which MCP servers stand behind this gateway, whether each of them is ready, why not if it failed, and what is wrong with what they list.
    ");
    let json = place.data(&["tools", "--json"]);
    let tools: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    let expected = ["demo__echo", "demo__add", "demo__countdown", "demo__ask", "conflux__status"];
    assert_eq!(names, expected);
    assert_eq!(json.lines().count(), 1, "one line is one value");
    assert_eq!(json, place.data(&["tools", "--json"]), "every run lists the same bytes");
}

#[test]
fn a_definition_is_listed_with_the_bytes_it_came_in() {
    let tool = r#"{"name":"t", "inputSchema":{"type":"object"},"x":[1.0,12345678901234567890123]}"#;
    let place = Place::new("upstreams: { a: { command: sh, args: [serve.sh] } }");
    place.write("serve.sh", &scripted(tool));
    let listed = place.data(&["tools", "--json"]);
    let expected = tool.replace(r#""t""#, r#""a__t""#);
    assert!(listed.starts_with(&format!("[{expected},")), "{listed}");
}

/// Returns a shell script that is a legacy server with one tool.
pub(crate) fn scripted(tool: &str) -> String {
    let opened = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}"#;
    format!(
        r#"while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case $line in
    *'"server/discover"'*) body='"error":{{"code":-32601,"message":"no"}}' ;;
    *'"initialize"'*) body='"result":{opened}' ;;
    *'"tools/list"'*) body='"result":{{"tools":[{tool}]}}' ;;
    *) continue ;;
  esac
  printf '{{"jsonrpc":"2.0","id":%s,%s}}\n' "$id" "$body"
done
"#
    )
}

#[test]
fn a_broken_upstream_spoils_nothing_of_the_others() {
    assert_snapshot!(Place::new(BROKEN).run(&["tools"]), @r"
    exit code 0
    --- stdout
    NAME             UPSTREAM  DESCRIPTION
    demo__echo       demo      Returns its arguments exactly as they came
    demo__add        demo      Adds two numbers
    demo__countdown  demo      Counts down to zero and tells how far it is
    demo__ask        demo      Asks the person in front of the client and returns the answer
    conflux__status  conflux   Tells which MCP servers stand behind this gateway, whether each of them is ready, why not if it failed, and what is wrong with what they list.
    --- stderr
    warning: upstream `gone` is left out
      caused by: `gone` cannot be started: `no-such-program`: no such program

    hint: install the program or correct `command`; `conflux check --connect` shows more

    warning: upstream `boom` is left out
      caused by: `boom` exited before it was ready: exit code 3
      stderr: out of luck

    hint: start its command by hand to see why; `conflux check --connect` shows more
    ");
}

#[test]
fn what_is_missing_to_start_a_program_is_named() {
    let place = Place::new(
        "upstreams:\n  nowhere: { command: sh, cwd: ./gone }\n  \
         headless: { command: ./headless.sh }\n",
    );
    place.write("headless.sh", "#!/no/such/shell\n");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(place.path().join("headless.sh"), executable).unwrap();
    let shown = place.run(&["check", "--connect"]);
    let (_, said) = shown.split_once("--- stderr\n").unwrap();
    assert_snapshot!(said, @r"
    configuration is valid: 2 upstreams in {dir}/upstreams.yaml
    warning: upstream `nowhere` is left out
      caused by: `nowhere` cannot be started: there is no directory `{dir}/gone` to start it in

    hint: make that directory, or correct `cwd`

    warning: upstream `headless` is left out
      caused by: `headless` cannot be started: `{dir}/headless.sh`: what its first line names is not there

    hint: install the program or correct `command`
    ");
}

#[test]
fn an_upstream_that_never_answers_spoils_nothing_either() {
    let silent = "
upstreams:
  mute: { command: sleep, args: ['60'], timeout: { start: 300ms } }
  demo: { command: conflux, args: [demo] }
";
    assert_snapshot!(Place::new(silent).run(&["tools"]), @r"
    exit code 0
    --- stdout
    NAME             UPSTREAM  DESCRIPTION
    demo__echo       demo      Returns its arguments exactly as they came
    demo__add        demo      Adds two numbers
    demo__countdown  demo      Counts down to zero and tells how far it is
    demo__ask        demo      Asks the person in front of the client and returns the answer
    conflux__status  conflux   Tells which MCP servers stand behind this gateway, whether each of them is ready, why not if it failed, and what is wrong with what they list.
    --- stderr
    warning: upstream `mute` is left out
      caused by: `mute` was not ready in time: 300ms have passed

    hint: raise `timeout.start`, or find out by hand what it waits for
    ");
}

#[test]
fn a_required_upstream_that_failed_is_an_error() {
    let required = "
upstreams:
  gone: { command: no-such-program, required: true }
  demo: { command: conflux, args: [demo] }
";
    assert_snapshot!(Place::new(required).run(&["tools"]), @r"
    exit code 4
    --- stdout
    NAME             UPSTREAM  DESCRIPTION
    demo__echo       demo      Returns its arguments exactly as they came
    demo__add        demo      Adds two numbers
    demo__countdown  demo      Counts down to zero and tells how far it is
    demo__ask        demo      Asks the person in front of the client and returns the answer
    conflux__status  conflux   Tells which MCP servers stand behind this gateway, whether each of them is ready, why not if it failed, and what is wrong with what they list.
    --- stderr
    error: upstream `gone`, which is required, is left out
      caused by: `gone` cannot be started: `no-such-program`: no such program

    hint: install the program or correct `command`; `conflux check --connect` shows more
    ");
}

#[test]
fn what_is_in_each_others_way_is_said() {
    let twice = "
upstreams:
  one: { command: conflux, args: [demo] }
  two: { command: conflux, args: [demo], tools: { allow: [add] } }
";
    assert_snapshot!(Place::new(twice).run(&["tools"]), @r"
    exit code 0
    --- stdout
    NAME             UPSTREAM  DESCRIPTION
    one__echo        one       Returns its arguments exactly as they came
    one__add         one       Adds two numbers
    one__countdown   one       Counts down to zero and tells how far it is
    one__ask         one       Asks the person in front of the client and returns the answer
    two__add         two       Adds two numbers
    conflux__status  conflux   Tells which MCP servers stand behind this gateway, whether each of them is ready, why not if it failed, and what is wrong with what they list.
    --- stderr
    warning: resource `demo://welcome` of upstream `two` is also one of upstream `one`: the former is known as `conflux+two:demo://welcome`; put `two` before `one` in the file if it is to keep the address
    ");
}

#[test]
fn a_call_carries_its_arguments_byte_by_byte() {
    let place = Place::new(DEMO);
    let arguments = r#"{"b":1.0,  "a":123456789012345678901234567890,"c":"\u00e9"}"#;
    let result = place.data(&["call", "demo__echo", "--args", arguments]);
    assert!(result.contains(&format!(r#""structuredContent":{arguments}"#)), "{result}");
    place.write("arguments.json", "{\n \"message\": \"from a file\"\n}\n");
    let result = place.data(&["call", "demo__echo", "--args", "@arguments.json"]);
    assert!(result.contains(r#""text":"from a file""#), "{result}");
    let mut program = place.program(&["call", "demo__echo", "--args", "-"]);
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"message":"from stdin"}"#).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains(r#""text":"from stdin""#));
}

#[test]
fn a_call_starts_the_upstream_it_is_for_and_no_other() {
    let place = Place::new(
        "upstreams:\n  demo: { command: conflux, args: [demo] }\n  \
         other: { command: sh, args: [-c, 'touch started'], start: eager }\n",
    );
    place.data(&["call", "demo__add", "--args", r#"{"a":1,"b":2}"#]);
    assert!(!place.path().join("started").exists());
}

#[test]
fn a_status_that_says_little_points_to_one_that_says_more() {
    let shown = Place::new(DEMO).run(&["call", "conflux__status"]);
    let (_, said) = shown.split_once("--- stderr\n").unwrap();
    assert_snapshot!(said, @r"
    warning: no upstream is started for this call, so none is seen to work or to fail

    hint: `conflux check --connect --json` starts every upstream and says how that went
    ");
}

#[test]
fn a_call_tells_how_far_it_is() {
    let place = Place::new(DEMO);
    let arguments = r#"{"from":2,"pause_ms":1}"#;
    assert_snapshot!(place.run(&["call", "demo__countdown", "--args", arguments]), @r#"
    exit code 0
    --- stdout
    {"content":[{"type":"text","text":"Counted down from 2."}],"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"conflux-demo","version":"0.1.0"}}}
    --- stderr
    progress: 1 of 2: 1 to go
    progress: 2 of 2: 0 to go
    "#);
}

#[test]
fn a_call_ends_by_what_became_of_it() {
    let place = Place::new(BROKEN);
    assert_snapshot!(place.run(&["call", "demo__add", "--args", r#"{"a":1}"#]), @r#"
    exit code 6
    --- stdout
    {"content":[{"type":"text","text":"`b` is missing"}],"isError":true,"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"conflux-demo","version":"0.1.0"}}}
    "#);
    let shown = place.run(&["call", "demo__add", "--args", r#"{"a":"x"}"#]);
    assert!(shown.contains("`a` must be a number, and `b` is missing"), "{shown}");
    assert_snapshot!(place.run(&["call", "demo__ask", "--args", r#"{"question":"Tea?"}"#]), @r"
    exit code 8
    --- stderr
    error: cannot call `demo__ask`
      caused by: the upstream answered with error -32021: `ask` needs a client that can ask somebody
    ");
    assert_snapshot!(place.run(&["call", "gone__x"]), @r"
    exit code 7
    --- stderr
    error: cannot call `gone__x`
      caused by: `gone` cannot be started: `no-such-program`: no such program

    hint: install the program or correct `command`; `conflux check --connect` shows more
    ");
    assert_snapshot!(place.run(&["call", "boom__x"]), @r"
    exit code 7
    --- stderr
    error: cannot call `boom__x`
      caused by: `boom` exited before it was ready: exit code 3
      stderr: out of luck

    hint: start its command by hand to see why; `conflux check --connect` shows more
    ");
}

#[test]
fn an_unknown_tool_is_met_with_the_names_that_could_be_meant() {
    let place = Place::new(DEMO);
    assert_snapshot!(place.run(&["call", "demo__ecko"]), @r"
    exit code 5
    --- stderr
    error: there is no tool `demo__ecko`

    hint: did you mean `demo__echo`?
    ");
    assert_snapshot!(place.run(&["call", "countdown"]), @r"
    exit code 5
    --- stderr
    error: there is no tool `countdown`

    hint: did you mean `demo__countdown`?
    ");
    assert_snapshot!(place.run(&["call", "nothing_like_it"]), @r"
    exit code 5
    --- stderr
    error: there is no tool `nothing_like_it`

    hint: `conflux tools` shows the tools there are
    ");
}

#[test]
fn arguments_that_cannot_be_used_are_refused_before_anything_starts() {
    let place = Place::new("");
    assert_snapshot!(place.run(&["call", "demo__echo", "--args", "{message: hi}"]), @r#"
    exit code 2
    --- stderr
    error: the arguments in `--args` are not JSON
      caused by: key must be a string at line 1 column 2

    hint: write a JSON object in single quotes: --args '{"key": "value"}'; or put it into a file and write --args @FILE
    "#);
    assert_snapshot!(place.run(&["call", "demo__echo", "--args", "[1]"]), @r#"
    exit code 2
    --- stderr
    error: the arguments in `--args` cannot be used
      caused by: not an object

    hint: write a JSON object in single quotes: --args '{"key": "value"}'; or put it into a file and write --args @FILE
    "#);
    assert_snapshot!(place.run(&["call", "demo__echo", "--args", r#"{"a":1,"a":2}"#]), @r#"
    exit code 2
    --- stderr
    error: the arguments in `--args` cannot be used
      caused by: duplicate key `a`

    hint: write a JSON object in single quotes: --args '{"key": "value"}'; or put it into a file and write --args @FILE
    "#);
    assert_snapshot!(place.run(&["call", "demo__echo", "--args", "@gone.json"]), @r"
    exit code 2
    --- stderr
    error: cannot read the arguments from `gone.json`
      caused by: No such file or directory (os error 2)
    ");
}

#[test]
fn the_schema_is_the_one_that_is_checked_in() {
    let checked_in = fs::read_to_string(root().join("upstreams.schema.json")).unwrap();
    assert_eq!(Place::new("").data(&["schema"]), checked_in);
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let place = Place::new(DEMO);
    for args in [&["schema"][..], &["tools"], &["call", "demo__echo"]] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let child = place.program(args).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        assert_eq!(place.shown(&child.wait_with_output().unwrap()), "exit code 0\n", "{args:?}");
    }
}

#[test]
fn a_signal_ends_it_and_every_upstream() {
    check_signal(Signal::SIGTERM, 143);
    check_signal(Signal::SIGINT, 130);
}

#[track_caller]
fn check_signal(signal: Signal, code: i32) {
    let place = Place::new("upstreams: { demo: { command: sh, args: [start.sh] } }");
    place.write("start.sh", &format!("echo $$ > pid; exec '{PROGRAM}' demo"));
    let arguments = r#"{"from":60,"pause_ms":300}"#;
    let mut program = place.program(&["call", "demo__countdown", "--args", arguments]);
    let mut child = Running(program.stderr(Stdio::piped()).spawn().unwrap());
    let mut first = String::new();
    BufReader::new(child.0.stderr.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "progress: 1 of 60: 59 to go\n");
    let upstream = fs::read_to_string(place.path().join("pid")).unwrap();
    let upstream = Pid::from_raw(upstream.trim().parse().unwrap());
    kill(upstream, None).expect("the upstream is there");
    child.signal(signal);
    assert_eq!(child.ended(), Some(code));
    kill(upstream, None).expect_err("the upstream has ended");
}

#[test]
fn a_person_at_a_terminal_is_told_what_it_waits_for() {
    let place = Place::new(DEMO);
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut program = place.program(&["serve"]);
    program.stdin(terminal.slave.try_clone().unwrap()).stderr(terminal.slave);
    let child = Running(program.stdout(Stdio::piped()).spawn().unwrap());
    drop(program);
    let mut lines = BufReader::new(File::from(terminal.master)).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.starts_with("waiting for a client on stdin, which is a terminal"), "{first}");
    child.signal(Signal::SIGINT);
    let second = lines.next().unwrap().unwrap();
    assert!(second.contains("stopping: calls under way get two seconds"), "{second}");
    assert_eq!(child.ended(), Some(130));
    // Nothing of it is for a client that keeps what its servers say.
    let mut program = place.program(&["serve"]);
    let output = program.output().unwrap();
    assert_eq!(place.shown(&output), "exit code 0\n");
}

#[test]
fn an_address_that_cannot_be_had_is_said_with_what_to_do() {
    let place = Place::new(DEMO);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let shown = place.run(&["serve", "--listen", &address]);
    assert_snapshot!(shown.replace(&address, "{address}"), @r"
    exit code 9
    --- stderr
    error: cannot serve clients at `{address}`
      caused by: Address already in use (os error 98)

    hint: another program, perhaps another Conflux, listens there; end it, or choose another port with `--listen` or `http.listen`
    ");
    place.write("upstreams.yaml", "http: { unauthenticated: true }");
    // An address for documents, which no machine has.
    let shown = place.run(&["serve", "--listen", "192.0.2.1:0"]);
    assert!(shown.starts_with("exit code 9\n"), "{shown}");
    assert!(shown.contains("\nhint: this machine has no such address"), "{shown}");
}

#[test]
fn whoever_lets_everybody_in_is_told_so() {
    let place = Place::new(&format!("{DEMO}\nhttp: {{ unauthenticated: true }}\n"));
    let mut program = place.program(&["serve", "--listen", "0.0.0.0:0"]);
    let mut child = Running(program.stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    // That is an address to go to, which `0.0.0.0` is not.
    assert!(first.starts_with("listening on http://127.0.0.1:"), "{first}");
    let said = lines.by_ref().take(3).collect::<Vec<_>>().join("\n");
    assert_snapshot!(said, @r"
    warning: everybody who can reach any address of this machine may use everything behind this gateway

    hint: put a proxy that authenticates or a firewall in front; names and addresses by which clients come must be in `http.hosts`
    ");
    child.signal(Signal::SIGTERM);
    assert_eq!(child.ended(), Some(0));
}

#[test]
fn mistakes_on_the_command_line_are_usage() {
    let place = Place::new(DEMO);
    assert_snapshot!(place.run(&["tols"]), @r"
    exit code 2
    --- stderr
    error: unrecognized subcommand 'tols'

      tip: some similar subcommands exist: 'tokens', 'tools'

    Usage: conflux [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    assert_snapshot!(place.run(&["tools", "--log", "conflux=loud"]), @r#"
    exit code 2
    --- stderr
    error: cannot understand the log filter `conflux=loud`
      caused by: error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5

    hint: write a level (`error`, `warn`, `info`, `debug`, `trace`) or `target=level`, with commas between several
    "#);
    assert!(place.run(&[]).starts_with("exit code 2\n--- stderr\nOne MCP server"));
}

#[test]
fn logs_go_to_stderr_and_only_if_they_are_wanted() {
    let place = Place::new(BROKEN);
    let said = |program: &mut Command| {
        let output = program.output().unwrap();
        assert!(output.stdout.starts_with(b"NAME"));
        String::from_utf8(output.stderr).unwrap()
    };
    let flag = said(&mut place.program(&["tools", "--log", "debug"]));
    let variable = said(place.program(&["tools"]).env("CONFLUX_LOG", "debug"));
    let over = said(place.program(&["tools", "--log", "error"]).env("CONFLUX_LOG", "debug"));
    assert!(flag.contains("DEBUG") && variable.contains("DEBUG"), "{flag}\n{variable}");
    assert!(!over.contains("DEBUG"), "{over}");
}

#[test]
fn secrets_are_masked_in_what_an_upstream_says_last() {
    let place = Place::new(
        "upstreams: { a: { command: sh, env: { X: '${MY_TOKEN}' }, \
         args: [-c, 'echo bad key $X >&2; exit 1'] } }",
    );
    let mut program = place.program(&["tools"]);
    let shown = place.shown(&program.env("MY_TOKEN", "abcdef123456").output().unwrap());
    assert!(shown.contains("stderr: bad key ***\n"), "{shown}");
}

#[test]
fn exit_codes_are_documented_in_help_and_in_the_readme() {
    let help = Place::new("").data(&["--help"]);
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    assert_eq!(codes.lines().count(), 17, "{codes}");
    for line in codes.lines() {
        let (code, meaning) = line.trim().split_once("  ").unwrap();
        assert!(readme.contains(&format!("| {code} | {meaning} |")), "README lacks: {line}");
    }
}

#[test]
fn the_configurations_that_are_shown_are_right() {
    let example = |name: &str| root().join("examples").join(name).to_str().unwrap().to_owned();
    let all = fs::read_dir(root().join("examples")).unwrap();
    let files = all.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let mut sets: Vec<_> = files.map(|path| vec![path.to_str().unwrap().to_owned()]).collect();
    assert!(sets.len() >= 4, "{sets:?}");
    sets.push(vec![root().join("upstreams.yaml").to_str().unwrap().to_owned()]);
    sets.push(vec![example("team.yaml"), example("mine.yaml")]);
    // This one is a layer and means something only over the team's file.
    sets.retain(|files| files != &[example("mine.yaml")]);
    let place = Place::new("");
    for files in &sets {
        let mut program = place.program(&["check"]);
        for file in files {
            program.args(["--config", file]);
        }
        let output = program.env("GITHUB_TOKEN", "anything").output().unwrap();
        assert!(output.status.success(), "{files:?}: {}", place.shown(&output));
    }
}

#[test]
fn the_starting_configuration_shows_something_without_node() {
    let place = Place::new("");
    let config = root().join("upstreams.yaml");
    let mut program = place.program(&["tools", "--config", config.to_str().unwrap()]);
    let output = program.env("PATH", place.path()).output().unwrap();
    let shown = place.shown(&output);
    assert!(shown.starts_with("exit code 0\n"), "{shown}");
    assert!(shown.contains("demo__echo"), "{shown}");
    assert!(shown.contains("warning: upstream `everything` is left out"), "{shown}");
}

#[test]
fn entries_for_clients_start_the_gateway() {
    let clients = root().join("examples/clients");
    let read = |name: &str| fs::read_to_string(clients.join(name)).unwrap();
    let maps = [
        ("claude-desktop.json", "mcpServers"),
        ("claude-code.json", "mcpServers"),
        ("cursor.json", "mcpServers"),
        ("gemini.json", "mcpServers"),
        ("vscode.json", "servers"),
    ];
    for (name, key) in maps {
        let json: serde_json::Value = serde_json::from_str(&read(name)).unwrap();
        let entry = &json[key]["conflux"];
        assert_eq!(entry["command"], "conflux", "{name}");
        assert_eq!(entry["args"], serde_json::json!(["serve"]), "{name}");
    }
    // Of TOML this needs a table and two values, which are written as in JSON.
    let codex = read("codex.toml");
    let (table, values) = codex.split_once('\n').unwrap();
    assert_eq!(table, "[mcp_servers.conflux]");
    let values: Vec<_> = values.lines().map(|line| line.split_once(" = ").unwrap()).collect();
    assert_eq!(values, [("command", "\"conflux\""), ("args", "[\"serve\"]")]);
    let count = fs::read_dir(&clients).unwrap().count();
    assert_eq!(count, maps.len() + 1, "every entry is tested");
}
