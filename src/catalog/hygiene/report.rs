//! Findings for people: which tool breaks which client, what becomes of it, and what its author
//! should do.

use crate::catalog::Catalog;
use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::catalog::defect::Problem;
use crate::catalog::hygiene::Fitted;
use crate::catalog::hygiene::Remark;
use crate::catalog::hygiene::fitted;
use crate::catalog::hygiene::member_of;
use crate::clients::Client;
use crate::ids::UpstreamId;

/// The name under which clients have their entry for Conflux, unless somebody chose another.
const ENTRY: &str = "conflux";
/// The longest description that all models read to its end, in characters: OpenAI's cut there.
const LONGEST_DESCRIPTION: usize = 1024;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// A tool is missing for somebody.
    Error,
    /// A tool would break somebody, but for what Conflux does.
    Warning,
    /// It costs, or could be better.
    Note,
}

/// One thing about one tool that its author, or who runs Conflux, should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A lasting code for what was found.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Whom it concerns; nothing if everybody.
    pub client: Option<Client>,
    /// Whose tool it is.
    pub upstream: UpstreamId,
    /// Its public name; the name its upstream gave, or its place, if it has none.
    pub tool: String,
    /// What would happen, or is the case.
    pub problem: String,
    /// What Conflux does about it.
    pub done: String,
    /// What the author of the server should do.
    pub advice: &'static str,
    /// How it is known.
    pub source: Option<&'static str>,
}

/// Returns what the tools of a catalog do to a client, in the order they are listed.
pub fn report(catalog: &Catalog, client: Client) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entry in catalog.entries(Kind::Tools) {
        match fitted(&entry.definition, client.quirks()) {
            Fitted::AsIs => {}
            Fitted::Repaired(_, remarks) => {
                findings.extend(remarks.iter().map(|remark| quirk(entry, client, remark)));
            }
            Fitted::Withheld(remark) => findings.push(quirk(entry, client, &remark)),
        }
        findings.extend(long_name(entry, client));
    }
    findings
}

fn quirk(entry: &Entry, client: Client, remark: &Remark) -> Finding {
    let fact = client.fact(remark.quirk);
    let effect = fact.map_or("cannot take it", |fact| fact.effect.words());
    let (severity, done) = if remark.is_withheld() {
        (Severity::Error, format!("withheld: {remark}"))
    } else {
        (Severity::Warning, format!("repaired: {remark}"))
    };
    Finding {
        code: remark.quirk.code(),
        severity,
        problem: format!("{} {effect}", client.title()),
        done,
        advice: remark.quirk.advice(),
        source: fact.map(|fact| fact.source),
        ..about(entry, Some(client))
    }
}

/// A name that is longer than the client, or the model behind it, takes.
fn long_name(entry: &Entry, client: Client) -> Option<Finding> {
    let room = client.limits().room(client, ENTRY)?;
    let length = entry.public.len();
    (length > room).then(|| Finding {
        code: "long-name",
        severity: Severity::Warning,
        problem: format!("{} takes names of {room} bytes; this has {length}", client.title()),
        done: "nothing; `names.max_length` shortens all names".to_owned(),
        advice: "give the tool a shorter name",
        ..about(entry, Some(client))
    })
}

/// Returns what breaks nobody, or everybody: definitions that are not as they should be, and tools
/// that a model has to guess at or pays too much for.
pub fn costs(catalog: &Catalog) -> Vec<Finding> {
    let defects = catalog.defects().iter().filter(|defect| defect.kind == Kind::Tools);
    let defects = defects.map(|defect| {
        let (code, advice) = match defect.problem {
            Problem::Unfollowed(_) => {
                ("override", "correct `tools.override` or `tools.variants` of the upstream")
            }
            _ => ("defect", "write the definition as the specification has it"),
        };
        Finding {
            code,
            severity: if defect.is_withheld() { Severity::Error } else { Severity::Warning },
            client: None,
            upstream: defect.upstream.clone(),
            tool: defect.local.clone().unwrap_or_else(|| format!("number {}", defect.index + 1)),
            problem: defect.problem.to_string(),
            done: defect.problem.outcome().to_owned(),
            advice,
            source: None,
        }
    });
    defects.chain(catalog.entries(Kind::Tools).filter_map(description)).collect()
}

fn description(entry: &Entry) -> Option<Finding> {
    let text = member_of(&entry.definition, "description").and_then(|text| text.string());
    let length = text.unwrap_or_default().trim().chars().count();
    let (code, problem, advice) = if length == 0 {
        let problem = "it has no description, so a model has to guess what it does".to_owned();
        ("no-description", problem, "say in a sentence what the tool does")
    } else if length > LONGEST_DESCRIPTION {
        let problem = format!(
            "its description has {length} characters; some models read {LONGEST_DESCRIPTION}"
        );
        ("long-description", problem, "say it shorter, or in a prompt or resource")
    } else {
        return None;
    };
    let done = "nothing".to_owned();
    Some(Finding { code, severity: Severity::Note, problem, done, advice, ..about(entry, None) })
}

/// A finding about a tool, of which the rest is to be said.
fn about(entry: &Entry, client: Option<Client>) -> Finding {
    Finding {
        code: "",
        severity: Severity::Note,
        client,
        upstream: entry.upstream.clone(),
        tool: entry.public.clone(),
        problem: String::new(),
        done: String::new(),
        advice: "",
        source: None,
    }
}
