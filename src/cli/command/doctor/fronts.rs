//! The checks about programs in front of Conflux. Pure.

use crate::cli::command::doctor::facts::Facts;
use crate::cli::command::doctor::finding::Code;
use crate::cli::command::doctor::finding::Finding;
use crate::cli::command::doctor::finding::Severity;
use crate::cli::command::doctor::finding::Spot;

/// What clients call Conflux unless somebody chose another name.
const NAME: &str = "conflux";
/// How many names are written out before they are only counted.
const NAMED: usize = 3;

/// Finds clients that cannot take all tools, or all names.
pub(super) fn limits(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let tools: Vec<&String> = facts.known.iter().flat_map(|known| &known.tools).collect();
    let mut largest: Vec<_> =
        facts.known.iter().map(|known| (known.tools.len(), known.key.as_str())).collect();
    largest.sort_by(|a, b| b.cmp(a));
    let largest = largest.iter().filter(|(count, _)| *count > 0).take(NAMED);
    let largest: Vec<_> = largest.map(|(count, key)| format!("`{key}` ({count})")).collect();
    for seen in &facts.clients {
        let (title, limits) = (seen.client.title(), seen.client.limits());
        // Those of Conflux itself count, too.
        let count = tools.len() + 1;
        let hint = format!(
            "`tools: {{ deny: [...] }}` of an upstream, or a profile, trims them; the most come \
             from {}",
            largest.join(", ")
        );
        let message = match (limits.most_tools, limits.warns_at) {
            (Some(most), _) if count > most => {
                format!("{title} uses {most} tools at most, and there are {count}")
            }
            (_, Some(most)) if count > most => {
                format!("{title} warns from {most} tools on, and there are {count}")
            }
            _ => String::new(),
        };
        if !message.is_empty() {
            let spot = Spot::key("upstreams");
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
