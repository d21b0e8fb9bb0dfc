//! What holds for all rules, callers, things and arguments.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::config;
use crate::config::policy::Argument;
use crate::config::policy::Effect;
use crate::config::policy::Exact;
use crate::config::policy::Names;
use crate::config::policy::Pattern;
use crate::config::policy::Rule;
use crate::config::policy::Values;
use crate::config::spot::Spot;
use crate::ids::UpstreamId;
use crate::policy::Arguments;
use crate::policy::Outcome;
use crate::policy::Policy;
use crate::policy::Target;
use crate::policy::Tool;
use crate::policy::Who;
use crate::policy::check::matches;
use crate::wire::Raw;

const PRINCIPALS: [&str; 3] = ["process", "user:ann", "user:bob"];
const GROUPS: [&str; 2] = ["team", "ops"];
const CLIENTS: [&str; 3] = ["", "claude-code", "cursor"];
const NAMES: [&str; 4] = ["a__read", "a__write", "b__read", "b__write"];
const PATTERNS: [&str; 7] = ["*", "a__*", "*__write", "*__r*d", "b__read", "a__write", "?__read"];
const URIS: [&str; 3] = ["file:///a", "file:///etc/b", "note:c"];
const URI_PATTERNS: [&str; 4] = ["*", "file:*", "file:///etc/*", "note:c"];
const TEXTS: [&str; 4] = ["x", "xy", "/etc/a", "*"];
const TEXT_PATTERNS: [&str; 4] = ["x", "x*", "/etc/*", "*y*"];

fn owned(all: Vec<&'static str>) -> Vec<String> {
    all.into_iter().map(str::to_owned).collect()
}

fn names(patterns: &'static [&'static str]) -> impl Strategy<Value = Names> {
    let pattern = |text: &str| Pattern { text: text.to_owned(), spot: Spot::default() };
    let some = vec(select(patterns), 0..3)
        .prop_map(move |all| Names::Matching(all.into_iter().map(pattern).collect()));
    prop_oneof![Just(Names::None), Just(Names::All), some]
}

fn argument() -> impl Strategy<Value = Argument> {
    let texts = vec(select(&TEXT_PATTERNS[..]), 1..3).prop_map(|all| Values::Texts(owned(all)));
    let numbers = vec(0..3_i64, 1..3)
        .prop_map(|all| Values::Numbers(all.into_iter().map(Exact::Integer).collect()));
    let flags = vec(any::<bool>(), 1..2).prop_map(Values::Flags);
    let made = |path: &str, values| Argument {
        path: path.split('.').map(str::to_owned).collect(),
        values,
        spot: Spot::default(),
    };
    prop_oneof![
        texts.prop_map(move |values| made("text", values)),
        numbers.prop_map(move |values| made("number", values)),
        flags.prop_map(move |values| made("inner.flag", values)),
    ]
}

fn rule(effect: impl Strategy<Value = Effect>) -> impl Strategy<Value = Rule> {
    let who = (
        vec(select(&["process", "user:*", "user:bob"][..]), 0..2),
        vec(select(&GROUPS[..]), 0..2),
        vec(select(&["claude-*", "cursor"][..]), 0..2),
        vec(select(&["ci"][..]), 0..2),
    );
    let what = (
        names(&PATTERNS),
        names(&PATTERNS),
        names(&URI_PATTERNS),
        vec(select(&["a", "b"][..]), 0..2),
        vec(argument(), 0..2),
    );
    (effect, who, what).prop_map(
        |(effect, who, (tools, prompts, resources, upstreams, arguments))| {
            let (principals, groups, clients, profiles) = who;
            // Only tools have any.
            let only_tools = !arguments.is_empty();
            let unless = |names| if only_tools { Names::None } else { names };
            Rule {
                effect,
                name: None,
                spot: Spot::default(),
                tools,
                prompts: unless(prompts),
                resources: unless(resources),
                upstreams: upstreams.into_iter().map(UpstreamId::new).collect(),
                wanted: config::hints::Wanted::default(),
                principals: owned(principals),
                groups: owned(groups),
                clients: owned(clients),
                profiles: owned(profiles),
                arguments,
            }
        },
    )
}

fn any_rule() -> impl Strategy<Value = Rule> {
    rule(prop_oneof![2 => Just(Effect::Allow), 1 => Just(Effect::Deny)])
}

/// Who calls: a principal, groups, a client, a profile.
type Caller = (&'static str, Vec<&'static str>, &'static str, bool);

fn caller() -> impl Strategy<Value = Caller> {
    (select(&PRINCIPALS[..]), vec(select(&GROUPS[..]), 0..2), select(&CLIENTS[..]), any::<bool>())
}

/// The arguments of a call: a text, a number and a flag inside of another one.
type Given = (Option<&'static str>, Option<i64>, Option<bool>);

fn given() -> impl Strategy<Value = Given> {
    (option::of(select(&TEXTS[..])), option::of(0..3_i64), option::of(any::<bool>()))
}

fn json_of((text, number, flag): &Given) -> Map<String, Value> {
    let text = text.map(|text| ("text".to_owned(), json!(text)));
    let number = number.map(|number| ("number".to_owned(), json!(number)));
    let flag = flag.map(|flag| ("inner".to_owned(), json!({ "flag": flag })));
    text.into_iter().chain(number).chain(flag).collect()
}

fn tool(name: &str) -> Tool {
    super::tool(
        name,
        &json!({ "type": "object", "properties": {
            "text": { "type": "string" },
            "number": { "type": "integer" },
            "inner": { "type": "object", "properties": { "flag": { "type": "boolean" } } },
        } }),
    )
}

fn policy(rules: &[Rule]) -> Policy {
    let written =
        config::policy::Policy { rules: rules.to_vec(), ..config::policy::Policy::default() };
    Policy::new(&written).unwrap()
}

/// What somebody wants.
#[derive(Clone, Copy, Debug)]
enum Thing {
    Tool(&'static str),
    Prompt(&'static str),
    Resource(&'static str),
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![
        2 => select(&NAMES[..]).prop_map(Thing::Tool),
        1 => select(&NAMES[..]).prop_map(Thing::Prompt),
        1 => select(&URIS[..]).prop_map(Thing::Resource),
    ]
}

fn decided(policy: &Policy, caller: &Caller, thing: Thing, arguments: Arguments<'_>) -> Outcome {
    let (principal, groups, client, is_ci) = caller;
    let groups = owned(groups.clone());
    let profile = is_ci.then_some("ci");
    let who = Who { principal, groups: &groups, client, profile };
    let outcome = |target: &Target<'_>| policy.decide(&who, target, arguments).outcome;
    match thing {
        Thing::Tool(name) => outcome(&Target::Tool(&tool(name))),
        Thing::Prompt(name) => {
            let (upstream, local) = name.split_once("__").unwrap();
            outcome(&Target::Prompt { upstream, name, local })
        }
        Thing::Resource(uri) => outcome(&Target::Resource { upstream: "a", uri }),
    }
}

fn called(policy: &Policy, caller: &Caller, thing: Thing, given: &Given) -> Outcome {
    let raw = Raw::of(&json_of(given));
    decided(policy, caller, thing, Arguments::Given(&raw))
}

/// What rules mean, in the plainest words: is there one that allows, and none that denies?
fn plainly(rules: &[Rule], caller: &Caller, thing: Thing, given: &Given) -> bool {
    let applies = |rule: &&Rule| is_met(rule, caller, thing, given);
    let mut met = rules.iter().filter(applies).map(|rule| rule.effect).peekable();
    met.peek().is_some() && met.all(|effect| effect == Effect::Allow)
}

fn is_met(rule: &Rule, caller: &Caller, thing: Thing, given: &Given) -> bool {
    let (principal, groups, client, is_ci) = caller;
    let one = |all: &[String], fits: &dyn Fn(&str) -> bool| {
        all.is_empty() || all.iter().any(|it| fits(it))
    };
    let (names, name, upstream) = match thing {
        Thing::Tool(name) => (&rule.tools, name, name.split_once("__").unwrap().0),
        Thing::Prompt(name) => (&rule.prompts, name, name.split_once("__").unwrap().0),
        Thing::Resource(uri) => (&rule.resources, uri, "a"),
    };
    let is_about = match names {
        Names::None => false,
        Names::All => true,
        Names::Matching(all) => all.iter().any(|pattern| matches(&pattern.text, name)),
    };
    let upstreams: Vec<String> = rule.upstreams.iter().map(ToString::to_string).collect();
    is_about
        && one(&upstreams, &|id| id == upstream)
        && one(&rule.principals, &|pattern| matches(pattern, principal))
        && one(&rule.groups, &|group| groups.contains(&group))
        && one(&rule.clients, &|pattern| matches(pattern, client))
        && one(&rule.profiles, &|profile| *is_ci && profile == "ci")
        && rule.arguments.iter().all(|argument| has_value(argument, given))
}

fn has_value(argument: &Argument, (text, number, flag): &Given) -> bool {
    match &argument.values {
        Values::Texts(all) => text.is_some_and(|it| all.iter().any(|one| matches(one, it))),
        Values::Numbers(all) => number.is_some_and(|it| all.contains(&Exact::Integer(it))),
        Values::Flags(all) => flag.is_some_and(|it| all.contains(&it)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn rules_mean_what_they_plainly_say(
        rules in vec(any_rule(), 1..5),
        caller in caller(),
        thing in thing(),
        given in given(),
    ) {
        let expected = plainly(&rules, &caller, thing, &given);
        let outcome = called(&policy(&rules), &caller, thing, &given);
        prop_assert_eq!(outcome == Outcome::Allowed, expected, "{:?}", outcome);
        prop_assert_ne!(outcome, Outcome::Depends);
    }

    #[test]
    fn what_is_seen_can_be_called_and_what_can_be_called_is_seen(
        rules in vec(any_rule(), 1..5),
        caller in caller(),
        thing in thing(),
        all in vec(given(), 1..8),
    ) {
        let policy = policy(&rules);
        let outcomes: Vec<_> = all.iter().map(|it| called(&policy, &caller, thing, it)).collect();
        match decided(&policy, &caller, thing, Arguments::Unknown) {
            Outcome::Refused => prop_assert!(outcomes.iter().all(|it| *it == Outcome::Refused)),
            Outcome::Allowed => prop_assert!(outcomes.iter().all(|it| *it == Outcome::Allowed)),
            // It is seen for the arguments of some rule.
            Outcome::Depends => {
                prop_assert!(matches!(thing, Thing::Tool(_)));
                prop_assert!(rules.iter().any(|rule| !rule.arguments.is_empty()));
            }
        }
    }

    #[test]
    fn one_more_rule_that_denies_allows_nothing(
        rules in vec(any_rule(), 1..5),
        more in rule(Just(Effect::Deny)),
        place in 0..5_usize,
        caller in caller(),
        thing in thing(),
        given in given(),
    ) {
        let before = policy(&rules);
        let mut rules = rules;
        rules.insert(place.min(rules.len()), more);
        let after = policy(&rules);
        let seen = |policy| decided(policy, &caller, thing, Arguments::Unknown);
        prop_assert!(seen(&after) <= seen(&before));
        prop_assert!(
            called(&after, &caller, thing, &given) <= called(&before, &caller, thing, &given)
        );
    }

    #[test]
    fn what_cannot_be_judged_is_allowed_only_if_anything_would_be(
        rules in vec(any_rule(), 1..5),
        caller in caller(),
        name in select(&NAMES[..]),
        given in given(),
        doubtful in select(&["1e400", "[1]", "\"\\ud800\"", "null"][..]),
    ) {
        let policy = policy(&rules);
        let mut arguments = json_of(&given);
        arguments.remove("number");
        let begin = Raw::of(&arguments).get().strip_suffix('}').unwrap().to_owned();
        let comma = if arguments.is_empty() { "" } else { "," };
        let raw = Raw::parse(format!("{begin}{comma}\"number\":{doubtful}}}")).unwrap();
        let outcome = decided(&policy, &caller, Thing::Tool(name), Arguments::Given(&raw));
        let others = [None, Some(0), Some(1), Some(2)].map(|number| (given.0, number, given.2));
        if outcome == Outcome::Allowed {
            for other in others {
                let other = called(&policy, &caller, Thing::Tool(name), &other);
                prop_assert_eq!(other, Outcome::Allowed);
            }
        }
    }
}
