//! What is decided, by which rule, and why.
//!
//! There is room between `Refused` and `Allowed`: what may be allowed after a question, or in part,
//! is weaker than what is denied and stronger than what is allowed.

use std::fmt;

use crate::config::policy::Effect;
use crate::policy::Rule;

/// What was decided.
#[derive(Clone, Debug)]
pub struct Decision<'p> {
    /// What becomes of it.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason<'p>,
    /// Which arguments could not be judged, of all that were given.
    pub doubts: Vec<String>,
}

/// What becomes of something that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It is refused.
    Refused,
    /// Some calls are refused and others not, or may be: it depends on the arguments.
    Depends,
    /// It is allowed.
    Allowed,
}

/// Why something was decided.
#[derive(Clone, Debug)]
pub enum Reason<'p> {
    /// This rule allows it, or denies it.
    Rule(&'p Rule),
    /// This rule denies, and it cannot be told that it does not apply.
    Doubt(&'p Rule),
    /// No rule allows it; these would with other arguments.
    NoRule(Vec<&'p Rule>),
}

impl Decision<'_> {
    /// What is decided where nothing can be.
    pub(super) fn nobody() -> Self {
        let reason = Reason::NoRule(Vec::new());
        Self { outcome: Outcome::Refused, reason, doubts: Vec::new() }
    }

    /// Returns whether it is allowed whatever the arguments.
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }
}

impl<'p> Decision<'p> {
    /// Returns the rule that decided, if one did.
    pub fn rule(&self) -> Option<&'p Rule> {
        match self.reason {
            Reason::Rule(rule) | Reason::Doubt(rule) => Some(rule),
            Reason::NoRule(_) => None,
        }
    }
}

impl fmt::Display for Decision<'_> {
    /// Says it to whoever may know the rule, without an end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Rule(rule) => {
                let verb = match (rule.effect, self.outcome) {
                    (Effect::Allow, Outcome::Depends) => "may allow",
                    (Effect::Deny, Outcome::Depends) => "may deny",
                    (Effect::Allow, _) => "allows",
                    (Effect::Deny, _) => "denies",
                };
                write!(f, "the rule `{}` {verb} it", rule.title())
            }
            Reason::Doubt(rule) => {
                write!(f, "the rule `{}` denies it, as it cannot be judged", rule.title())?;
                if self.doubts.is_empty() {
                    Ok(())
                } else {
                    write!(f, " ({})", names(&self.doubts))
                }
            }
            Reason::NoRule(_) => f.write_str("no rule allows it"),
        }
    }
}

/// Writes names one after the other.
pub(super) fn names(all: &[String]) -> String {
    let all: Vec<_> = all.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
    all.join(", ")
}

/// What Cedar found, rule by rule.
pub(super) struct Found<'p> {
    rules: &'p [Rule],
    /// The first of each, in the order of the rules.
    denies: Option<usize>,
    fails: Option<usize>,
    may_deny: Option<usize>,
    allows: Option<usize>,
    may_allow: Vec<usize>,
}

impl<'p> Found<'p> {
    pub(super) fn new(rules: &'p [Rule]) -> Self {
        let may_allow = Vec::new();
        Self { rules, denies: None, fails: None, may_deny: None, allows: None, may_allow }
    }

    /// A rule applies.
    pub(super) fn applies(&mut self, number: usize) {
        match self.effect(number) {
            Effect::Allow => first(&mut self.allows, number),
            Effect::Deny => first(&mut self.denies, number),
        }
    }

    /// A rule cannot be evaluated.
    pub(super) fn fails(&mut self, number: usize) {
        match self.effect(number) {
            // What is allowed must be certain.
            Effect::Allow => {}
            Effect::Deny => first(&mut self.fails, number),
        }
    }

    /// A rule depends on what is not known.
    pub(super) fn may_apply(&mut self, number: usize) {
        match self.effect(number) {
            Effect::Allow => self.may_allow.push(number),
            Effect::Deny => first(&mut self.may_deny, number),
        }
    }

    fn effect(&self, number: usize) -> Effect {
        self.rules.get(number).map_or(Effect::Deny, |rule| rule.effect)
    }

    /// Weighs it. Denying goes before allowing, and doubt is as good as denying, unless calls are
    /// still to come.
    pub(super) fn decision(mut self, is_asked: bool, doubts: Vec<String>) -> Decision<'p> {
        self.may_allow.sort_unstable();
        let rules = self.rules;
        let rule = |number: usize| rules.get(number);
        let nothing = || Reason::NoRule(Vec::new());
        let by = |number: Option<usize>| number.and_then(rule).map_or_else(nothing, Reason::Rule);
        let doubt = |number: usize| rule(number).map_or_else(nothing, Reason::Doubt);
        let may_allow = || self.may_allow.iter().copied().filter_map(rule).collect();
        let (outcome, reason) = match (self.denies, self.fails, self.may_deny, self.allows) {
            (Some(_), ..) => (Outcome::Refused, by(self.denies)),
            (None, Some(fails), ..) => (Outcome::Refused, doubt(fails)),
            (None, None, Some(may), _) if !is_asked => (Outcome::Refused, doubt(may)),
            (None, None, None, Some(_)) => (Outcome::Allowed, by(self.allows)),
            (None, None, Some(_), Some(_)) => (Outcome::Depends, by(self.may_deny)),
            (None, None, _, None) if is_asked && !self.may_allow.is_empty() => {
                (Outcome::Depends, by(self.may_allow.first().copied()))
            }
            (None, None, _, None) => (Outcome::Refused, Reason::NoRule(may_allow())),
        };
        let doubts = if is_asked { Vec::new() } else { doubts };
        Decision { outcome, reason, doubts }
    }
}

/// Keeps the smaller number.
fn first(kept: &mut Option<usize>, number: usize) {
    *kept = Some(kept.map_or(number, |kept| kept.min(number)));
}
