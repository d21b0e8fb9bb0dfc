//! The compatibility matrix: clients and servers made with other people's SDKs, every revision with
//! every other over every transport, through one Conflux; `docs/protocol.md` shows what came of it.

use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::http;
use crate::support::matrix::Cell;
use crate::support::matrix::Feature;
use crate::support::matrix::Pair;
use crate::support::matrix::Transport;
use crate::support::matrix::Verdict;
use crate::support::matrix::by_pair;
use crate::support::matrix_page;
use crate::support::matrix_programs::Listening;
use crate::support::matrix_programs::Peer;
use crate::support::matrix_programs::clients;
use crate::support::matrix_programs::servers;
use crate::support::page;
use crate::support::programs::Program;

const PAGE: &str = "docs/protocol.md";
/// What a client reports of one feature of one server.
#[derive(Deserialize)]
struct Walked {
    key: String,
    feature: String,
    detail: Option<String>,
}

#[tokio::test]
async fn the_programs_work_directly_over_stdio() {
    check_directly(Transport::Stdio).await;
}

#[tokio::test]
async fn the_programs_work_directly_over_sse() {
    check_directly(Transport::Sse).await;
}

#[tokio::test]
async fn the_programs_work_directly_over_http() {
    check_directly(Transport::Http).await;
}

#[tokio::test]
async fn stdio_clients_work_with_every_server() {
    check(Transport::Stdio).await;
}

#[tokio::test]
async fn sse_clients_work_with_every_server() {
    check(Transport::Sse).await;
}

#[tokio::test]
async fn http_clients_work_with_every_server() {
    check(Transport::Http).await;
}

#[test]
fn the_page_explains_features_and_programs() {
    page::assert_section(PAGE, "features", &matrix_page::features());
    page::assert_section(PAGE, "programs", &matrix_page::programs());
}

/// Every client with every server of its own revision, and nobody between.
async fn check_directly(transport: Transport) {
    let mut cells = Vec::new();
    for server in servers(transport) {
        let key = server.key();
        let of_revision = |client: &Peer| client.revision == server.revision;
        for client in clients(transport).into_iter().filter(of_revision) {
            let listening = match transport {
                Transport::Stdio => None,
                Transport::Sse | Transport::Http => Some(server.listen(&key).await),
            };
            let program = match &listening {
                Some(listening) => Program::new(&listening.url),
                None => server.server(&key),
            };
            let target = target(client, server, "");
            cells.extend(walk(client, &[(server, target)], &program).await);
        }
    }
    assert_works(&cells);
}

/// Every client over one transport with every server, through Conflux.
async fn check(transport: Transport) {
    let mut listening = Vec::new();
    for over in [Transport::Sse, Transport::Http] {
        for server in servers(over) {
            listening.push(server.listen(&server.key()).await);
        }
    }
    let mut cells = walked(transport, &listening).await;
    if cells.iter().any(|cell| cell.failure.is_some()) {
        // In servers made with the Python SDK 1.x the end of any session ends the tasks of all, and
        // that of the client before may come late. What does not work twice does not work.
        let again = walked(transport, &listening).await;
        for cell in cells.iter_mut().filter(|cell| cell.failure.is_some()) {
            let same = again.iter().find(|other| {
                (other.pair, other.feature) == (cell.pair, cell.feature)
                    && other.programs == cell.programs
            });
            cell.failure = same.map_or(cell.failure.take(), |other| other.failure.clone());
        }
    }
    page::assert_section(PAGE, transport.flag(), &matrix_page::tables(transport, &cells));
    assert_whole(transport, &cells);
    assert_works(&cells);
}

async fn walked(transport: Transport, listening: &[Listening]) -> Vec<Cell> {
    match transport {
        Transport::Stdio => over_stdio(listening).await,
        Transport::Sse => over_network(transport, "/sse", listening).await,
        Transport::Http => over_network(transport, "/mcp", listening).await,
    }
}

/// Every client has a Conflux of its own, one after the other: servers that listen are the same for
/// all, and what one client changes there another would see.
async fn over_stdio(listening: &[Listening]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for client in clients(Transport::Stdio) {
        let gateway = gateway(listening);
        cells.extend(walk(client, &targets(client, listening), &gateway.program()).await);
    }
    cells
}

/// All clients have one Conflux, one after the other: a server that asks in the middle of a call does
/// not always say in which, and is refused when two clients could be meant.
async fn over_network(transport: Transport, path: &str, listening: &[Listening]) -> Vec<Cell> {
    // Upstreams work in its directory, which must be there as long as they are.
    let gateway = gateway(listening);
    let conflux = http::Server::start(&gateway).await;
    let url = Program::new(format!("{}{path}", conflux.origin));
    let mut cells = Vec::new();
    for client in clients(transport) {
        cells.extend(walk(client, &targets(client, listening), &url).await);
    }
    conflux.stop().await;
    cells
}

/// A gateway before all servers.
fn gateway(listening: &[Listening]) -> Gateway {
    let mut gateway = Gateway::new(&[]);
    for server in servers(Transport::Stdio) {
        gateway.add(&server.key(), server.server(&server.key()).entry());
    }
    for server in listening {
        gateway.add(&server.peer.key(), server.entry());
    }
    gateway
}

/// What a client shall do with all servers of a gateway.
fn targets(client: Peer, listening: &[Listening]) -> Vec<(Peer, Value)> {
    let listening = listening.iter().map(|server| server.peer);
    let servers = servers(Transport::Stdio).into_iter().chain(listening);
    servers.map(|server| (server, target(client, server, &format!("{}__", server.key())))).collect()
}

/// What a client shall do with a server, as its wish says it.
fn target(client: Peer, server: Peer, prefix: &str) -> Value {
    let features: Vec<Value> = Feature::ALL
        .into_iter()
        .map(|feature| (feature, verdict(client, server, feature)))
        .filter(|(_, verdict)| *verdict != Verdict::Absent)
        .map(|(feature, verdict)| json!({"feature": feature.name(), "expected": verdict.name()}))
        .collect();
    json!({"key": server.key(), "prefix": prefix, "features": features})
}

/// What must happen between two programs, which may know less than their revisions.
fn verdict(client: Peer, server: Peer, feature: Feature) -> Verdict {
    let able = client.package.knows(feature, client.revision) && server.offers(feature);
    match feature.verdict(client.revision, server.revision) {
        Verdict::Works if !able => Verdict::Waited,
        verdict => verdict,
    }
}

async fn walk(client: Peer, targets: &[(Peer, Value)], program: &Program) -> Vec<Cell> {
    let walk: Vec<&Value> = targets.iter().map(|(_, target)| target).collect();
    let (revision, transport) = (client.revision.name(), client.transport.flag());
    let wish = json!({"revision": revision, "transport": transport, "walk": walk});
    let mut report = client.walk(&wish, program).await;
    assert_eq!(report["protocol"], revision, "{client:?}");
    let walked: Vec<Walked> = serde_json::from_value(report["walked"].take()).unwrap();
    let mut cells = Vec::new();
    for (server, _) in targets {
        for feature in Feature::ALL {
            let verdict = verdict(client, *server, feature);
            let is_it =
                |walked: &&Walked| walked.key == server.key() && walked.feature == feature.name();
            let Some(walked) = walked.iter().find(is_it) else {
                assert_eq!(verdict, Verdict::Absent, "{client:?} did not try {server:?}");
                continue;
            };
            cells.push(Cell {
                pair: Pair {
                    client: (client.transport, client.revision),
                    server: (server.transport, server.revision),
                },
                feature,
                programs: format!("{} → {}", client.package.name(), server.package.name()),
                verdict,
                failure: walked.detail.clone(),
            });
        }
    }
    cells
}

#[track_caller]
fn assert_works(cells: &[Cell]) {
    let failures: Vec<String> = cells.iter().filter_map(describe).collect();
    assert!(failures.is_empty(), "of {} cells fail:\n{}", cells.len(), failures.join("\n"));
}

fn describe(cell: &Cell) -> Option<String> {
    let failure = cell.failure.as_ref()?;
    let side = |(transport, revision): (Transport, crate::support::matrix::Revision)| {
        format!("{} over {}", revision.name(), transport.title())
    };
    let (client, server) = (side(cell.pair.client), side(cell.pair.server));
    let (feature, wanted) = (cell.feature.name(), cell.verdict.name());
    let programs = &cell.programs;
    Some(format!("{client} → {server} ({programs}): {feature} ({wanted}): {failure}"))
}

/// Whether nothing that is possible was left out.
#[track_caller]
fn assert_whole(transport: Transport, cells: &[Cell]) {
    let sorted = by_pair(cells);
    for client in transport.revisions() {
        for over in Transport::ALL {
            for server in over.revisions() {
                let pair = Pair { client: (transport, client), server: (over, server) };
                for feature in Feature::ALL {
                    let verdict = feature.verdict(client, server);
                    let tried = sorted
                        .get(&(pair, feature))
                        .is_some_and(|cells| cells.iter().any(|cell| cell.verdict == verdict));
                    let is_whole = tried || verdict == Verdict::Absent;
                    assert!(is_whole, "nobody tried {} with {pair:?}", feature.name());
                }
            }
        }
    }
}
