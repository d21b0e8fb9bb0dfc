//! A rule of the configuration as a policy in Cedar.
//!
//! Conditions stand in an order in which those before make those after safe to evaluate: Cedar
//! stops at the first that does not hold. What can fail all the same, such as the comparison of a
//! number with a pattern, is meant to: it makes a rule that denies apply.

use std::iter;

use cedar_policy::Policy;

use crate::config::hints::Hint;
use crate::config::policy::Argument;
use crate::config::policy::Effect;
use crate::config::policy::Exact;
use crate::config::policy::Names;
use crate::config::policy::Rule;
use crate::config::policy::Values;
use crate::policy::decimal;
use crate::policy::entity;
use crate::policy::text;

/// Makes a policy of a rule.
pub(super) fn policy(rule: &Rule) -> Policy {
    let written = written(rule);
    Policy::parse(None, &written).expect("every text in it is quoted, and all else is written here")
}

fn written(rule: &Rule) -> String {
    let effect = match rule.effect {
        Effect::Allow => "permit",
        Effect::Deny => "forbid",
    };
    let conditions = [
        any(rule.principals.iter().map(|it| like("principal.name", it))),
        any(rule.groups.iter().map(|it| format!("principal in {}", text::entity("Group", it)))),
        any(rule.clients.iter().map(|it| like("context.client", it))),
        profiles(&rule.profiles),
        things(rule),
        any(rule
            .upstreams
            .iter()
            .map(|id| format!("resource in {}", text::entity("Upstream", id.as_str())))),
    ];
    let arguments = rule.arguments.iter().map(argument);
    let all: Vec<String> = conditions.into_iter().flatten().chain(arguments).collect();
    let when =
        if all.is_empty() { String::new() } else { format!(" when {{ {} }}", all.join(" && ")) };
    format!("{effect} (principal, action, resource){when};")
}

/// One of several conditions must hold, if there are any.
fn any(conditions: impl Iterator<Item = String>) -> Option<String> {
    let all: Vec<String> = conditions.collect();
    (!all.is_empty()).then(|| format!("({})", all.join(" || ")))
}

fn like(what: &str, pattern: &str) -> String {
    if pattern == "*" {
        "true".to_owned()
    } else {
        format!("{what} like {}", text::pattern(pattern))
    }
}

fn profiles(named: &[String]) -> Option<String> {
    let one = any(named.iter().map(|it| format!("context.profile == {}", text::quoted(it))))?;
    Some(format!("(context has profile && {one})"))
}

/// That it is one of the things the rule is about, kind by kind.
fn things(rule: &Rule) -> Option<String> {
    let kinds = [
        (entity::TOOLS, &rule.tools, "resource.name"),
        (entity::PROMPTS, &rule.prompts, "resource.name"),
        (entity::RESOURCES, &rule.resources, "resource.uri"),
    ];
    let is_everything = kinds.iter().all(|(_, names, _)| **names == Names::All);
    if is_everything && !rule.wanted.is_any() {
        return None;
    }
    let parts = kinds.into_iter().filter_map(|(action, names, attribute)| {
        let is_kind = format!("action in {}", text::entity("Action", action));
        let hints = rule.wanted.iter().map(hint).filter(|_| action == entity::TOOLS);
        let matches = match names {
            Names::None => return None,
            Names::All => None,
            Names::Matching(all) => {
                let one = any(all.iter().map(|it| like(attribute, &it.text)));
                // A list of none is about nothing.
                Some(one.unwrap_or_else(|| "false".to_owned()))
            }
        };
        let all: Vec<String> = iter::once(is_kind).chain(matches).chain(hints).collect();
        Some(format!("({})", all.join(" && ")))
    });
    Some(any(parts).unwrap_or_else(|| "false".to_owned()))
}

fn hint((hint, wanted): (Hint, bool)) -> String {
    let not = if wanted { "" } else { "!" };
    format!("{not}resource.{}", entity::attribute(hint))
}

/// That an argument is there and is one of the values. Each step of the way must be there; a step
/// into what holds nothing fails.
fn argument(argument: &Argument) -> String {
    let mut way = "context.arguments".to_owned();
    let mut all = Vec::new();
    for part in &argument.path {
        all.push(format!("{way} has {}", text::quoted(part)));
        way = format!("{way}[{}]", text::quoted(part));
    }
    let one = match &argument.values {
        Values::Texts(texts) => {
            any(texts.iter().map(|it| format!("{way} like {}", text::pattern(it))))
        }
        Values::Numbers(numbers) => any(numbers.iter().map(|it| number(&way, it))),
        Values::Flags(flags) => any(flags.iter().map(|flag| flagged(&way, *flag))),
    };
    all.extend(one);
    format!("({})", all.join(" && "))
}

/// Which type it has depends on the tool; two of different types are not equal.
fn number(way: &str, number: &Exact) -> String {
    match number {
        Exact::Integer(integer) => match decimal::of_integer(*integer) {
            Some(same) => format!("{way} == {integer} || {way} == decimal(\"{same}\")"),
            None => format!("{way} == {integer}"),
        },
        Exact::Decimal(same) => format!("{way} == decimal(\"{same}\")"),
    }
}

/// What is no flag is neither, so that comparing fails.
fn flagged(way: &str, flag: bool) -> String {
    if flag { format!("({way} && true)") } else { format!("!({way})") }
}
