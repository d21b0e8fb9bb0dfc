//! `conflux lint`: which tool breaks which client, and what becomes of it.

use clap::Args;
use serde_json::Value;
use serde_json::json;

use crate::app::App;
use crate::catalog::Catalog;
use crate::catalog::hygiene;
use crate::catalog::hygiene::Finding;
use crate::catalog::hygiene::Severity;
use crate::cli::command::clients;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report;
use crate::cli::report::Failure;
use crate::cli::report::printable;
use crate::cli::runtime;
use crate::cli::session;
use crate::cli::unknown;
use crate::cli::upstreams;
use crate::clients::Client;
use crate::config::Config;
use crate::ids::UpstreamId;

/// What a detail is set off by, in characters.
const INDENT: usize = 4;

/// Tell which tool breaks which client
///
/// Says what Conflux does about it, and what the author of the server should do. Ends with exit
/// code 1 if a tool is missing for one of the clients.
#[derive(Debug, Args)]
pub(in crate::cli) struct Lint {
    /// A client to look at; repeat it for several; all known ones if none is named
    #[arg(long, value_name = "NAME", value_parser = clients::parser())]
    client: Vec<Client>,
    /// The upstream to look at; all of them if none is named
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// Print the findings as a JSON array
    #[arg(long)]
    json: bool,
}

impl Lint {
    /// Prints what is found in the lists of every upstream that can be started.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let mut config = context.config()?;
        output::tell(&report::warnings(&config));
        if let Some(upstream) = &self.upstream {
            only(&mut config, upstream)?;
        }
        let width = context.width();
        runtime::wait(session::within(session::patient(config), async |app| {
            self.look(app, width).await
        }))
    }

    async fn look(&self, app: &App, width: Option<usize>) -> Result<(), Failure> {
        let caller = session::caller(app);
        app.on_open()(&caller);
        upstreams::settled(app).await;
        let findings = self.findings(&app.router().snapshot().catalog);
        if self.json {
            let all: Vec<_> = findings.iter().map(document).collect();
            output::data(&serde_json::to_string_pretty(&all).unwrap_or_default())?;
        } else {
            output::data(&text(&findings, width))?;
        }
        let (notices, outcome) = upstreams::failures(app);
        output::tell(&notices);
        outcome?;
        let is_error = |found: &Found| found.finding.severity == Severity::Error;
        if findings.iter().any(is_error) { Err(Failure::silent(exit::FAILURE)) } else { Ok(()) }
    }

    /// Everything that is found, by tool; what is the same for several clients is one.
    fn findings(&self, catalog: &Catalog) -> Vec<Found> {
        let clients = if self.client.is_empty() { &Client::ALL[..] } else { &self.client };
        let mut all: Vec<Found> = Vec::new();
        let of_clients = clients.iter().flat_map(|client| hygiene::report(catalog, *client));
        for finding in hygiene::costs(catalog).into_iter().chain(of_clients) {
            let known = all.iter_mut().find(|known| known.is_like(&finding));
            match known {
                Some(known) => known.add(&finding),
                None => all.push(Found::new(finding)),
            }
        }
        let place = |found: &Found| {
            let Finding { upstream, tool, severity, .. } = &found.finding;
            (upstream.as_str().to_owned(), tool.clone(), *severity)
        };
        all.sort_by_key(place);
        all
    }
}

/// Leaves one upstream in a configuration.
fn only(config: &mut Config, upstream: &str) -> Result<(), Failure> {
    if !config.upstreams.keys().any(|id| id.as_str() == upstream) {
        let known = config.upstreams.keys().map(UpstreamId::as_str);
        return Err(unknown::no_upstream(upstream, known));
    }
    config.upstreams.retain(|id, _| id.as_str() == upstream);
    Ok(())
}

/// A finding, and everybody it concerns.
#[derive(Debug)]
struct Found {
    finding: Finding,
    /// What happens, client by client.
    problems: Vec<String>,
    clients: Vec<Client>,
    sources: Vec<&'static str>,
}

impl Found {
    fn new(finding: Finding) -> Self {
        let mut found =
            Self { problems: Vec::new(), clients: Vec::new(), sources: Vec::new(), finding };
        let first = found.finding.clone();
        found.add(&first);
        found
    }

    fn is_like(&self, other: &Finding) -> bool {
        let Finding { code, upstream, tool, done, .. } = &self.finding;
        (*code, upstream, tool, done) == (other.code, &other.upstream, &other.tool, &other.done)
    }

    fn add(&mut self, other: &Finding) {
        self.problems.push(other.problem.clone());
        self.clients.extend(other.client);
        self.sources.extend(other.source);
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn document(found: &Found) -> Value {
    let Finding { code, severity, upstream, tool, done, advice, .. } = &found.finding;
    let clients: Vec<_> = found.clients.iter().map(|client| client.id()).collect();
    json!({
        "code": code, "severity": word(*severity), "upstream": upstream.as_str(), "tool": tool,
        "clients": clients, "problems": found.problems, "done": done, "advice": advice,
        "sources": found.sources,
    })
}

/// What people read: a block for each tool, and a line with the sum.
fn text(findings: &[Found], width: Option<usize>) -> String {
    let mut lines = Vec::new();
    let mut before = None;
    for Found { finding, problems, .. } in findings {
        let Finding { code, severity, upstream, tool, done, advice, .. } = finding;
        if before != Some((upstream, tool)) {
            if before.is_some() {
                lines.push(String::new());
            }
            lines.push(printable(&format!("{tool} (upstream `{upstream}`)")));
            before = Some((upstream, tool));
        }
        let word = word(*severity);
        lines.extend(wrapped(&format!("{word}[{code}]: {}", problems.join("; ")), 2, width));
        lines.extend(wrapped(&format!("conflux: {done}"), INDENT, width));
        lines.extend(wrapped(&format!("author: {advice}"), INDENT, width));
    }
    let count = |wanted| findings.iter().filter(|it| it.finding.severity == wanted).count();
    if before.is_some() {
        lines.push(String::new());
    }
    lines.push(report::counted([
        (count(Severity::Error), "error"),
        (count(Severity::Warning), "warning"),
        (count(Severity::Note), "note"),
    ]));
    lines.join("\n")
}

/// Breaks a text between words; what follows the first line is set off by two more.
fn wrapped(text: &str, indent: usize, width: Option<usize>) -> Vec<String> {
    let mut lines = vec![" ".repeat(indent)];
    for word in printable(text).split(' ') {
        let line = lines.last_mut().expect("there is a line from the start");
        let is_first = line.trim().is_empty();
        let length = line.chars().count() + 1 + word.chars().count();
        if !is_first && width.is_some_and(|width| length > width) {
            lines.push(format!("{}{word}", " ".repeat(indent + 2)));
            continue;
        }
        if !is_first {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}
