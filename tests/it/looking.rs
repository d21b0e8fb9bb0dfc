//! Looking at what there is by command: lists, one thing at length, a resource, a prompt, what tools
//! cost, and profiles.

use insta::assert_snapshot;
use serde_json::Value;

use crate::cli::Place;

const FILE: &str = "\
upstreams:
  demo: { command: conflux, args: [demo] }
  more:
    command: conflux
    args: [demo]
    tools:
      deny: [countdown]
      override: { add: { name: sum, description: Adds two numbers. } }
profiles:
  sums: { upstreams: [more], tools: { allow: ['*__sum'] }, clients: ['cursor*'] }
  all: {}
";

/// Runs the program and shows how that went.
#[track_caller]
fn check(name: &str, args: &[&str]) {
    assert_snapshot!(name, Place::new(FILE).run(args));
}

#[test]
fn lists_are_shown_as_far_as_somebody_wants_to_see_them() {
    check("tools-of-one", &["tools", "--upstream", "more"]);
    check("tools-with-a-word", &["tools", "ECHO"]);
    check("tools-renamed", &["tools", "--renamed"]);
    check("tools-of-nobody", &["tools", "--upstream", "mor"]);
    check("resources", &["resources"]);
    check("prompts", &["prompts", "--upstream", "demo"]);
}

#[test]
fn a_list_as_data_is_what_clients_get() {
    let place = Place::new(FILE);
    let shown = place.run(&["tools", "--json"]);
    let json = shown.lines().find(|line| line.starts_with('[')).expect("a list");
    let all: Value = serde_json::from_str(json).unwrap();
    assert!(all.as_array().unwrap().len() > 6, "{all}");
    let some = place.run(&["tools", "echo", "--json"]);
    assert!(some.contains("demo__echo") && !some.contains("demo__add"), "{some}");
}

#[test]
fn one_thing_is_shown_at_length() {
    check("show-tool", &["show", "more__sum"]);
    check("show-tool-as-data", &["show", "demo__echo", "--json"]);
    check("show-prompt", &["show", "demo__introduce"]);
    check("show-resource", &["show", "demo://welcome"]);
    check("show-nothing", &["show", "demo__ecko"]);
    check("show-own", &["show", "conflux__status"]);
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let place = Place::new(FILE);
    for args in [&["read", "demo://welcome"][..], &["tools"], &["tools", "--json"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = place.program(args).stdout(full).output().unwrap();
        let shown = place.shown(&output);
        assert!(shown.starts_with("exit code 1\n"), "{args:?}: {shown}");
        assert!(shown.contains("error: cannot write to stdout"), "{args:?}: {shown}");
    }
}

#[test]
fn a_resource_is_read_and_a_prompt_is_got() {
    check("read", &["read", "demo://welcome"]);
    check("read-nothing", &["read", "demo://welcom"]);
    check("prompt", &["prompt", "demo__introduce", "--args", r#"{"name":"Ada"}"#]);
    check("prompt-nothing", &["prompt", "demo__introdice"]);
    check("prompt-not-json", &["prompt", "demo__introduce", "--args", "{"]);
}

#[test]
fn what_tools_cost_is_estimated_before_and_after() {
    check("tokens", &["tokens"]);
    check("tokens-of-nobody", &["tokens", "--upstream", "x"]);
    let place = Place::new(FILE);
    let data = place.run(&["tokens", "--json", "--upstream", "more"]);
    let json = data.lines().find(|line| line.starts_with('{')).expect("a document");
    let bill: Value = serde_json::from_str(json).unwrap();
    assert_eq!(bill["toolsBefore"].as_u64().unwrap(), bill["tools"].as_u64().unwrap() + 1);
}

#[test]
fn profiles_are_listed_shown_and_taken() {
    check("profiles", &["profile", "list"]);
    check("profile", &["profile", "show", "sums"]);
    check("profile-nothing", &["profile", "show", "sum"]);
    check("tools-of-a-profile", &["tools", "--profile", "sums"]);
    check("no-such-profile", &["tools", "--profile", "sum"]);
    check("call-outside-of-a-profile", &["call", "demo__echo", "--profile", "sums"]);
}
