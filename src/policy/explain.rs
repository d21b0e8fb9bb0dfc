//! What would have had to match: the conditions of rules that allow, and which of them do not hold.

use crate::config;
use crate::config::policy::Argument;
use crate::config::policy::Effect;
use crate::config::policy::Exact;
use crate::config::policy::Names;
use crate::config::policy::Values;
use crate::policy::Arguments;
use crate::policy::Origin;
use crate::policy::Policy;
use crate::policy::Rule;
use crate::policy::Target;
use crate::policy::Who;
use crate::policy::decision::names;

/// A rule that would allow something, and why it does not.
#[derive(Clone, Debug)]
pub struct Miss<'p> {
    /// The rule.
    pub rule: &'p Rule,
    /// What does not hold, a sentence fragment each; of a policy in Cedar that is not known.
    pub unmet: Vec<String>,
}

impl Policy {
    /// Returns the rules that allow, but not this, each with what would have to be otherwise.
    pub fn misses<'p>(
        &'p self,
        who: &Who<'_>,
        target: &Target<'_>,
        arguments: Arguments<'_>,
    ) -> Vec<Miss<'p>> {
        let allowing = self.rules.iter().filter(|rule| rule.effect == Effect::Allow);
        let miss = |rule: &'p Rule| match &rule.origin {
            Origin::Rule(written) => {
                let unmet = |(part, text): (config::policy::Rule, String)| {
                    let alone = config::policy::Policy { rules: vec![part], ..Default::default() };
                    let alone = Self::new(&alone)?;
                    (!alone.decide(who, target, arguments).is_allowed()).then_some(text)
                };
                let unmet: Vec<_> = parts(written).into_iter().filter_map(unmet).collect();
                (!unmet.is_empty()).then_some(Miss { rule, unmet })
            }
            Origin::Cedar(_) => Some(Miss { rule, unmet: Vec::new() }),
        };
        allowing.filter_map(miss).collect()
    }
}

/// The conditions of a rule, each as a rule of its own, and what it wants.
fn parts(rule: &config::policy::Rule) -> Vec<(config::policy::Rule, String)> {
    let everything = config::policy::Rule {
        effect: Effect::Allow,
        name: None,
        spot: rule.spot.clone(),
        tools: Names::All,
        prompts: Names::All,
        resources: Names::All,
        upstreams: Vec::new(),
        wanted: config::hints::Wanted::default(),
        principals: Vec::new(),
        groups: Vec::new(),
        clients: Vec::new(),
        profiles: Vec::new(),
        arguments: Vec::new(),
    };
    let mut parts = Vec::new();
    let mut part = |change: &dyn Fn(&mut config::policy::Rule), text: String| {
        let mut part = everything.clone();
        change(&mut part);
        parts.push((part, text));
    };
    part(
        &|part| {
            part.tools.clone_from(&rule.tools);
            part.prompts.clone_from(&rule.prompts);
            part.resources.clone_from(&rule.resources);
        },
        format!("it is about {}", things(rule)),
    );
    let upstreams: Vec<String> = rule.upstreams.iter().map(ToString::to_string).collect();
    part(&|part| part.upstreams.clone_from(&rule.upstreams), wants("upstream", &upstreams));
    part(&|part| part.wanted.clone_from(&rule.wanted), hints(rule));
    part(&|part| part.principals.clone_from(&rule.principals), wants("caller", &rule.principals));
    part(&|part| part.groups.clone_from(&rule.groups), wants("group", &rule.groups));
    part(&|part| part.clients.clone_from(&rule.clients), wants("client", &rule.clients));
    part(&|part| part.profiles.clone_from(&rule.profiles), wants("profile", &rule.profiles));
    for argument in &rule.arguments {
        part(&|part| part.arguments = vec![argument.clone()], wanted_argument(argument));
    }
    parts
}

fn wants(what: &str, all: &[String]) -> String {
    let one = if all.len() == 1 { "" } else { "one of " };
    format!("the {what} must be {one}{}", names(all))
}

fn things(rule: &config::policy::Rule) -> String {
    let kinds =
        [("tools", &rule.tools), ("prompts", &rule.prompts), ("resources", &rule.resources)];
    let told = kinds.into_iter().filter_map(|(kind, named)| match named {
        Names::None => None,
        Names::All => Some(format!("all {kind}")),
        Names::Matching(all) => {
            let all: Vec<String> = all.iter().map(|pattern| pattern.text.clone()).collect();
            Some(format!("the {kind} {}", names(&all)))
        }
    });
    told.collect::<Vec<_>>().join(" and ")
}

fn hints(rule: &config::policy::Rule) -> String {
    let wanted = rule.wanted.iter().map(|(hint, wanted)| format!("`{}: {wanted}`", hint.key()));
    format!("the annotations must say {}", wanted.collect::<Vec<_>>().join(" and "))
}

fn wanted_argument(argument: &Argument) -> String {
    let values: Vec<String> = match &argument.values {
        Values::Texts(all) => all.clone(),
        Values::Numbers(all) => all.iter().map(number).collect(),
        Values::Flags(all) => all.iter().map(bool::to_string).collect(),
    };
    wants(&format!("argument `{}`", argument.path.join(".").escape_debug()), &values)
}

fn number(number: &Exact) -> String {
    match number {
        Exact::Integer(number) => number.to_string(),
        Exact::Decimal(number) => number.clone(),
    }
}
