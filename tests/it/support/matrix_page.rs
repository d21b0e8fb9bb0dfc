//! `docs/protocol.md`: the sections of it that are generated from what the tests saw.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::support::matrix::Cell;
use crate::support::matrix::Feature;
use crate::support::matrix::Pair;
use crate::support::matrix::Revision;
use crate::support::matrix::Transport;
use crate::support::matrix::Verdict;
use crate::support::matrix::by_pair;
use crate::support::matrix_programs::Package;
use crate::support::matrix_programs::Peer;
use crate::support::matrix_programs::clients;
use crate::support::matrix_programs::servers;

/// Returns the section of what each feature promises.
pub(crate) fn features() -> String {
    let mut text = String::from("| feature | since | what must happen |\n|---|---|---|\n");
    for feature in Feature::ALL {
        let letter = feature.letter().map(|letter| format!(" (`{letter}`)")).unwrap_or_default();
        let (name, since, promise) = (feature.name(), feature.since().name(), feature.promise());
        writeln!(text, "| {name}{letter} | {since} | {promise} |").unwrap();
    }
    text
}

/// Returns the section of the programs that stand for clients and servers.
pub(crate) fn programs() -> String {
    let mut text =
        String::from("| program | package | client of | server of |\n|---|---|---|---|\n");
    for package in Package::ALL {
        let of = |peers: fn(Transport) -> Vec<Peer>| {
            let all = Transport::ALL.into_iter().flat_map(peers);
            let own = all.filter(|peer| peer.package == package);
            let names: BTreeSet<&str> = own.map(|peer| peer.revision.name()).collect();
            names.into_iter().collect::<Vec<_>>().join(", ")
        };
        let (name, pinned) = (package.name(), package.pinned());
        writeln!(text, "| {name} | {pinned} | {} | {} |", of(clients), of(servers)).unwrap();
    }
    text
}

/// Returns the tables of the clients over one transport, from what these cells say.
pub(crate) fn tables(client: Transport, cells: &[Cell]) -> String {
    let mut text = String::new();
    let tried: BTreeSet<Transport> = cells.iter().map(|cell| cell.pair.server.0).collect();
    for server in tried {
        writeln!(text, "**Clients over {}, servers over {}**\n", client.title(), server.title())
            .unwrap();
        table(&mut text, client, server, cells);
        text.push('\n');
    }
    let count = |verdict: Verdict| {
        cells.iter().filter(|cell| cell.verdict == verdict && cell.failure.is_none()).count()
    };
    let (works, refused, waited) =
        (count(Verdict::Works), count(Verdict::Refused), count(Verdict::Waited));
    let failed = cells.iter().filter(|cell| cell.failure.is_some()).count();
    writeln!(
        text,
        "{} exchanges: {works} worked, {refused} were refused because the client cannot be asked, \
         {waited} tasks were simply waited for, {failed} failed.",
        cells.len(),
    )
    .unwrap();
    text
}

fn table(text: &mut String, client: Transport, server: Transport, cells: &[Cell]) {
    let sorted = by_pair(cells);
    let columns = server.revisions();
    let heads: Vec<String> =
        columns.iter().map(|revision| head(&servers(server), *revision)).collect();
    writeln!(text, "| client ╲ server | {} |", heads.join(" | ")).unwrap();
    writeln!(text, "|---|{}", "---|".repeat(columns.len())).unwrap();
    for row in client.revisions() {
        let marks: Vec<String> = columns
            .iter()
            .map(|column| {
                let pair = Pair { client: (client, row), server: (server, *column) };
                let of = |feature| sorted.get(&(pair, feature)).map_or(&[][..], Vec::as_slice);
                mark(pair, of)
            })
            .collect();
        writeln!(text, "| {} | {} |", head(&clients(client), row), marks.join(" | ")).unwrap();
    }
}

/// A revision with the programs that stand for it.
fn head(peers: &[Peer], revision: Revision) -> String {
    let own = peers.iter().filter(|peer| peer.revision == revision);
    let names: Vec<&str> = own.map(|peer| peer.package.name()).collect();
    format!("**{}**<br>{}", revision.name(), names.join(", "))
}

/// What one cell of a table says: what fails, else what the protocol does not have.
fn mark<'a>(pair: Pair, of: impl Fn(Feature) -> &'a [&'a Cell]) -> String {
    let verdict = |feature: Feature| feature.verdict(pair.client.1, pair.server.1);
    let broken = |feature: &Feature| {
        let cells = of(*feature);
        let tried = cells.iter().any(|cell| cell.verdict == verdict(*feature));
        let failed = cells.iter().any(|cell| cell.failure.is_some());
        failed || !(tried || verdict(*feature) == Verdict::Absent)
    };
    let broken: Vec<&str> = Feature::ALL.into_iter().filter(broken).map(Feature::name).collect();
    if !broken.is_empty() {
        return format!("❌ {}", broken.join(", "));
    }
    let lacking = Feature::ALL.into_iter().filter(|feature| verdict(*feature) != Verdict::Works);
    let letters: Vec<String> =
        lacking.filter_map(Feature::letter).map(|letter| format!("`{letter}`")).collect();
    if letters.is_empty() { "✅".to_owned() } else { format!("✅ −{}", letters.join(" ")) }
}
