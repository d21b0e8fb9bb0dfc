//! `conflux doctor`: what is wrong here, or could be better, and what to do about it.
//!
//! `gather` and `connect` look, `checks` think, `fix` mends. Every check is a small function of
//! the same facts.

mod checks;
mod connect;
mod facts;
mod finding;
mod fix;
mod fronts;
mod gather;
mod keys;
mod packages;
mod programs;

use clap::Args;
use serde_json::json;

use crate::cli::command::doctor::finding::Finding;
use crate::cli::command::doctor::finding::Severity;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::report::printable;
use crate::cli::runtime;

/// Find what is wrong with the configuration, its programs, its secrets and its clients
///
/// Every finding has a code that stays what it is, a place, and what to do; docs/doctor.md explains
/// them. Ends with 1 if one of them is an error that was not mended.
#[derive(Debug, Args)]
pub(in crate::cli) struct Doctor {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    /// Mend what is safe to mend: permissions, paths of programs, sockets that were left behind
    #[arg(long)]
    fix: bool,
    /// Also start every upstream and see what it says
    #[arg(long)]
    connect: bool,
}

impl Doctor {
    /// Says what was found.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        runtime::wait(self.examine(context))
    }

    async fn examine(&self, context: &Context<'_>) -> Result<(), Failure> {
        let mut facts = gather::facts(context).await;
        let mut notices = Vec::new();
        if self.connect {
            match context.config() {
                Ok(config) => connect::ask(config, &mut facts).await?,
                Err(_) => notices.push(
                    Notice::warning("no upstream was started, since the configuration is wrong")
                        .hint("mend that first, and try again"),
                ),
            }
        }
        let mut findings = checks::all(&facts);
        if self.fix {
            notices.extend(fix::all(&mut findings, context));
        }
        output::data(&if self.json { as_json(&findings) } else { as_text(&findings, self.fix) })?;
        output::tell(&notices);
        let is_wrong = |it: &Finding| it.severity == Severity::Error && !it.is_fixed;
        if findings.iter().any(is_wrong) { Err(Failure::silent(exit::FAILURE)) } else { Ok(()) }
    }
}

fn as_json(findings: &[Finding]) -> String {
    let findings: Vec<_> = findings.iter().map(Finding::json).collect();
    json!({ "findings": findings }).to_string()
}

fn as_text(findings: &[Finding], has_mended: bool) -> String {
    let mut paragraphs: Vec<_> = findings.iter().map(shown).collect();
    paragraphs.push(summary(findings, has_mended));
    paragraphs.join("\n\n")
}

fn shown(finding: &Finding) -> String {
    let Finding { severity, spot, message, hint, fix, is_fixed, .. } = finding;
    let state = match (is_fixed, fix) {
        (true, _) => ", mended",
        (false, Some(_)) => ", can be mended",
        (false, None) => "",
    };
    let head = format!("{} {}{state}: {}", finding.code(), severity.word(), spot.shown());
    let mut lines = vec![head, format!("  {message}")];
    if !hint.is_empty() && !is_fixed {
        lines.push(format!("  hint: {hint}"));
    }
    printable(&lines.join("\n"))
}

/// Says how much was found; what `--fix` would mend only before it was given.
fn summary(findings: &[Finding], has_mended: bool) -> String {
    let open: Vec<_> = findings.iter().filter(|finding| !finding.is_fixed).collect();
    let count = |severity| open.iter().filter(|finding| finding.severity == severity).count();
    let found = report::counted([
        (count(Severity::Error), "error"),
        (count(Severity::Warning), "warning"),
        (count(Severity::Note), "note"),
    ]);
    let fixable = open.iter().filter(|finding| finding.fix.is_some()).count();
    match (findings.len() - open.len(), fixable) {
        (0, _) if has_mended => format!("{found}; none mended"),
        (mended, _) if has_mended => format!("{found}; {mended} mended"),
        (_, 0) => found,
        (_, fixable) => format!("{found}; `--fix` mends {fixable}"),
    }
}
