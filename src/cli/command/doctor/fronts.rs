//! The checks about programs in front of Conflux. Pure.

use crate::cli::command::doctor::facts::Facts;
use crate::cli::command::doctor::finding::Code;
use crate::cli::command::doctor::finding::Finding;
use crate::cli::command::doctor::finding::Severity;
use crate::cli::command::doctor::finding::Spot;
use crate::clients::Client;
use crate::clients::crowd::Crowd;

/// What clients call Conflux unless somebody chose another name.
const NAME: &str = "conflux";
/// How many names are written out before they are only counted.
const NAMED: usize = 3;

/// Finds clients that cannot take all tools, or all names.
pub(super) fn limits(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let tools: Vec<&String> = facts.known.iter().flat_map(|known| &known.tools).collect();
    for seen in &facts.clients {
        let (title, limits) = (seen.client.title(), seen.client.limits());
        if let Some(crowd) = crowd(facts, seen.client) {
            let (message, hint, spot) = (crowd.to_string(), Crowd::REMEDY, Spot::key("upstreams"));
            findings.push(Finding::new(Code::TooManyTools, Severity::Warning, spot, message, hint));
        }
        let own = seen.servers.iter().find(|server| server.conflux.is_some());
        let own = own.map_or(NAME, |server| server.name.as_str());
        let Some(room) = limits.room(seen.client, own) else { continue };
        let long: Vec<_> = tools.iter().filter(|name| name.len() > room).collect();
        if long.is_empty() {
            continue;
        }
        let named: Vec<_> = long.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
        let message = format!(
            "{title} takes names of {room} bytes at most, and {} are longer: {}",
            long.len(),
            named.join(", ")
        );
        let hint = format!("set `names: {{ max_length: {room} }}`, or a shorter `prefix`");
        let spot = Spot::key("names.max_length");
        findings.push(Finding::new(Code::LongNames, Severity::Warning, spot, message, hint));
    }
    findings
}

/// Returns what there is to tell of a client that would be listed all tools.
fn crowd(facts: &Facts, client: Client) -> Option<Crowd> {
    let shares = || facts.known.iter().map(|known| (known.key.as_str(), known.tools.len()));
    let all: usize = shares().map(|(_, count)| count).sum();
    // That of Conflux itself counts, too.
    facts.is_flat.then(|| Crowd::of(client, all + 1, shares()))?
}

/// Finds entries in files of clients that are beside Conflux, or lead nowhere.
pub(super) fn clients(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for seen in &facts.clients {
        let (id, title) = (seen.client.id(), seen.client.title());
        let is_installed = seen.servers.iter().any(|server| server.conflux.is_some());
        for server in &seen.servers {
            let spot = Spot::file(&server.file);
            match &server.conflux {
                Some((program, false)) => {
                    let message = format!(
                        "{title} is to start `{program}` as `{}`, which is not there",
                        server.name
                    );
                    let hint = format!("`conflux install --client {id}` writes where it is now");
                    findings.push(Finding::new(Code::Stray, Severity::Error, spot, message, hint));
                }
                None if is_installed => {
                    let message = format!(
                        "{title} has `{}` beside Conflux, and starts it itself",
                        server.name
                    );
                    let hint = format!(
                        "`conflux import` takes it over, and `conflux install --client {id}` takes \
                         it out there"
                    );
                    findings.push(Finding::new(
                        Code::Beside,
                        Severity::Warning,
                        spot,
                        message,
                        hint,
                    ));
                }
                Some((_, true)) | None => {}
            }
        }
    }
    findings
}
