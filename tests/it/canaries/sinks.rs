//! Every place where something may have been said: commands, the log, files of state.

use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::json;
use tokio::process::Child;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::canaries::watchers::watch;
use crate::support::aviary::Aviary;
use crate::support::aviary::MARKER;
use crate::support::aviary::Sink;
use crate::support::aviary::TOOL;
use crate::support::aviary::ruled;
use crate::support::http::Server;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);
/// How many commands run at the same time.
const AT_ONCE: usize = 4;

/// A command that follows what happens, with a file for all that it says.
pub(super) fn follow(aviary: &Aviary, name: &str, args: &[&str]) -> (Child, PathBuf) {
    let path = aviary.gateway.path().join(name);
    let file = File::create(&path).unwrap();
    let mut command = aviary.command(args);
    command.stdout(file.try_clone().unwrap()).stderr(file);
    (command.spawn().unwrap(), path)
}

/// Waits until a file has this in it.
pub(super) async fn wait_for_line(path: &Path, text: &str) {
    let written = async {
        while !std::fs::read_to_string(path).unwrap().contains(text) {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, written).await.expect("it is told");
}

/// What commands say of rules, and of arguments, that hold secrets.
fn asked_of_the_policy(aviary: &Aviary) -> Vec<(&'static str, Vec<String>)> {
    let secret = aviary.ruled_secret();
    let whole = json!({ "word": secret, "other": secret, "third": secret }).to_string();
    let third = json!({ "word": secret, "third": secret }).to_string();
    let cases = json!([
        { "as": secret, "call": ruled(), "expect": "allow", "rule": format!("not {secret}") },
        { "call": ruled(), "arguments": { "word": secret }, "expect": "hidden" },
        { "read": format!("https://host/{secret}"), "expect": "allow" },
    ]);
    let broken = json!([{ "call": ruled(), "arguments": { "word": secret }, "expect": secret }]);
    aviary.gateway.write("cases.yaml", &cases.to_string());
    let broken_file = format!("{MARKER}-broken.yaml");
    aviary.gateway.write(&broken_file, &format!("# {MARKER}\n{broken}"));
    let explained = |more: &[&str]| {
        let all = [&["policy", "explain"], more].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let strings = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect();
    let nobody = format!("{MARKER}_{secret}");
    vec![
        ("policy explain: a rule", explained(&[&ruled(), "--args", &whole])),
        ("policy explain: Cedar", explained(&[&ruled(), "--args", &third])),
        ("policy explain: no rule", explained(&[&ruled(), "--args", r#"{"word":"no"}"#])),
        ("policy explain: without arguments", explained(&[&ruled()])),
        ("policy explain --json: a rule", explained(&[&ruled(), "--args", &whole, "--json"])),
        ("policy explain --json: Cedar", explained(&[&ruled(), "--args", &third, "--json"])),
        ("policy explain --json: no rule", explained(&[&ruled(), "--json"])),
        ("policy explain: a name that nothing has", explained(&[&nobody])),
        ("policy schema", strings(&["policy", "schema"])),
        ("policy test", strings(&["policy", "test", "cases.yaml"])),
        ("policy test --json", strings(&["policy", "test", "cases.yaml", "--json"])),
        ("policy test of what are no cases", strings(&["policy", "test", &broken_file])),
    ]
}

/// Every command that tells of what happened; one that comes later is a line more.
fn commands(aviary: &Aviary) -> Vec<(&'static str, Vec<String>)> {
    let one = format!("{MARKER}_near_talking__{TOOL}");
    let failing = format!("{MARKER}_far_failing__{TOOL}");
    let all: [(&str, &[&str]); 15] = [
        ("conflux status", &["status"]),
        ("conflux status --json", &["status", "--json"]),
        ("conflux logs", &["logs"]),
        ("conflux logs --json", &["logs", "--json"]),
        ("conflux check", &["check"]),
        ("conflux check --connect", &["check", "--connect"]),
        ("conflux doctor", &["doctor", "--json"]),
        ("conflux tools", &["tools", "--json"]),
        ("conflux show", &["show", &one]),
        ("conflux call", &["call", &failing]),
        ("conflux token list", &["token", "list", "--json"]),
        ("conflux audit search", &["audit", "search", "--json", "--limit", "1000"]),
        ("what was refused", &["audit", "search", "--json", "--outcome", "deny"]),
        ("what was refused, for people", &["audit", "search", "--outcome", "deny"]),
        ("conflux audit tail", &["audit", "tail"]),
    ];
    let owned = |args: &[&str]| args.iter().map(|it| (*it).to_owned()).collect();
    let all = all.into_iter().map(|(name, args)| (name, owned(args)));
    all.chain(asked_of_the_policy(aviary)).collect()
}

/// Every place where something may have been said.
pub(super) async fn sinks(aviary: &Aviary, server: &Server, own: String, tail: &Path) -> Vec<Sink> {
    let state = aviary.gateway.path().join("state");
    // The key of hashes is no text, and a secret in itself.
    let key = state.join("auth/key");
    // A gateway that is asked for it has two seconds to look, so nothing else is done meanwhile.
    let diff = aviary.said("conflux check --diff", &["check", "--diff", "--json"]).await;
    let commands = commands(aviary);
    // Most of them wait for upstreams most of the time.
    let said = commands.iter().map(|(name, args)| aviary.said(name, args));
    let mut sinks: Vec<Sink> = stream::iter(said).buffered(AT_ONCE).collect().await;
    sinks.extend(watch(server).await);
    sinks.extend([
        diff,
        Sink::new("answers over HTTP", own),
        Sink::new("conflux tail", std::fs::read(tail).unwrap()),
        Sink::new("the directory of state", bytes_below(&state, &[&key, &state.join("audit.key")])),
        Sink::new("the log", server.stderr()),
    ]);
    sinks
}

/// Whatever lies below a directory but for those files, their names included, as one text.
fn bytes_below(directory: &Path, except: &[&Path]) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        all.extend_from_slice(path.to_str().unwrap().as_bytes());
        if path.is_dir() {
            all.extend(bytes_below(&path, except));
        } else if path.is_file() && !except.contains(&path.as_path()) {
            all.extend(std::fs::read(&path).unwrap());
        }
    }
    all
}
