//! What cannot be judged is refused.

use super::call;
use super::cedar;
use super::policy;
use super::write_file;
use crate::policy::Outcome;

const DENY: &str = "- allow: \"*\"\n- deny: files__write_file\n  arguments: ";
const ALLOW: &str = "- allow: files__write_file\n  arguments: ";

/// Arguments of which `condition` cannot be told.
const DOUBTFUL: &[(&str, &str)] = &[
    ("{ path: \"/etc/*\" }", r#"{"path":5}"#),
    ("{ path: \"/etc/*\" }", r#"{"path":["/etc/a"]}"#),
    ("{ path: \"/etc/*\" }", r#"{"path":null}"#),
    ("{ path: \"/etc/*\" }", r#"{"path":"\ud800"}"#),
    ("{ path: \"/etc/*\" }", r#"["/etc/a"]"#),
    ("{ path: \"/etc/*\" }", r#"{"path":"/a","path":"/etc/a"}"#),
    ("{ path: \"/etc/*\" }", r#"{"\ud800":1,"path":"/a","path":"/etc/a"}"#),
    ("{ size: 5 }", r#"{"size":"5"}"#),
    ("{ size: 5 }", r#"{"size":5.5}"#),
    ("{ size: 5 }", r#"{"size":9223372036854775808}"#),
    ("{ size: 5 }", r#"{"size":1e999999999999}"#),
    ("{ ratio: 5 }", r#"{"ratio":0.00001}"#),
    ("{ ratio: 5 }", r#"{"ratio":9223372036854775807}"#),
    ("{ tags: \"a\" }", r#"{"tags":["b"]}"#),
    ("{ path: \"/etc/*\" }", r#"{"Path":"/etc/a"}"#),
    ("{ path: \"/etc/*\" }", r#"{"path":"/a","PATH":"/etc/a"}"#),
    ("{ tags: \"a\" }", r#"{"tag\u017f":"a"}"#),
    ("{ options.force: true }", r#"{"path":"/a","options":{"force":false,"Force":true}}"#),
    ("{ undeclared: true }", r#"{"undeclared":"true"}"#),
    ("{ undeclared: \"a\" }", r#"{"undeclared":1}"#),
    ("{ options.force: true }", r#"{"options":[]}"#),
    ("{ options.force: true }", r#"{"options":{"force":1}}"#),
    ("{ options.force: true }", r#"{"options":{"force":false,"force":true}}"#),
];

#[test]
fn a_rule_that_denies_and_cannot_be_judged_applies() {
    let tool = write_file();
    for (condition, arguments) in DOUBTFUL {
        let policy = policy(&format!("{DENY}{condition}"));
        let decision = call(&policy, &tool, arguments);
        assert_eq!(decision.outcome, Outcome::Refused, "{condition} {arguments}");
        assert!(decision.to_string().contains("cannot be judged"), "{condition}: {decision}");
    }
}

#[test]
fn a_rule_that_allows_and_cannot_be_judged_does_not() {
    let tool = write_file();
    for (condition, arguments) in DOUBTFUL {
        let policy = policy(&format!("{ALLOW}{condition}"));
        let decision = call(&policy, &tool, arguments);
        assert_eq!(decision.outcome, Outcome::Refused, "{condition} {arguments}: {decision}");
    }
}

#[test]
fn what_is_too_much_to_be_judged_is_in_doubt() {
    let tool = write_file();
    let list = |items: usize| vec!["\"b\""; items].join(",");
    let (few, many) = (list(4096), list(4097));
    let of_tags = policy(&format!("{DENY}{{ undeclared: true }}"));
    let of_path = policy(&format!("{DENY}{{ path: \"/etc/*\" }}"));
    let tags = |items: &str| format!(r#"{{"path":"/a","undeclared":[{items}]}}"#);
    assert_eq!(call(&of_path, &tool, &tags(&few)).outcome, Outcome::Allowed);
    assert_eq!(
        call(&of_path, &tool, &tags(&many)).outcome,
        Outcome::Allowed,
        "it is not looked at"
    );
    assert_eq!(call(&of_tags, &tool, &tags(&many)).outcome, Outcome::Refused);
    let long = format!("\"{}\"", "b".repeat(1 << 20));
    assert_eq!(call(&of_tags, &tool, &tags(&long)).outcome, Outcome::Refused);
    let members: Vec<_> = (0..70_000).map(|number| format!("\"x{number}\":1")).collect();
    let members = format!("{{\"path\":\"/a\",{}}}", members.join(","));
    assert_eq!(call(&of_path, &tool, &members).outcome, Outcome::Refused);
}

#[test]
fn what_no_rule_looks_at_may_be_whatever_it_is() {
    let tool = write_file();
    let policy = policy(&format!("{DENY}{{ mode: w }}"));
    for arguments in [r#"{"size":1e400,"path":"\ud800"}"#, r#"{"ratio":0.00001}"#] {
        assert_eq!(call(&policy, &tool, arguments).outcome, Outcome::Allowed, "{arguments}");
    }
    let never = super::policy("- allow: \"*\"");
    for (_, arguments) in DOUBTFUL {
        assert_eq!(call(&never, &tool, arguments).outcome, Outcome::Allowed, "{arguments}");
    }
}

#[test]
fn a_policy_that_fails_denies() {
    let tool = write_file();
    let policy = cedar(
        "permit (principal, action, resource);\n\
         forbid (principal, action, resource) when { context.arguments.mode == \"w\" };",
    );
    assert_eq!(call(&policy, &tool, "{}").outcome, Outcome::Refused);
    assert_eq!(call(&policy, &tool, r#"{"mode":"w"}"#).outcome, Outcome::Refused);
    assert_eq!(call(&policy, &tool, r#"{"mode":"r"}"#).outcome, Outcome::Allowed);
    let policy =
        cedar("permit (principal, action, resource) when { context.arguments.mode == \"w\" };");
    assert_eq!(call(&policy, &tool, "{}").outcome, Outcome::Refused);
    assert_eq!(call(&policy, &tool, r#"{"mode":"w"}"#).outcome, Outcome::Allowed);
}

#[test]
fn what_was_in_doubt_is_named() {
    let policy = policy(&format!("{DENY}{{ options.force: true }}"));
    let decision = call(&policy, &write_file(), r#"{"options":{"force":1}}"#);
    assert_eq!(decision.doubts, ["options.force"]);
}
