//! What the policy says of one request, and what the caller and the log are told of it.

use std::sync::Arc;

use crate::catalog::Kind;
use crate::exchange::Exchange;
use crate::policy::Arguments;
use crate::policy::Decision;
use crate::policy::Outcome;
use crate::policy::Reason;
use crate::policy::Rule;
use crate::router::Error;
use crate::router::permits::Permits;
use crate::router::permits::Row;
use crate::router::permits::Slot;
use crate::router::permits::Verdict;
use crate::router::snapshot::Snapshot;
use crate::router::target::Target;
use crate::router::target::Thing;
use crate::wire::Raw;

/// What the policy says of a request.
#[derive(Debug)]
pub(super) struct Ruling {
    permits: Arc<Permits>,
    verdict: Verdict,
    /// What the caller is told, if the arguments are why it is refused.
    why: Option<Box<str>>,
}

impl Ruling {
    /// Decides about a request; nothing if there is no policy.
    pub(super) fn of(
        snapshot: &Snapshot,
        exchange: &Exchange,
        target: &Target<'_>,
    ) -> Option<Self> {
        let (caller, client) = (exchange.caller(), exchange.capabilities().client_name());
        let (permits, row) = snapshot.permitted(caller.principal(), client)?;
        let slot = match target.thing {
            Thing::Tool(entry) => permits.slot(Kind::Tools, &entry.public),
            Thing::Prompt(entry) => permits.slot(Kind::Prompts, &entry.public),
            Thing::Own(name) => permits.own_slot(name),
            Thing::Resource(..) | Thing::Extension => None,
        };
        let upstream = target.upstream.as_str();
        let verdict = match (target.thing, slot) {
            (_, Some(slot)) => permits.verdict(&row, slot),
            (Thing::Resource(_, local), None) => permits.address(&row, upstream, local),
            // It concerns all of the upstream, so it is for those who see some of it.
            (Thing::Extension, None) if permits.sees(&row, upstream) => Verdict::allowed(),
            (_, None) => Verdict::refused(),
        };
        let mut ruling = Self { permits: Arc::clone(permits), verdict, why: None };
        if let (Outcome::Depends, Some(slot), Some(sent)) = (verdict.outcome, slot, target.sent) {
            ruling.judge(&row, slot, sent.member("arguments").as_ref());
        }
        Some(ruling)
    }

    /// Decides about the arguments of a call.
    fn judge(&mut self, row: &Row, slot: Slot, arguments: Option<&Raw>) {
        let arguments = arguments.map_or(Arguments::None, Arguments::Given);
        let permits = Arc::clone(&self.permits);
        if let Some((verdict, decision)) = permits.judge(row, slot, arguments) {
            let is_allowed = verdict.outcome == Outcome::Allowed;
            self.why = (!is_allowed).then(|| explained(decision.as_ref()).into());
            self.verdict = verdict;
        }
    }

    /// Says whether the request goes on, and tells the log if not.
    pub(super) fn permit(&self, exchange: &Exchange, target: &Target<'_>) -> Result<(), Error> {
        if !self.is_against() {
            return Ok(());
        }
        self.tell(exchange, target.method, target.name());
        match &self.why {
            _ if self.is_shadow() => Ok(()),
            Some(why) => Err(Error::Forbidden(why.clone().into())),
            None => Err(target.unknown()),
        }
    }

    /// Returns whether the request would not go on if that were in force.
    pub(super) fn is_against(&self) -> bool {
        // What still depends has no arguments that could be sent.
        self.why.is_some() || self.verdict.outcome == Outcome::Refused
    }

    /// Returns whether nothing is refused, and what would have been is only said.
    pub(super) fn is_shadow(&self) -> bool {
        self.permits.is_shadow()
    }

    /// Returns the rule that decided, if one did.
    pub(super) fn rule(&self) -> Option<&Rule> {
        self.permits.policy()?.rules().get(self.verdict.rule?)
    }

    /// Tells the log of a refusal.
    fn tell(&self, exchange: &Exchange, method: &str, name: &str) {
        let (id, principal) = (exchange.trace(), exchange.caller().principal());
        let rule = self.rule().map(|rule| &**rule.title());
        let rule = rule.unwrap_or("none allows it");
        if self.is_shadow() {
            tracing::warn!(%id, %principal, method, name, rule, "would be refused");
        } else {
            tracing::info!(%id, %principal, method, name, rule, "refused");
        }
    }
}

/// What a caller is told who sees a tool and may not call it like this: the rule that says so, and
/// which arguments may help. Of other rules nothing is told.
fn explained(decision: Option<&Decision<'_>>) -> String {
    let (why, arguments) = match decision.map(|it| (&it.reason, it)) {
        Some((Reason::Rule(rule) | Reason::Doubt(rule), decision)) => {
            let mut arguments = rule.arguments.clone();
            arguments.extend(decision.doubts.iter().cloned());
            // Its place is for those who can read the file.
            let rule = rule.name.as_ref().map(|name| format!("the rule `{name}`"));
            let rule = rule.unwrap_or_else(|| "a rule".to_owned());
            (format!("{rule} denies it"), arguments)
        }
        Some((Reason::NoRule(rules), _)) => {
            let arguments = rules.iter().flat_map(|rule| rule.arguments.iter().cloned()).collect();
            ("no rule allows it".to_owned(), arguments)
        }
        None => ("no rule allows it".to_owned(), Vec::new()),
    };
    let mut arguments: Vec<String> = arguments;
    arguments.sort_unstable();
    arguments.dedup();
    if arguments.is_empty() {
        return format!("this call is not permitted with these arguments: {why}");
    }
    let named: Vec<_> = arguments.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
    format!(
        "this call is not permitted with these arguments: {why}; it depends on {}",
        named.join(", ")
    )
}
