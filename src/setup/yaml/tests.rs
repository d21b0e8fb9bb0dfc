//! Odd files, each with what becomes of it beside it; and whatever is edited, the rest stays.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use proptest::prelude::*;

use crate::config::Transport;
use crate::setup::Command;
use crate::setup::Entry;
use crate::setup::Remote;
use crate::setup::Server;
use crate::setup::Target;
use crate::setup::Timeout;
use crate::setup::Tools;
use crate::setup::yaml;
use crate::setup::yaml::Error;

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/yaml")
}

/// The odd files by name.
fn corpus() -> Vec<(String, String)> {
    let paths = fs::read_dir(data()).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|end| end != "snap"));
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut all: Vec<_> =
        paths.map(|path| (name(&path), fs::read_to_string(path).unwrap())).collect();
    all.sort();
    assert!(all.len() > 12, "{}", all.len());
    all
}

fn command(key: &str) -> Entry {
    let env = IndexMap::from([("TOKEN".to_owned(), "${TOKEN}".to_owned())]);
    let args = ["-y", "@scope/server@1.2.3", "true", "", "a b", "--port=1"].map(str::to_owned);
    let command = Command { command: "npx".to_owned(), args: args.into(), env, cwd: None };
    let server = Server::new(Target::Command(command));
    Entry { key: key.to_owned(), server, comment: Some("From somewhere.".to_owned()) }
}

fn remote(key: &str) -> Entry {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let remote = Remote {
        url: "https://example.com/mcp?a=b#c".to_owned(),
        headers: [header("Authorization", "Bearer ${T}"), header("X-Y", "1")].into(),
        transport: Some(Transport::Sse),
    };
    let mut server = Server::new(Target::Remote(remote));
    server.disabled = true;
    server.timeout = Timeout { start: Some(Duration::from_mins(2)), call: None };
    server.tools = Tools { allow: Vec::new(), deny: vec!["rm_*".to_owned()] };
    Entry { key: key.to_owned(), server, comment: None }
}

/// Shows which lines differ, with the ends of lines that are not simply new ones.
fn difference(old: &str, new: &str) -> String {
    let lines = |text: &str| text.split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>();
    let (mut old, mut new) = (lines(old), lines(new));
    let mut number = 1;
    while !old.is_empty() && !new.is_empty() && old[0] == new[0] {
        old.remove(0);
        new.remove(0);
        number += 1;
    }
    while !old.is_empty() && old.last() == new.last() {
        old.pop();
        new.pop();
    }
    let mut out = format!("@ {number}\n");
    for (sign, lines) in [("-", old), ("+", new)] {
        for line in lines {
            let end = if line.ends_with('\n') { "" } else { "⏎missing" };
            let line = line.trim_end_matches('\n').replace('\r', "␍").replace('\t', "→");
            writeln!(out, "{sign}{}{end}", line.replace('\u{feff}', "<bom>")).unwrap();
        }
    }
    out
}

#[test]
fn every_odd_file_is_edited_as_recorded() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(data());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (name, text) in corpus() {
        let mut out = String::new();
        let mut show = |what: &str, edited: Result<String, Error>| {
            let shown = match edited {
                Ok(edited) => difference(&text, &edited),
                Err(error) => format!("error: {error}\n"),
            };
            writeln!(out, "=== {what}\n{shown}").unwrap();
        };
        let both = [command("new"), remote("far-away")];
        show("add", yaml::with_added(Some(&text), &both));
        for key in yaml::keys(&text).unwrap() {
            show(&format!("remove {key}"), yaml::without(&text, &key));
            show(&format!("disable {key}"), yaml::with_disabled(&text, &key, true));
            show(&format!("enable {key}"), yaml::with_disabled(&text, &key, false));
            show(&format!("command {key}"), yaml::with_command(&text, &key, "/a b/c"));
        }
        settings.bind(|| insta::assert_snapshot!(name, out));
    }
}

#[test]
fn without_a_file_there_is_a_new_one() {
    let added = yaml::with_added(None, &[command("one"), remote("two")]).unwrap();
    insta::assert_snapshot!(added, @r#"
    upstreams:
      # From somewhere.
      one:
        command: npx
        args: [-y, "@scope/server@1.2.3", "true", "", "a b", --port=1]
        env: { TOKEN: "${TOKEN}" }
      two:
        url: "https://example.com/mcp?a=b#c"
        transport: sse
        headers:
          Authorization: "Bearer ${T}"
          X-Y: "1"
        timeout: { start: 2m }
        tools: { deny: ["rm_*"] }
        disabled: true
    "#);
}

#[test]
fn what_cannot_be_edited_is_said() {
    let add = |text: &str| yaml::with_added(Some(text), &[command("a")]).unwrap_err();
    assert_eq!(add("upstreams: { a: {} }"), Error::Exists("a".to_owned()));
    assert_eq!(add("upstreams: [a]"), Error::NoMap("upstreams"));
    assert_eq!(add("- a"), Error::NoPairs);
    assert_eq!(add("x: &x {}\nupstreams: *x"), Error::Reference("upstreams".to_owned()));
    assert!(matches!(add("upstreams: {"), Error::Syntax(_)));
    assert!(matches!(add("a: 1\na: 2"), Error::Syntax(_)));
    assert!(matches!(add("a: 1\n---\nb: 2"), Error::Syntax(_)));
    let text = "upstreams:\n  ? a\n  : command: x\n  b: *c\n".replace("*c", "&c {command: y}");
    let text = format!("{text}  d: *c\n  e:\n");
    assert_eq!(yaml::without(&text, "nobody"), Err(Error::Missing("nobody".to_owned())));
    assert_eq!(yaml::without(&text, "a"), Err(Error::Odd("a".to_owned())));
    assert!(matches!(yaml::without(&text, "b"), Err(Error::Spoils { .. })));
    assert_eq!(yaml::with_disabled(&text, "d", true), Err(Error::Reference("d".to_owned())));
    assert_eq!(yaml::with_disabled(&text, "e", true), Err(Error::Odd("e".to_owned())));
    // It would change what `d` says, too.
    assert_eq!(yaml::with_disabled(&text, "b", true), Err(Error::Unwanted("b".to_owned())));
    assert_eq!(yaml::without("", "a"), Err(Error::Missing("a".to_owned())));
}

/// One random edit.
#[derive(Clone, Debug)]
enum Random {
    Add(String, Vec<String>),
    Remove(prop::sample::Index),
    Disable(prop::sample::Index, bool),
    Command(prop::sample::Index, String),
}

fn random() -> impl Strategy<Value = Random> {
    let index = any::<prop::sample::Index>;
    let args = prop::collection::vec(any::<String>(), 0..4);
    prop_oneof![
        3 => ("[a-zA-Z0-9_-]{1,8}", args).prop_map(|(key, args)| Random::Add(key, args)),
        1 => index().prop_map(Random::Remove),
        1 => (index(), any::<bool>()).prop_map(|(index, to)| Random::Disable(index, to)),
        1 => (index(), any::<String>()).prop_map(|(index, to)| Random::Command(index, to)),
    ]
}

fn edited(text: &str, edit: &Random) -> Option<Result<String, Error>> {
    let keys = yaml::keys(text).unwrap();
    let key = |index: &prop::sample::Index| (!keys.is_empty()).then(|| index.get(&keys).clone());
    Some(match edit {
        Random::Add(key, args) => {
            let mut entry = command(key);
            if let Target::Command(command) = &mut entry.server.target {
                command.args.clone_from(args);
            }
            yaml::with_added(Some(text), &[entry])
        }
        Random::Remove(index) => yaml::without(text, &key(index)?),
        Random::Disable(index, disabled) => yaml::with_disabled(text, &key(index)?, *disabled),
        Random::Command(index, to) => yaml::with_command(text, &key(index)?, to),
    })
}

/// The lines of a text without what an edit next to them may add or take away.
fn kept(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.trim().is_empty()).collect()
}

/// Returns how many of these lines are not among others in their order.
fn lost(lines: &[&str], among: &[&str]) -> usize {
    // The longest common subsequence, row by row.
    let mut row = vec![0; among.len() + 1];
    for line in lines {
        let mut diagonal = 0;
        for (column, other) in among.iter().enumerate() {
            let longest =
                if line == other { diagonal + 1 } else { row[column + 1].max(row[column]) };
            diagonal = std::mem::replace(&mut row[column + 1], longest);
        }
    }
    lines.len() - row[among.len()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Adding takes nothing away, and taking away adds nothing: of a file in lines, every line
    /// that the edit is not about stays, in its order. What was added can be removed, and then all
    /// is as it was.
    #[test]
    fn whatever_is_edited_the_rest_stays(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec(random(), 1..6),
    ) {
        let corpus = corpus();
        let (_, mut text) = which.get(&corpus).clone();
        for edit in edits {
            let Some(Ok(after)) = edited(&text, &edit) else { continue };
            let (old, new) = (kept(&text), kept(&after));
            match &edit {
                // The line before may get a comma, that of the map its braces.
                Random::Add(key, _) => {
                    prop_assert!(lost(&old, &new) <= 2, "{text}\n→\n{after}");
                    let back = yaml::without(&after, key).unwrap();
                    let is_tight = !text.ends_with('\n') || yaml::keys(&text).unwrap().is_empty();
                    prop_assert!(is_tight || back == text, "{text}\n→\n{back}");
                }
                Random::Remove(_) => prop_assert!(lost(&new, &old) <= 2, "{text}\n→\n{after}"),
                Random::Disable(..) | Random::Command(..) => {
                    prop_assert!(lost(&old, &new) <= 1, "{text}\n→\n{after}");
                }
            }
            text = after;
        }
    }
}
