//! `conflux policy test`: whether the rules come to what their authors mean.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::app::App;
use crate::cli::command::policy;
use crate::cli::command::policy::ask::Answer;
use crate::cli::command::policy::ask::Asking;
use crate::cli::command::policy::ask::Oracle;
use crate::cli::command::policy::cases;
use crate::cli::command::policy::cases::Case;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::table;
use crate::config::Config;
use crate::config::secrets::Secrets;
use crate::wire::Raw;

/// Compare what the policy decides with what is expected of it
///
/// Each case says who wants what, and what is to become of it: `as`, `groups`, `client` and
/// `profile`; one of `call` (with `arguments`), `prompt` and `read`; `expect: allow`, `deny` (seen,
/// but refused with these arguments) or `hidden`; and the name of the `rule` that is to decide, if
/// that matters.
#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// A YAML file with a list of cases
    cases: PathBuf,
    /// Start every upstream and see what it has now
    #[arg(long)]
    connect: bool,
    /// Print what became of all cases as JSON
    #[arg(long)]
    json: bool,
}

/// What became of a case.
struct Outcome {
    number: usize,
    case: Case,
    decision: &'static str,
    rule: Option<String>,
    /// Whether it is what is expected.
    is_right: bool,
    /// Whether there is what is wanted, for anybody.
    is_there: bool,
}

impl Test {
    /// Says which cases are decided otherwise.
    pub(super) fn run(&self, context: &Context<'_>, config: Config) -> Result<(), Failure> {
        let path = context.around.directory.join(&self.cases);
        let cases = cases::read(&path, &config.secrets)?;
        let width = context.width();
        policy::looking(config, self.connect, async |app| self.compare(app, &cases, width))
    }

    fn compare(&self, app: &App, cases: &[Case], width: Option<usize>) -> Result<(), Failure> {
        app.check_policy()?;
        let rules = app.everything().policy().ok_or_else(policy::nothing)?;
        let vocabulary = app.everything().vocabulary(app.config());
        let oracle = Oracle { app, policy: &rules, vocabulary: &vocabulary };
        let outcomes = cases.iter().enumerate();
        let outcomes: Vec<Outcome> =
            outcomes.map(|(place, case)| judged(&oracle, place + 1, case)).collect();
        let wrong: Vec<&Outcome> = outcomes.iter().filter(|it| !it.is_right).collect();
        if self.json {
            output::data(&document(&outcomes))?;
        } else if !wrong.is_empty() {
            output::data(&differences(&wrong, &app.config().secrets, width))?;
        }
        output::tell(&mistaken(&oracle, &outcomes));
        output::say(&format!("{} of {} cases as expected", cases.len() - wrong.len(), cases.len()));
        if wrong.is_empty() { Ok(()) } else { Err(Failure::silent(exit::FORBIDDEN)) }
    }
}

fn judged(oracle: &Oracle<'_>, number: usize, case: &Case) -> Outcome {
    let arguments = case.arguments.as_ref().map(Raw::of);
    let answer = match case.wanted() {
        Some(wanted) => oracle.answer(&case.asking(), &wanted, arguments.as_ref()),
        None => Answer::Unknown,
    };
    let rule = match &answer {
        Answer::Unknown => None,
        Answer::Hidden(decision) | Answer::Seen(decision) => {
            decision.rule().map(|rule| rule.title().to_string())
        }
    };
    let decision = answer.word();
    let has_rule = case.rule.is_none() || case.rule == rule;
    let is_right = decision == case.expect.word() && has_rule;
    let anybody = Asking { profile: None, ..case.asking() };
    let is_there = |wanted| oracle.with_target(&anybody, &wanted, |_| ()).is_some();
    let is_there = case.wanted().is_some_and(is_there);
    Outcome { number, case: case.clone(), decision, rule, is_right, is_there }
}

/// Tells of cases about what there is not: no rule could make them come out otherwise.
fn mistaken(oracle: &Oracle<'_>, outcomes: &[Outcome]) -> Vec<Notice> {
    let of_none = outcomes.iter().filter(|it| !it.is_there);
    let notice = |it: &Outcome| {
        let wanted = it.case.wanted()?;
        let name = oracle.app.config().secrets.mask(wanted.name());
        let message = format!(
            "case {}: nothing is called `{name}`, so it is hidden whatever the rules say",
            it.number
        );
        Some(Notice::warning(message).hint(oracle.instead_of(wanted.name())))
    };
    of_none.filter_map(notice).collect()
}

fn differences(wrong: &[&Outcome], secrets: &Secrets, width: Option<usize>) -> String {
    let rows: Vec<_> = wrong
        .iter()
        .map(|it| {
            let wanted = it.case.wanted().map(|wanted| wanted.name().to_owned());
            let expected = match &it.case.rule {
                Some(rule) => format!("{} by {rule}", it.case.expect.word()),
                None => it.case.expect.word().to_owned(),
            };
            let decided = match &it.rule {
                Some(rule) => format!("{} by {rule}", it.decision),
                None => it.decision.to_owned(),
            };
            let principal = it.case.principal.clone();
            let row =
                [it.number.to_string(), principal, wanted.unwrap_or_default(), expected, decided];
            // Before anything is cut.
            row.map(|text| secrets.mask(&text).into_owned())
        })
        .collect();
    table::render(["CASE", "AS", "WANTS", "EXPECTED", "DECIDED"], &rows, width)
}

fn document(outcomes: &[Outcome]) -> String {
    let one = |it: &Outcome| {
        json!({
            "case": it.number,
            "expected": it.case.expect.word(),
            "decision": it.decision,
            "rule": it.rule,
            "right": it.is_right,
            "known": it.is_there,
        })
    };
    json!({ "cases": outcomes.iter().map(one).collect::<Vec<_>>() }).to_string()
}
