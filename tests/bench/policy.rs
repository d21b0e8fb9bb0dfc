//! What it costs to decide who may do what, with twenty rules.

use std::fs;

use conflux::config::load::Options;
use conflux::config::load::load_within;
use conflux::config::surroundings::Surroundings;
use conflux::policy::Arguments;
use conflux::policy::Policy;
use conflux::policy::Target;
use conflux::policy::Tool;
use conflux::policy::Who;
use conflux::wire::Raw;
use divan::Bencher;
use divan::counter::ItemsCount;
use serde_json::json;

/// How many tools a first list decides about.
const TOOLS: [usize; 2] = [100, 5_000];

fn policy() -> Policy {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("upstreams.yaml");
    let rule = |number: usize| match number % 4 {
        0 => format!("    - {{ allow: \"server{number}__*\", groups: team{number} }}\n"),
        1 => format!("    - {{ allow: \"*__read_{number}*\", principals: \"user:*\" }}\n"),
        2 => format!("    - {{ deny: \"server*__drop_{number}\" }}\n"),
        _ => format!(
            "    - {{ deny: \"*__write_*\", arguments: {{ path: \"/etc/{number}/*\" }} }}\n"
        ),
    };
    let rules: String = (0..20).map(rule).collect();
    fs::write(&file, format!("upstreams: {{}}\npolicy:\n  rules:\n    - allow: \"*\"\n{rules}"))
        .unwrap();
    let around = Surroundings {
        directory: home.path().to_owned(),
        state: Some(home.path().to_owned()),
        ..Surroundings::default()
    };
    let options = Options { files: vec![file], overrides: Vec::new() };
    Policy::new(&load_within(&options, &around).unwrap().policy).unwrap()
}

fn tool(name: &str) -> Tool {
    let properties = json!({ "path": { "type": "string" }, "text": { "type": "string" } });
    let schema = json!({ "type": "object", "properties": properties, "required": ["path"] });
    Tool {
        upstream: "server1".to_owned(),
        name: format!("server1__{name}"),
        local: name.to_owned(),
        schema: Some(Raw::of(&schema)),
        ..Tool::default()
    }
}

fn who(groups: &[String]) -> Who<'_> {
    Who { principal: "user:ann@example.com", groups, client: "claude-code", profile: None }
}

/// A call that depends on its arguments.
#[divan::bench]
fn call(bencher: Bencher<'_, '_>) {
    let (policy, tool) = (policy(), tool("write_file"));
    let groups = ["team0".to_owned()];
    let arguments = Raw::of(&json!({ "path": "/home/ann/notes", "text": "something" }));
    let decide = || {
        let target = Target::Tool(&tool);
        policy.decide(&who(&groups), &target, Arguments::Given(&arguments)).is_allowed()
    };
    assert!(decide(), "it is allowed");
    bencher.bench(decide);
}

/// Everything that the first list of a caller has decided.
#[divan::bench(args = TOOLS)]
fn first_list(bencher: Bencher<'_, '_>, tools: usize) {
    let policy = policy();
    let groups = ["team0".to_owned()];
    let verb = |number: usize| if number.is_multiple_of(2) { "read" } else { "write" };
    let tools: Vec<_> =
        (0..tools).map(|number| tool(&format!("{}_{number}", verb(number)))).collect();
    bencher.counter(ItemsCount::new(tools.len())).bench(|| {
        let who = who(&groups);
        let decided = tools
            .iter()
            .map(|tool| policy.decide(&who, &Target::Tool(tool), Arguments::Unknown).is_allowed());
        decided.filter(|is_allowed| *is_allowed).count()
    });
}
