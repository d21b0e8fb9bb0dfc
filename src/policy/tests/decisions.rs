//! What single rules mean.

use serde_json::json;

use super::NOBODY;
use super::call;
use super::cedar;
use super::configured;
use super::listed;
use super::policy;
use super::tool;
use super::write_file;
use crate::config::hints::Hint;
use crate::config::hints::Hints;
use crate::policy::Arguments;
use crate::policy::Outcome;
use crate::policy::Outcome::Allowed;
use crate::policy::Outcome::Depends;
use crate::policy::Outcome::Refused;
use crate::policy::Policy;
use crate::policy::Target;
use crate::policy::Who;

#[track_caller]
fn check(rules: &str, who: &Who<'_>, target: &Target<'_>, expected: Outcome) {
    let policy = policy(rules);
    let decision = policy.decide(who, target, Arguments::Unknown);
    assert_eq!(decision.outcome, expected, "{rules}: {decision}");
}

#[test]
fn without_a_rule_everybody_may_do_everything() {
    assert!(Policy::new(&configured("[]", "")).is_none());
}

#[test]
fn what_no_rule_allows_is_refused() {
    let tool = write_file();
    check("- allow: docs__*", &NOBODY, &Target::Tool(&tool), Refused);
    check("- allow: [docs__*, files__*]", &NOBODY, &Target::Tool(&tool), Allowed);
    check("- deny: docs__*", &NOBODY, &Target::Tool(&tool), Refused);
    check("- allow: {}", &NOBODY, &Target::Tool(&tool), Allowed);
    check("- allow: {}\n- deny: files__write_*", &NOBODY, &Target::Tool(&tool), Refused);
    check("- deny: files__write_*\n- allow: {}", &NOBODY, &Target::Tool(&tool), Refused);
}

#[test]
fn rules_tell_who_calls() {
    let tool = write_file();
    let target = Target::Tool(&tool);
    let groups = ["engineering".to_owned()];
    let ann = Who {
        principal: "user:ann@example.com",
        groups: &groups,
        client: "claude-code",
        profile: Some("ci"),
    };
    for (condition, of_ann, of_nobody) in [
        ("principals: \"user:*@example.com\"", Allowed, Refused),
        ("principals: [\"token:ci\", process]", Refused, Allowed),
        ("groups: engineering", Allowed, Refused),
        ("groups: [sales, engineering]", Allowed, Refused),
        ("clients: [\"Claude-*\"]", Allowed, Refused),
        ("profiles: ci", Allowed, Refused),
        ("principals: \"user:*\"\n  groups: sales", Refused, Refused),
        ("principals: \"user:*\"\n  groups: engineering", Allowed, Refused),
    ] {
        let rules = format!("- allow: \"*\"\n  {condition}");
        check(&rules, &ann, &target, of_ann);
        check(&rules, &NOBODY, &target, of_nobody);
    }
}

#[test]
fn an_address_is_judged_as_what_its_path_leads_to_as_well() {
    let resource = |uri| Target::Resource { upstream: "files", uri };
    let denying = "- allow: { resources: \"*\" }\n- deny: { resources: \"file:///etc/*\" }";
    for uri in [
        "file:///etc/passwd",
        "file:////etc/passwd",
        "file:///./etc//passwd",
        "file:///srv//../etc/passwd",
        "file:///srv/%2f../etc/passwd",
        "file://somewhere/etc/passwd",
        "file:///etc%2Fpasswd",
        "file:/srv//../etc/passwd",
        "file:///srv/a%3F//../../etc/passwd",
        "file:///srv?/../../etc/passwd",
        "file:///srv//../e\tt\nc/passwd",
    ] {
        check(denying, &NOBODY, &resource(uri), Refused);
    }
    check(denying, &NOBODY, &resource("file:///srv//etc/passwd"), Allowed);
    let one = "- allow: { resources: \"*\" }\n- deny: { resources: \"file:///etc/passwd\" }";
    for uri in ["file:///etc/passwd?x", "file:///etc/passwd#x", "file:///etc//passwd"] {
        check(one, &NOBODY, &resource(uri), Refused);
    }
    let allowing = "- allow: { resources: [\"file:///srv/*\", \"docs://h/a//*\"] }";
    for uri in ["file:///srv//../etc/passwd", "file:///srv/x/%2f../../../etc/passwd"] {
        check(allowing, &NOBODY, &resource(uri), Refused);
    }
    // How it is spelt is no reason to refuse what leads to the same.
    for uri in ["file:///srv//x", "file:///srv/x?y", "docs://h/a//b", "docs://h/a//b?c#d"] {
        check(allowing, &NOBODY, &resource(uri), Allowed);
    }
}

#[test]
fn rules_tell_what_is_wanted() {
    let plain = write_file();
    let hints = Hints::of(|hint| (hint == Hint::ReadOnly).then_some(true));
    let reading = super::Tool { hints, ..tool("docs__read", &json!({})) };
    let (plain, reading) = (Target::Tool(&plain), Target::Tool(&reading));
    let prompt = Target::Prompt { upstream: "docs", name: "docs__hello", local: "hello" };
    let resource = Target::Resource { upstream: "files", uri: "file:///etc/passwd" };
    let all = [&plain, &reading, &prompt, &resource];
    for (what, expected) in [
        ("{}", [Allowed, Allowed, Allowed, Allowed]),
        ("\"*\"", [Allowed, Allowed, Refused, Refused]),
        ("{ upstreams: docs }", [Refused, Allowed, Allowed, Refused]),
        ("{ upstreams: [docs, files], kinds: [resources] }", [Refused, Refused, Refused, Allowed]),
        ("{ annotations: { readOnlyHint: true } }", [Refused, Allowed, Refused, Refused]),
        (
            "{ kinds: [tools, prompts], annotations: { destructiveHint: true } }",
            [Allowed, Refused, Allowed, Refused],
        ),
        ("{ resources: [\"file:///etc/*\"] }", [Refused, Refused, Refused, Allowed]),
        ("{ resources: \"file:///etc/shadow\" }", [Refused; 4]),
        ("{ tools: docs__read, prompts: \"*\" }", [Refused, Allowed, Allowed, Refused]),
        ("{ prompts: \"docs__*o\" }", [Refused, Refused, Allowed, Refused]),
    ] {
        for (target, expected) in all.iter().zip(expected) {
            check(&format!("- allow: {what}"), &NOBODY, target, expected);
        }
    }
}

#[test]
fn patterns_know_nothing_but_the_star() {
    for (pattern, name, expected) in [
        ("files__?", "files__a", Refused),
        ("files__[ab]", "files__a", Refused),
        ("files__{a,b}", "files__a", Refused),
        ("files__\\\\*", "files__a", Refused),
        ("files__a", "files__ab", Refused),
        ("*__a", "files__a", Allowed),
        ("f*_*a", "files__a", Allowed),
    ] {
        let tool = tool(name, &json!({}));
        check(&format!("- allow: \"{pattern}\""), &NOBODY, &Target::Tool(&tool), expected);
    }
}

#[test]
fn what_depends_on_arguments_is_seen() {
    let (tool, other) = (write_file(), tool("docs__read", &json!({})));
    let denied = policy(
        "- allow: \"*\"\n- deny: files__write_file\n  arguments:\n    \
         path: [\"/etc/*\", \"/root/*\"]",
    );
    assert_eq!([listed(&denied, &tool), listed(&denied, &other)], [Depends, Allowed]);
    let outcome = |arguments| call(&denied, &tool, arguments).outcome;
    assert_eq!(outcome(r#"{"path":"/home/a"}"#), Allowed);
    assert_eq!(outcome(r#"{"path":"/etc/a"}"#), Refused);
    assert_eq!(outcome(r#"{"path":"\u002fetc/a"}"#), Refused);
    assert_eq!(outcome("{}"), Allowed);
    let allowed = policy("- allow: \"*\"\n  arguments: { path: \"/home/*\" }");
    assert_eq!([listed(&allowed, &tool), listed(&allowed, &other)], [Depends, Depends]);
    assert_eq!(call(&allowed, &tool, r#"{"path":"/home/a"}"#).outcome, Allowed);
    assert_eq!(call(&allowed, &tool, r#"{"path":"/etc/a"}"#).outcome, Refused);
    let none = allowed.decide(&NOBODY, &Target::Tool(&tool), Arguments::None);
    assert_eq!(none.outcome, Refused);
}

#[test]
fn arguments_are_compared_as_what_they_are() {
    let tool = write_file();
    for (condition, arguments, expected) in [
        ("mode: w", r#"{"mode":"w"}"#, Refused),
        ("mode: w", r#"{"mode":null}"#, Allowed),
        ("size: 5", r#"{"size":5}"#, Refused),
        ("size: 5", r#"{"size":5.0}"#, Refused),
        ("size: 5", r#"{"size":0.5e1}"#, Refused),
        ("size: 5", r#"{"size":6}"#, Allowed),
        ("size: [5, 6]", r#"{"size":6}"#, Refused),
        ("ratio: 5", r#"{"ratio":5}"#, Refused),
        ("ratio: 0.5", r#"{"ratio":0.50}"#, Refused),
        ("ratio: 0.5", r#"{"ratio":0.51}"#, Allowed),
        ("options.force: true", r#"{"options":{"force":true}}"#, Refused),
        ("options.force: true", r#"{"options":{"force":false}}"#, Allowed),
        ("options.force: false", r#"{"options":{"force":false}}"#, Refused),
        ("options.force: true", "{}", Allowed),
        ("path: \"/etc/*\"\n    mode: w", r#"{"path":"/etc/a","mode":"w"}"#, Refused),
        ("path: \"/etc/*\"\n    mode: w", r#"{"path":"/etc/a","mode":"r"}"#, Allowed),
        ("undeclared: 1", r#"{"undeclared":1}"#, Refused),
        ("undeclared: 1", r#"{"undeclared":2}"#, Allowed),
    ] {
        let rules =
            format!("- allow: \"*\"\n- deny: files__write_file\n  arguments:\n    {condition}");
        let policy = policy(&rules);
        let decision = call(&policy, &tool, arguments);
        assert_eq!(decision.outcome, expected, "{condition} {arguments}: {decision}");
    }
}

#[test]
fn the_rule_that_decides_is_named_with_its_place() {
    let tool = write_file();
    let policy = policy("- allow: \"*\"\n- deny: \"*__write_*\"\n  name: nothing is written");
    let decision = call(&policy, &tool, "{}");
    let rule = decision.rule().unwrap();
    assert_eq!(decision.to_string(), "the rule `nothing is written` denies it");
    assert_eq!(rule.spot.line, Some(8));
    assert!(rule.place().unwrap().ends_with("upstreams.yaml:8"), "{:?}", rule.place());
}

#[test]
fn policies_in_cedar_go_beside_rules() {
    let policy = cedar(
        "permit (principal, action in Action::\"tools/call\", resource);\n\n\
         @name(\"large\")\nforbid (principal, action == Action::\"files__write_file\", resource)\n\
         when { context.arguments has size && context.arguments.size > 100 };\n",
    );
    let tool = write_file();
    assert_eq!(listed(&policy, &tool), Depends);
    assert_eq!(call(&policy, &tool, r#"{"size":100}"#).outcome, Allowed);
    let decision = call(&policy, &tool, r#"{"size":101}"#);
    assert_eq!(decision.to_string(), "the rule `large` denies it");
    let rule = decision.rule().unwrap();
    assert_eq!((rule.spot.line, rule.arguments.clone()), (Some(3), vec!["size".to_owned()]));
}
