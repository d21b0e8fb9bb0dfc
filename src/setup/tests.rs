//! What servers of clients come to in our words.

use std::path::Path;

use crate::clients::Client;
use crate::setup::Command;
use crate::setup::Remote;
use crate::setup::Server;
use crate::setup::Target;
use crate::setup::install;
use crate::setup::install::Step;
use crate::setup::install::Undone;
use crate::setup::reference::Context;
use crate::setup::reference::Dialect;
use crate::setup::same;
use crate::setup::same::Unknown;
use crate::setup::secrets;
use crate::setup::secrets::Keep;
use crate::setup::secrets::Vault;
use crate::setup::value::Value;

use crate::clients::places::Format;
use crate::clients::places::Place;
use crate::clients::places::Scope;

fn program(args: &[&str]) -> Server {
    let args = args.iter().map(|&arg| arg.to_owned()).collect();
    let command = Command { command: "run".to_owned(), args, ..Command::default() };
    Server::new(Target::Command(command))
}

fn remote(url: &str) -> Server {
    Server::new(Target::Remote(Remote { url: url.to_owned(), ..Remote::default() }))
}

/// Takes the secrets out, and returns the arguments or the address and the secrets.
fn lifted(server: &Server) -> (Vec<String>, Vec<(String, String)>) {
    let mut vault = Vault::new(Keep::Variables);
    let server = secrets::lifted(server, "up", &mut vault);
    let texts = match server.target {
        Target::Command(command) => command.args,
        Target::Remote(remote) => vec![remote.url],
    };
    let secrets = vault.into_secrets().into_iter();
    (texts, secrets.map(|secret| (secret.name, secret.value)).collect())
}

#[test]
fn secrets_in_arguments_and_addresses_are_found() {
    let cases: [(&[&str], &[&str], &str); 10] = [
        (&["--api-key", "x9y8z7"], &["--api-key", "${UP_API_KEY}"], "x9y8z7"),
        (&["--token=abc$1"], &["--token=${token}"], "abc$1"),
        (&["-e", "DB_PASSWORD=a b"], &["-e", "DB_PASSWORD=${DB_PASSWORD}"], "a b"),
        (
            &["--header", "Authorization: Bearer abcd"],
            &["--header", "Authorization: Bearer ${Authorization}"],
            "abcd",
        ),
        (
            &["--header", "Authorization:Bearer abcd"],
            &["--header", "Authorization:Bearer ${Authorization}"],
            "abcd",
        ),
        (&["ghp_0123456789abcdefghij"], &["${argument}"], "ghp_0123456789abcdefghij"),
        (
            &["postgres://me:pa55@host/db?sslmode=on"],
            &["postgres://me:${UP_ARGUMENT_PASSWORD}@host/db?sslmode=on"],
            "pa55",
        ),
        (
            &["--config", r#"{"apiKey": "q1w2", "url": "x"}"#],
            &["--config", r#"{"apiKey": "${apiKey}", "url": "x"}"#],
            "q1w2",
        ),
        (&["https://h/?token=t0p&a=b"], &["https://h/?token=${token}&a=b"], "t0p"),
        (
            &["https://h/s/3f2504e0-4f89-11d3-9a0c-0305e82c3301/mcp"],
            &["https://h/s/${argument}/mcp"],
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        ),
    ];
    for (args, expected, secret) in cases {
        let (texts, found) = lifted(&program(args));
        assert_eq!(texts, expected);
        assert_eq!(found.iter().map(|it| it.1.as_str()).collect::<Vec<_>>(), [secret]);
    }
    let (texts, found) =
        lifted(&remote("https://${H}/${P}?key=abc&token=${T}-v1&secret=a${S}bcde"));
    assert_eq!(texts, ["https://${H}/${P}?key=${key}&token=${T}-v1&secret=a${S}${secret}"]);
    assert_eq!(found.len(), 2, "{found:?}");
    let (texts, found) = lifted(&remote("https://h/mcp?apiKey=abc&x=${Y}"));
    assert_eq!(texts, ["https://h/mcp?apiKey=${apiKey}&x=${Y}"]);
    assert_eq!(found, [("apiKey".to_owned(), "abc".to_owned())]);
}

#[test]
fn what_is_no_secret_stays() {
    let args = [
        "--token",
        "${TOKEN}",
        "--auth",
        "none",
        "--keys-file=/etc/keys",
        "--max-tokens=4096",
        "--from",
        "git+https://github.com/someone/a-server-with-a-long-name-2025",
        "$${not} a $5 reference",
        "--key",
        "--verbose",
    ];
    let (texts, found) = lifted(&program(&args));
    assert_eq!((texts, found), (args.map(str::to_owned).to_vec(), Vec::new()));
}

#[test]
fn one_name_with_two_values_is_two_secrets() {
    let mut vault = Vault::new(Keep::Variables);
    let names = ["--token=one", "--token=two", "--token=one"];
    let args = names.map(|arg| lifted_into(&program(&[arg]), &mut vault));
    assert_eq!(args, ["--token=${token}", "--token=${token_2}", "--token=${token}"]);
    assert_eq!(vault.into_secrets().len(), 2);
}

fn lifted_into(server: &Server, vault: &mut Vault<'_>) -> String {
    match secrets::lifted(server, "up", vault).target {
        Target::Command(command) => command.args.concat(),
        Target::Remote(remote) => remote.url,
    }
}

#[test]
fn references_are_those_of_each_client() {
    let cases = [
        (Client::ClaudeCode, "${A} ${B:-c} $D", "${A} ${B:-c} $D"),
        (Client::Cursor, "${env:A}${/}${userHome}", "${A}/${HOME}"),
        (Client::Gemini, "$A-${B} $$ $5", "${A}-${B} $$ $5"),
        (Client::OpenCode, "{env:A} {file:b} {c} ${D}", "${A} ${file:b} {c} $${D}"),
        (Client::Codex, "${A}", "$${A}"),
        (Client::VsCode, "${workspaceFolder}/x ${what ever} ${", "/p/x $${what ever} $${"),
    ];
    for (client, text, expected) in cases {
        let (dialect, project) = (Dialect::Of(client), Path::new("/p"));
        let context = Context { dialect, project, inputs: &[] };
        assert_eq!(context.ours(text, &mut Vec::new()), expected, "{client:?}: {text}");
    }
}

#[test]
fn servers_are_the_same_whoever_writes_their_secrets_out() {
    let known = |name: &str| (name == "KNOWN").then(|| "secret".to_owned());
    let cases = [
        ("x", "x", true, true),
        ("x", "y", false, false),
        ("--t=${KNOWN}", "--t=secret", true, true),
        ("--t=${KNOWN}", "--t=other", false, false),
        ("--t=${GONE}", "--t=secret", false, true),
        ("--t=${GONE}", "--u=secret", false, false),
        ("--t=${GONE}", "--t=${GONE}", true, true),
        ("--t=${GONE}", "--t=${LOST}", false, false),
    ];
    for (one, other, exactly, perhaps) in cases {
        let (one, other) = (program(&[one]), program(&[other]));
        for (unknown, expected) in [(Unknown::Itself, exactly), (Unknown::Anything, perhaps)] {
            assert_eq!(same::is_same(&one, &other, &known, unknown), expected, "{one:?} {other:?}");
            assert_eq!(same::is_same(&other, &one, &known, unknown), expected);
        }
    }
}

#[test]
fn what_is_broken_has_a_place() {
    let cases = [
        ("{\n  \"a\": }", Format::Json, (2, 8)),
        ("{'a': 1}", Format::Json, (1, 2)),
        ("a = 1\nb = [\n", Format::Toml, (2, 6)),
    ];
    for (text, format, expected) in cases {
        let broken = Value::parse(text, format).unwrap_err();
        assert_eq!((broken.line, broken.column), expected, "{text}: {broken}");
    }
    let deep = "[".repeat(200) + &"]".repeat(200);
    Value::parse(&deep, Format::Json).unwrap_err();
    assert_eq!(Value::parse("\u{feff} ", Format::Json).unwrap().entries(), []);
}

#[test]
fn people_are_warned_of_what_is_surely_a_secret() {
    for (name, before, value) in [
        (Some("GITHUB_TOKEN"), None, "0123456789abcdef"),
        (Some("Authorization"), None, "Bearer 0123456789abcdef"),
        (Some("X"), None, "ghp_0123456789abcdef"),
        (Some("DB"), None, "postgres://u:pw@h/db"),
        (None, None, "--token=0123456789abcdef"),
        (None, None, "sk-ant-0123456789abcdef"),
        (None, Some("--api-key"), "0123456789abcdef0123"),
        (None, Some("-H"), "X-Api-Key: 0123456789abcdef"),
        (None, None, "https://h/mcp?api_key=0123"),
        (None, None, "https://${HOST}/mcp?api_key=0123"),
        (Some("PASSWORD"), None, "pa$$word-1234"),
    ] {
        assert!(secrets::is_literal(name, before, value), "{name:?} {before:?} {value}");
    }
    for (name, before, value) in [
        (Some("GITHUB_TOKEN"), None, "${GITHUB_TOKEN}"),
        (Some("Authorization"), None, "Bearer ${TOKEN}"),
        (Some("TOKEN_FILE"), None, "/run/secrets/token"),
        (Some("KEYBOARD"), None, "us"),
        (Some("AUTH_MODE"), None, "interactive"),
        (Some("HOST"), None, "0123456789abcdef"),
        (None, None, "@modelcontextprotocol/server-github"),
        (None, None, "sk-learn"),
        (None, None, "0123456789abcdef0123"),
        (None, Some("--api-key"), "--verbose-0123456789"),
        (None, Some("--name"), "0123456789abcdef0123"),
        (None, None, "https://h/mcp?api_key=${KEY}"),
        (None, None, "git+https://h/one/two@0123456789abcdef0123456789abcdef01234567"),
    ] {
        assert!(!secrets::is_literal(name, before, value), "{name:?} {before:?} {value}");
    }
}

#[test]
fn what_is_secret_in_a_file_is_found_whatever_it_is_for() {
    let secret = [
        r#"{"password": "pa$$word-1234"}"#,
        r#"{"a": {"type": "ws", "env": {"API_TOKEN": "se$cret-zzzz"}}}"#,
        r#"{"password": "pa{ss}word"}"#,
        r#"{"password": "pass${word"}"#,
        r#"{"token": "${TOKEN:-hunter}"}"#,
        r#"{"token": "${HALF}-1234"}"#,
        r#"{"pin_key": 12345678}"#,
        r#"{"type": "ws", "args": ["--token", "se$cret"]}"#,
        r#"{"type": "ws", "args": ["--token=se$cret"]}"#,
    ];
    let expected = [
        "pa$$word-1234",
        "se$cret-zzzz",
        "pa{ss}word",
        "pass${word",
        "${TOKEN:-hunter}",
        "${HALF}-1234",
        "12345678",
        "se$cret",
        "se$cret",
    ];
    for (text, expected) in secret.into_iter().zip(expected) {
        let value = Value::parse(text, Format::Json).unwrap();
        assert_eq!(secrets::in_file(&value), [expected], "{text}");
    }
    for text in [
        r#"{"password": "${PASSWORD}"}"#,
        r#"{"Authorization": "Bearer ${env:TOKEN}"}"#,
        r#"{"Authorization": "Bearer {env:TOKEN}", "key": "{file:~/k1}"}"#,
        r#"{"bearer_token_env_var": "TOKEN_1"}"#,
        r#"{"args": ["--token", "${env:TOKEN}", "--name", "abc"]}"#,
    ] {
        let value = Value::parse(text, Format::Json).unwrap();
        assert_eq!(secrets::in_file(&value), [] as [&str; 0], "{text}");
    }
}

#[test]
fn a_secret_has_the_name_of_its_upstream_once() {
    let nothing = |_: &str| None;
    for (key, name, expected) in [
        ("github", "GITHUB_TOKEN", "${file:d/github-token}"),
        ("github", "TOKEN", "${file:d/github-token}"),
        ("git", "GITHUB_TOKEN", "${file:d/git-github-token}"),
        ("my-db", "MY_DB_PASSWORD", "${file:d/my-db-password}"),
    ] {
        let mut vault = Vault::new(Keep::Files { directory: "d".to_owned(), taken: &nothing });
        let server = program(&[&format!("{name}=a1b2c3d4")]);
        let Target::Command(command) = secrets::lifted(&server, key, &mut vault).target else {
            panic!("it is a program");
        };
        assert_eq!(command.args, [format!("{name}={expected}")]);
    }
}

#[test]
fn a_step_that_was_not_taken_is_undone_by_leaving_all_as_it_is() {
    let place = Place {
        client: Client::Cursor,
        scope: Scope::User,
        path: "mcp.json".into(),
        format: Format::Json,
        keys: vec!["mcpServers".to_owned()],
        is_home: true,
    };
    let step = |left: &str| Step { time: String::new(), backup: None, left: install::digest(left) };
    let (first, second) = ("{}", r#"{"mcpServers": {"conflux": {"command": "conflux"}}}"#);
    let taken = (step(second), Some(first.to_owned()));
    let planned = (step("what never was"), Some(second.to_owned()));
    let expected = Undone { text: Some(first.to_owned()), is_exact: true, back: Vec::new() };
    assert_eq!(install::undone(Some(second), &place, &[taken, planned]).unwrap(), expected);
    let gone = Undone { text: None, ..expected };
    assert_eq!(install::undone(None, &place, &[(step("x"), None)]).unwrap(), gone);
}
