//! What in a policy speaks of nothing.
//!
//! What cannot be known yet is no mistake: the tools of an upstream that has never listed.

use std::error::Error as _;

use cedar_policy::PolicyId;
use cedar_policy::PolicySet;
use cedar_policy::ValidationError;
use cedar_policy::ValidationMode;
use cedar_policy::Validator;

use crate::config;
use crate::config::cedar::Written;
use crate::config::policy::Argument;
use crate::config::policy::Names;
use crate::config::policy::Pattern;
use crate::config::policy::Values;
use crate::config::problem::Problem;
use crate::config::spot::Spot;
use crate::config::suggest;
use crate::policy::Origin;
use crate::policy::Policy;
use crate::policy::Tool;
use crate::policy::decision::names;
use crate::policy::mentions;
use crate::policy::mentions::Mention;
use crate::policy::parameters::Type;
use crate::policy::schema;
use crate::policy::vocabulary::Vocabulary;

impl Policy {
    /// Returns everything in it that speaks of nothing: of names that nothing has, and of arguments
    /// that no tool takes, or not in this way.
    pub fn check(&self, vocabulary: &Vocabulary) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut set = PolicySet::new();
        let mut checked = Vec::new();
        for rule in &self.rules {
            match &rule.origin {
                Origin::Rule(rule) => problems.extend(rule_problems(rule, vocabulary)),
                Origin::Cedar(written) => match named(written, vocabulary) {
                    Named::Wrong(wrong) => problems.extend(wrong),
                    Named::Later => {}
                    Named::Well => {
                        let id = PolicyId::new(checked.len().to_string());
                        set.add(written.policy.new_id(id)).expect("each has its own number");
                        checked.push(&**written);
                    }
                },
            }
        }
        if !checked.is_empty() {
            problems.extend(validated(&set, &checked, vocabulary));
        }
        problems
    }
}

/// What came of looking for the names in a policy.
enum Named {
    Well,
    /// Some cannot be known yet.
    Later,
    Wrong(Vec<Problem>),
}

fn named(written: &Written, vocabulary: &Vocabulary) -> Named {
    let mut wrong = Vec::new();
    let mut is_later = false;
    for literal in written.policy.entity_literals() {
        let Some(mention) = Mention::of(&literal) else { continue };
        match vocabulary.missing(&mention) {
            Some((message, hint)) => {
                let spot = mentions::spot(written, &literal);
                wrong.push(spot.problem(message).hint(hint));
            }
            None => is_later |= vocabulary.is_later(&mention),
        }
    }
    match wrong.is_empty() {
        false => Named::Wrong(wrong),
        true if is_later => Named::Later,
        true => Named::Well,
    }
}

/// Has Cedar compare policies with what there is.
fn validated(set: &PolicySet, checked: &[&Written], vocabulary: &Vocabulary) -> Vec<Problem> {
    let schema = match schema::schema(vocabulary) {
        Ok(schema) => schema,
        Err(error) => {
            // What an upstream lists must not stop the others; policies hold unchecked.
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(%error, cause, "policies are not compared with what there is");
            return Vec::new();
        }
    };
    let result = Validator::new(schema).validate(set, ValidationMode::Strict);
    let problem = |error: &ValidationError| {
        let id: &str = error.policy_id().as_ref();
        let written = checked.get(id.parse::<usize>().ok()?)?;
        let mut problem = written.source.problem(error);
        // The policy is said by its place; its number means nothing to anybody.
        let number = format!("for policy `{id}`, ");
        problem.message = problem.message.replace(&number, "");
        problem.hint = problem.hint.map(|hint| hint.replace(&number, ""));
        Some(problem)
    };
    let mut problems: Vec<Problem> = Vec::new();
    // One mistake is found once for each tool that it concerns.
    for problem in result.validation_errors().filter_map(problem) {
        let is_known = |other: &Problem| {
            (&other.file, other.line, other.column) == (&problem.file, problem.line, problem.column)
        };
        if !problems.iter().any(is_known) {
            problems.push(problem);
        }
    }
    problems
}

fn rule_problems(rule: &config::policy::Rule, vocabulary: &Vocabulary) -> Vec<Problem> {
    let mut problems = Vec::new();
    let tools = literals(&rule.tools).map(|it| (Mention::Tool(&it.text), &it.spot));
    let prompts = literals(&rule.prompts).map(|it| (Mention::Prompt(&it.text), &it.spot));
    for (mention, spot) in tools.chain(prompts) {
        if let Some((message, hint)) = vocabulary.missing(&mention) {
            problems.push(spot.problem(message).hint(hint));
        }
    }
    let candidates: Vec<&Tool> =
        vocabulary.tools.iter().filter(|tool| is_about(rule, tool)).collect();
    // Among those that have never listed, any could take it.
    if candidates.is_empty() || may_be_about_more(rule, vocabulary) {
        return problems;
    }
    problems.extend(rule.arguments.iter().filter_map(|it| argument_problem(it, &candidates)));
    problems
}

/// The patterns that are the name of one thing.
fn literals(names: &Names) -> impl Iterator<Item = &Pattern> {
    let patterns = match names {
        Names::Matching(patterns) => patterns.as_slice(),
        Names::None | Names::All => &[],
    };
    patterns.iter().filter(|pattern| pattern.is_literal())
}

fn is_about(rule: &config::policy::Rule, tool: &Tool) -> bool {
    let fits = match &rule.tools {
        Names::None => false,
        Names::All => true,
        Names::Matching(patterns) => patterns.iter().any(|it| matches(&it.text, &tool.name)),
    };
    let is_of = |id: &crate::ids::UpstreamId| id.as_str() == tool.upstream;
    fits && rule.wanted.admits(tool.hints)
        && (rule.upstreams.is_empty() || rule.upstreams.iter().any(is_of))
}

fn may_be_about_more(rule: &config::policy::Rule, vocabulary: &Vocabulary) -> bool {
    let stems = &vocabulary.unlisted_tools;
    match &rule.tools {
        Names::None => false,
        Names::All => !stems.is_empty(),
        Names::Matching(patterns) => {
            let may = |pattern: &Pattern| {
                let start = pattern.text.split('*').next().unwrap_or_default();
                stems
                    .iter()
                    .any(|stem| stem.starts_with(start) || (start.starts_with(stem.as_str())))
            };
            patterns.iter().any(may)
        }
    }
}

/// Whether a name fits a pattern in which `*` stands for any text.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(before) = last.replace(part) {
            let Some((_, after)) = rest.split_once(before) else { return false };
            rest = after;
        }
    }
    match last {
        None => rest.is_empty(),
        Some(last) => rest.ends_with(last),
    }
}

/// Says what is wrong with a condition that no tool of those the rule is about could fulfil.
fn argument_problem(argument: &Argument, tools: &[&Tool]) -> Option<Problem> {
    let found: Vec<Option<&Type>> =
        tools.iter().map(|tool| tool.parameters().at(&argument.path)).collect();
    // One that declares nothing takes whatever comes.
    if tools.iter().any(|tool| tool.parameters().names().next().is_none()) {
        return None;
    }
    let name = argument.path.join(".");
    let kinds: Vec<&Type> = found.iter().flatten().copied().collect();
    let spot: &Spot = &argument.spot;
    if kinds.is_empty() {
        let known: Vec<String> =
            tools.iter().flat_map(|tool| tool.parameters().names()).map(str::to_owned).collect();
        let first = argument.path.first().map(String::as_str).unwrap_or_default();
        let whose = match tools {
            [tool] => format!("`{}` has", tool.name),
            _ => "no tool that the rule is about has".to_owned(),
        };
        let not = if tools.len() == 1 { "no" } else { "an" };
        let message = format!("{whose} {not} argument `{}`", name.escape_debug());
        let hint = match suggest::nearest(first, known.iter().map(String::as_str)) {
            Some(nearest) if nearest != first => format!("did you mean `{nearest}`?"),
            _ if tools.len() == 1 => format!("it has {}", names(&known)),
            _ => "`conflux show TOOL` tells which arguments a tool has".to_owned(),
        };
        return Some(spot.problem(message).hint(hint));
    }
    if kinds.iter().any(|kind| can_be(kind, &argument.values)) {
        return None;
    }
    let kind = kinds.first()?.word();
    let message = format!("the argument `{}` is {kind}", name.escape_debug());
    let hint = match kinds.first()? {
        Type::List(_) | Type::Record(_) => {
            "rules compare texts, numbers, `true` and `false`; a policy in Cedar can do more"
        }
        _ => "write values of its type",
    };
    Some(spot.problem(message).hint(hint))
}

fn can_be(kind: &Type, values: &Values) -> bool {
    match (kind, values) {
        (Type::Any, _)
        | (Type::Text, Values::Texts(_))
        | (Type::Flag, Values::Flags(_))
        | (Type::Integer | Type::Number, Values::Numbers(_)) => true,
        (
            Type::Text
            | Type::Flag
            | Type::Integer
            | Type::Number
            | Type::List(_)
            | Type::Record(_),
            _,
        ) => false,
    }
}
