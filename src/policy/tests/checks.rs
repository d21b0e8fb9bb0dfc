//! What in a policy speaks of nothing.

use serde_json::json;

use super::cedar;
use super::configured;
use super::tool;
use super::write_file;
use crate::policy::Policy;
use crate::policy::check::matches;
use crate::policy::schema;
use crate::policy::vocabulary::Vocabulary;

fn vocabulary() -> Vocabulary {
    let read = json!({
        "type": "object",
        "properties": { "id": { "type": "integer" } },
        "required": ["id"],
    });
    Vocabulary {
        upstreams: ["files", "docs", "late", "conflux"].map(str::to_owned).to_vec(),
        tools: vec![write_file(), tool("docs__read", &read)],
        prompts: vec!["docs__hello".to_owned()],
        unlisted_tools: vec!["late__".to_owned()],
        unlisted_prompts: vec!["late__".to_owned()],
    }
}

/// Everything that is wrong, with line and column, a line each.
fn wrong(policy: &Policy) -> String {
    let problem = |it: &crate::config::problem::Problem| {
        let place = |number: Option<u32>| number.unwrap_or_default();
        let hint = it.hint.as_deref().unwrap_or_default();
        format!("{}:{}: {} ({hint})", place(it.line), place(it.column), it.message)
    };
    policy.check(&vocabulary()).iter().map(problem).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_misspelt_name_is_a_mistake() {
    for (rule, expected) in [
        ("- allow: docs__reed", "7:14: there is no tool `docs__reed` (did you mean `docs__read`?)"),
        (
            "- allow: [docs__read, files__write_fil]",
            "7:27: there is no tool `files__write_fil` (did you mean `files__write_file`?)",
        ),
        (
            "- deny: { prompts: docs__hallo }",
            "7:24: there is no prompt `docs__hallo` (did you mean `docs__hello`?)",
        ),
        ("- allow: late__anything", ""),
        ("- allow: docs__re*", ""),
        (
            "- deny: files__write_file\n  arguments: { paht: a }",
            "8:26: `files__write_file` has no argument `paht` (did you mean `path`?)",
        ),
        (
            "- deny: files__write_file\n  arguments: { path: 5 }",
            "8:26: the argument `path` is a text (write values of its type)",
        ),
        (
            "- deny: files__write_file\n  arguments: { tags: a }",
            "8:26: the argument `tags` is a list (rules compare texts, numbers, `true` and \
             `false`; a policy in Cedar can do more)",
        ),
        ("- deny: \"*\"\n  arguments: { paht: a }", ""),
        ("- deny: \"docs__*\"\n  arguments: { id: 5 }", ""),
        ("- deny: \"files__*\"\n  arguments: { options.force: true }", ""),
    ] {
        let policy = Policy::new(&configured(rule, "")).unwrap();
        assert_eq!(wrong(&policy), expected, "{rule}");
    }
}

#[test]
fn cedar_is_compared_with_what_there_is() {
    for (text, expected) in [
        (
            "permit (principal, action == Action::\"docs__reed\", resource);",
            "1:30: there is no tool `docs__reed` (did you mean `docs__read`?)",
        ),
        (
            "permit (principal, action, resource in Upstream::\"dosc\");",
            "1:40: there is no upstream `dosc` (did you mean `docs`?)",
        ),
        (
            "forbid (principal, action, resource)\n\
             when { resource == Tool::\"files__writ_file\" };",
            "2:20: there is no tool `files__writ_file` (did you mean `files__write_file`?)",
        ),
        ("permit (principal, action == Action::\"late__x\", resource) when { context.y };", ""),
        ("permit (principal in Group::\"whoever\", action, resource);", ""),
        (
            "permit (principal, action == Action::\"docs__read\", resource)\n\
             when { context.arguments.id > 5 };",
            "",
        ),
    ] {
        assert_eq!(wrong(&cedar(text)), expected, "{text}");
    }
    for (text, place, word) in [
        (
            "permit (principal, action == Action::\"docs__read\", resource)\n\
             when { context.arguments.ip > 5 };",
            "2:8: ",
            "ip",
        ),
        (
            "permit (principal, action == Action::\"docs__read\", resource)\n\
             when { context.arguments.id == \"5\" };",
            "2:8: ",
            "Long",
        ),
        (
            "permit (principal, action == Action::\"files__write_file\", resource)\n\
             when { context.arguments.mode == \"w\" };",
            "2:8: ",
            "mode",
        ),
    ] {
        let wrong = wrong(&cedar(text));
        assert!(wrong.starts_with(place) && wrong.contains(word), "{text}: {wrong}");
        assert!(!wrong.contains("for policy"), "its number means nothing: {wrong}");
    }
}

#[test]
fn the_schema_says_what_tools_take() {
    let written = schema::written(&vocabulary()).unwrap();
    for part in ["\"docs__read\"", "id: Long", "entity Tool in [Upstream]", "mode?: String"] {
        assert!(written.contains(part), "{part} is not in:\n{written}");
    }
}

#[test]
fn patterns_match_as_cedar_has_them_match() {
    for (pattern, name, expected) in [
        ("", "", true),
        ("a", "a", true),
        ("a", "b", false),
        ("*", "", true),
        ("a*", "a", true),
        ("*a", "ba", true),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("a*b*c", "a__b__b__c", true),
        ("a*b*c", "a__c__b", false),
        ("**", "x", true),
    ] {
        assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
    }
}
