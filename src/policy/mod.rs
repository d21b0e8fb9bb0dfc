//! Who may do what: the rules of the configuration, made into policies that Cedar decides by.
//!
//! A policy is a value: no I/O, no clock. One function, [`Policy::decide`], answers for lists and
//! for calls, so that what is seen and what can be called are the same. What cannot be judged is
//! refused: a rule that denies and cannot be evaluated counts as one that applies.

/// What in a policy speaks of nothing.
pub mod check;
/// What is decided, by which rule, and why.
pub mod decision;
/// What would have had to match.
pub mod explain;
/// The types of a tool's arguments.
pub mod parameters;
/// What policies can be written with, as Cedar's schema.
pub mod schema;
/// What a policy can speak of.
pub mod vocabulary;

mod address;
mod arguments;
mod cedar;
mod compile;
mod decimal;
mod entity;
mod mentions;
mod text;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;

use cedar_policy::Authorizer;
use cedar_policy::PolicyId;
use cedar_policy::PolicySet;

use crate::config;
use crate::config::cedar::Written;
use crate::config::hints::Hints;
use crate::config::policy::Effect;
use crate::config::spot::Spot;
use crate::policy::arguments::Known;
use crate::policy::parameters::Parameters;
use crate::wire::Raw;

pub use self::decision::Decision;
pub use self::decision::Outcome;
pub use self::decision::Reason;

/// What stands for arguments of which nothing is known yet.
const UNKNOWN: &str = "arguments";

/// Everything that is allowed and denied.
pub struct Policy {
    set: PolicySet,
    rules: Vec<Rule>,
    authorizer: Authorizer,
    is_shadow: bool,
    distinguishes_clients: bool,
}

/// One rule of the configuration, or one policy in Cedar.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Whether it allows or denies.
    pub effect: Effect,
    /// What it is called, if somebody named it.
    pub name: Option<String>,
    /// Where it is written.
    pub spot: Spot,
    /// Which arguments of tools it looks at.
    pub arguments: Vec<String>,
    title: Arc<str>,
    place: Option<Arc<str>>,
    origin: Origin,
}

#[derive(Clone, Debug)]
enum Origin {
    Rule(Box<config::policy::Rule>),
    Cedar(Box<Written>),
}

/// Who wants something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who<'a> {
    /// What nobody else is called.
    pub principal: &'a str,
    /// The groups they are in.
    pub groups: &'a [String],
    /// What the client calls itself, in lower case; empty if it does not.
    pub client: &'a str,
    /// The profile in use, if there is one.
    pub profile: Option<&'a str>,
}

/// What they want to see or to use.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A tool.
    Tool(&'a Tool),
    /// A prompt.
    Prompt {
        /// Whose it is.
        upstream: &'a str,
        /// Its public name.
        name: &'a str,
        /// What its upstream calls it.
        local: &'a str,
    },
    /// A resource, a template of resources, or a skill.
    Resource {
        /// Whose it is.
        upstream: &'a str,
        /// Its address, as its upstream gives it.
        uri: &'a str,
    },
}

/// What is known of a tool.
#[derive(Clone, Debug, Default)]
pub struct Tool {
    /// Whose it is.
    pub upstream: String,
    /// Its public name where everything is seen.
    pub name: String,
    /// What its upstream calls it.
    pub local: String,
    /// What holds of its annotations.
    pub hints: Hints,
    /// The schema of the arguments that its upstream takes, as that gave it.
    pub schema: Option<Raw>,
    /// The same, read when somebody first calls it.
    pub read: OnceLock<Parameters>,
}

impl Tool {
    /// Returns the arguments that its upstream takes.
    pub fn parameters(&self) -> &Parameters {
        self.read.get_or_init(|| Parameters::read(self.schema.as_ref()))
    }
}

/// The arguments of a call.
#[derive(Clone, Copy, Debug)]
pub enum Arguments<'a> {
    /// There is no call yet: the question is what any call would come to.
    Unknown,
    /// There are none.
    None,
    /// As they are sent.
    Given(&'a Raw),
}

impl Policy {
    /// Makes a policy of what is configured; nothing if everybody may do everything.
    pub fn new(written: &config::policy::Policy) -> Option<Self> {
        if !written.is_any() {
            return None;
        }
        let mut set = PolicySet::new();
        let rules = written.rules.iter().map(Rule::of);
        let rules: Vec<Rule> = rules.chain(written.cedar.iter().map(Rule::of_cedar)).collect();
        for (index, rule) in rules.iter().enumerate() {
            let policy = match &rule.origin {
                Origin::Rule(rule) => compile::policy(rule),
                Origin::Cedar(written) => written.policy.clone(),
            };
            let policy = policy.new_id(PolicyId::new(index.to_string()));
            set.add(policy).expect("every policy has a number of its own");
        }
        let distinguishes_clients = rules.iter().any(Rule::distinguishes_clients);
        let (authorizer, is_shadow) = (Authorizer::new(), written.is_shadow);
        Some(Self { set, rules, authorizer, is_shadow, distinguishes_clients })
    }

    /// Returns whether nothing is refused, and what would have been is only said.
    pub fn is_shadow(&self) -> bool {
        self.is_shadow
    }

    /// Returns whether it matters what a client calls itself.
    pub fn distinguishes_clients(&self) -> bool {
        self.distinguishes_clients
    }

    /// Returns the rules, those of the configuration first.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Decides whether somebody may see or use something.
    ///
    /// With [`Arguments::Unknown`], the decision is about all calls there can be: it is
    /// [`Outcome::Depends`] unless each of them would be decided alike. Whatever the arguments,
    /// a call is never allowed where this says [`Outcome::Refused`], and always where it says
    /// [`Outcome::Allowed`]. An address is judged as it is written, as it is meant, and as what
    /// its path leads to, and refused if any of them is.
    pub fn decide(
        &self,
        who: &Who<'_>,
        target: &Target<'_>,
        arguments: Arguments<'_>,
    ) -> Decision<'_> {
        let mut decision = self.decided(who, target, arguments);
        let Target::Resource { upstream, uri } = *target else { return decision };
        let decided = |uri: &str| self.decided(who, &Target::Resource { upstream, uri }, arguments);
        if let Some(meant) = address::meant(uri) {
            let meant = decided(&meant);
            decision = if meant.outcome < decision.outcome { meant } else { decision };
        }
        for path in address::paths(uri) {
            let found = decided(&path.uri);
            // Who allows an address allows its spelling, unless that leads somewhere else.
            let counts = path.steps_back || found.rule().is_some();
            let is_weaker = counts && found.outcome < decision.outcome;
            decision = if is_weaker { found } else { decision };
        }
        decision
    }

    fn decided(
        &self,
        who: &Who<'_>,
        target: &Target<'_>,
        arguments: Arguments<'_>,
    ) -> Decision<'_> {
        let known = match (target, arguments) {
            (Target::Prompt { .. } | Target::Resource { .. }, _) => None,
            (Target::Tool(_), Arguments::Unknown) => Some(Known::unknown(UNKNOWN)),
            (Target::Tool(tool), Arguments::None) => Some(tool.parameters().known(None)),
            (Target::Tool(tool), Arguments::Given(raw)) => Some(tool.parameters().known(Some(raw))),
        };
        let is_asked = matches!(arguments, Arguments::Unknown);
        let doubts = known.as_ref().map(Known::doubts).unwrap_or_default();
        let Some((request, entities)) = entity::question(who, target, known) else {
            // Nobody can have more groups or names than Cedar takes; refused all the same.
            return Decision::nobody();
        };
        let found = if doubts.is_empty() {
            self.concrete(&request, &entities)
        } else {
            self.partial(&request, &entities)
        };
        found.decision(is_asked, doubts)
    }

    fn concrete(
        &self,
        request: &cedar_policy::Request,
        entities: &cedar_policy::Entities,
    ) -> decision::Found<'_> {
        let response = self.authorizer.is_authorized(request, &self.set, entities);
        let mut found = decision::Found::new(&self.rules);
        for id in response.diagnostics().reason() {
            found.applies(number(id));
        }
        for cedar_policy::AuthorizationError::PolicyEvaluationError(error) in
            response.diagnostics().errors()
        {
            found.fails(number(error.policy_id()));
        }
        found
    }

    fn partial(
        &self,
        request: &cedar_policy::Request,
        entities: &cedar_policy::Entities,
    ) -> decision::Found<'_> {
        let response = self.authorizer.is_authorized_partial(request, &self.set, entities);
        let mut found = decision::Found::new(&self.rules);
        for policy in response.definitely_satisfied() {
            found.applies(number(policy.id()));
        }
        for id in response.definitely_errored() {
            found.fails(number(id));
        }
        for policy in response.nontrivial_residuals() {
            found.may_apply(number(policy.id()));
        }
        found
    }
}

/// The number of a rule, which is the id of its policy.
fn number(id: &PolicyId) -> usize {
    let text: &str = id.as_ref();
    text.parse().expect("ids are numbers, given by `Policy::new`")
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("rules", &self.rules.len())
            .field("is_shadow", &self.is_shadow)
            .finish_non_exhaustive()
    }
}

impl Rule {
    fn of(rule: &config::policy::Rule) -> Self {
        let arguments = rule.arguments.iter().map(|argument| argument.path.join(".")).collect();
        let origin = Origin::Rule(Box::new(rule.clone()));
        Self::new(rule.effect, (rule.name.as_ref(), &rule.spot), arguments, origin)
    }

    fn of_cedar(written: &Written) -> Self {
        let effect = match written.policy.effect() {
            cedar_policy::Effect::Permit => Effect::Allow,
            cedar_policy::Effect::Forbid => Effect::Deny,
        };
        let arguments = cedar::arguments(&written.policy);
        let origin = Origin::Cedar(Box::new(written.clone()));
        Self::new(effect, (written.name.as_ref(), &written.spot), arguments, origin)
    }

    fn new(
        effect: Effect,
        (name, spot): (Option<&String>, &Spot),
        arguments: Vec<String>,
        origin: Origin,
    ) -> Self {
        let place: Option<Arc<str>> = place(spot).map(Arc::from);
        let title = match (name, &place) {
            (Some(name), _) => Arc::from(name.as_str()),
            (None, Some(place)) => Arc::clone(place),
            (None, None) => Arc::from("a rule without a name"),
        };
        let (name, spot) = (name.cloned(), spot.clone());
        Self { effect, name, spot, arguments, title, place, origin }
    }

    fn distinguishes_clients(&self) -> bool {
        match &self.origin {
            Origin::Rule(rule) => !rule.clients.is_empty(),
            // It may compare all of it at once.
            Origin::Cedar(_) => {
                let written = self.conditions();
                written.contains("context")
            }
        }
    }

    /// Returns what its conditions are about, for people: those it would have to be satisfied by.
    pub fn conditions(&self) -> String {
        match &self.origin {
            Origin::Rule(rule) => compile::policy(rule).to_string(),
            Origin::Cedar(written) => {
                let (start, end) = written.range;
                written.source.text.get(start..end).unwrap_or_default().to_owned()
            }
        }
    }

    /// Returns what it is called: its name, or else its place.
    pub fn title(&self) -> &Arc<str> {
        &self.title
    }

    /// Returns where it is written: the file and the line.
    pub fn place(&self) -> Option<&Arc<str>> {
        self.place.as_ref()
    }
}

fn place(spot: &Spot) -> Option<String> {
    let file = spot.file.as_ref()?.display();
    Some(match spot.line {
        Some(line) => format!("{file}:{line}"),
        None => file.to_string(),
    })
}
